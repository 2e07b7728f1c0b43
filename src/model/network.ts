import { isIP } from 'node:net'
import { z } from 'zod'

/** Address and prefix length of a CIDR text (`10.0.0.0/8`, `::1/128`, a bare address), or undefined when it is none. */
export function parseNetwork(text: string): { address: string; prefix: number; family: 4 | 6 } | undefined {
  const slash = text.indexOf('/')
  const address = slash < 0 ? text : text.slice(0, slash)
  const family = isIP(address)
  if (family !== 4 && family !== 6) return undefined
  if (address.includes('%')) return undefined
  const width = family === 4 ? 32 : 128
  if (slash < 0) return { address, prefix: width, family }
  const digits = text.slice(slash + 1)
  if (!/^[0-9]{1,3}$/.test(digits)) return undefined
  const prefix = Number(digits)
  return prefix <= width ? { address, prefix, family } : undefined
}

/** One address or network in CIDR form. */
export const network = z
  .string()
  .max(64)
  .refine((text) => parseNetwork(text) !== undefined, 'must be an IP address or a network such as 203.0.113.0/24')

export const networks = z.array(network).max(256)

/** Whether a host, an IPv6 address without brackets, is this machine alone: nobody else reaches what listens there. */
export const isLoopbackHost = (host: string): boolean =>
  host === '::1' || host.toLowerCase() === 'localhost' || (isIP(host) === 4 && host.startsWith('127.'))

/** An address as a number: 32 bits wide (IPv4) or 128 (IPv6); undefined when the text is none. IPv4 mapped into IPv6 is the IPv4 address. */
export function parseAddress(text: string): { bits: bigint; family: 4 | 6 } | undefined {
  const family = text.length <= 45 ? isIP(text) : 0
  if (family === 4) return { bits: bitsOf4(text), family }
  if (family !== 6 || text.includes('%')) return undefined
  const bits = bitsOf6(text)
  return bits >> 32n === 0xffffn ? { bits: bits & 0xffffffffn, family: 4 } : { bits, family }
}

/** A CIDR text as bits that `parseAddress` gives, those beyond the prefix zero; undefined when it is none. */
export function parseNetworkBits(text: string): { bits: bigint; prefix: number; family: 4 | 6 } | undefined {
  const network = parseNetwork(text)
  const address = network && parseAddress(network.address)
  if (network === undefined || address === undefined) return undefined
  // ::ffff:192.0.2.0/120 is 192.0.2.0/24.
  const prefix = network.family === address.family ? network.prefix : network.prefix - 96
  const { family } = address
  return prefix < 0 ? undefined : { bits: maskAddress(address.bits, prefix, family), prefix, family }
}

/** Bits of a prefix below which a network holds strangers, whoever's it is: no customer has a sixteenth of the internet. */
const SHORTEST_PREFIX = { 4: 8, 6: 16 } as const

/** Why the calls of one customer cannot come from this network; undefined: they can. */
export function tooWide(text: string): string | undefined {
  const parsed = parseNetworkBits(text)
  if (parsed === undefined || parsed.prefix >= SHORTEST_PREFIX[parsed.family]) return undefined
  return `${text} lets in strangers: name the networks that calls come from, at most a /${SHORTEST_PREFIX[parsed.family]} each`
}

/** The first bits of an address, the rest zero: the network it is in. */
export function maskAddress(bits: bigint, prefix: number, family: 4 | 6): bigint {
  const rest = BigInt((family === 4 ? 32 : 128) - prefix)
  return (bits >> rest) << rest
}

function bitsOf4(text: string): bigint {
  return BigInt(text.split('.').reduce((bits, byte) => bits * 256 + Number(byte), 0))
}

function bitsOf6(text: string): bigint {
  const [head = '', tail] = text.split('::')
  const before = groupsOf(head)
  const after = tail === undefined ? [] : groupsOf(tail)
  const groups = [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after]
  return groups.reduce((bits, group) => (bits << 16n) | BigInt(group), 0n)
}

/** The 16-bit groups of one side of `::`; the last may be written as an IPv4 address. */
function groupsOf(side: string): number[] {
  if (side === '') return []
  return side.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)]
    const bits = Number(bitsOf4(group))
    return [Math.floor(bits / 65_536), bits % 65_536]
  })
}
