import {
  ALPHANUM,
  CLOSE_BRACKET,
  COLON,
  DIGIT,
  DOT,
  HEX,
  HOST_LABEL,
  OPEN_BRACKET,
  decimal,
  isIn,
  skip,
} from './chars.js'

/** Longest domain name, in characters. */
const maxHostLength = 255

/**
 * Position after the host (RFC 3261 25.1) that begins at `from`, or -1 when there is none: a domain name, an IPv4 address or an
 * IPv6 address in brackets. A last label may begin with a digit, as container names do, but four numbers must be an address.
 */
export function scanHost(text: string, from: number, end: number): number {
  if (from < end && text.charCodeAt(from) === OPEN_BRACKET) {
    const close = text.indexOf(']', from)
    return close > 0 && close < end && isIpv6(text, from + 1, close) ? close + 1 : -1
  }
  let at = from
  let numeric = true
  for (;;) {
    const label = at
    at = skip(text, at, end, HOST_LABEL)
    if (at === label) {
      // A name may end in one dot.
      if (label === from || numeric || text.charCodeAt(label - 1) !== DOT) return -1
      break
    }
    if (text.charCodeAt(label) === 0x2d || text.charCodeAt(at - 1) === 0x2d) return -1
    if (numeric && skip(text, label, at, DIGIT) !== at) numeric = false
    if (at < end && text.charCodeAt(at) === DOT) at++
    else break
  }
  if (at - from > maxHostLength) return -1
  return numeric && !isIpv4(text, from, at) ? -1 : at
}

/** Position after `:port`, or `from` when there is none, or -1 when what follows the colon is no port from 1 to 65535. */
export function scanPort(text: string, from: number, end: number): number {
  if (from >= end || text.charCodeAt(from) !== COLON) return from
  const stop = skip(text, from + 1, end, DIGIT)
  const port = decimal(text, from + 1, stop)
  return port >= 1 && port <= 65_535 ? stop : -1
}

/** The host as others should see it: the third colon that RFC 3261's own grammar could yield (RFC 5118 4.10) is dropped. */
export function hostText(text: string, from: number, end: number): string {
  const host = text.slice(from, end)
  return text.charCodeAt(from) === OPEN_BRACKET ? host.replace(':::', '::') : host
}

/** Whether the characters are an IPv4 address: four numbers from 0 to 255. */
export function isIpv4(text: string, from: number, end: number): boolean {
  let at = from
  for (let part = 1; part <= 4; part++) {
    const start = at
    at = skip(text, at, end, DIGIT)
    if (at === start || at - start > 3 || decimal(text, start, at) > 255) return false
    if (part < 4) {
      if (at >= end || text.charCodeAt(at) !== DOT) return false
      at++
    }
  }
  return at === end
}

/** Whether the characters are an IPv6 address, without brackets and zone. ':::' before an IPv4 tail is taken as '::' (RFC 5118 4.10). */
export function isIpv6(text: string, from: number, end: number): boolean {
  if (end - from > 46) return false
  let groups = 0
  let gap = false
  let at = from
  if (text.charCodeAt(at) === COLON) {
    if (text.charCodeAt(at + 1) !== COLON) return false
    gap = true
    at += 2
    if (text.charCodeAt(at) === COLON && at < end) {
      at++
      if (!isIpv4(text, at, end)) return false
    }
    if (at === end) return true
  }
  for (;;) {
    const start = at
    at = skip(text, at, end, HEX)
    if (at < end && text.charCodeAt(at) === DOT) return isIpv4(text, start, end) && fits(groups + 2, gap)
    if (at === start || at - start > 4) return false
    groups++
    if (at === end) return fits(groups, gap)
    if (text.charCodeAt(at) !== COLON || ++at === end) return false
    if (text.charCodeAt(at) !== COLON) continue
    if (gap) return false
    gap = true
    at++
    if (at === end) return fits(groups, gap)
    if (text.charCodeAt(at) === COLON) {
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
  return host.charCodeAt(0) === OPEN_BRACKET && host.charCodeAt(host.length - 1) === CLOSE_BRACKET
    ? host.slice(1, -1)
    : host
}

/** Whether `host` (IPv6 with or without brackets) is an address and not a name. */
export function isAddress(host: string): boolean {
  const bare = withoutBrackets(host)
  return isIn(bare.charCodeAt(0), ALPHANUM | HEX) || bare.charCodeAt(0) === COLON
    ? isIpv4(bare, 0, bare.length) || isIpv6(bare, 0, bare.length)
    : false
}
