import {
  CLOSE_BRACKET,
  COLON,
  DIGIT,
  DOT,
  HEX,
  HYPHEN,
  HOST_LABEL,
  OPEN_BRACKET,
  decimal,
  isIn,
  skip,
  codeAt,
} from './chars.js'

/** Longest domain name, in characters. */
const maxHostLength = 255

/**
 * Position after the host (RFC 3261 25.1) that begins at `from`, or -1 when there is none: a domain name, an IPv4 address or an
 * IPv6 address in brackets. A last label may begin with a digit, as container names do, but numbers alone must be an address.
 */
export function scanHost(text: string, from: number, end: number): number {
  if (from >= end) return -1
  const first = codeAt(text, from)
  if (first === OPEN_BRACKET) {
    const close = closingBracket(text, from, end)
    return close > 0 && isIpv6(text, from + 1, close) ? close + 1 : -1
  }
  if (isIn(first, DIGIT)) {
    const after = scanIpv4(text, from, end)
    if (after === end || (after > 0 && !isHostCharacter(codeAt(text, after)))) return after
  }
  return scanName(text, from, end)
}

function isHostCharacter(code: number): boolean {
  return code === DOT || isIn(code, HOST_LABEL)
}

/** No address is longer than this, so no search goes further. */
const maxIpv6Length = 46

function closingBracket(text: string, from: number, end: number): number {
  const last = Math.min(end, from + maxIpv6Length + 2)
  for (let at = from + 1; at < last; at++) if (codeAt(text, at) === CLOSE_BRACKET) return at
  return -1
}

/** Position after a domain name, which may end in one dot, or -1. */
function scanName(text: string, from: number, end: number): number {
  let at = from
  let label = from
  let numeric = true
  for (; at < end; at++) {
    const code = codeAt(text, at)
    if (code === DOT) {
      if (at === label || codeAt(text, at - 1) === HYPHEN) return -1
      label = at + 1
    } else if (!isIn(code, HOST_LABEL)) break
    else if (code === HYPHEN && at === label) return -1
    else if (numeric && !isIn(code, DIGIT)) numeric = false
  }
  return numeric || codeAt(text, at - 1) === HYPHEN || at - from > maxHostLength ? -1 : at
}

/** Position after `:port`, or `from` when there is none, or -1 when what follows the colon is no port from 1 to 65535. */
export function scanPort(text: string, from: number, end: number): number {
  if (from >= end || codeAt(text, from) !== COLON) return from
  const stop = skip(text, from + 1, end, DIGIT)
  const port = decimal(text, from + 1, stop)
  return port >= 1 && port <= 65_535 ? stop : -1
}

/** The host as others should see it: the third colon that RFC 3261's own grammar could yield (RFC 5118 4.10) is dropped. */
export function hostText(text: string, from: number, end: number): string {
  const host = text.slice(from, end)
  return codeAt(text, from) === OPEN_BRACKET ? host.replace(':::', '::') : host
}

/** Whether the characters are an IPv4 address: four numbers from 0 to 255. */
export function isIpv4(text: string, from: number, end: number): boolean {
  return scanIpv4(text, from, end) === end
}

/** Position after the IPv4 address at `from`, or -1. */
function scanIpv4(text: string, from: number, end: number): number {
  let at = from
  for (let part = 1; ; part++) {
    const start = at
    let value = 0
    for (; at < end; at++) {
      const digit = codeAt(text, at) - 0x30
      if (!(digit >= 0 && digit <= 9)) break
      value = value * 10 + digit
    }
    if (at === start || at - start > 3 || value > 255) return -1
    if (part === 4) return at
    if (at >= end || codeAt(text, at) !== DOT) return -1
    at++
  }
}

/** Whether the characters are an IPv6 address, without brackets and zone. ':::' before an IPv4 tail is taken as '::' (RFC 5118 4.10). */
export function isIpv6(text: string, from: number, end: number): boolean {
  if (end - from > maxIpv6Length) return false
  let groups = 0
  let gap = false
  let at = from
  if (codeAt(text, at) === COLON) {
    if (codeAt(text, at + 1) !== COLON) return false
    gap = true
    at += 2
    if (codeAt(text, at) === COLON && at < end) {
      at++
      if (!isIpv4(text, at, end)) return false
    }
    if (at === end) return true
  }
  for (;;) {
    const start = at
    at = skip(text, at, end, HEX)
    if (at < end && codeAt(text, at) === DOT) return isIpv4(text, start, end) && fits(groups + 2, gap)
    if (at === start || at - start > 4) return false
    groups++
    if (at === end) return fits(groups, gap)
    if (codeAt(text, at) !== COLON || ++at === end) return false
    if (codeAt(text, at) !== COLON) continue
    if (gap) return false
    gap = true
    at++
    if (at === end) return fits(groups, gap)
    if (codeAt(text, at) === COLON) {
      at++
      if (!isIpv4(text, at, end)) return false
    }
  }
}

function fits(groups: number, gap: boolean): boolean {
  return gap ? groups < 8 : groups === 8
}

/** An address without the brackets an IPv6 host wears in a URI or Via. */
export function withoutBrackets(host: string): string {
  return codeAt(host, 0) === OPEN_BRACKET && codeAt(host, host.length - 1) === CLOSE_BRACKET ? host.slice(1, -1) : host
}

/** Whether `host` (IPv6 with or without brackets) is an address and not a name. */
export function isAddress(host: string): boolean {
  const bare = withoutBrackets(host)
  return isIpv4(bare, 0, bare.length) || isIpv6(bare, 0, bare.length)
}
