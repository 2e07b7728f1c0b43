import { maskAddress, parseAddress, parseNetworkBits } from '../model/network.js'
import { printable } from '../model/printable.js'
import type { Trunk } from '../model/trunk.js'

/** Whether an address is among those allowed, and why (not). */
export interface AddressMatch {
  readonly matched: boolean
  /** `127.0.0.1 is in 127.0.0.1/32` */
  readonly why: string
}

/** Whether a trunk's calls may come from an address, and why (not). */
export interface TrunkTried extends AddressMatch {
  readonly trunk_id: string
}

const MAX_NETWORKS_NAMED = 5

/** Holds a source address against networks (CIDR). */
export function matchNetworks(allowed: readonly string[], sourceAddress: string): AddressMatch {
  const source = printable(sourceAddress, 64)
  const address = parseAddress(sourceAddress)
  if (address === undefined) return { matched: false, why: `${source} is not an IP address` }
  const network = allowed.find((text) => contains(text, address))
  if (network !== undefined) return { matched: true, why: `${source} is in ${network}` }
  return { matched: false, why: `${source} is not in ${describeAllowed({ allowed_addresses: allowed })}` }
}

/** Holds a source address against a trunk's `allowed_addresses`. */
export const matchAddress = (trunk: Pick<Trunk, 'id' | 'allowed_addresses'>, sourceAddress: string): TrunkTried => ({
  trunk_id: trunk.id,
  ...matchNetworks(trunk.allowed_addresses, sourceAddress),
})

/** A call that came to the Contact we registered for this trunk; the token itself is shown to nobody. */
export function matchToken(trunk: Pick<Trunk, 'id'>): TrunkTried {
  return { trunk_id: trunk.id, matched: true, why: 'Contact token of the registration' }
}

/** A call whose credentials are the trunk's `inbound_auth`. */
export function matchDigest(trunk: Pick<Trunk, 'id'>): TrunkTried {
  return { trunk_id: trunk.id, matched: true, why: 'credentials of inbound_auth' }
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

function contains(text: string, { bits, family }: { bits: bigint; family: 4 | 6 }): boolean {
  const network = parseNetworkBits(text)
  return network?.family === family && maskAddress(bits, network.prefix, family) === network.bits
}
