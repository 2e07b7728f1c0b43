import type { Redis } from 'ioredis'
import type { ConnectionMetrics, Log } from './observe.js'

export interface ConnectionOptions {
  /** `redis://[user:password@]host:port[/db]`, `rediss://...` or `unix:///path`. */
  readonly url: string
  /** A command that takes longer fails with UNAVAILABLE. */
  readonly commandTimeoutMs: number
  readonly connectTimeoutMs: number
  readonly metrics: ConnectionMetrics
  readonly logger: Log
}

/** One connection to Redis that reconnects for ever and never makes a caller wait longer than the command deadline. */
export declare class Connection {
  constructor(options: ConnectionOptions)
  /** Whether Redis answers now. */
  readonly up: boolean
  /** Why not, in words; undefined while up. */
  readonly problem: string | undefined
  /** Resolves when Redis answers for the first time, or after `withinMs`; true when it is up. */
  ready(withinMs: number): Promise<boolean>
  /** Calls `listener` at each change of `up`; the returned function ends that. */
  onChange(listener: (up: boolean) => void): () => void
  /**
   * Asks Redis, measured as `operation`.
   * @throws {StoreError} UNAVAILABLE at once while Redis is away, else after the command deadline.
   */
  ask<T>(operation: string, question: (client: Redis) => Promise<T>): Promise<T>
  stop(): Promise<void>
}

export declare function connect(options: ConnectionOptions): Connection
