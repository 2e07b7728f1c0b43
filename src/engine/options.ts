import type { Clock } from './clock.js'
import type { RequestHandler } from './control/request-handlers.js'
import type { RoutingFailure } from './control/request-router.js'
import type { Door } from './dialog/door.js'
import type { SessionTimerSettings } from './dialog/session-expires.js'
import type { NatSettings } from './dialog/peer-way.js'
import type { ScreeningSettings } from './dialog/screening.js'
import type { Limits } from './message/limits.js'
import type { TimerSettings } from './transaction/timers.js'
import type { ContactExtras } from './transport/contact.js'
import type { TlsSettings } from './transport/tls-settings.js'
import type { Destinations } from './transport/destinations.js'
import type { TransportObserver } from './transport/transport.js'
import type { TransportSettings } from './transport/transports.js'

/** One contact, with what holds for it alone. */
export interface ContactSettings extends ContactExtras {
  /** `sip:127.0.0.1:5060;transport=udp,tcp` */
  readonly uri: string
}

export interface EngineOptions {
  /** Where to listen for SIP, in drachtio's form: `sip:127.0.0.1:5060;transport=udp,tcp`. At least one. */
  readonly contacts: ReadonlyArray<string | ContactSettings>
  /** IP literal shown to peers in Via and Contact by contacts that name none themselves. */
  readonly externalIp?: string
  /** Peers of a contact's local net are shown its bound address. Default false: all see the external one, as with drachtio-server. */
  readonly localInside?: boolean
  /** Next hop of requests outside dialogs for which the application names none: a SIP URI, or `host[:port]`. */
  readonly outboundProxy?: string
  /** A domain of ours: applications' requests to it and to those below it are refused. */
  readonly localDomain?: string
  /** Header names that reach peers as applications spell them. */
  readonly preserveHeaderNames?: readonly string[]
  /** An INVITE that an application gets is answered 180 at once. Default false. */
  readonly alwaysRing?: boolean
  /** On TLS a peer whose own Contact is `sip:` gets one in our answers, in place of `sips:`. Default false. */
  readonly bestEffortTls?: boolean
  /** How peers behind a NAT are told from others. */
  readonly nat?: NatSettings
  /** Which requests never reach an application. */
  readonly screening?: ScreeningSettings
  /** Says, by where it comes from, whether what belongs to nothing that is going on comes in. Default: everything does. */
  readonly door?: Door
  /**
   * Where applications connect, and what they must know. Port 0: any free one. A secret everybody knows (`cymru`, `admin`) is
   * refused on any address but a loopback one.
   */
  readonly control: {
    readonly host: string
    readonly port: number
    readonly secret: string
    /** A second port, over TLS with the certificate of `tls`; 0: any free one. Default: none. */
    readonly tlsPort?: number
    readonly keepAliveMs?: number
  }
  /**
   * Where new requests of some methods go instead of the applications that are connected: an HTTP server says for each, or an
   * application is dialled for each.
   */
  readonly requestHandlers?: readonly RequestHandler[]
  /** Applications that ask for records of calls (`cdr:attempt`, `cdr:start`, `cdr:stop`) get them. Default false. */
  readonly cdrs?: boolean
  /** Hears why a request handler could not be followed; the caller got 500 or 480. */
  readonly onRoutingFailed?: (failure: RoutingFailure) => void
  readonly timers?: Partial<TimerSettings>
  readonly limits?: Partial<Limits>
  readonly transport?: Partial<TransportSettings>
  /** Certificates of contacts over TLS and of the control port over TLS; how SIP peers are verified. */
  readonly tls?: TlsSettings
  /** Name servers to ask (`address` or `address:port`); none: those of the system. */
  readonly dnsServers?: readonly string[]
  /**
   * Where nothing is sent to: asked for the next hop of requests outside dialogs, for every address that a name leads to, for Contact and
   * Record-Route in dialogs, and once more before a socket is opened or a datagram sent. A peer whose Contact is such a place is reached
   * where its messages come from. Default: requests go wherever they are told to.
   */
  readonly destinations?: Destinations
  /** Milliseconds an application may take over its first answer to a request. Default 64000. */
  readonly appAnswerTimeoutMs?: number
  /** Milliseconds that answers wait after the echo of what they answer, for applications that await the echo. Default 3. */
  readonly echoGapMs?: number
  /**
   * Applications may preload a route: the Route headers they give on requests outside dialogs are kept, and the first of them is the
   * next hop where no `proxy` is given. Default false: dropped in silence, as drachtio-server does.
   */
  readonly appRoutes?: boolean
  /**
   * Requests in dialogs of others whose first Route is a Record-Route of ours are passed on, as dialogs need it that were proxied. Nothing
   * is kept of those: the Record-Route has a seal in it, made of the Call-ID with a key that comes of `control.secret`, and what comes
   * without is refused with 403. Default true; false where nothing is proxied.
   */
  readonly relay?: boolean
  /**
   * Session timers (RFC 4028): who refreshes when a caller leaves it open (default `none`: there is no timer then), and the shortest
   * interval that is taken (default 90 s; less is for tests).
   */
  readonly sessionTimers?: Partial<SessionTimerSettings>
  /** Sees every message in and out. */
  readonly observer?: TransportObserver
  /**
   * Hears of every stream that takes no requests any more, whoever opened it: its peer ended it or its own side of it, it broke, or
   * was idle. Not of one that never came up, nor while the engine stops.
   */
  readonly onConnectionClosed?: (peer: ConnectionPeer) => void
  /** Hears of every peer that connected to a TLS contact and did not get through the handshake, and why. */
  readonly onHandshakeFailed?: (peer: { readonly address: string; readonly port: number }, why: string) => void
  /** Hears of errors in the engine itself; each harms one message at most. */
  readonly onError?: (error: unknown) => void
  /** Drives transactions and dialogs; for tests. */
  readonly clock?: Clock
}

/** The far end of a stream. */
export interface ConnectionPeer {
  readonly protocol: 'tcp' | 'tls'
  /** IP literal without brackets. */
  readonly address: string
  readonly port: number
}
