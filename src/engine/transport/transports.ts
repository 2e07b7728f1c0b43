import type { Clock } from '../clock.js'
import type { Limits } from '../message/limits.js'
import type { Via } from '../message/via.js'
import { familyOf, isLoopback, isPort, isUnicast } from './address.js'
import { answersTo, chooseBinding, createBinding, describeAddress, seenFrom } from './binding.js'
import type { LocalBinding } from './binding.js'
import { Connection } from './connection.js'
import { Connections } from './connections.js'
import type { ConnectionsSettings } from './connections.js'
import type { ContactOption } from './contact.js'
import type { Destinations, Source } from './destinations.js'
import type { Flow } from './flow.js'
import { addressesOf } from './local-addresses.js'
import { MessageWait } from './message-wait.js'
import { reaches } from './reach.js'
import { responseTarget } from './response-target.js'
import { TcpListener } from './tcp.js'
import { Tls, TlsListener } from './tls.js'
import { TlsPeers } from './tls-peers.js'
import { TlsProfiles } from './tls-profiles.js'
import type { TlsCertificate, TlsSettings } from './tls-settings.js'
import { Traffic } from './traffic.js'
import { defaultPort, TransportError } from './transport.js'
import type { Binding, Protocol, Target, TransportCounters, TransportObserver, TransportSink } from './transport.js'
import { UdpFlow, UdpListener } from './udp.js'

/** Limits and times of the transports. */
export interface TransportSettings extends ConnectionsSettings {
  /** A stream on which nothing passes for this long is closed. */
  readonly idleTimeoutMs: number
  /** How long a connection of ours may take to come up. */
  readonly connectTimeoutMs: number
  /** How long a peer may take over one message on a stream, and over the first one after it connected. */
  readonly readDeadlineMs: number
  /** Streams open at the same time, both directions. The process needs as many file descriptors. */
  readonly maxConnections: number
  /**
   * Streams accepted from one address at the same time. A load generator that opens a connection a call (SIPp `-t tn`) needs it
   * above the calls it holds; a carrier or PBX needs a handful.
   */
  readonly maxConnectionsPerAddress: number
  /** Streams accepted from one address that is not known (`isKnown`), whatever `maxConnectionsPerAddress` is. */
  readonly maxConnectionsPerStranger: number
  /** Bytes that may wait for one stream's peer to read or to accept; past it the stream is given up. */
  readonly maxQueuedBytes: number
  /** Milliseconds a TLS handshake may take, whoever connected. */
  readonly handshakeTimeoutMs: number
  /** Milliseconds of silence after which the system asks whether the peer's machine is still there (TCP keep-alive); 0: never. */
  readonly keepAliveMs: number
  /**
   * Milliseconds without a word of the peer after which it is pinged with a double CRLF (RFC 5626 4.4.1), after 80 to 100 % of it: on
   * streams of ours, and those whose peer asked for it when it registered. 0: never.
   */
  readonly pingIntervalMs: number
  /** Milliseconds a peer that answers pings has for each answer; then its stream is given up. */
  readonly pongTimeoutMs: number
  /** Requests in a row without any answer after which a stream is given up, 2 or more; 0: never. */
  readonly maxConsecutiveTimeouts: number
  /** Send and receive buffers asked of the system for each UDP socket; it may grant less. */
  readonly udpBufferBytes: number
}

export const defaultTransportSettings: TransportSettings = {
  idleTimeoutMs: 1_800_000,
  connectTimeoutMs: 4_000,
  readDeadlineMs: 10_000,
  maxConnections: 10_000,
  maxConnectionsPerAddress: 100,
  maxConnectionsPerStranger: 100,
  maxQueuedBytes: 1024 * 1024,
  handshakeTimeoutMs: 5_000,
  keepAliveMs: 120_000,
  pingIntervalMs: 0,
  pongTimeoutMs: 10_000,
  maxConsecutiveTimeouts: 0,
  udpBufferBytes: 4 * 1024 * 1024,
}

export interface TransportsOptions extends Partial<TransportSettings> {
  readonly contacts: readonly ContactOption[]
  /** IP literal shown to peers by every contact of its family that names none itself. */
  readonly externalIp?: string
  /** Peers of a contact's local net are shown its bound address in place of the external one. */
  readonly localInside?: boolean
  /** Further names that mean this engine, besides those of its contacts. */
  readonly names?: readonly string[]
  /** Needed for contacts over TLS. */
  readonly tls?: TlsSettings
  /** Where nothing is sent to; default: everywhere may be. */
  readonly destinations?: Destinations
  /** Whether somebody is known to be at an IP address. Default: at all. */
  readonly isKnown?: (address: string) => boolean
  readonly clock: Clock
  readonly limits: Limits
  readonly sink: TransportSink
  readonly observer?: TransportObserver
  /** Hears of faults of ours while bytes were read; each costs the peer that sent them one message, or its connection. */
  readonly onError?: (error: unknown) => void
}

type Listener = UdpListener | TcpListener | TlsListener

/** Addresses of which it is known whether something may be sent there; past it all are looked at anew. */
const MAX_KNOWN_ADDRESSES = 4_096

/** How often a contact on port 0 tries to get the same free port for all its transports. */
const portTries = 20

/** Every socket of the engine: what listens, what is connected, and which way a message goes. */
export class Transports {
  private readonly settings: TransportSettings
  private readonly traffic: Traffic
  private readonly streams: Connections
  private readonly tls: Tls | undefined
  /** What next hops may name with `x-signalbox-tls`. */
  readonly tlsProfiles = new TlsProfiles()
  readonly tlsPeers: TlsPeers
  private readonly udp = new Map<Binding, UdpListener>()
  private listeners: Listener[] = []
  /** Addresses that were sent to lately, or could not be. */
  private readonly sendable = new Map<string, boolean>()
  private local: readonly LocalBinding[] = []
  /** How long messages wait before they are read; nothing until it is started. */
  readonly wait: MessageWait

  /** @throws {TransportError} BAD_CONTACT when `externalIp`, here or of a contact, is no IP literal. */
  constructor(private readonly options: TransportsOptions) {
    this.settings = { ...defaultTransportSettings, ...options }
    this.tlsPeers = new TlsPeers(options.clock)
    this.traffic = new Traffic(options.sink, options.observer, options.onError)
    this.tls = options.tls && new Tls(options.tls, this.tlsProfiles, this.tlsPeers)
    this.wait = new MessageWait(options.clock, () => this.udp.values())
    this.streams = new Connections(
      options.clock,
      options.limits,
      this.settings,
      this.traffic,
      this.tls,
      options.isKnown ?? (() => true),
    )
    for (const ip of [options.externalIp, ...options.contacts.map((contact) => contact.externalIp)]) {
      if (ip !== undefined && (familyOf(ip) === undefined || ip.includes('%'))) {
        throw new TransportError('BAD_CONTACT', `external-ip ${JSON.stringify(ip)} is no IP address`)
      }
    }
  }

  /** Shows messages from now on to that observer, and to no other. */
  observe(observer: TransportObserver | undefined): void {
    this.traffic.observer = observer
  }

  /**
   * Listens on every contact, or on none when one fails.
   *
   * @throws {TransportError} ADDRESS_IN_USE or CANNOT_LISTEN, naming the address and the contact; BAD_TLS, naming the file.
   */
  async start(): Promise<void> {
    const secure = this.options.contacts.find(({ protocol }) => protocol === 'tls')
    if (secure !== undefined && this.tls === undefined)
      throw new TransportError('BAD_TLS', `contact ${secure.text} needs a certificate and its key`)
    if (secure !== undefined) await this.tls?.load()
    try {
      for (const group of groupsOf(this.options.contacts)) await this.listenOn(group)
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  /** Closes every socket, after what already waits on streams has been sent. Idempotent. */
  async stop(): Promise<void> {
    const { listeners } = this
    this.wait.stop()
    this.listeners = []
    this.local = []
    this.udp.clear()
    // Listeners first: nothing new comes in while the streams end.
    const closing = listeners.map((listener) => listener.close())
    await this.streams.close()
    await Promise.all(closing)
  }

  /**
   * Reads certificates and keys again. Handshakes from now on use them, connections in being stay.
   *
   * @returns our certificate; undefined: nothing here is over TLS.
   * @throws {TransportError} BAD_TLS, naming the file; then all stays as it was.
   */
  async reloadTls(): Promise<TlsCertificate | undefined> {
    return this.options.contacts.some(({ protocol }) => protocol === 'tls') ? this.tls?.load() : undefined
  }

  /** Our certificates as they were last read; undefined: none were. */
  get certificates(): Tls['certificates'] {
    return this.tls?.certificates
  }

  /** What is listened on, in the order of the contacts. */
  get bindings(): readonly Binding[] {
    return this.local
  }

  /** Streams that are connecting, open or closing. */
  get connections(): number {
    return this.streams.count
  }

  /** Those of them over TLS. */
  get tlsConnections(): number {
    return this.streams.tlsCount
  }

  get counters(): TransportCounters {
    return this.traffic.counters
  }

  /** Peers of this family can be reached by this protocol (see `reaches`). */
  supports(protocol: Protocol, family: 4 | 6): boolean {
    return reaches(this.local, protocol, family)
  }

  /** The binding that requests to this address leave from. Undefined when no contact has the protocol and family. */
  bindingFor(target: { readonly protocol: Protocol; readonly address: string }): Binding | undefined {
    const binding = chooseBinding(this.local, target)
    return binding?.inside === undefined ? binding : seenFrom(binding, target.address)
  }

  /**
   * The way to a target. A stream that is open to its address and port is used again, whoever opened it; else one is opened, and
   * what is sent meanwhile waits.
   *
   * @param binding to send from. One of another protocol or family stands for the best one that fits.
   * @param peer where messages of whoever is sent to came from
   * @returns undefined when no contact has the protocol and family, or nothing may be sent to that address or port.
   */
  flowTo(target: Target, binding?: Binding, peer?: Source): Flow | undefined {
    if (!isPort(target.port) || !this.isSendable(target.address)) return undefined
    if (this.refusal(target, peer) !== undefined) return undefined
    const from = this.bindingOr(binding, target)
    if (from === undefined) return undefined
    if (target.protocol === 'udp') return this.udp.get(from)?.flowTo(target.address, target.port)
    const open = this.openStream(target, from, binding === undefined)
    return open ?? this.streams.connect(target, seenFrom(from, target.address))
  }

  /**
   * The way back to who sent a request (RFC 3261 18.2.2, RFC 3581): over a stream the connection it came on while it takes
   * answers, else another one to the source address and the sent-by port; over UDP see `responseTarget`.
   *
   * @param topVia of the request as it was handed up, `received` and `rport` in it.
   */
  flowForResponse(topVia: Via, flow: Flow): Flow | undefined {
    if (flow instanceof Connection && flow.answerable) return flow
    const target = responseTarget(topVia, flow)
    const back = target.address === flow.remoteAddress && target.port === flow.remotePort
    if (back && flow instanceof UdpFlow) return flow
    return this.flowTo(target, flow.binding, { address: flow.remoteAddress, port: flow.remotePort })
  }

  /** Why nothing may be sent to a target whatever our contacts are; undefined: it may. The last word before a socket is used. */
  refusal({ address, port }: { readonly address: string; readonly port: number }, peer?: Source): string | undefined {
    return this.options.destinations?.refusal(address, port, peer)
  }

  /**
   * The host and port of a URI name this engine: one of its addresses, an external one, `localhost`, or a name of its own or of a
   * contact.
   *
   * @param port undefined: the default one of each protocol; for a name of ours, any.
   */
  isOwn(host: string, port: number | undefined): boolean {
    const name = host.toLowerCase()
    const ownName = this.options.names?.some((own) => own.toLowerCase() === name) === true
    if (ownName && port === undefined) return true
    return this.local.some((binding) => {
      // A name without a port may stand for any: that is for DNS to say.
      if (port === undefined && binding.names.includes(name)) return true
      if ((port ?? defaultPort(binding.protocol)) !== binding.port) return false
      return ownName || answersTo(binding, name) || (name === 'localhost' && isLoopback(binding.address))
    })
  }

  /** `isUnicast`, for the addresses that are sent to all the time. */
  private isSendable(address: string): boolean {
    const known = this.sendable.get(address)
    if (known !== undefined) return known
    if (this.sendable.size >= MAX_KNOWN_ADDRESSES) this.sendable.clear()
    const sendable = isUnicast(address)
    this.sendable.set(address, sendable)
    return sendable
  }

  private bindingOr(wanted: Binding | undefined, target: Target): LocalBinding | undefined {
    if (wanted === undefined) return chooseBinding(this.local, target)
    // Nearly always it is one of ours that fits.
    if (wanted.protocol === target.protocol && wanted.family === familyOf(target.address)) {
      const own = this.local.find((binding) => binding === wanted)
      if (own !== undefined) return own
    }
    const sameAddress = this.local.filter(
      (binding) => binding.address === wanted.address && binding.port === wanted.port,
    )
    return chooseBinding(sameAddress, target) ?? chooseBinding(this.local, target)
  }

  private openStream(target: Target, from: LocalBinding, anyBinding: boolean): Connection | undefined {
    const open = this.streams.find(target, from)
    if (open !== undefined || !anyBinding) return open
    for (const binding of this.local) {
      const other = binding.protocol === target.protocol ? this.streams.find(target, binding) : undefined
      if (other !== undefined) return other
    }
    return undefined
  }

  private async listenOn(group: readonly ContactOption[]): Promise<void> {
    const [contact] = group
    if (contact === undefined) return
    for (const address of await addressesOf(contact)) {
      for (const listener of await this.listenTogether(group, address)) {
        this.listeners.push(listener)
        if (listener instanceof UdpListener) this.udp.set(listener.binding, listener)
        this.local = [...this.local, listener.binding]
      }
    }
  }

  /** All transports of one contact at one address. With port 0 they get the same free port. */
  private async listenTogether(group: readonly ContactOption[], address: string): Promise<Listener[]> {
    for (let tries = 1; ; tries++) {
      const opened: Listener[] = []
      let chosenPort = 0
      try {
        for (const option of group) {
          // TLS runs over TCP too: it cannot have the same one.
          const shared = option.port === 0 && option.protocol !== 'tls'
          const listener = await this.listen(option, address, shared ? chosenPort : option.port)
          opened.push(listener)
          if (shared) chosenPort = listener.binding.port
        }
        return opened
      } catch (error) {
        await Promise.all(opened.map((listener) => listener.close()))
        const taken = error instanceof TransportError && error.code === 'ADDRESS_IN_USE'
        if (chosenPort === 0 || !taken || tries >= portTries) throw error
      }
    }
  }

  private async listen(option: ContactOption, address: string, port: number): Promise<Listener> {
    const { limits, externalIp, localInside } = this.options
    const bindingOf = (bound: { address: string; port: number }): LocalBinding =>
      createBinding(option, bound.address, bound.port, { externalIp, localInside })
    try {
      if (option.protocol === 'udp')
        return await UdpListener.open(address, port, this.settings.udpBufferBytes, bindingOf, limits, this.traffic)
      if (option.protocol === 'tls' && this.tls !== undefined)
        return await TlsListener.open(address, port, bindingOf, this.streams, this.tls)
      return await TcpListener.open(address, port, bindingOf, this.streams)
    } catch (cause) {
      if (cause instanceof TransportError) throw cause
      const taken = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE'
      const where = describeAddress(option.protocol, address, port)
      const why = taken ? 'is in use already' : `cannot be listened on: ${(cause as Error).message}`
      throw new TransportError(taken ? 'ADDRESS_IN_USE' : 'CANNOT_LISTEN', `${where} ${why} (contact ${option.text})`, {
        cause,
      })
    }
  }
}

/** Options that came from one contact stay together. */
function groupsOf(contacts: readonly ContactOption[]): ContactOption[][] {
  const groups: ContactOption[][] = []
  for (const option of contacts) {
    const last = groups[groups.length - 1]
    const [first] = last ?? []
    if (last !== undefined && first !== undefined && first.text === option.text && first.host === option.host)
      last.push(option)
    else groups.push([option])
  }
  return groups
}
