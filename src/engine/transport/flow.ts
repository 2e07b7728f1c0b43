import type { Binding, Protocol } from './transport.js'

/** A way to one peer: protocol, local and remote address. Over a stream it is one connection; over UDP nothing is kept open. */
export interface Flow {
  readonly protocol: Protocol
  /** Delivery is the transport's matter: no retransmission by transactions. */
  readonly reliable: boolean
  readonly binding: Binding
  /** IP literal without brackets. */
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
  /**
   * New requests may be sent here. UDP: while the engine runs. A stream: from the moment it starts to connect until either side
   * ends it. (A response goes where `Transports.flowForResponse` says, which may be a stream that is closed to new requests.)
   */
  readonly open: boolean
  /**
   * Sends one message, a byte string. Never throws and never calls `failed` before it returns; `failed` is called at most
   * once, when the message is known not to have left this machine (connection refused or lost, too big a datagram, ...).
   */
  send(text: string, failed?: (error: Error) => void): void
  /** Over TLS: the name that was dialled, which the peer has proved if servers are verified. */
  readonly serverName?: string | undefined
  /** Over TLS: the profile it was dialled under. */
  readonly tlsProfile?: string | undefined
  /** A request sent here had no answer at all. Several of them in a row end a stream (`maxConsecutiveTimeouts`). */
  requestTimedOut?(): void
  /** The peer asked that its stream be kept alive (RFC 5626). */
  keepAlive?(): void
  /** A stream of the peer's that serves nobody is closed, without a word; one of ours stays. */
  dismiss?(): void
}
