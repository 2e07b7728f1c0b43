import type { Clock, Timer } from '../clock.js'

/** A clock whose timers report what they throw: a fault in one call must not end the process, and every other call with it. */
export class GuardedClock implements Clock {
  constructor(
    private readonly clock: Clock,
    private readonly report: (error: unknown) => void,
  ) {}

  now(): number {
    return this.clock.now()
  }

  date(): Date {
    return this.clock.date()
  }

  after(delayMs: number, fire: () => void): Timer {
    return this.clock.after(delayMs, () => {
      try {
        fire()
      } catch (error) {
        this.report(error)
      }
    })
  }

  get pending(): number {
    return this.clock.pending
  }
}
