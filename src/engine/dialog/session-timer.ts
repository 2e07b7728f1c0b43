import type { Clock, Timer } from '../clock.js'
import type { Dialog } from './dialog.js'
import type { Agreed } from './session-expires.js'

/** What session timers ask of their owner. */
export interface SessionTimerOwner {
  /** It is time for us to refresh. */
  refresh(dialog: Dialog): void
  /** Nobody has refreshed in time. */
  expired(dialog: Dialog): void
}

/** The session timer of one dialog (RFC 4028): at half the interval we refresh, if that is our part; shortly before its end it expires. */
export class SessionTimer {
  /** Seconds of the interval. */
  seconds = 0
  /** We refresh. */
  ours = false
  /** The description of our session that the peer has, to refresh with; '' when it is not known. */
  localSdp = ''
  /** The peer takes UPDATE. */
  allowsUpdate = false
  /** A refresh of ours that has no final response yet: what waits for it. */
  underWay: Array<() => void> | undefined
  /** Refreshes in a row that were refused. */
  refusals = 0
  private timer: Timer | undefined
  private expiresAt = 0
  private stopped = false

  constructor(
    private readonly clock: Clock,
    private readonly owner: SessionTimerOwner,
    private readonly dialog: Dialog,
  ) {}

  /** Begins the interval anew. */
  arm(seconds: number, ours: boolean): void {
    this.seconds = seconds
    this.ours = ours
    this.refusals = 0
    const intervalMs = seconds * 1000
    // RFC 4028 10: the BYE leaves before the interval ends, by 32 s or a third of it.
    this.expiresAt = this.clock.now() + intervalMs - Math.min(32_000, intervalMs / 3)
    if (ours) this.refreshIn(intervalMs / 2)
    else this.wait(this.expiresAt - this.clock.now(), false)
  }

  /** Refreshes after that time, unless it expires before. */
  refreshIn(delayMs: number): void {
    const left = this.expiresAt - this.clock.now()
    if (delayMs < left) this.wait(delayMs, true)
    else this.wait(left, false)
  }

  /** Milliseconds until it expires. */
  get leftMs(): number {
    return Math.max(0, this.expiresAt - this.clock.now())
  }

  /** In the terms of a request of ours. */
  get agreedAsUac(): Agreed {
    return { seconds: this.seconds, refresher: this.ours ? 'uac' : 'uas' }
  }

  /** In the terms of a request of the peer. */
  get agreedAsUas(): Agreed {
    return { seconds: this.seconds, refresher: this.ours ? 'uas' : 'uac' }
  }

  stop(): void {
    this.stopped = true
    this.timer?.cancel()
    this.refreshOver()
  }

  /** A refresh has its final response: what has waited for it goes on. */
  refreshOver(): void {
    const waiting = this.underWay
    this.underWay = undefined
    for (const goOn of waiting ?? []) goOn()
  }

  refresh(): void {
    // While the refresh has no answer, its end is what there is to wait for.
    this.wait(this.leftMs, false)
    this.owner.refresh(this.dialog)
  }

  expire(): void {
    this.owner.expired(this.dialog)
  }

  private wait(delayMs: number, refreshing: boolean): void {
    this.timer?.cancel()
    if (this.stopped) return
    this.timer = this.clock.after(Math.max(0, delayMs), refreshing ? refresh : expire, this)
  }
}

const refresh = (timer: SessionTimer): void => timer.refresh()
const expire = (timer: SessionTimer): void => timer.expire()
