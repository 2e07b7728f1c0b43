import type { TrunkRule } from '../model/decision.js'
import { maskAddress, parseAddress, parseNetworkBits } from '../model/network.js'
import { printable } from '../model/printable.js'
import type { Trunk } from '../model/trunk.js'
import type { Besides } from './known-sources.js'

/** Whether an address is among those allowed, and why (not). */
export interface AddressMatch {
  readonly matched: boolean
  /** `127.0.0.1 is in 127.0.0.1/32` */
  readonly why: string
}

/** Whether a call may come from a trunk, and why (not). */
export interface TrunkTried extends AddressMatch {
  readonly trunk_id: string
  readonly account_id: string
  /** The rule by which it matched. */
  readonly rule: TrunkRule | null
}

const MAX_NETWORKS_NAMED = 5

/** Holds a source address against networks (CIDR). */
export function matchNetworks(allowed: readonly string[], sourceAddress: string): AddressMatch {
  const source = printable(sourceAddress, 64)
  const address = parseAddress(sourceAddress)
  if (address === undefined) return { matched: false, why: `${source} is not an IP address` }
  const network = allowed[networksOf(allowed).findIndex((one) => one !== undefined && contains(one, address))]
  if (network !== undefined) return { matched: true, why: `${source} is in ${network}` }
  return { matched: false, why: `${source} is not in ${describeAllowed({ allowed_addresses: allowed })}` }
}

type Tried = Pick<Trunk, 'id' | 'account_id'>

const tried = ({ id, account_id }: Tried, rule: TrunkRule | null, why: string): TrunkTried => ({
  trunk_id: id,
  account_id,
  matched: rule !== null,
  why,
  rule,
})

/**
 * Holds a source address against a trunk: its `allowed_addresses`, and what else is known of it.
 * @param besides what the address is to the trunk otherwise
 */
export function matchAddress(
  trunk: Tried & Pick<Trunk, 'allowed_addresses'>,
  sourceAddress: string,
  besides?: Besides,
): TrunkTried {
  const { matched, why } = matchNetworks(trunk.allowed_addresses, sourceAddress)
  if (matched) return tried(trunk, 'address', why)
  const source = printable(sourceAddress, 64)
  if (besides === 'server') return tried(trunk, 'resolved-address', `${source} is a server of the trunk`)
  if (besides === 'binding') return tried(trunk, 'registered', `the trunk has registered from ${source}`)
  return tried(trunk, null, why)
}

/** A call that came to the Contact we registered for this trunk; the token itself is shown to nobody. */
export const matchToken = (trunk: Tried): TrunkTried =>
  tried(trunk, 'contact-token', 'Contact token of the registration')

/** A call whose credentials are the trunk's `inbound_auth`. */
export const matchDigest = (trunk: Tried): TrunkTried => tried(trunk, 'digest', 'credentials of inbound_auth')

/** A call that the trunk is not asked about. */
export const noMatch = (trunk: Tried, why: string): TrunkTried => tried(trunk, null, why)

/** What a trunk's `require` makes of a rule that has identified it. */
export interface Requirements {
  readonly tried: TrunkTried
  /** The trunk's credentials, and nothing else, are missing. */
  readonly asksDigest: boolean
}

/**
 * Holds a call that one rule has identified against all that the trunk's `require` asks for.
 * @param address what the source address is to the trunk
 * @param proven its credentials have been shown
 */
export function checkRequired(
  trunk: Tried & Pick<Trunk, 'require' | 'inbound_auth'>,
  identified: TrunkTried,
  address: () => TrunkTried,
  proven: boolean,
): Requirements {
  const { require } = trunk
  if (!identified.matched || require.length === 0) return { tried: identified, asksDigest: false }
  const [needsAddress, needsDigest] = [require.includes('address'), require.includes('digest')]
  const from = needsAddress ? address() : undefined
  if (from?.matched === false)
    return { tried: noMatch(trunk, `${from.why}, which the trunk requires`), asksDigest: false }
  if (needsDigest && !proven)
    return {
      tried: noMatch(trunk, `${identified.why}, but the trunk requires credentials of inbound_auth too`),
      asksDigest: trunk.inbound_auth !== null,
    }
  if (from === undefined) return { tried: needsDigest ? matchDigest(trunk) : identified, asksDigest: false }
  if (!needsDigest) return { tried: from, asksDigest: false }
  return { tried: tried(trunk, 'address+digest', `${from.why}, and ${matchDigest(trunk).why}`), asksDigest: false }
}

/** `127.0.0.1/32, 10.0.0.0/8`, or that nothing is allowed. */
export function describeAllowed({
  allowed_addresses: allowed,
}: {
  readonly allowed_addresses: readonly string[]
}): string {
  if (allowed.length === 0) return 'allowed_addresses, which is empty'
  const named = allowed.slice(0, MAX_NETWORKS_NAMED).join(', ')
  return allowed.length > MAX_NETWORKS_NAMED ? `${named} and ${allowed.length - MAX_NETWORKS_NAMED} more` : named
}

type Network = ReturnType<typeof parseNetworkBits>

/** The lists of records in memory, parsed: each is held against the source of many calls. */
const parsed = new WeakMap<readonly string[], readonly Network[]>()

function networksOf(allowed: readonly string[]): readonly Network[] {
  const known = parsed.get(allowed)
  if (known !== undefined) return known
  const networks = allowed.map(parseNetworkBits)
  parsed.set(allowed, networks)
  return networks
}

function contains(network: NonNullable<Network>, { bits, family }: { bits: bigint; family: 4 | 6 }): boolean {
  return network.family === family && maskAddress(bits, network.prefix, family) === network.bits
}
