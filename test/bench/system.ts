import type { Address } from './load.js'
import type { SystemName } from './results.js'

/** A system between caller and agent that runs. */
export interface RunningSystem {
  /** Where calls are sent to. */
  readonly target: Address
  /** Processor time (ms) of its processes since their start, by the name of the program. */
  cpu(): Readonly<Record<string, number>>
  /** Memory (kB) of all its processes, and how much of that is Redis. */
  memory(): { readonly allKb: number; readonly redisKb: number }
  /** Sockets it takes SIP on. */
  readonly listens: readonly Address[]
  /** What ended although it should run, with its last words; undefined: nothing. */
  fallen(): string | undefined
  /** How late its event loop was at worst since it was last asked, in milliseconds; null where it does not tell. */
  loopDelayMs(): Promise<number | null>
  /** What its gauges of calls show. */
  gauges(): Promise<Readonly<Record<string, number>>>
  /** Ends it and all its processes. */
  stop(): Promise<void>
}

/** A system that can be measured. */
export interface System {
  readonly name: SystemName
  /** Why it cannot be measured here; undefined: it can. */
  missing(): string | undefined
  version(): string
  /** Starts it so that calls to it reach the agent. */
  start(agent: Address): Promise<RunningSystem>
}
