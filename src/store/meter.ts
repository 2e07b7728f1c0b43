import type { Clock, Timer } from '../engine/index.js'

/** How long a call may last by what is reserved for it, and what stands in the way of more. */
export interface Extended<Met> {
  /** Milliseconds from the answer. */
  readonly reservedMs: number
  readonly met?: Met
}

export interface MeterOptions<Met> {
  readonly clock: Clock
  /** Milliseconds from the answer that are reserved at first. */
  readonly reservedMs: number
  /** Reserves more, when there is more. Never rejects. @param usedMs milliseconds since the answer */
  extend(usedMs: number): Promise<Extended<Met>>
  /** Nothing is left: the call has to end. */
  spent(met: Met): void
}

/** How long before the end of what is reserved more is asked for. */
const LEAD_MS = 5_000

/** Counts the minutes of one call: reserves more as it goes on, and says when there is no more. */
export class Meter<Met> {
  #answeredMs: number | undefined
  #reservedMs: number
  #timer: Timer | undefined
  #stopped = false

  constructor(private readonly options: MeterOptions<Met>) {
    this.#reservedMs = options.reservedMs
  }

  /** Milliseconds since the answer. */
  get usedMs(): number {
    return this.#answeredMs === undefined ? 0 : this.options.clock.now() - this.#answeredMs
  }

  /** The call was answered: its minutes begin. */
  start(): void {
    if (this.#stopped || this.#answeredMs !== undefined) return
    this.#answeredMs = this.options.clock.now()
    this.wait()
  }

  /** The call is over. What it has had, in milliseconds. */
  stop(): number {
    this.#stopped = true
    this.#timer?.cancel()
    return this.usedMs
  }

  /** Asks for more in time; where there was none, once more at the end: others may have given some back. */
  private wait(): void {
    const leftMs = Math.max(0, this.#reservedMs - this.usedMs)
    this.#timer = this.options.clock.after(Math.round(leftMs > LEAD_MS ? leftMs - LEAD_MS : leftMs), () =>
      this.extend(),
    )
  }

  private extend(): void {
    void this.options.extend(this.usedMs).then(({ reservedMs, met }) => {
      if (this.#stopped) return
      this.#reservedMs = reservedMs
      if (met !== undefined && this.usedMs >= reservedMs) this.options.spent(met)
      else this.wait()
    })
  }

  /** What is due for more by now. */
  static due(reservedMs: number, usedMs: number): boolean {
    return reservedMs - usedMs <= LEAD_MS
  }
}
