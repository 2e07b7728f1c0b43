import type { Parsed } from '../message/parse.js'
import type { Flow } from './flow.js'

export type { Flow } from './flow.js'

/** What SIP runs over here. */
export type Protocol = 'udp' | 'tcp' | 'tls'

/** One local address, port and protocol that the engine listens on, and how it names itself to peers there. */
export interface Binding {
  readonly protocol: Protocol
  /** The bound IP address, without brackets. */
  readonly address: string
  /** The bound port; the real one when the contact asked for port 0. */
  readonly port: number
  readonly family: 4 | 6
  /** Has an address other than the bound one that it shows to peers (`external-ip`). */
  readonly external: boolean
  /** The address written into Via and Contact: `external-ip` or the bound address. IPv6 is bracketed. */
  readonly advertisedHost: string
  readonly advertisedPort: number
  /** Via sent-by: `host` or `host:port`; the port is left out when it is the protocol's default. */
  readonly sentBy: string
  /** Contact URI without a user: `sip:host[:port][;transport=tcp]`, `sip:host:port;transport=tls`, `sips:host[:port]`. */
  readonly contactUri: string
  /** TLS. */
  readonly secure: boolean
}

/** One place where bytes can be sent to: what a next hop resolves to. */
export interface Target {
  readonly protocol: Protocol
  /** IP literal without brackets. */
  readonly address: string
  readonly port: number
  /** The name that was resolved; TLS checks the certificate against it. */
  readonly serverName?: string
  /** The TLS profile it is dialled under; absent: what holds for all. */
  readonly tlsProfile?: string
  /** The transport is what NAPTR or SRV records of the name offer, not merely the default (RFC 3263 4.1). */
  readonly offered?: true
}

/** Who is told what arrives. */
export interface TransportSink {
  /**
   * One message, or what is wrong with one (`parsed.ok === false`; the receiver answers it). A request has `received` and
   * `rport` in its top Via by then. `bytes` is its size on the wire.
   */
  received(parsed: Parsed, flow: Flow, bytes: number): void
  /**
   * A stream that was up takes no requests any more and brings no responses: it has ended or failed, or its peer has ended its side
   * and is only owed answers. Called once for each, never for UDP.
   */
  closed?(flow: Flow): void
  /** Whether nothing of this source is read: its datagrams are dropped, and it cannot connect. Absent: it never is so. */
  bars?(address: string): boolean
  /** A datagram that is no SIP message came from there. */
  noise?(address: string): void
  /** A peer connected to a TLS contact and did not get through the handshake. */
  handshakeFailed?(peer: { readonly address: string; readonly port: number }, why: string): void
}

/** What a message is, for counting: a request by its method, a response by its status and the method of its CSeq. */
export type MessageKind = { readonly method: string } | { readonly status: number; readonly method: string }

/** Sees every message in and out, for traces and counters. Costs nothing when there is none. */
export interface TransportObserver {
  /** `kind` is undefined when what arrived could not be parsed. `text` builds the message's byte string: call it only when it is used. */
  message(direction: 'in' | 'out', text: () => string, flow: Flow, bytes: number, kind: MessageKind | undefined): void
}

/** Running totals since the start; each only grows. */
export interface TransportCounters {
  /** Datagrams that were no SIP message: keep-alives, STUN, noise. */
  readonly ignoredDatagrams: number
  /** Connections closed at once because a cap on connections was reached. */
  readonly refusedConnections: number
  /** Connections closed because a message stayed unfinished past the read deadline. */
  readonly readDeadlines: number
  /** Connections closed because nothing passed for the idle time. */
  readonly idleCloses: number
  /** Messages that did not leave this machine. */
  readonly sendFailures: number
  /** Connections of peers that did not come to speak TLS, or showed no certificate where one is required. */
  readonly failedHandshakes: number
  /** Connections given up because their peer did not answer pings or requests any more. */
  readonly deadPeers: number
  /** Datagrams that were not read, and connections closed at once, because of where they came from. */
  readonly barred: number
}

/** What went wrong below SIP: nothing could be sent, or an address could not be listened on. */
export class TransportError extends Error {
  override readonly name = 'TransportError'

  constructor(
    readonly code:
      | 'BAD_CONTACT'
      | 'ADDRESS_IN_USE'
      | 'CANNOT_LISTEN'
      | 'CLOSED'
      | 'CONNECT_FAILED'
      | 'CONNECT_TIMEOUT'
      | 'QUEUE_FULL'
      | 'TOO_MANY_CONNECTIONS'
      | 'SEND_FAILED'
      /** A certificate, key or setting of ours; nothing can be said over TLS with it. */
      | 'BAD_TLS'
      /** The peer speaks no TLS, or none that we share a version and cipher with. */
      | 'TLS_HANDSHAKE_FAILED'
      /** The certificate of the peer has expired, is for another name, or nobody we trust vouches for it. */
      | 'TLS_PEER_REFUSED'
      /** The peer does not answer any more: pings or several requests in a row. */
      | 'PEER_SILENT',
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

/** The port a protocol has when none is written (RFC 3261 19.1.2). */
export function defaultPort(protocol: Protocol): number {
  return protocol === 'tls' ? 5061 : 5060
}
