import { isIP, isIPv4 } from 'node:net'

/** The address without the brackets that IPv6 has in URIs and Via. */
export function unbracketed(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
}

/** The address as URIs and Via write it: IPv6 in brackets. */
export function bracketed(address: string): string {
  return address.includes(':') && !address.startsWith('[') ? `[${address}]` : address
}

/** 4 or 6 for an IP literal without brackets, undefined for anything else. */
export function familyOf(address: string): 4 | 6 | undefined {
  const family = isIP(address)
  return family === 4 || family === 6 ? family : undefined
}

/** The 4 or 16 octets of an IP literal (a zone is left out); undefined when it is none. */
export function octetsOf(address: string): readonly number[] | undefined {
  if (isIPv4(address)) return address.split('.').map(Number)
  if (isIP(address) !== 6) return undefined
  const zone = address.indexOf('%')
  const text = zone < 0 ? address : address.slice(0, zone)
  const gap = text.indexOf('::')
  if (gap < 0) return groupsOf(text)
  const head = groupsOf(text.slice(0, gap))
  const tail = groupsOf(text.slice(gap + 2))
  return [...head, ...new Array<number>(16 - head.length - tail.length).fill(0), ...tail]
}

function groupsOf(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number)
    const value = parseInt(group, 16)
    return [value >> 8, value & 0xff]
  })
}

/** Both name the same address, however IPv6 is spelled. Brackets are allowed; host names are equal only letter by letter. */
export function sameAddress(a: string, b: string): boolean {
  if (a === b) return true
  const left = unbracketed(a)
  const right = unbracketed(b)
  if (left === right) return true
  if (!left.includes(':') || !right.includes(':')) return false
  const leftOctets = octetsOf(left)
  const rightOctets = octetsOf(right)
  return (
    leftOctets !== undefined && rightOctets !== undefined && leftOctets.every((octet, i) => octet === rightOctets[i])
  )
}

/**
 * Which network an IP literal (brackets allowed) belongs to: `public`, or the private block it lies in (RFC 1918, 6598, 3927, 4193,
 * loopback). The same private block names many networks. Undefined for what is no IP literal.
 */
export function scopeOf(host: string): string | undefined {
  const octets = octetsOf(unbracketed(host))
  if (octets === undefined) return undefined
  const [first = 0, second = 0] = octets
  if (octets.length === 16) {
    if (isLoopback(unbracketed(host))) return '::1'
    if ((first & 0xfe) === 0xfc) return 'fc00::/7'
    return first === 0xfe && (second & 0xc0) === 0x80 ? 'fe80::/10' : 'public'
  }
  if (first === 127 || first === 10) return `${first}.0.0.0/8`
  if (first === 192 && second === 168) return '192.168.0.0/16'
  if (first === 172 && (second & 0xf0) === 16) return '172.16.0.0/12'
  if (first === 100 && (second & 0xc0) === 64) return '100.64.0.0/10'
  return first === 169 && second === 254 ? '169.254.0.0/16' : 'public'
}

/** 127.0.0.0/8 or ::1. */
export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || sameAddress(address, '::1')
}

/**
 * A packet may be sent there: one host. Not multicast, broadcast, "this network" (0.0.0.0 reaches ourselves on Linux), nor an
 * IPv4 address dressed as IPv6.
 */
export function isUnicast(address: string): boolean {
  const octets = octetsOf(address)
  if (octets === undefined) return false
  if (octets.length === 4) {
    const first = octets[0] ?? 0
    return first !== 0 && (first < 224 || first > 239) && address !== '255.255.255.255'
  }
  if (octets[0] === 0xff) return false
  const zeros = octets.findIndex((octet) => octet !== 0)
  const unspecified = zeros < 0
  const mapped = zeros === 10 && octets[10] === 0xff && octets[11] === 0xff
  return !unspecified && !mapped
}

/** 1..65535. */
export function isPort(port: number): boolean {
  return Number.isInteger(port) && port > 0 && port < 65_536
}
