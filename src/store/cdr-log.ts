import type { Clock } from '../engine/clock.js'
import type { Cdr } from '../model/call.js'
import type { Connection } from './connection.js'
import type { CdrMetrics, Log } from './observe.js'
import type { Page } from './page.js'

export interface CdrLogOptions {
  readonly connection: Connection
  readonly clock: Clock
  readonly metrics: CdrMetrics
  readonly logger: Log
  /** Entries the stream keeps, about. */
  readonly streamMaxLength: number
  /** Seconds a record can be asked for by its call_id or phone number. */
  readonly recordTtlS: number
  /** Records that may wait for Redis; then the oldest is dropped, logged and counted. */
  readonly queueMax: number
}

/** The record of every call that ended: one each, however often the writing is tried. */
export declare class CdrLog {
  constructor(options: CdrLogOptions)
  /** Takes the record and returns at once; it is written in the background, and again until Redis has it. */
  append(cdr: Cdr): void
  /** Records waiting to be written. */
  readonly queued: number
  get(callId: string): Promise<Cdr | undefined>
  /** Newest first. `since` is an ISO instant: calls that ended then or later. */
  list(request: {
    limit: number
    cursor?: string | undefined
    phoneNumber?: string | undefined
    since?: string | undefined
    accountId?: string | undefined
  }): Promise<Page<Cdr>>
  /** Resolves when nothing waits any more, or after `withinMs` (default 2,000). */
  flush(withinMs?: number): Promise<void>
  /** Flushes, then logs in full what could not be written, and ends. */
  stop(withinMs?: number): Promise<void>
}
