import { familyOf, isLoopback, unbracketed } from './address.js'
import type { Protocol } from './transport.js'

/** Says whether peers of a family can be reached by a protocol. */
export type Supports = (protocol: Protocol, family: 4 | 6) => boolean

/** What is listened on. */
export interface Listening {
  readonly protocol: Protocol
  /** IP literal without brackets. */
  readonly address: string
}

/**
 * Peers of this family can be reached by this protocol from what is listened on. A loopback address counts only when the protocol
 * has no other: `[::1]` on a machine without IPv6 reaches nobody.
 */
export function reaches(listening: readonly Listening[], protocol: Protocol, family: 4 | 6): boolean {
  const same = listening.filter((one) => one.protocol === protocol)
  const outward = same.filter(({ address }) => !isLoopback(address))
  return (outward.length > 0 ? outward : same).some(({ address }) => familyOf(address) === family)
}

/**
 * The `supports` of a resolver that stands alone.
 *
 * @param addresses what a SIP server says it listens on: `udp/192.0.2.1:5060`, `tcp/[::1]:5060`. Others are passed over.
 */
export function supportsOf(addresses: readonly string[]): Supports {
  const listening = addresses.flatMap((text): Listening[] => {
    const match = /^(udp|tcp|tls)\/([^/]{1,64}):\d{1,5}$/.exec(text)
    if (match === null) return []
    const address = unbracketed(match[2]!)
    return familyOf(address) === undefined ? [] : [{ protocol: match[1] as Protocol, address }]
  })
  return (protocol, family) => reaches(listening, protocol, family)
}
