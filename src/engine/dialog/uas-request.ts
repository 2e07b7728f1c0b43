import type { Timer } from '../clock.js'
import type { SipResponse } from '../message/message.js'
import type { ServerTransaction } from '../transaction/transactions.js'
import type { App } from './app.js'
import type { Dialog } from './dialog.js'
import type { ReliableProvisional } from './reliable-provisional.js'

/** A request that was handed to an application and waits for, or has had, its answer. */
export class UasRequest {
  /** Our tag in the To of every response: made once, or the application's choice in its first response. */
  toTag = ''
  /** The dialog it belongs to, or has made. */
  dialog: Dialog | undefined
  /** A 101-199 was sent. */
  ringing = false
  /** The final response, once sent. */
  final: SipResponse | undefined
  /** Runs while the application owes its first answer. */
  timer: Timer | undefined
  /** What merged copies of it share; only outside dialogs. */
  mergeKey: string | undefined
  /** Reliable provisional responses (RFC 3262), once there was one. */
  reliable: ReliableProvisional | undefined

  constructor(
    /** What applications know it by. */
    readonly id: string,
    readonly tx: ServerTransaction,
    readonly app: App,
  ) {}

  get method(): string {
    return this.tx.request.method
  }

  /** INVITE and SUBSCRIBE make dialogs. */
  get makesDialog(): boolean {
    const { method } = this.tx.request
    return method === 'INVITE' || method === 'SUBSCRIBE'
  }
}
