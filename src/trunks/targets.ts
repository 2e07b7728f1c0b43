import { isIP } from 'node:net'
import { CallError } from '../model/verdict.js'
import type { Trunk } from '../model/trunk.js'
import { formatNextHop, type NextHop, readNextHop, type Transport } from './next-hop.js'
import type { Target } from './target.js'
import type { TargetHealth } from './target-health.js'
import type { TrunkTlsProfiles, WithTls } from './tls-profiles.js'

/** Finds the servers behind a host name or address, best first (RFC 3263); the engine's resolver. */
export interface HopResolver {
  /** @throws {Error} saying what was asked and what came back; its `code` is INVALID or UNSUPPORTED when asking again cannot help */
  resolve(hop: HopQuestion): Promise<readonly ResolvedTarget[]>
}

/** A next hop as the resolver is asked about it. */
export interface HopQuestion {
  readonly host: string
  readonly port?: number
  readonly transport?: string
  readonly secure: boolean
}

/** The question for a next hop. Whatever the resolver takes in place of a UDP that nobody named is what we have a contact for. */
export function askedOf({ host, port, transport, assumed }: NextHop): HopQuestion {
  const named = assumed === true ? undefined : transport
  return {
    host,
    secure: false,
    ...(port === undefined ? {} : { port }),
    ...(named === undefined ? {} : { transport: named }),
  }
}

/** A server as the resolver names it. */
export interface ResolvedTarget {
  readonly protocol: Transport
  /** IP literal without brackets. */
  readonly address: string
  readonly port: number
  /** NAPTR or SRV records named the transport. */
  readonly offered?: boolean
}

/** What of a trunk decides where its requests go. */
export type Routed = Pick<Trunk, 'id' | 'outbound_proxy' | 'sip_domain' | 'transport'> &
  WithTls &
  Partial<Pick<Trunk, 'register_in'>>

/** The name that certificates of a trunk's servers must speak for: the host of its next hop (RFC 5922), unless that is an address. */
const nameOf = ({ host }: NextHop): { readonly name?: string } =>
  host.startsWith('[') || isIP(host) !== 0 ? {} : { name: host }

/** Targets of one trunk, at most. */
export const MAX_TARGETS = 16
/** Trunks of which it is kept why nothing is sent to them. */
const MAX_REJECTED = 20_000

/**
 * Decides where requests to a trunk go, all of them: the outbound proxy over the SIP domain, a port over SRV, `;transport=` over the
 * trunk's `transport` over NAPTR and SRV over UDP; the servers behind a name by RFC 3263; those that failed lately last.
 */
export class Targets {
  private readonly resolver: HopResolver
  private readonly health: TargetHealth
  /** Trunks that lead where nothing may be sent, and why, as they were last resolved. */
  private readonly rejected = new Map<string, string>()
  private readonly profiles: TrunkTlsProfiles | undefined

  /** @param profiles of trunks' TLS settings; without it all servers are dealt with in one way */
  constructor(options: { resolver: HopResolver; health: TargetHealth; profiles?: TrunkTlsProfiles }) {
    this.resolver = options.resolver
    this.health = options.health
    this.profiles = options.profiles
  }

  /**
   * What a server of the trunk is held to over TLS.
   * @throws {CallError} TRUNK_NOT_USABLE when the trunk names a certificate that may not be shown for it
   */
  tlsOf(trunk: Routed): Pick<Target, 'name' | 'profile'> {
    const parsed = readNextHop(trunk)
    return { ...(parsed.ok ? nameOf(parsed.hop) : {}), ...this.profileOf(trunk) }
  }

  /** Why nothing is sent to a trunk, as it was last resolved; undefined: it may be, or was not resolved. */
  rejection(trunkId: string): string | undefined {
    return this.rejected.get(trunkId)
  }

  /** Forgets a trunk that is no more. */
  forget(trunkId: string): void {
    this.rejected.delete(trunkId)
  }

  /**
   * The servers of a trunk in the order to try them, 1 to 16.
   * @throws {CallError} TRUNK_ADDRESS_REFUSED when it leads where nothing may be sent; TRUNK_NOT_USABLE when the trunk names no server that can be sent to; TRUNK_UNREACHABLE when name servers
   * know none: what was asked and what came back
   */
  async of(trunk: Routed): Promise<readonly Target[]> {
    const parsed = readNextHop(trunk)
    if (!parsed.ok) throw new CallError('TRUNK_NOT_USABLE', `trunk ${trunk.id}: ${parsed.why}`)
    const found = await this.resolve(trunk, parsed.hop)
    return this.health.order(trunk.id, found.slice(0, MAX_TARGETS))
  }

  private async resolve(trunk: Routed, hop: NextHop): Promise<Target[]> {
    const { id: trunkId } = trunk
    const asked = askedOf(hop)
    let found: readonly ResolvedTarget[]
    try {
      found = await this.resolver.resolve(asked)
    } catch (error) {
      const { message, code } = error as NodeJS.ErrnoException
      if (code === 'REFUSED') {
        if (this.rejected.size >= MAX_REJECTED) this.rejected.clear()
        this.rejected.set(trunkId, message)
        throw new CallError('TRUNK_ADDRESS_REFUSED', `trunk ${trunkId}: ${message}`, { cause: error })
      }
      const hopeless = code === 'INVALID' || code === 'UNSUPPORTED'
      throw new CallError(hopeless ? 'TRUNK_NOT_USABLE' : 'TRUNK_UNREACHABLE', `trunk ${trunkId}: ${message}`, {
        cause: error,
      })
    }
    if (this.rejected.size > 0) this.rejected.delete(trunkId)
    if (found.length === 0)
      throw new CallError('TRUNK_UNREACHABLE', `trunk ${trunkId}: ${formatNextHop(hop)} has no address`)
    return found.map(({ protocol, address, port: at, offered }) => ({
      transport: protocol,
      address,
      port: at,
      ...(protocol === 'tls' ? { ...nameOf(hop), ...this.profileOf(trunk) } : {}),
      settled: asked.transport !== undefined || offered === true || protocol !== 'udp',
    }))
  }

  private profileOf(trunk: Routed): Pick<Target, 'profile'> {
    const { profiles } = this
    if (profiles === undefined || (trunk.tls ?? null) === null) return {}
    const problem = profiles.certificateProblem(trunk)
    if (problem !== undefined)
      throw new CallError('TRUNK_NOT_USABLE', `trunk ${trunk.id}: tls.client_certificate: ${problem}`)
    const profile = profiles.idOf(trunk)
    return profile === undefined ? {} : { profile }
  }
}
