import type { Clock, Timer } from '../clock.js'
import type { SipResponse } from '../message/message.js'
import type { ServerTransaction, TimerSettings } from '../transaction/transactions.js'

/**
 * The reliable provisional responses of one INVITE (RFC 3262 3): one at a time, repeated from T1 on, doubling, until its PRACK;
 * further ones, and a 2xx behind one that carries a body, wait.
 */
export class ReliableProvisional {
  private sequence = 0
  private unacknowledged: SipResponse | undefined
  private readonly waiting: SipResponse[] = []
  private timer: Timer | undefined
  private intervalMs: number
  private endsAt = 0
  private sendAnswer: (() => void) | undefined
  private stopped = false

  constructor(
    private readonly clock: Clock,
    private readonly timers: TimerSettings,
    private readonly tx: ServerTransaction,
    private readonly neverAcknowledged: () => void,
  ) {
    this.intervalMs = timers.t1Ms
  }

  /** Sends a 101-199 reliably, or when its turn comes. It is numbered (RSeq) at once, so that it can be shown. */
  send(response: SipResponse): void {
    this.sequence += 1
    response.headers.set('rseq', String(this.sequence), 'RSeq')
    if (this.unacknowledged !== undefined) this.waiting.push(response)
    else this.transmit(response)
  }

  /** A 2xx must wait: a response with a body, so maybe with an offer or answer, has not been acknowledged. */
  get delaysAnswer(): boolean {
    const open = this.unacknowledged
    return open !== undefined && (open.body !== '' || this.waiting.some(({ body }) => body !== ''))
  }

  /** What to do once the 2xx need not wait any more. */
  whenClear(sendAnswer: () => void): void {
    this.sendAnswer = sendAnswer
  }

  /**
   * Takes the RAck of a PRACK: `<RSeq> <CSeq> <method>`. Also after the final response: a PRACK may be late (RFC 3262 3).
   * @returns false when it acknowledges nothing that waits for it (481)
   */
  acknowledge(rack: string): boolean {
    const open = this.unacknowledged
    if (open === undefined) return false
    const expected = `${open.headers.get('rseq')} ${open.cseq.number} ${open.cseq.method}`
    if (rack.split(/\s+/).join(' ') !== expected) return false
    this.timer?.cancel()
    this.unacknowledged = undefined
    if (this.stopped) return true
    const next = this.waiting.shift()
    if (next !== undefined) this.transmit(next)
    if (this.sendAnswer !== undefined && !this.delaysAnswer) this.sendAnswer()
    return true
  }

  /** The final response is sent: nothing is repeated any more. */
  stop(): void {
    this.stopped = true
    this.timer?.cancel()
  }

  private transmit(response: SipResponse): void {
    this.unacknowledged = response
    this.intervalMs = this.timers.t1Ms
    this.endsAt = this.clock.now() + this.timers.t1x64Ms
    this.tx.respond(response)
    this.arm()
  }

  private arm(): void {
    this.timer = this.clock.after(Math.min(this.intervalMs, this.endsAt - this.clock.now()), this.fire)
  }

  private readonly fire = (): void => {
    const open = this.unacknowledged
    if (open === undefined) return
    if (this.clock.now() >= this.endsAt) {
      this.unacknowledged = undefined
      this.neverAcknowledged()
      return
    }
    this.tx.respond(open)
    this.intervalMs *= 2
    this.arm()
  }
}
