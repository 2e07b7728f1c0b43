import type { Clock } from '../engine/index.js'
import type { Direction, LiveCall } from '../model/call.js'
import type { VerdictCode } from '../model/verdict.js'
import type { Ending } from './call.js'

/** A call as the registry holds it. */
export interface RegisteredCall {
  readonly id: string
  readonly direction: Direction
  /** What there is to show of it now. */
  live(): LiveCall
  /** Ends both legs from outside: an answered call counts as answered, any other as `code`. */
  hangUp(code: VerdictCode, detail: string): void
  end(ending: Ending): void
}

export interface CallsOptions {
  /** Most calls at the same time, 1 or more. */
  readonly maxCalls: number
  /** Tells how fast calls end. */
  readonly clock?: Pick<Clock, 'now'>
  /** 0 to below 1; for jitter. */
  readonly random?: () => number
}

/** Where it is not known how fast calls end. */
const UNKNOWN_RETRY_S = 5
const LONGEST_RETRY_S = 60

/** The calls that are going on in this process. */
export class Calls {
  readonly #calls = new Map<string, RegisteredCall>()
  readonly #emptied = new Set<() => void>()
  #refused = 0
  #lastEndMs: number | undefined
  /** Milliseconds between two ends lately, on average. */
  #gapMs: number | undefined

  constructor(private readonly options: CallsOptions) {}

  /** Calls refused since the start because there was no room. */
  get refused(): number {
    return this.#refused
  }

  /**
   * Counts a call for which there is no room.
   * @returns seconds after which there will be room again, as calls have ended lately; spread, so that not all come back at once
   */
  refuse(): number {
    this.#refused++
    const { random = Math.random } = this.options
    if (this.#gapMs === undefined) return UNKNOWN_RETRY_S + Math.floor(random() * UNKNOWN_RETRY_S)
    const seconds = Math.min(Math.max(Math.ceil(this.#gapMs / 1_000), 1), LONGEST_RETRY_S)
    return seconds + Math.floor(random() * (seconds + 1))
  }

  get size(): number {
    return this.#calls.size
  }

  get full(): boolean {
    return this.#calls.size >= this.options.maxCalls
  }

  /** Takes a call in. False when there is no room. */
  add(call: RegisteredCall): boolean {
    if (this.full) return false
    this.#calls.set(call.id, call)
    return true
  }

  remove(id: string): void {
    if (!this.#calls.delete(id)) return
    this.noteEnd()
    if (this.#calls.size > 0) return
    const waiting = [...this.#emptied]
    this.#emptied.clear()
    for (const resolve of waiting) resolve()
  }

  get(id: string): LiveCall | undefined {
    return this.#calls.get(id)?.live()
  }

  /** Every call, oldest first. */
  list(): LiveCall[] {
    return [...this.#calls.values()].map((call) => call.live())
  }

  /** Every call itself, oldest first; safe against calls that end on the way. */
  all(): RegisteredCall[] {
    return [...this.#calls.values()]
  }

  count(direction: Direction): number {
    let count = 0
    for (const call of this.#calls.values()) if (call.direction === direction) count += 1
    return count
  }

  /** Ends a call. False when there is none of that id. */
  async hangUp(id: string): Promise<boolean> {
    const call = this.#calls.get(id)
    if (call === undefined) return false
    call.hangUp('OPERATOR_HUNG_UP', 'hung up by an operator')
    return true
  }

  /** Resolves when no call is left; at once when there is none. */
  emptied(): Promise<void> {
    if (this.#calls.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#emptied.add(resolve))
  }

  private noteEnd(): void {
    const { clock } = this.options
    if (clock === undefined) return
    const now = clock.now()
    if (this.#lastEndMs !== undefined) {
      const gapMs = now - this.#lastEndMs
      this.#gapMs = this.#gapMs === undefined ? gapMs : this.#gapMs + (gapMs - this.#gapMs) / 16
    }
    this.#lastEndMs = now
  }
}
