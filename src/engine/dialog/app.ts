import type { SipMessage, SipRequest } from '../message/message.js'
import type { ProxyOptions } from '../proxy/proxy-options.js'
import type { Flow, Protocol } from '../transport/transport.js'

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

/** What a request handler decides on a new request. */
export type Verdict =
  /** It goes to that application. */
  | { readonly kind: 'app'; readonly app: App }
  /** It is answered so, without an application. `contacts`: values of Contact headers. */
  | {
      readonly kind: 'answer'
      readonly status: number
      readonly reason?: string
      readonly contacts?: readonly string[]
    }
  /** It is proxied, without an application. */
  | { readonly kind: 'proxy'; readonly options: ProxyOptions }

/** A question to a request handler that is not answered yet. */
export interface Inquiry {
  /** Nobody waits for the verdict any more: it is not given, and nothing is done for it. Idempotent. */
  abort(): void
}

/** Decides on new requests elsewhere than among the applications that are connected. */
export interface RequestRouter {
  /** It decides on all new requests of this method (upper case). */
  takes(method: string): boolean
  /** @param decided gets the verdict once, perhaps before this returns */
  ask(request: SipRequest, flow: Flow, decided: (verdict: Verdict) => void): Inquiry
}

/** Stands in for the application that a request or a dialog does not have. */
export const nobody: App = { open: false, deliver() {}, unsolicited() {} }

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
