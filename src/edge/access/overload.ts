import type { DoorAnswer } from '../../engine/index.js'
import { verdicts } from '../../model/verdict.js'
import { refusalHeaders } from '../reason.js'

export interface OverloadOptions {
  /** Milliseconds that messages wait now before they are read. */
  readonly waitMs: () => number
  /** From which wait on new calls are refused; 0: never. */
  readonly shedDelayMs: number
  /** After how long callers have given up on an INVITE (64 times T1): what has waited longer is for nobody. */
  readonly patienceMs: number
  /** 0 to below 1; for jitter. */
  readonly random?: () => number
}

/** Refuses new calls while messages wait too long, until half that wait is reached again: those that go on need the time. */
export class Overload {
  /** New calls that were refused, and those for which it was too late to refuse them. */
  readonly counts = { eventLoop: 0, stale: 0 }
  private shedding = false
  private readonly headers = Object.entries(refusalHeaders('EDGE_OVERLOADED', verdicts.EDGE_OVERLOADED.status))

  constructor(private readonly options: OverloadOptions) {}

  /** What a new call gets; undefined: it is taken on. */
  answer(): DoorAnswer | 'drop' | undefined {
    const { shedDelayMs, patienceMs, waitMs } = this.options
    if (shedDelayMs === 0) return undefined
    const wait = waitMs()
    if (wait < (this.shedding ? shedDelayMs / 2 : shedDelayMs)) {
      this.shedding = false
      return undefined
    }
    this.shedding = true
    if (wait >= patienceMs) {
      this.counts.stale++
      return 'drop'
    }
    this.counts.eventLoop++
    const { status, reason } = verdicts.EDGE_OVERLOADED
    return { status, reason, headers: [['Retry-After', String(this.retryAfterS(wait))], ...this.headers] }
  }

  /** Seconds after which it is worth while to try again, when a new call would be refused now; undefined: it would not. */
  refused(): number | undefined {
    const answer = this.answer()
    if (answer === undefined) return undefined
    return this.retryAfterS(this.options.waitMs())
  }

  /** What lies in front of us takes about as long as it has waited. Spread, so that not all come back at once. */
  private retryAfterS(waitMs: number): number {
    const { random = Math.random } = this.options
    const seconds = 1 + Math.ceil(waitMs / 1000)
    return seconds + Math.floor(random() * (seconds + 1))
  }
}
