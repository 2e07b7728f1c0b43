import type { Clock, Timer } from '../clock.js'

/** What a timer runs, and who hears of what it throws. */
interface Guarded<T> {
  readonly fire: (what: T) => void
  readonly what: T
  readonly report: (error: unknown) => void
}

function fireGuarded({ fire, what, report }: Guarded<unknown>): void {
  try {
    fire(what)
  } catch (error) {
    report(error)
  }
}

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

  after<T>(delayMs: number, fire: (what: T) => void, what?: T): Timer {
    return this.clock.after<Guarded<unknown>>(delayMs, fireGuarded, {
      fire: fire as (what: unknown) => void,
      what,
      report: this.report,
    })
  }

  get pending(): number {
    return this.clock.pending
  }
}
