import type { Clock, Timer } from '../clock.js'
import type { SipResponse } from '../message/message.js'
import type { ServerTransaction, TimerSettings } from '../transaction/transactions.js'

/** A reliable response whose PRACK has not come. */
export interface Unacknowledged {
  readonly response: SipResponse
  readonly asked: boolean
}

/**
 * The reliable provisional responses of one INVITE (RFC 3262 3): one at a time, repeated from T1 on, doubling, until its PRACK;
 * further ones, and a 2xx behind one that carries a body, wait.
 */
export class ReliableProvisional {
  private sequence = 0
  private unacknowledged: Unacknowledged | undefined
  private readonly waiting: Unacknowledged[] = []
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

  /**
   * Sends a 101-199 reliably, or when its turn comes. It is numbered (RSeq) at once, so that it can be shown.
   * @param asked the application wants it reliable, and not the caller alone
   */
  send(response: SipResponse, asked: boolean): void {
    this.sequence += 1
    response.headers.set('rseq', String(this.sequence), 'RSeq')
    if (this.unacknowledged !== undefined) this.waiting.push({ response, asked })
    else this.transmit({ response, asked })
  }

  /** A 2xx must wait: a response with a body, so maybe with an offer or answer, has not been acknowledged. */
  get delaysAnswer(): boolean {
    const open = this.unacknowledged
    return open !== undefined && [open, ...this.waiting].some(({ response }) => response.body !== '')
  }

  /** What to do once the 2xx need not wait any more. */
  whenClear(sendAnswer: () => void): void {
    this.sendAnswer = sendAnswer
  }

  /**
   * What the RAck of a PRACK means, `<RSeq> <CSeq> <method>`: the response that waits for it. Also after the final response: a
   * PRACK may be late (RFC 3262 3). Undefined: nothing waits for it (481).
   */
  find(rack: string): Unacknowledged | undefined {
    const open = this.unacknowledged
    if (open === undefined) return undefined
    const { headers, cseq } = open.response
    return rack.split(/\s+/).join(' ') === `${headers.get('rseq')} ${cseq.number} ${cseq.method}` ? open : undefined
  }

  /** The PRACK has come: what waited behind the response is sent. */
  acknowledged(): void {
    this.timer?.cancel()
    this.unacknowledged = undefined
    if (this.stopped) return
    const next = this.waiting.shift()
    if (next !== undefined) this.transmit(next)
    if (this.sendAnswer !== undefined && !this.delaysAnswer) this.sendAnswer()
  }

  /** The final response is sent: nothing is repeated any more. */
  stop(): void {
    this.stopped = true
    this.timer?.cancel()
  }

  private transmit(next: Unacknowledged): void {
    this.unacknowledged = next
    this.intervalMs = this.timers.t1Ms
    this.endsAt = this.clock.now() + this.timers.t1x64Ms
    this.tx.respond(next.response)
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
    this.tx.respond(open.response)
    this.intervalMs *= 2
    this.arm()
  }
}
