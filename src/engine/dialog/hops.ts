import { isIP } from 'node:net'
import { parseUri, type SipUri } from '../message/uri.js'
import { type NextHop, nextHopOf } from '../resolve/next-hop.js'
import { ResolveError } from '../resolve/resolve-error.js'
import type { Resolver } from '../resolve/resolver.js'
import { isHostName } from '../transport/host-name.js'
import type { Source } from '../transport/destinations.js'
import { type Binding, defaultPort, type Protocol, type Target } from '../transport/transport.js'
import type { Transports } from '../transport/transports.js'

/** One place to try, and where we send from. */
export interface Way {
  readonly target: Target
  readonly binding: Binding
  /** Where messages of whoever is sent to came from, as far as there were any. */
  readonly peer?: Source | undefined
}

/** What a request can be sent to, or why to nowhere. */
export type Ways =
  | {
      readonly ok: true
      readonly ways: readonly Way[]
      /** The transport was asked for by name. */ readonly explicit: boolean
    }
  | {
      readonly ok: false
      readonly reason: string
      /** It leads somewhere, where nothing may be sent. */ readonly refused?: true
    }

const NO_TRANSPORT = 'requested protocol/transport not available'
/** Head of the reason why nothing is sent to a destination that may not be sent to: applications can tell it by that. */
const REFUSED = 'Destination refused'

/** Decides where requests go: a URI to addresses, in the order they are tried (RFC 3263). */
export class Hops {
  constructor(
    private readonly transports: Transports,
    private readonly resolver: Resolver,
  ) {}

  /**
   * For an IP address the answer comes at once; for a name once it is resolved.
   * @param peer where messages of whoever is sent to came from, in a dialog
   */
  find(uri: SipUri, peer?: Source): Ways | Promise<Ways> {
    const hop = nextHopOf(uri)
    const host = hop.host.startsWith('[') ? hop.host.slice(1, -1) : hop.host
    if (isIP(host) !== 0) return this.literal(hop, host, tlsNameOf(uri), peer)
    return this.named(hop, peer)
  }

  /** The URI a next hop given as text means: a SIP URI, or a bare `host[:port]`. */
  static parse(text: string): SipUri | undefined {
    const uri = parseUri(text) ?? parseUri(`sip:${text}`)
    return uri === undefined || uri.scheme === 'tel' ? undefined : uri
  }

  private literal(hop: NextHop, host: string, name: string | undefined, peer: Source | undefined): Ways {
    const explicit = hop.transport !== undefined || hop.secure
    const protocols = explicit ? [protocolOf(hop)] : (['udp', 'tcp'] as const)
    for (const protocol of protocols) {
      if (protocol === undefined) continue
      const binding = this.transports.bindingFor({ protocol, address: host })
      if (binding === undefined) continue
      const target = { protocol, address: host, port: hop.port ?? defaultPort(protocol) }
      const refusal = this.transports.refusal(target, peer)
      if (refusal !== undefined) return refusedFor(refusal)
      const named = protocol === 'tls' && name !== undefined ? { ...target, serverName: name } : target
      return { ok: true, explicit, ways: [{ target: named, binding, peer }] }
    }
    return { ok: false, reason: NO_TRANSPORT }
  }

  private async named(hop: NextHop, peer: Source | undefined): Promise<Ways> {
    let targets: Target[]
    try {
      targets = await this.resolver.resolve(hop)
    } catch (error) {
      if (error instanceof ResolveError && error.code === 'REFUSED') return refusedFor(error.message)
      return { ok: false, reason: `DNS Error: ${(error as Error).message}` }
    }
    const ways: Way[] = []
    for (const target of targets) {
      const binding = this.transports.bindingFor(target)
      if (binding !== undefined) ways.push({ target, binding, peer })
    }
    if (ways.length === 0)
      return { ok: false, reason: targets.length === 0 ? `DNS Error: no address for ${hop.host}` : NO_TRANSPORT }
    return { ok: true, ways, explicit: hop.transport !== undefined || hop.secure }
  }
}

const refusedFor = (why: string): Ways => ({ ok: false, refused: true, reason: `${REFUSED}: ${why}` })

/** The name that whoever resolved it knows the address by; over TLS its certificate is to speak for that. */
function tlsNameOf(uri: SipUri): string | undefined {
  const name = uri.params.size === 0 ? undefined : uri.params.get('x-signalbox-tls-name')
  return name !== undefined && isHostName(name) ? name : undefined
}

function protocolOf(hop: NextHop): Protocol | undefined {
  if (hop.secure) return 'tls'
  const { transport } = hop
  return transport === 'udp' || transport === 'tcp' || transport === 'tls' ? transport : undefined
}
