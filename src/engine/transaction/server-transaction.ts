import type { SipRequest, SipResponse } from '../message/message.js'
import type { Flow } from '../transport/flow.js'

/** Where a server transaction stands: figure 7 of RFC 3261 with RFC 6026 for INVITE, figure 8 for the others. */
export type ServerState = 'trying' | 'proceeding' | 'accepted' | 'completed' | 'confirmed' | 'terminated'

/** What the core hears of a server transaction it was given. Each callback is optional; one that throws harms nobody. */
export interface ServerUser {
  /** Timer H: the 3xx-6xx to the INVITE was never acknowledged. `ended` follows. */
  timedOut?(): void
  /**
   * A response could not be sent. The transaction stays where it is, since a repeat of the request may still bring the
   * response across (RFC 6026 8.8): one that has no final response yet still wants one, or `abandon()`.
   */
  transportFailed?(error: Error): void
  /** The peer sent the request once more; it was absorbed, and answered with the last response where the RFC says so. */
  retransmission?(): void
  /** The transaction is over and forgotten. Called once, last; not called by `Transactions.stop()`. */
  ended?(): void
}

/** One request received and what is answered to it. Made by `Transactions`, never for ACK. */
export interface ServerTransaction {
  /** Unique in this process for as long as the process runs. */
  readonly id: string
  readonly request: SipRequest
  /** The flow the request came on. */
  readonly flow: Flow
  /** True for INVITE, false for every other method. */
  readonly invite: boolean
  readonly state: ServerState
  /** A response of 200 or above has been given, or the transaction is over: `respond` refuses. */
  readonly finalSent: boolean
  /** Who hears of it; set by the core, at best while it is given the transaction. */
  user?: ServerUser | undefined
  /**
   * Sends a response the way RFC 3261 18.2.2 and RFC 3581 say. A 3xx-6xx to INVITE is repeated until its ACK; repeats
   * of a 2xx are the core's (`retransmit2xx`). False: refused, since a final response was given before.
   */
  respond(response: SipResponse): boolean
  /** Sends a 2xx to INVITE once more while the transaction is `accepted` (RFC 6026). False: it is not, nothing was sent. */
  retransmit2xx(response: SipResponse): boolean
  /**
   * Nobody asks for its request any more, which is an empty one from here on as far as the transport permits: what is left of the
   * transaction absorbs repeats. Only after the final response.
   */
  release(): void
  /** Ends it at once without an answer. A repeat of the request would begin a new transaction. */
  abandon(): void
}
