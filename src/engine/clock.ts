/**
 * Time as the engine sees it: monotonic milliseconds and timers that can be counted.
 * Logic takes a `Clock`; tests move one by hand (`test/support/manual-clock.ts`).
 */
export interface Clock {
  /** Milliseconds on a clock that never jumps. For durations only. */
  now(): number
  /** The calendar time, for logs and records. */
  date(): Date
  /** Runs `fire` once, `delayMs` (>= 0) from now, unless cancelled before. */
  after(delayMs: number, fire: () => void): Timer
  /** Timers that are set and have neither fired nor been cancelled. */
  readonly pending: number
}

export interface Timer {
  /** Idempotent; a cancelled timer never fires. */
  cancel(): void
}

class SystemTimer implements Timer {
  private handle: NodeJS.Timeout | undefined

  constructor(
    private readonly clock: SystemClock,
    delayMs: number,
    private readonly fire: () => void,
  ) {
    this.handle = setTimeout(this.expire, delayMs)
  }

  private readonly expire = (): void => {
    this.handle = undefined
    this.clock.pending -= 1
    this.fire()
  }

  cancel(): void {
    if (this.handle === undefined) return
    clearTimeout(this.handle)
    this.handle = undefined
    this.clock.pending -= 1
  }
}

/** The real clock. Node keeps one list per distinct delay, so the few SIP intervals cost O(1) to set and to cancel. */
export class SystemClock implements Clock {
  pending = 0

  now(): number {
    return performance.now()
  }

  date(): Date {
    return new Date()
  }

  after(delayMs: number, fire: () => void): Timer {
    this.pending += 1
    return new SystemTimer(this, delayMs, fire)
  }
}
