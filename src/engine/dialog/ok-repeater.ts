import type { Clock, Timer } from '../clock.js'
import type { SipResponse } from '../message/message.js'
import type { ServerTransaction, TimerSettings } from '../transaction/transactions.js'

/**
 * Repeats our 2xx to an INVITE until its ACK comes (RFC 3261 13.3.1.4): after T1, doubling up to T2, over every transport;
 * gives up after 64*T1.
 */
export class OkRepeater {
  private timer: Timer | undefined
  private intervalMs: number
  private readonly endsAt: number

  constructor(
    private readonly clock: Clock,
    private readonly timers: TimerSettings,
    private readonly tx: ServerTransaction,
    private readonly response: SipResponse,
    private readonly neverAcknowledged: () => void,
  ) {
    this.intervalMs = timers.t1Ms
    this.endsAt = clock.now() + timers.t1x64Ms
    this.arm()
  }

  /** CSeq number of the INVITE, and so of the ACK that ends it. */
  get cseq(): number {
    return this.response.cseq.number
  }

  stop(): void {
    this.timer?.cancel()
    this.timer = undefined
  }

  private arm(): void {
    const left = this.endsAt - this.clock.now()
    this.timer = this.clock.after(Math.min(this.intervalMs, left), this.fire)
  }

  private readonly fire = (): void => {
    this.timer = undefined
    if (this.clock.now() >= this.endsAt) {
      this.neverAcknowledged()
      return
    }
    this.tx.retransmit2xx(this.response)
    this.intervalMs = Math.min(this.intervalMs * 2, this.timers.t2Ms)
    this.arm()
  }
}
