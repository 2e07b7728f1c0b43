import type { Attempt } from '../model/call.js'
import type { VerdictCode } from '../model/verdict.js'
import type { HeaderMap, PendingOffer, SipDialog, SipResponse } from './sip-server.js'

/** Nobody who was called answered. */
export interface Failure {
  readonly code: VerdictCode
  readonly detail: string
  /** The response to hand to the caller as it is, where its own status is the honest one. */
  readonly passed?: SipResponse
}

/** What comes of dialling. Exactly one of `answered`, `offered` and `failed` is called, once, unless `stop` or `drop` came first. */
export interface DialEvents {
  /** An INVITE is on the wire. */
  sent(callId: string): void
  provisional(response: SipResponse): void
  answered(dialog: SipDialog, response: SipResponse): void
  offered(offer: PendingOffer, response: SipResponse): void
  failed(failure: Failure): void
}

/** Leg B until it is answered: the addresses of an agent, or the servers of a trunk, called one after another. */
export interface Dial {
  /** Everyone that was tried, in order. */
  readonly record: readonly Attempt[]
  /** Final status of the last one; null while there is none. */
  readonly lastStatus: number | null
  /** Called once. */
  start(): void
  /**
   * Gives up: what is being tried is sent CANCEL, nothing else is tried.
   * @param done when its final response has come, or been waited for long enough; at once when nothing is under way
   */
  stop(headers: HeaderMap, done: () => void): void
  /** Gives up without waiting for anything. */
  drop(headers: HeaderMap): void
}
