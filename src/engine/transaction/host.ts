import type { Clock } from '../clock.js'
import type { SipRequest } from '../message/message.js'
import type { Via } from '../message/via.js'
import type { Flow } from '../transport/flow.js'
import type { InviteServer } from './invite-server.js'
import type { TimerSettings } from './timers.js'

/** What was sent more than once, since the start. */
export interface TransactionCounts {
  repeatedRequests: number
  repeatedResponses: number
}

/** What a transaction asks of the index that holds it. */
export interface Host {
  readonly clock: Clock
  readonly timers: TimerSettings
  readonly counts: TransactionCounts
  /** The way responses take; undefined: there is none. */
  responseFlow(topVia: Via, flow: Flow): Flow | undefined
  /** Sends a CANCEL as a transaction of its own, under the branch of the INVITE. */
  openCancel(cancel: SipRequest, flow: Flow, branch: string): void
  /** An ACK that is the core's. */
  ackUp(ack: SipRequest, flow: Flow): void
  /** An ACK with this key belongs to `invite` as well (RFC 2543: its To has the tag of the response). */
  expectAck(key: string, invite: InviteServer): void
  forgetAck(key: string): void
  /** The transaction under this key has ended. */
  forgetClient(key: string): void
  forgetServer(key: string): void
  /** An error that a callback threw. */
  report(error: unknown): void
}
