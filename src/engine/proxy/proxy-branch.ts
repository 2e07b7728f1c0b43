import type { Timer } from '../clock.js'
import { CallRecord } from '../dialog/call-record.js'
import type { Context } from '../dialog/context.js'
import type { Ways } from '../dialog/hops.js'
import { Outgoing, type OutgoingUser } from '../dialog/outgoing.js'
import { createResponse, type SipRequest, type SipResponse } from '../message/message.js'
import type { ClientTransaction } from '../transaction/transactions.js'
import type { Binding, Flow } from '../transport/transport.js'

export interface BranchUser {
  /** @param sent the request as it went there */
  response(branch: ProxyBranch, response: SipResponse, flow: Flow, sent: SipRequest): void
  /** No final response comes of it: nobody answered, nothing could be sent, or it was given up. */
  silent(branch: ProxyBranch, unreachable: boolean): void
  /** A 2xx of a destination that was given up. */
  late(branch: ProxyBranch, response: SipResponse, flow: Flow, sent: SipRequest): void
  /** A try is about to leave from this binding. */
  leaving(request: SipRequest, binding: Binding): void
}

export interface BranchTimes {
  readonly provisionalTimeoutMs?: number | undefined
  readonly finalTimeoutMs?: number | undefined
}

/** One destination of a proxied request, with all the addresses it has (RFC 3261 16.7: a client transaction of the response context). */
export class ProxyBranch implements OutgoingUser {
  private readonly outgoing: Outgoing
  private provisionalTimer: Timer | undefined
  private finalTimer: Timer | undefined
  private heard = false
  /** Of the call it may become, where records are kept. */
  private record: CallRecord | undefined
  private over = false
  /** We have withdrawn it since it took too long: what it answers to the CANCEL is no answer. */
  private impatient = false

  constructor(
    private readonly context: Context,
    /** As the application or a redirect named it. */
    readonly destination: string,
    readonly request: SipRequest,
    private readonly ways: Extract<Ways, { ok: true }>,
    private readonly times: BranchTimes,
    private readonly user: BranchUser,
  ) {
    this.outgoing = new Outgoing(context, request, ways.ways, this)
  }

  /** False: nothing may be sent to any of its addresses. */
  start(): boolean {
    const sent = this.outgoing.start(this.ways.explicit)
    if (sent === undefined) return false
    const { provisionalTimeoutMs, finalTimeoutMs } = this.times
    const { clock, records } = this.context
    if (records !== undefined && sent.request.method === 'INVITE')
      this.record = new CallRecord(records, sent.request, 'application')
    if (provisionalTimeoutMs !== undefined)
      this.provisionalTimer = clock.after(provisionalTimeoutMs, () => {
        if (!this.heard) this.giveUp()
      })
    if (finalTimeoutMs !== undefined) this.finalTimer = clock.after(finalTimeoutMs, () => this.giveUp())
    return true
  }

  /** Nobody wants it any more. With a response heard its final one still comes, else it is over at once. */
  cancel(): void {
    if (this.over) return
    if (this.heard && this.outgoing.cancel()) return
    this.outgoing.abandon()
    this.silence(487)
  }

  /** Ends without a word to anyone. */
  stop(): void {
    this.finish()
    this.outgoing.stop()
  }

  leaving(request: SipRequest, binding: Binding): void {
    this.user.leaving(request, binding)
  }

  response(response: SipResponse, flow: Flow, { request: sent }: ClientTransaction): void {
    this.heard = true
    this.provisionalTimer?.cancel()
    if (response.status === 100) return
    if (response.status < 200) {
      if (!this.over) this.user.response(this, response, flow, sent)
      return
    }
    const success = response.status < 300
    this.record?.answered(response, 'network', 'proxy-uac')
    if (this.over && !success) return
    this.finish()
    if (this.impatient && !success) this.user.silent(this, false)
    else this.user.response(this, response, flow, sent)
  }

  failed(status: 408 | 503): void {
    this.silence(status)
  }

  late(response: SipResponse, flow: Flow, tx: ClientTransaction): void {
    this.user.late(this, response, flow, tx.request)
  }

  private giveUp(): void {
    if (this.over) return
    this.impatient = true
    this.cancel()
  }

  /** @param status what stands for the answer that there is none of */
  private silence(status: 408 | 487 | 503): void {
    if (this.over) return
    this.finish()
    this.record?.answered(createResponse(this.request, status), 'application', 'proxy-uac')
    this.user.silent(this, status === 503)
  }

  private finish(): void {
    this.over = true
    this.provisionalTimer?.cancel()
    this.finalTimer?.cancel()
  }
}
