import type { Clock } from '../clock.js'
import type { SipMessage, SipRequest, SipResponse } from '../message/message.js'
import type { Via } from '../message/via.js'
import type { Flow } from '../transport/flow.js'
import type { ClientTransaction, ClientUser } from './client-transaction.js'
import type { ServerTransaction } from './server-transaction.js'
import type { TimerSettings } from './timers.js'

export { defaultTimers, type TimerSettings } from './timers.js'
export type { ClientState, ClientTransaction, ClientUser } from './client-transaction.js'
export type { ServerState, ServerTransaction, ServerUser } from './server-transaction.js'

/** The core above the transactions: what belongs to no transaction yet, or to none at all. */
export interface TransactionSink {
  /** A new request, neither ACK nor CANCEL. For INVITE the core sends the 100. */
  request(tx: ServerTransaction): void
  /** A CANCEL and the INVITE it means, if that is still known (RFC 3261 9.2). The core answers both: 200 or 481, and 487. */
  cancel(cancel: ServerTransaction, invite: ServerTransaction | undefined): void
  /** An ACK that belongs to no INVITE answered with 3xx-6xx: the ACK to a 2xx, or a stray one. */
  ack(request: SipRequest, flow: Flow): void
  /** A response that belongs to no client transaction. */
  response(response: SipResponse, flow: Flow): void
}

export interface TransactionsOptions {
  readonly clock: Clock
  readonly timers: TimerSettings
  /** The way a response takes, from the request's top Via and the flow it came on; `Transports.flowForResponse`. */
  readonly responseFlow: (topVia: Via, flow: Flow) => Flow | undefined
  readonly sink: TransactionSink
  /** Hears of errors thrown by the sink and by users: theirs to mend, the transaction goes on. */
  readonly onError?: (error: unknown) => void
}

/** All transactions: finds the one a message belongs to, makes those that are missing (RFC 3261 17). */
export declare class Transactions {
  constructor(options: TransactionsOptions)
  /** Takes a message that has been parsed. Never throws. */
  receive(message: SipMessage, flow: Flow): void
  /** Sends a request other than ACK. The request is taken over: a Via with a fresh branch is put on top. */
  open(request: SipRequest, flow: Flow, user: ClientUser): ClientTransaction
  /** Transactions that have not ended. */
  readonly count: number
  /** Ends all of them without a word to anyone; nothing is sent or heard afterwards. */
  stop(): void
}
