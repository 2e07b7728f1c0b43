import type { Clock, Timer } from '../clock.js'
import type { SipResponse } from '../message/message.js'
import type { ServerTransaction, TimerSettings } from '../transaction/transactions.js'

/** What waits its turn behind an unacknowledged reliable response. */
interface Waiting {
  readonly response: SipResponse
  readonly reliable: boolean
}

/**
 * The reliable provisional responses of one INVITE (RFC 3262 3): one at a time, repeated from T1 on, doubling, until its PRACK;
 * further ones, and a 2xx behind one that carries a body, wait.
 */
export class ReliableProvisional {
  private sequence = 0
  private unacknowledged: SipResponse | undefined
  private readonly waiting: Waiting[] = []
  private timer: Timer | undefined
  private intervalMs: number
  private endsAt = 0

  constructor(
    private readonly clock: Clock,
    private readonly timers: TimerSettings,
    private readonly tx: ServerTransaction,
    private readonly neverAcknowledged: () => void,
    /** Sends a 2xx whose turn has come. */
    private readonly sendFinal: (response: SipResponse) => void,
  ) {
    this.intervalMs = timers.t1Ms
  }

  /** Sends a 101-199 reliably, or when its turn comes. It is numbered (RSeq) at once, so that it can be shown. */
  send(response: SipResponse): void {
    this.sequence += 1
    response.headers.set('rseq', String(this.sequence), 'RSeq')
    if (this.unacknowledged !== undefined) this.waiting.push({ response, reliable: true })
    else this.transmit(response)
  }

  /** Whether a 2xx must wait: a reliable response with a body has not been acknowledged. It is kept and sent then. */
  holds(final: SipResponse): boolean {
    const open = this.unacknowledged
    if (open === undefined || (open.body === '' && this.waiting.every(({ response }) => response.body === '')))
      return false
    this.waiting.push({ response: final, reliable: false })
    return true
  }

  /**
   * Takes the RAck of a PRACK: `<RSeq> <CSeq> <method>`.
   * @returns false when it acknowledges nothing that waits for it (481, RFC 3262 3)
   */
  acknowledge(rack: string): boolean {
    const open = this.unacknowledged
    if (open === undefined) return false
    const expected = `${open.headers.get('rseq')} ${open.cseq.number} ${open.cseq.method}`
    if (rack.split(/\s+/).join(' ') !== expected) return false
    this.stop()
    const next = this.waiting.shift()
    if (next === undefined) return true
    if (next.reliable) this.transmit(next.response)
    else this.sendFinal(next.response)
    return true
  }

  stop(): void {
    this.timer?.cancel()
    this.timer = undefined
    this.unacknowledged = undefined
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
    this.timer = undefined
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
