import { createHmac } from 'node:crypto'
import { SystemClock } from './clock.js'
import { Cdrs } from './control/cdr.js'
import { Control, type ControlAddress } from './control/control.js'
import type { ControlLink, LocalApp } from './control/memory-carrier.js'
import { readHandlers } from './control/request-handlers.js'
import { HandlerRouter } from './control/request-router.js'
import { Core, type CoreStats } from './dialog/core.js'
import { Dialogs } from './dialog/dialogs.js'
import { Hops } from './dialog/hops.js'
import { defaultSessionTimers } from './dialog/session-expires.js'
import { Screening } from './dialog/screening.js'
import { canonicalName } from './message/headers.js'
import { defaultLimits } from './message/limits.js'
import type { SipUri } from './message/uri.js'
import { RouteSeal } from './proxy/route-seal.js'
import type { EngineOptions } from './options.js'
import type { NextHop } from './resolve/next-hop.js'
import { type Resolved, Resolver } from './resolve/resolver.js'
import { defaultTimers, type TimerSettings } from './transaction/timers.js'
import { parseContact } from './transport/contact.js'
import type { TlsPeers } from './transport/tls-peers.js'
import type { TlsProfiles } from './transport/tls-profiles.js'
import { readTlsMaterial, type TlsCertificate } from './transport/tls-settings.js'
import type { Binding, Flow, Target, TransportCounters, TransportObserver } from './transport/transport.js'
import { Transports } from './transport/transports.js'

export type { ConnectionPeer, ContactSettings, EngineOptions } from './options.js'
export { type Clock, SystemClock, type Timer } from './clock.js'
export type { Destinations, Source } from './transport/destinations.js'
export type { ControlAddress } from './control/control.js'
export type { SipCommand } from './control/carrier.js'
export type { Notice } from './control/leader.js'
export type { ControlLink, LocalApp } from './control/memory-carrier.js'
export type { CallDurations, Distribution } from './counts.js'
export type { NatSettings } from './dialog/peer-way.js'
export { AppLines } from './dialog/app-text.js'
export type { Door, DoorAnswer, DoorRequest, DoorVerdict } from './dialog/door.js'
export type { AddressSet, ScreeningSettings, SpamAction, Spammers } from './dialog/screening.js'
export type { RequestHandler } from './control/request-handlers.js'
export type { RoutingFailure } from './control/request-router.js'
export { TurnoverMap } from './turnover-map.js'
export { checkSecret, ControlError } from './control/secret.js'
export { splitList } from './message/list.js'
export { isMethod } from './message/methods.js'
export { formatNameAddr, type NameAddr, parseNameAddr, parseNameAddrList } from './message/name-addr.js'
export { formatUri, parseUri, sameUri, type SipUri, type TelUri, unescapeUser, uriScheme } from './message/uri.js'
export { type NextHop, nextHopOf } from './resolve/next-hop.js'
export { ResolveError, type ResolveErrorCode } from './resolve/resolve-error.js'
export { type Resolved, Resolver, type ResolverOptions } from './resolve/resolver.js'
export { parseContact } from './transport/contact.js'
export { MessageWait } from './transport/message-wait.js'
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
  /**
   * Milliseconds that messages wait now before they are read, for the event loop and in the queues of UDP sockets: about 0 when all is
   * well. Measured ten times a second where there is a door, else always 0.
   */
  waitMs(): number
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
    ...(options.door === undefined ? {} : { isKnown: (address: string) => options.door!.knows(address) }),
    clock: housekeeping,
    limits,
    onError,
    sink: {
      received: (parsed, flow) => core.received(parsed, flow),
      closed,
      ...(options.door === undefined
        ? {}
        : { bars: (address) => core.bars(address), noise: (address) => core.noise(address) }),
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
        routeSeal: new RouteSeal(createHmac('sha256', options.control.secret).update('record-route').digest()),
        outboundProxy: outboundProxyOf(options.outboundProxy),
        localDomain: options.localDomain?.toLowerCase(),
        alwaysRing: options.alwaysRing,
        bestEffortTls: options.bestEffortTls,
        keptSpellings: options.preserveHeaderNames?.length
          ? new Set(options.preserveHeaderNames.map(canonicalName))
          : undefined,
        nat: options.nat,
        screening,
        door: options.door,
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
      if (options.door !== undefined) transports.wait.start()
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
    waitMs: () => transports.wait.ms,
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
