import {
  COLON,
  COMMA,
  DISPLAY,
  GREATER,
  LESS,
  QUESTION,
  QUOTE,
  SEMICOLON,
  SP,
  HT,
  TOKEN,
  isIn,
  quote,
  skip,
  skipQuoted,
  skipSpace,
  trimEnd,
  unquote,
  codeAt,
} from './chars.js'
import type { Params } from './params.js'
import { formatParams, noParams, scanParams } from './params.js'
import { isUri } from './uri.js'

export { splitList } from './list.js'

/** One value of From, To, Contact, Route, Record-Route and their like: `name-addr` or `addr-spec`, with header parameters. */
export interface NameAddr {
  /** Without quotes and escapes. */
  readonly displayName?: string
  readonly uri: string
  /** Names in lower case; values as they came, quotes included; '' for one without a value. */
  readonly params: Params
}

class ScannedNameAddr implements NameAddr {
  declare displayName?: string
  uri = ''
  params: Params = noParams
}

/** The one value in `value`, or undefined when it is malformed: its URI too, when that is sip, sips or tel. */
export function parseNameAddr(value: string): NameAddr | undefined {
  const found = new ScannedNameAddr()
  return scanNameAddr(value, 0, value.length, found) === value.length ? found : undefined
}

/** All values of a header line, in order, or undefined when any is malformed or there is none. */
export function parseNameAddrList(value: string): NameAddr[] | undefined {
  const list: NameAddr[] = []
  const end = value.length
  for (let at = 0; ; at++) {
    const found = new ScannedNameAddr()
    at = scanNameAddr(value, at, end, found)
    if (at < 0) return undefined
    list.push(found)
    if (at === end) return list
    if (codeAt(value, at) !== COMMA) return undefined
  }
}

/** Whether `value` is one or more well-formed values, parted by commas. */
export function isNameAddrList(value: string): boolean {
  const end = value.length
  for (let at = 0; ; at++) {
    at = scanNameAddr(value, at, end, undefined)
    if (at < 0 || at === end) return at === end
    if (codeAt(value, at) !== COMMA) return false
  }
}

/**
 * The value as text. A display name is a quoted string with its quotes and backslashes escaped; control characters in it become spaces.
 * @throws {RangeError} when the URI or a parameter would not be read back as such.
 */
export function formatNameAddr(address: NameAddr): string {
  if (!isUri(address.uri, 0, address.uri.length)) throw new RangeError(`${JSON.stringify(address.uri)} is no URI`)
  const name = address.displayName === undefined ? '' : `${quote(address.displayName)} `
  return `${name}<${address.uri}>${formatParams(address.params)}`
}

/** Reads one value from `from`; gives the position after it and the space that follows (a comma or the end), or -1 when it is malformed. Without `into` it only checks. */
function scanNameAddr(text: string, from: number, end: number, into: ScannedNameAddr | undefined): number {
  let at = skipSpace(text, from, end)
  const start = at
  if (codeAt(text, at) === QUOTE) {
    at = skipQuoted(text, at, end)
    if (at < 0) return -1
    if (into !== undefined) into.displayName = unquote(text.slice(start, at))
    at = skipSpace(text, at, end)
    if (codeAt(text, at) !== LESS) return -1
  } else {
    at = skipDisplayName(text, at, end)
    if (codeAt(text, at) === COLON) return scanBareUri(text, start, at, end, into)
    if (codeAt(text, at) !== LESS) return -1
    if (into !== undefined && at > start) into.displayName = text.slice(start, trimEnd(text, start, at))
  }
  const uriStart = at + 1
  at = uriStart
  while (at < end && codeAt(text, at) !== GREATER) at++
  if (at >= end || !isUri(text, uriStart, at)) return -1
  if (into !== undefined) into.uri = text.slice(uriStart, at)
  return scanParams(text, at + 1, end, into)
}

/** Position after `*( token LWS )`. */
function skipDisplayName(text: string, from: number, end: number): number {
  let at = from
  for (;;) {
    at = skipSpace(text, skip(text, at, end, DISPLAY), end)
    if (at >= end || !isIn(codeAt(text, at), DISPLAY)) return at
  }
}

/** A URI without brackets ends at the first ';', which begins header parameters, and may not hold '?' or ',' (RFC 3261 20.10). */
function scanBareUri(
  text: string,
  from: number,
  colon: number,
  end: number,
  into: ScannedNameAddr | undefined,
): number {
  let at = colon
  for (; at < end; at++) {
    const code = codeAt(text, at)
    if (code === SEMICOLON || code === COMMA || code === SP || code === HT) break
    if (code === QUESTION) return -1
  }
  if (!isUri(text, from, at)) return -1
  if (into !== undefined) into.uri = text.slice(from, at)
  return scanParams(text, at, end, into)
}

/** The value with its tag set. @throws {RangeError} when the tag is no token. */
export function withTag(address: NameAddr, tag: string): NameAddr {
  if (skip(tag, 0, tag.length, TOKEN) !== tag.length || tag === '')
    throw new RangeError(`tag ${JSON.stringify(tag)} is not a token`)
  return { ...address, params: new Map([...address.params, ['tag', tag]]) }
}
