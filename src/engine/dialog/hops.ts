import { isIP } from 'node:net'
import { parseUri, type SipUri } from '../message/uri.js'
import { type NextHop, nextHopOf } from '../resolve/next-hop.js'
import { ResolveError } from '../resolve/resolve-error.js'
import type { Resolver } from '../resolve/resolver.js'
import { isHostName } from '../transport/host-name.js'
import type { Source } from '../transport/destinations.js'
import { isProfileId } from '../transport/tls-profiles.js'
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
   *
   * @param peer where messages of whoever is sent to came from, in a dialog
   * @param from who wrote it: `application`, as the next hop of a request outside dialogs, and it may say how its server is dealt with
   * over TLS; `target`, the application as whom it wants to reach; else a peer, which has no say in that. Over TLS a server of the
   * first two is held to its address when it has no name, unless the next hop has `x-signalbox-connected`: who is connected from there.
   */
  find(uri: SipUri, peer?: Source, from?: 'application' | 'target'): Ways | Promise<Ways> {
    const hop = nextHopOf(uri)
    const host = hop.host.startsWith('[') ? hop.host.slice(1, -1) : hop.host
    const dealt = from === 'application' && uri.params.size > 0 ? tlsOf(uri) : {}
    const held = from !== undefined && !(from === 'application' && uri.params.has('x-signalbox-connected'))
    if (isIP(host) !== 0) return this.literal(hop, host, peer, held ? { serverName: host, ...dealt } : dealt)
    return this.named(hop, peer, dealt)
  }

  /** The URI a next hop given as text means: a SIP URI, or a bare `host[:port]`. */
  static parse(text: string): SipUri | undefined {
    const uri = parseUri(text) ?? parseUri(`sip:${text}`)
    return uri === undefined || uri.scheme === 'tel' ? undefined : uri
  }

  private literal(hop: NextHop, host: string, peer: Source | undefined, dealt: Dealt): Ways {
    const explicit = hop.transport !== undefined || hop.secure
    const protocols = explicit ? [protocolOf(hop)] : (['udp', 'tcp'] as const)
    for (const protocol of protocols) {
      if (protocol === undefined) continue
      const binding = this.transports.bindingFor({ protocol, address: host })
      if (binding === undefined) continue
      const target = { protocol, address: host, port: hop.port ?? defaultPort(protocol) }
      const refusal = this.transports.refusal(target, peer)
      if (refusal !== undefined) return refusedFor(refusal)
      const held = protocol === 'tls' ? { ...target, ...dealt } : target
      return { ok: true, explicit, ways: [{ target: held, binding, peer }] }
    }
    return { ok: false, reason: NO_TRANSPORT }
  }

  private async named(hop: NextHop, peer: Source | undefined, { tlsProfile }: Dealt): Promise<Ways> {
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
      if (binding === undefined) continue
      const held = tlsProfile !== undefined && target.protocol === 'tls' ? { ...target, tlsProfile } : target
      ways.push({ target: held, binding, peer })
    }
    if (ways.length === 0)
      return { ok: false, reason: targets.length === 0 ? `DNS Error: no address for ${hop.host}` : NO_TRANSPORT }
    return { ok: true, ways, explicit: hop.transport !== undefined || hop.secure }
  }
}

const refusedFor = (why: string): Ways => ({ ok: false, refused: true, reason: `${REFUSED}: ${why}` })

/** How a server is dealt with over TLS. */
type Dealt = Pick<Target, 'serverName' | 'tlsProfile'>

/** The name that whoever resolved it knows the address by, for which its certificate is to speak, and the profile it is dialled under. */
function tlsOf(uri: SipUri): Dealt {
  const name = uri.params.get('x-signalbox-tls-name')
  const profile = uri.params.get('x-signalbox-tls')
  return {
    ...(name !== undefined && isHostName(name) ? { serverName: name } : {}),
    ...(profile !== undefined && isProfileId(profile) ? { tlsProfile: profile } : {}),
  }
}

function protocolOf(hop: NextHop): Protocol | undefined {
  if (hop.secure) return 'tls'
  const { transport } = hop
  return transport === 'udp' || transport === 'tcp' || transport === 'tls' ? transport : undefined
}
