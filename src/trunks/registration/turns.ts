import type { Clock, Timer } from '../../engine/index.js'

/** Somebody who waits for the turn to send a REGISTER. */
export interface Waiter {
  /** Sends; the turn is over when this resolves. Never rejects. May come a moment after `leave`. */
  turn(): Promise<void>
}

export interface TurnsOptions {
  readonly clock: Clock
  /** REGISTERs under way at the same time. */
  readonly maxInFlight: number
  /** Turns a second for those that start. */
  readonly startRate: number
}

/** Longest time that turns may be saved up for, in milliseconds: one trunk alone starts at once. */
const BURST_MS = 100

/**
 * Whose turn it is to send a REGISTER: refreshes and farewells as they come, starts at a pace, all of them never more than `maxInFlight`
 * at a time.
 */
export class Turns {
  private readonly options: TurnsOptions
  private readonly ahead = new Set<Waiter>()
  private readonly starting = new Set<Waiter>()
  private inFlight = 0
  private tokens: number
  private filledMs: number
  private timer: Timer | undefined
  private stopped = false

  constructor(options: TurnsOptions) {
    this.options = options
    this.filledMs = options.clock.now()
    this.tokens = this.burst
  }

  /** REGISTERs under way. */
  get active(): number {
    return this.inFlight
  }

  /** Waits for a turn; `ahead` of those that start. Waiting already is no matter. */
  join(waiter: Waiter, { ahead = false } = {}): void {
    if (this.stopped) return
    if (ahead) this.starting.delete(waiter)
    else if (this.ahead.has(waiter)) return
    const queue = ahead ? this.ahead : this.starting
    queue.add(waiter)
    this.next()
  }

  leave(waiter: Waiter): void {
    this.ahead.delete(waiter)
    this.starting.delete(waiter)
  }

  /** Nobody gets a turn any more. */
  stop(): void {
    this.stopped = true
    this.timer?.cancel()
    this.ahead.clear()
    this.starting.clear()
  }

  private get burst(): number {
    return Math.max(1, (this.options.startRate * BURST_MS) / 1000)
  }

  private next(): void {
    const { maxInFlight } = this.options
    while (!this.stopped && this.inFlight < maxInFlight) {
      const [urgent] = this.ahead
      if (urgent !== undefined) {
        this.ahead.delete(urgent)
        this.run(urgent)
        continue
      }
      const [first] = this.starting
      if (first === undefined || !this.takeToken()) return
      this.starting.delete(first)
      this.run(first)
    }
  }

  private run(waiter: Waiter): void {
    this.inFlight += 1
    const over = (): void => {
      this.inFlight -= 1
      this.next()
    }
    // Not at once: who joins must have said so before its turn begins.
    Promise.resolve()
      .then(() => waiter.turn())
      .then(over, over)
  }

  /** Whether a start may go now; if not, the queue is looked at again when one may. */
  private takeToken(): boolean {
    const { clock, startRate } = this.options
    const now = clock.now()
    this.tokens = Math.min(this.burst, this.tokens + ((now - this.filledMs) * startRate) / 1000)
    this.filledMs = now
    // A timer may fire a hair before its token is whole.
    if (this.tokens >= 1 - 1e-6) {
      this.tokens -= 1
      return true
    }
    this.timer?.cancel()
    this.timer = clock.after(Math.max(1, ((1 - this.tokens) * 1000) / startRate), () => this.next())
    return false
  }
}
