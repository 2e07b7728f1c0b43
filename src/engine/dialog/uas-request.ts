import type { Timer } from '../clock.js'
import { createResponse, type SipResponse } from '../message/message.js'
import type { ServerTransaction, ServerUser } from '../transaction/transactions.js'
import type { App, Inquiry } from './app.js'
import type { CallRecord } from './call-record.js'
import type { Dialog } from './dialog.js'
import type { ReliableProvisional } from './reliable-provisional.js'
import { newTag } from './tokens.js'

/** Where it is known. */
export interface UasRequestOwner {
  forget(known: UasRequest): void
}

/** A request that was handed to an application and waits for, or has had, its answer. */
export class UasRequest implements ServerUser {
  /** Our tag in the To of every response, when the request has none: made once, or the application's choice. */
  private ownTag = ''
  /** The dialog it belongs to, or has made. */
  dialog: Dialog | undefined
  /** When it came, by the clock; only of an INVITE outside dialogs. */
  receivedMs: number | undefined
  /** A response of ours has said that the call gets on. */
  alerted = false
  /** The final response, once sent. */
  final: SipResponse | undefined
  /** Runs while the application owes its first answer. */
  timer: Timer | undefined
  /** What merged copies of it share; only outside dialogs. */
  mergeKey: string | undefined
  /** The session description that a provisional response of ours carried last; '' for none. */
  description = ''
  /** Reliable provisional responses (RFC 3262), once there was one. */
  reliable: ReliableProvisional | undefined
  /** It is proxied: its answer comes from elsewhere, and a CANCEL goes there. */
  proxied: { cancel(): void } | undefined
  /** Of the call it asks for, outside dialogs and where records are kept. */
  record: CallRecord | undefined
  /** The question to a request handler which application it goes to, while that is open. */
  inquiry: Inquiry | undefined
  /** The application has answered with a 2xx that waits for a PRACK. Called with false when it is never sent. */
  delayed: ((sent: boolean) => void) | undefined

  constructor(
    /** What applications know it by. */
    readonly id: string,
    readonly tx: ServerTransaction,
    public app: App,
    private readonly owner: UasRequestOwner,
  ) {}

  ended(): void {
    this.owner.forget(this)
  }

  /** Without a way back it is over, unless its final response waits for a repeat of it to find it. */
  transportFailed(): void {
    if (this.open && !this.tx.flow.open) this.tx.abandon()
  }

  get method(): string {
    return this.tx.request.method
  }

  /** It carries an offer that we have not answered. */
  get offering(): boolean {
    return this.tx.request.body !== '' && this.description === ''
  }

  /** INVITE and SUBSCRIBE make dialogs. */
  get makesDialog(): boolean {
    const { method } = this.tx.request
    return method === 'INVITE' || method === 'SUBSCRIBE'
  }

  /** No final response was sent yet. */
  get open(): boolean {
    return !this.tx.finalSent
  }

  /**
   * The tag that our responses add to the To; undefined when the request came with one.
   * @param chosen taken when there was no response before
   */
  toTag(chosen?: string): string | undefined {
    if (this.tx.request.toTag !== '') return undefined
    this.ownTag ||= chosen ?? newTag()
    return this.ownTag
  }

  reply(status: number, reason?: string): SipResponse {
    return createResponse(this.tx.request, status, reason, this.toTag())
  }

  /** Sends the final response; nothing more is expected of the application. */
  settle(response: SipResponse): void {
    const { delayed } = this
    this.timer?.cancel()
    this.inquiry?.abort()
    this.reliable?.stop()
    this.delayed = undefined
    this.final = response
    this.record?.answered(response, 'application', this.proxied === undefined ? 'uas' : 'proxy-uas')
    this.tx.respond(response)
    delayed?.(response.status < 300)
  }
}
