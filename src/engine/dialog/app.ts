import type { SipMessage, SipRequest } from '../message/message.js'
import type { Protocol } from '../transport/transport.js'

/** Where a message came from, or which way it went, as applications are told (`META` of the control protocol). */
export interface Origin {
  readonly source: 'network' | 'application'
  readonly protocol: Protocol
  readonly address: string
  readonly port: number
}

/** The address a request that belongs to no dialog came in on. */
export interface ReceivedOn {
  readonly address: string
  readonly port: number
}

/** An application, as the core sees it: the far end of a control connection. */
export interface App {
  /** False once its connection is gone: nothing reaches it any more. */
  readonly open: boolean
  /**
   * Hands up a message from the network, or a response made here in its place.
   * @param dialogId empty when the message belongs to no dialog
   * @param receivedOn only for a new request outside a dialog
   */
  deliver(message: SipMessage, origin: Origin, txnId: string, dialogId: string, receivedOn?: ReceivedOn): void
  /** Tells of a BYE that was sent on our own account. */
  unsolicited(bye: SipRequest, origin: Origin, dialogId: string): void
}

/** The applications that are connected. */
export interface Apps {
  /** Next in turn of those that take new requests of this method (upper case); undefined: none does. */
  choose(method: string): App | undefined
}

/** What became of a command: the message as it was sent, or why not. */
export type Outcome =
  | {
      readonly ok: true
      readonly sent: SipMessage
      readonly origin: Origin
      readonly txnId: string
      readonly dialogId: string
    }
  | { readonly ok: false; readonly reason: string }

export const refused = (reason: string): Outcome => ({ ok: false, reason })
