import type { SipRequest, SipResponse } from '../message/message.js'
import type { Flow } from '../transport/flow.js'

/**
 * Where a client transaction stands: figure 5 of RFC 3261 with RFC 6026 for INVITE, figure 6 for the others. Two states
 * are of RFC 3261 9.1: `withdrawn` is `calling` with a CANCEL waiting for the first 1xx, `cancelling` is `proceeding`
 * after the CANCEL went out. `abandoned` is `withdrawn` without repeats, its user having stopped waiting.
 */
export type ClientState =
  | 'calling'
  | 'withdrawn'
  | 'abandoned'
  | 'trying'
  | 'proceeding'
  | 'cancelling'
  | 'accepted'
  | 'completed'
  | 'terminated'

/**
 * What the sender of a request hears. Exactly one of these comes, once: a final response, `timedOut`, `transportFailed`;
 * unless the transaction is abandoned or everything is stopped. A callback that throws harms nobody.
 */
export interface ClientUser {
  /** Every 1xx (100 too), the final response, and for INVITE every further 2xx: repeats and those of other forks. */
  response(response: SipResponse, flow: Flow, tx: ClientTransaction): void
  /** No final response: timer B or F, or the INVITE was cancelled (by timer C, too) and nothing came of it. `ended` follows. */
  timedOut(tx: ClientTransaction): void
  /** The request could not be sent. `ended` follows. */
  transportFailed(error: Error, tx: ClientTransaction): void
  /** The transaction is over and forgotten. Called once, last; not called by `Transactions.stop()`. */
  ended?(tx: ClientTransaction): void
}

/** One request sent and what comes back. Made by `Transactions.open`. */
export interface ClientTransaction {
  /** The request with our Via on top, or what stands for it (`reduce`). */
  readonly request: SipRequest
  readonly flow: Flow
  /** The branch of our Via. */
  readonly branch: string
  readonly state: ClientState
  /**
   * Withdraws an INVITE (RFC 3261 9.1): a CANCEL goes out once, as soon as a 1xx has come. The final response (487, or
   * a 200 that crossed it) still comes to the user. `headers` may add to the CANCEL (Reason) just before it is sent.
   * False: the final response has come, the transaction is over, or it is no INVITE. True again when asked again.
   */
  cancel(headers?: (cancel: SipRequest) => void): boolean
  /** Keeps less of an INVITE that has its 2xx: what is left of the transaction hands on further responses. */
  reduce(request: SipRequest): void
  /**
   * Nobody waits for a first response any longer: the request is not sent again, and the user hears nothing more. An
   * INVITE stays for the rest of its time: one that rings all the same gets a CANCEL, a 2xx and its repeats go to `late`.
   * Any other request is over at once. Without effect once a response has come.
   */
  abandon(late: (response: SipResponse, flow: Flow) => void): void
}

/** A user that wants to hear nothing. */
export const nobody: ClientUser = { response() {}, timedOut() {}, transportFailed() {} }
