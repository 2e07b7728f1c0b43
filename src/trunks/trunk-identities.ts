import type { Trunk } from '../model/trunk.js'
import type { Credentials } from './digest/exchange.js'
import type { DigestSession, DigestSessions } from './digest/session.js'
import { matchNetworks } from './identify.js'
import { readNextHop } from './next-hop.js'
import type { TrunkCredentials } from './trunk-credentials.js'
import type { TrunkPaths } from './trunk-paths.js'

/** Who we are to a trunk, and who its servers are. */
export interface TrunkIdentity {
  /** Undefined: we have none, or they cannot be read now. */
  readonly credentials: Credentials | undefined
  /** Why they cannot be read now. */
  readonly problem?: string
  readonly session: Pick<DigestSession, 'begin' | 'knows'>
  /** Lower-case names or addresses that the trunk itself is configured with: its outbound proxy and SIP domain. */
  readonly hosts: readonly string[]
  /** IP addresses of its servers, as its next hop resolves now. Never rejects. */
  addresses(): Promise<readonly string[]>
  /** Whether the trunk's `allowed_addresses` have this one. */
  allows(address: string): boolean
  /** What we showed was refused: the password may be another one by now. */
  refused(): void
}

/** Finds who we are to a trunk. */
export interface TrunkIdentityFinder {
  /** Never rejects. */
  of(trunk: Trunk): Promise<TrunkIdentity>
}

export interface TrunkIdentitiesOptions {
  readonly credentials: Pick<TrunkCredentials, 'credentialsOf' | 'forget'>
  readonly sessions: DigestSessions
  readonly paths: Pick<TrunkPaths, 'of'>
}

/** Who we are to each trunk: its credentials, what its servers have asked for lately, and where they are. */
export class TrunkIdentities implements TrunkIdentityFinder {
  constructor(private readonly options: TrunkIdentitiesOptions) {}

  async of(trunk: Trunk): Promise<TrunkIdentity> {
    const { credentials, sessions, paths } = this.options
    let problem: string | undefined
    const known = await credentials.credentialsOf(trunk).catch((error: unknown) => {
      problem = error instanceof Error ? error.message : String(error)
      return undefined
    })
    return {
      credentials: known,
      ...(problem === undefined ? {} : { problem }),
      session: sessions.of(trunk.id),
      hosts: hostsOf(trunk),
      addresses: () =>
        paths.of(trunk).then(
          ({ targets }) => targets.map(({ address }) => address),
          () => [],
        ),
      allows: (address) => matchNetworks(trunk.allowed_addresses, address).matched,
      refused: () => credentials.forget(trunk.id),
    }
  }
}

function hostsOf(trunk: Trunk): string[] {
  const hops = [readNextHop(trunk), readNextHop({ ...trunk, outbound_proxy: null })]
  return hops.flatMap((read) => (read.ok ? [read.hop.host.toLowerCase()] : []))
}
