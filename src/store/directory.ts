import type { Clock } from '../engine/clock.js'
import type { Agent } from '../model/agent.js'
import type { PhoneNumber } from '../model/number.js'
import type { Trunk } from '../model/trunk.js'
import type { Connection } from './connection.js'
import type { Log, LookupMetrics } from './observe.js'

/** Where an answer came from: `stale` is memory that could not be checked, `unavailable` means nobody could be asked. */
export type FoundFrom = 'memory' | 'redis' | 'stale' | 'unavailable'

/** The answer to a look-up: neither `value` nor `invalid` and not `unavailable` means there is no such record. */
export interface Found<T> {
  readonly value?: T
  readonly from: FoundFrom
  /** The record is there and does not parse: which field, and why. At most 300 characters, without the raw value. */
  readonly invalid?: string
}

export interface DirectoryOptions {
  readonly connection: Connection
  readonly clock: Clock
  readonly metrics: LookupMetrics
  readonly logger: Log
  readonly maxNumbers: number
  readonly maxTrunks: number
  readonly maxAgents: number
  /** How long an entry counts as fresh where Redis cannot tell us of changes. */
  readonly freshMs: number
}

/** What routing asks: from memory when warm, one round trip when cold, the last known when Redis is gone. Never throws. */
export declare class Directory {
  constructor(options: DirectoryOptions)
  /** Loads trunks and agents and watches for changes. Resolves also when Redis is away: then both happen when it returns. */
  start(): Promise<void>
  stop(): Promise<void>
  /** Changes in Redis are seen and trunks and agents are loaded. */
  readonly healthy: boolean
  /** What `healthy` says, in words. */
  readonly status: string
  number(phoneNumber: string): Promise<Found<PhoneNumber>>
  /** One answer for each candidate, in one round trip at most. */
  numbers(candidates: readonly string[]): Promise<Found<PhoneNumber>[]>
  /** The answer when memory alone can give it, fresh; else undefined. */
  warmNumber(phoneNumber: string): Found<PhoneNumber> | undefined
  agent(id: string): Promise<Found<Agent>>
  trunk(id: string): Promise<Found<Trunk>>
  /** Trunks that allow this source address; from memory. */
  trunksForAddress(address: string): Trunk[]
}
