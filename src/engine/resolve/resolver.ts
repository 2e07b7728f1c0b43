import type { Clock } from '../clock.js'
import { familyOf, isPort, isUnicast, unbracketed } from '../transport/address.js'
import type { Destinations } from '../transport/destinations.js'
import { isHostName } from '../transport/host-name.js'
import type { Supports } from '../transport/reach.js'
import { defaultPort } from '../transport/transport.js'
import type { Protocol, Target } from '../transport/transport.js'
import { AnswerCache } from './answer-cache.js'
import { HostsFile } from './hosts-file.js'
import { Inquiry } from './inquiry.js'
import type { Sources } from './inquiry.js'
import { NameServers } from './name-servers.js'
import type { NextHop } from './next-hop.js'
import { ResolveError } from './resolve-error.js'
import { orderSrv } from './srv-order.js'

/** What a resolver may be told; all times in milliseconds. */
export interface ResolverOptions {
  readonly clock: Clock
  /**
   * Name servers, `address` or `address:port`. When given, they alone are asked. Without: those of the system; names in
   * `/etc/hosts` come before them and lead straight to their addresses, and what they do not know the system's own resolver is
   * asked (search domains, multicast DNS).
   */
  readonly servers?: readonly string[]
  /** A contact of ours can send by this protocol to this family. */
  readonly supports: Supports
  /**
   * Where requests may not go. A name of which one server, or one of its addresses, is such a place is refused as a whole: whoever
   * answers for it is not to be believed.
   */
  readonly destinations?: Destinations | undefined
  /** How long one `resolve` may take. Default 4,000. */
  readonly timeoutMs?: number
  /** Answers held. Default 10,000. */
  readonly maxEntries?: number
  /** Bounds on the time to live that answers come with. Default 1,000 to 3,600,000. */
  readonly minTtlMs?: number
  readonly maxTtlMs?: number
  /** How long "there is none" and "no answer" are kept. Default 2,000. */
  readonly negativeTtlMs?: number
  /** How long past its time a good answer still serves while the name servers fail. Default 3,600,000. */
  readonly staleMs?: number
  /** Numbers in [0, 1) for the draw by SRV weight. */
  readonly random?: () => number
  /** Default `/etc/hosts`. */
  readonly hostsPath?: string
}

/** Targets of one next hop, at most. */
const maxTargets = 16
/** Addresses of one SRV target, at most, so that one server's cannot crowd out the next server. */
const maxAddressesPerServer = 8
/** Questions to name servers under way at the same time. */
const maxUnderWay = 512

/** NAPTR services (RFC 3263 4.1) and the transports they stand for. */
const naptrServices = new Map<string, Protocol>([
  ['SIP+D2U', 'udp'],
  ['SIP+D2T', 'tcp'],
  ['SIPS+D2T', 'tls'],
])

/** Prefix of SRV names. */
const srvPrefixes: Record<Protocol, string> = { udp: '_sip._udp.', tcp: '_sip._tcp.', tls: '_sips._tcp.' }

/** The servers of a next hop. */
export interface Resolved {
  readonly targets: Target[]
  /** Milliseconds for which the records hold that led to them; Infinity when name servers were not asked. */
  readonly freshMs: number
}

/** Finds where to send a request: transport, address and port of each server that will do, best first (RFC 3263). */
export class Resolver {
  private readonly clock: Clock
  private readonly supports: Supports
  private readonly destinations: Destinations | undefined
  private readonly timeoutMs: number
  private readonly random: () => number
  private readonly sources: Sources
  private readonly servers: NameServers

  constructor(options: ResolverOptions) {
    this.clock = options.clock
    this.supports = options.supports
    this.destinations = options.destinations
    this.timeoutMs = options.timeoutMs ?? 4_000
    this.random = options.random ?? Math.random
    // Two tries of a server that drops NAPTR must leave time to ask for SRV and addresses.
    this.servers = new NameServers(options.servers ?? [], Math.max(Math.floor(this.timeoutMs / 8), 50), this.clock)
    this.sources = {
      servers: this.servers,
      hosts: options.servers === undefined ? new HostsFile(options.hostsPath ?? '/etc/hosts', this.clock) : undefined,
      cache: new AnswerCache(this.clock, {
        maxEntries: options.maxEntries ?? 10_000,
        maxUnderWay,
        minTtlMs: options.minTtlMs ?? 1_000,
        maxTtlMs: options.maxTtlMs ?? 3_600_000,
        negativeTtlMs: options.negativeTtlMs ?? 2_000,
        staleMs: options.staleMs ?? 3_600_000,
      }),
    }
  }

  /** Answers held in memory. */
  get cached(): number {
    return this.sources.cache.size
  }

  /**
   * The targets of a next hop, best first, 1 to 16 of them. An IP literal is not looked up.
   *
   * @throws {ResolveError} saying what was asked and what came back.
   */
  async resolve(hop: NextHop): Promise<Target[]> {
    return (await this.find(hop)).targets
  }

  /** What `resolve` gives, and for how long it holds. @throws {ResolveError} as `resolve` does */
  async find(hop: NextHop): Promise<Resolved> {
    const host = unbracketed(hop.host).toLowerCase()
    const protocol = this.givenProtocol(hop)
    if (hop.port !== undefined && !isPort(hop.port))
      throw new ResolveError('INVALID', `${nameOf(hop)}: ${hop.port} is no port`)
    if (familyOf(host) !== undefined) return { targets: [this.literal(hop, host, protocol)], freshMs: Infinity }
    if (!isHostName(host)) throw new ResolveError('INVALID', `${nameOf(hop)}: ${JSON.stringify(host)} is no host name`)

    const inquiry = new Inquiry(this.sources)
    const name = host.endsWith('.') ? host.slice(0, -1) : host
    const targets = await this.inTime(hop, inquiry, this.lookUp(hop, name, protocol, inquiry))
    return { targets, freshMs: inquiry.freshMs }
  }

  /** Gives up every question under way; they are rejected, as is whatever would have to be asked from now on. */
  close(): void {
    this.servers.close()
  }

  private async lookUp(hop: NextHop, host: string, given: Protocol | undefined, inquiry: Inquiry): Promise<Target[]> {
    const usable = (['udp', 'tcp', 'tls'] as const).filter((protocol) => {
      if (this.families(protocol).length === 0) return false
      if (given !== undefined) return protocol === given
      if (hop.secure) return protocol === 'tls'
      // With a port and no transport a sip: URI means UDP or TCP; only NAPTR or SRV could tell of TLS.
      return protocol !== 'tls' || hop.port === undefined
    })
    const [first] = usable
    if (first === undefined) throw this.unsupported(hop, given)

    let targets: Target[] = []
    if (hop.port === undefined && !(await inquiry.knowsLocally(host))) {
      if (given === undefined) targets = await this.byNaptr(host, usable, inquiry)
      if (targets.length === 0) {
        const found = await Promise.all(
          usable.map((protocol) => this.byServices(srvPrefixes[protocol] + host, protocol, host, inquiry)),
        )
        targets = found.flat()
      }
    }
    if (targets.length === 0 && !inquiry.declined) {
      targets = await this.byAddress(host, hop.port ?? defaultPort(first), first, host, inquiry)
    }
    if (targets.length === 0) throw inquiry.failure(nameOf(hop))
    return distinct(targets).slice(0, maxTargets)
  }

  private async byNaptr(host: string, usable: readonly Protocol[], inquiry: Inquiry): Promise<Target[]> {
    const records = await inquiry.pointers(host)
    const chosen = records
      .map((record) => ({ ...record, protocol: naptrServices.get(record.service.toUpperCase()) }))
      .filter(
        ({ flags, protocol }) => flags.toLowerCase() === 's' && protocol !== undefined && usable.includes(protocol),
      )
      .sort((a, b) => a.order - b.order || a.preference - b.preference)
      .slice(0, maxTargets)
    const found = await Promise.all(
      chosen.map(({ replacement, protocol }) =>
        this.byServices(replacement.toLowerCase(), protocol ?? 'udp', host, inquiry),
      ),
    )
    return found.flat()
  }

  private async byServices(name: string, protocol: Protocol, host: string, inquiry: Inquiry): Promise<Target[]> {
    const records = await inquiry.services(name)
    const servers = orderSrv(records, this.random)
      .filter((record) => record.name !== '' && record.name !== '.' && isPort(record.port))
      .slice(0, maxTargets)
    // One record with the root as its name: the service is decidedly not there (RFC 2782).
    if (servers.length === 0 && records.length > 0) inquiry.declined = true
    const found = await Promise.all(
      servers.map(async (record) => {
        const targets = await this.byAddress(record.name.toLowerCase(), record.port, protocol, host, inquiry)
        return targets.slice(0, maxAddressesPerServer).map((target) => ({ ...target, offered: true as const }))
      }),
    )
    return found.flat()
  }

  private async byAddress(
    name: string,
    port: number,
    protocol: Protocol,
    host: string,
    inquiry: Inquiry,
  ): Promise<Target[]> {
    const addresses = await inquiry.addresses(name, this.families(protocol))
    for (const address of addresses) this.refuse(host, address, port)
    return addresses.filter(isUnicast).map((address) => ({ protocol, address, port, serverName: host }))
  }

  private literal(hop: NextHop, address: string, given: Protocol | undefined): Target {
    const family = familyOf(address) ?? 4
    if (!isUnicast(address)) throw new ResolveError('INVALID', `${nameOf(hop)}: nothing may be sent to ${address}`)
    const candidates: readonly Protocol[] = given !== undefined ? [given] : hop.secure ? ['tls'] : ['udp', 'tcp']
    const protocol = candidates.find((candidate) => this.supports(candidate, family))
    if (protocol === undefined) throw this.unsupported(hop, given, family)
    const port = hop.port ?? defaultPort(protocol)
    this.refuse(hop.host, address, port)
    return { protocol, address, port }
  }

  /** @throws {ResolveError} REFUSED when nothing may be sent there */
  private refuse(host: string, address: string, port: number): void {
    const refusal = this.destinations?.refusal(address, port)
    if (refusal === undefined) return
    throw new ResolveError('REFUSED', unbracketed(host) === address ? refusal : `${host} leads to ${refusal}`)
  }

  /** The transport that the hop itself names: its `transport`, over TLS when it is secure. */
  private givenProtocol(hop: NextHop): Protocol | undefined {
    const { transport, secure } = hop
    if (transport === undefined) return undefined
    if (transport === 'tls' || (transport === 'tcp' && secure)) return 'tls'
    if (transport === 'tcp' || (transport === 'udp' && !secure)) return transport
    throw new ResolveError('UNSUPPORTED', `${nameOf(hop)}: transport ${JSON.stringify(transport)} is not supported`)
  }

  /** Families to ask addresses for, the preferred one first. */
  private families(protocol: Protocol): (4 | 6)[] {
    return ([6, 4] as const).filter((family) => this.supports(protocol, family))
  }

  private unsupported(hop: NextHop, given: Protocol | undefined, family?: 4 | 6): ResolveError {
    const protocol = given ?? (hop.secure ? 'tls' : 'udp or tcp')
    const over = family === undefined ? '' : ` over IPv${family}`
    return new ResolveError('UNSUPPORTED', `${nameOf(hop)}: no contact of ours sends by ${protocol}${over}`)
  }

  private inTime(hop: NextHop, inquiry: Inquiry, work: Promise<Target[]>): Promise<Target[]> {
    return new Promise((resolve, reject) => {
      const deadline = this.clock.after(this.timeoutMs, () => reject(inquiry.timeout(nameOf(hop), this.timeoutMs)))
      work.then(resolve, reject).finally(() => deadline.cancel())
    })
  }
}

function nameOf(hop: NextHop): string {
  const port = hop.port === undefined ? '' : `:${hop.port}`
  const transport = hop.transport === undefined ? '' : `;transport=${hop.transport}`
  return `${hop.secure ? 'sips' : 'sip'}:${hop.host}${port}${transport}`
}

function distinct(targets: readonly Target[]): Target[] {
  const seen = new Set<string>()
  return targets.filter(({ protocol, address, port }) => {
    const key = `${protocol} ${address} ${port}`
    return !seen.has(key) && seen.add(key)
  })
}
