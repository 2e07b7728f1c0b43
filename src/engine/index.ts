import { type Clock, SystemClock } from './clock.js'
import { Cdrs } from './control/cdr.js'
import { Control, type ControlAddress } from './control/control.js'
import type { ControlLink, LocalApp } from './control/memory-carrier.js'
import { readHandlers, type RequestHandler } from './control/request-handlers.js'
import { HandlerRouter, type RoutingFailure } from './control/request-router.js'
import { Core, type CoreStats } from './dialog/core.js'
import { Dialogs } from './dialog/dialogs.js'
import { Hops } from './dialog/hops.js'
import { defaultSessionTimers, type SessionTimerSettings } from './dialog/session-expires.js'
import type { NatSettings } from './dialog/peer-way.js'
import { Screening, type ScreeningSettings } from './dialog/screening.js'
import { canonicalName } from './message/headers.js'
import { defaultLimits, type Limits } from './message/limits.js'
import type { SipUri } from './message/uri.js'
import type { NextHop } from './resolve/next-hop.js'
import { type Resolved, Resolver } from './resolve/resolver.js'
import { defaultTimers, type TimerSettings } from './transaction/timers.js'
import { type ContactExtras, parseContact } from './transport/contact.js'
import type { TlsPeers } from './transport/tls-peers.js'
import type { TlsProfiles } from './transport/tls-profiles.js'
import { readTlsMaterial, type TlsCertificate, type TlsSettings } from './transport/tls-settings.js'
import type { Destinations } from './transport/destinations.js'
import type { Binding, Flow, Target, TransportCounters, TransportObserver } from './transport/transport.js'
import { Transports, type TransportSettings } from './transport/transports.js'

export { type Clock, SystemClock, type Timer } from './clock.js'
export type { Destinations, Source } from './transport/destinations.js'
export type { ControlAddress } from './control/control.js'
export type { ControlLink, LocalApp } from './control/memory-carrier.js'
export type { CallDurations, Distribution } from './counts.js'
export type { NatSettings } from './dialog/peer-way.js'
export type { AddressSet, ScreeningSettings, SpamAction, Spammers } from './dialog/screening.js'
export type { RequestHandler } from './control/request-handlers.js'
export type { RoutingFailure } from './control/request-router.js'
export { checkSecret, ControlError } from './control/secret.js'
export { splitList } from './message/list.js'
export { formatNameAddr, type NameAddr, parseNameAddr, parseNameAddrList } from './message/name-addr.js'
export { formatUri, parseUri, sameUri, type SipUri, type TelUri, unescapeUser } from './message/uri.js'
export { type NextHop, nextHopOf } from './resolve/next-hop.js'
export { ResolveError, type ResolveErrorCode } from './resolve/resolve-error.js'
export { type Resolved, Resolver, type ResolverOptions } from './resolve/resolver.js'
export { parseContact } from './transport/contact.js'
export { type Supports, supportsOf } from './transport/reach.js'
export type { TlsPeer, TlsPeers } from './transport/tls-peers.js'
export type { TlsProfile, TlsProfiles } from './transport/tls-profiles.js'
export type { OwnPem, Pem, TlsCertificate, TlsSettings } from './transport/tls-settings.js'
export {
  type Flow,
  type MessageKind,
  type Protocol,
  type Target,
  type TransportCounters,
  TransportError,
  type TransportObserver,
} from './transport/transport.js'

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
   * Requests in dialogs of others whose first Route names us are passed on, as dialogs need it that were proxied with Record-Route.
   * Nothing is kept of those, so whoever reaches the engine can have such a request passed on to anybody, in our name. Default true;
   * false where nothing is proxied.
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

/** What the engine holds at this moment. All are zero when nothing goes on (connections: when peers have closed theirs). */
export interface EngineGauges {
  readonly dialogs: number
  readonly transactions: number
  readonly timers: number
  readonly connections: number
  /** Those of the connections that are over TLS. */
  readonly tlsConnections: number
}

/** What the engine has seen since it was made, and what it holds. Reading it takes a look at every dialog. */
export interface EngineStats extends CoreStats {
  /** Connections of applications that have authenticated. */
  readonly applications: number
}

export interface Engine {
  /** Listens. @throws {TransportError} naming the address that cannot be listened on, or the file of TLS that is wrong; {ControlError} BAD_TLS */
  start(): Promise<{
    readonly control: ControlAddress
    readonly addresses: readonly string[]
  }>
  /** Ends at once, without a word to peers. */
  stop(): Promise<void>
  /**
   * Takes an application in this process, which speaks the control protocol without a socket: it authenticates, routes and
   * commands as over the control port, and is told the same. Only while the engine runs.
   */
  attach(app: LocalApp): ControlLink
  /** Shows every message from now on to that observer, in the place of the one there was; undefined: to none. */
  observe(observer: TransportObserver | undefined): void
  gauges(): EngineGauges
  counters(): TransportCounters
  /**
   * Reads certificates and keys again: handshakes from now on use them, connections in being stay.
   * @returns our certificate; undefined when neither a contact nor the control port is over TLS
   * @throws {TransportError} BAD_TLS, naming the file; then all stays as it was
   */
  reloadTls(): Promise<TlsCertificate | undefined>
  /** What next hops may name with `x-signalbox-tls=<id>`. */
  readonly tlsProfiles: TlsProfiles
  /** The servers that were connected to over TLS. */
  readonly tlsPeers: Pick<TlsPeers, 'of' | 'all'>
  /** Our certificates as they were last read; undefined: no contact is over TLS. */
  certificates(): { readonly own: TlsCertificate; readonly named: ReadonlyMap<string, TlsCertificate> } | undefined
  /** For metrics. */
  stats(): EngineStats
  /**
   * Where a request to that next hop would be sent, best first (RFC 3263), from the same answers that the engine itself uses.
   * Before `start` nothing can be reached. Without an engine, make a `Resolver` with `supportsOf`.
   * @throws {ResolveError} saying what was asked and what came back
   */
  resolve(hop: NextHop): Promise<readonly Target[]>
  /** What `resolve` gives, and for how long it holds. @throws {ResolveError} */
  findServers(hop: NextHop): Promise<Resolved>
}

/**
 * A SIP server that drachtio-srf applications connect to.
 * @throws {ControlError} WEAK_SECRET when `control.secret` is empty, or known to everybody and `control.host` is no loopback address;
 * BAD_REQUEST_HANDLER
 * @throws {TransportError} BAD_CONTACT
 * @throws {TypeError} when one of `dnsServers` is no address, or `outboundProxy` no next hop
 */
export function createEngine(options: EngineOptions): Engine {
  const clock = options.clock ?? new SystemClock()
  // Sweeps of idle connections and the like run on a clock of their own, so that the gauge counts what calls have set.
  const housekeeping = new SystemClock()
  const onError = options.onError ?? ((): void => {})
  const control = new Control({ keepAliveMs: 45_000, ...options.control }, housekeeping, onError)
  const handlers = readHandlers(options.requestHandlers ?? [])
  const router =
    handlers.size === 0
      ? undefined
      : new HandlerRouter({
          handlers,
          clock: housekeeping,
          apps: control.apps,
          adopt: control.adopt,
          failed: (failure) => options.onRoutingFailed?.(failure),
        })
  const limits = { ...defaultLimits, ...options.limits }
  const dialogs = new Dialogs()
  const screening = options.screening === undefined ? undefined : new Screening(options.screening)
  let stopping = false
  const closed = (flow: Flow): void => {
    core.closed(flow)
    const { protocol, remoteAddress: address, remotePort: port } = flow
    if (stopping || protocol === 'udp') return
    try {
      options.onConnectionClosed?.({ protocol, address, port })
    } catch (error) {
      onError(error)
    }
  }
  const transports = new Transports({
    ...options.transport,
    contacts: options.contacts.flatMap((contact) => {
      if (typeof contact === 'string') return parseContact(contact)
      const { uri, ...extras } = contact
      return parseContact(uri, extras)
    }),
    ...(options.localInside === undefined ? {} : { localInside: options.localInside }),
    ...(options.externalIp === undefined ? {} : { externalIp: options.externalIp }),
    ...(options.observer === undefined ? {} : { observer: options.observer }),
    ...(options.tls === undefined ? {} : { tls: options.tls }),
    ...(options.destinations === undefined ? {} : { destinations: options.destinations }),
    clock: housekeeping,
    limits,
    onError,
    sink: {
      received: (parsed, flow) => core.received(parsed, flow),
      closed,
      ...(options.onHandshakeFailed === undefined ? {} : { handshakeFailed: options.onHandshakeFailed }),
    },
  })
  const resolver = new Resolver({
    clock: housekeeping,
    supports: (protocol, family) => transports.supports(protocol, family),
    destinations: options.destinations,
    ...(options.dnsServers?.length ? { servers: options.dnsServers } : {}),
  })
  const core: Core = new Core(
    {
      clock,
      timers: { ...timersFrom(options.timers), ...options.timers },
      settings: {
        echoGapMs: options.echoGapMs ?? 3,
        appAnswerTimeoutMs: options.appAnswerTimeoutMs ?? 64_000,
        appRoutes: options.appRoutes ?? false,
        sessionTimers: { ...defaultSessionTimers, ...options.sessionTimers },
        relay: options.relay,
        outboundProxy: outboundProxyOf(options.outboundProxy),
        localDomain: options.localDomain?.toLowerCase(),
        alwaysRing: options.alwaysRing,
        bestEffortTls: options.bestEffortTls,
        keptSpellings: options.preserveHeaderNames?.length
          ? new Set(options.preserveHeaderNames.map(canonicalName))
          : undefined,
        nat: options.nat,
        screening,
      },
      transports,
      hops: new Hops(transports, resolver),
      apps: control.apps,
      dialogs,
      router,
      records: options.cdrs === true ? new Cdrs(control.apps, housekeeping) : undefined,
    },
    onError,
  )

  return {
    async start() {
      const secure =
        options.control.tlsPort === undefined || options.tls === undefined
          ? undefined
          : (await readTlsMaterial(options.tls)).server
      await transports.start()
      try {
        const { bindings } = transports
        const address = await control.start(
          {
            respond: (...args) => core.respond(...args),
            request: (...args) => core.sendRequest(...args),
            requestInDialog: (...args) => core.requestInDialog(...args),
            cancel: (...args) => core.cancelRequest(...args),
            proxy: (...args) => core.proxy(...args),
            appGone: (app) => core.appGone(app),
          },
          { advertised: bindings.map(advertised), local: bindings.map(local) },
          secure,
        )
        return { control: address, addresses: bindings.map(local) }
      } catch (error) {
        await transports.stop()
        throw error
      }
    },
    async stop() {
      stopping = true
      // The core first: it would hang up for applications whose connections end.
      core.stop()
      await control.stop()
      router?.close()
      resolver.close()
      await transports.stop()
    },
    attach: (app) => control.attach(app),
    observe: (observer) => transports.observe(observer),
    tlsProfiles: transports.tlsProfiles,
    tlsPeers: transports.tlsPeers,
    certificates: () => transports.certificates,
    resolve: (hop) => resolver.resolve(hop),
    findServers: (hop) => resolver.find(hop),
    stats: () => ({ ...core.stats(), applications: control.apps.count }),
    gauges: () => ({
      dialogs: dialogs.count,
      transactions: core.transactionCount,
      timers: clock.pending,
      connections: transports.connections,
      tlsConnections: transports.tlsConnections,
    }),
    counters: () => transports.counters,
    async reloadTls() {
      const certificate = await transports.reloadTls()
      if (options.control.tlsPort === undefined || options.tls === undefined) return certificate
      const material = await readTlsMaterial(options.tls)
      control.renew(material.server)
      return certificate ?? material.certificate
    },
  }
}

function outboundProxyOf(text: string | undefined): SipUri | undefined {
  if (text === undefined) return undefined
  const hop = Hops.parse(text)
  if (hop === undefined) throw new TypeError(`outbound proxy ${JSON.stringify(text)} is no SIP URI`)
  return hop
}

/** 64*T1 and D follow a T1 that is set, unless they are set too. */
function timersFrom(given: Partial<TimerSettings> = {}): TimerSettings {
  const t1x64Ms = 64 * (given.t1Ms ?? defaultTimers.t1Ms)
  return { ...defaultTimers, t1x64Ms, timerDMs: t1x64Ms }
}

const local = (binding: Binding): string =>
  `${binding.protocol}/${binding.family === 6 ? `[${binding.address}]` : binding.address}:${binding.port}`

const advertised = (binding: Binding): string =>
  `${binding.protocol}/${binding.advertisedHost}:${binding.advertisedPort}`
