import {
  AMPERSAND,
  ANY_URI,
  AT,
  COLON,
  EQUALS,
  PASSWORD,
  QUESTION,
  SCHEME,
  URI_HEADER,
  USER,
  decimal,
  skip,
  codeAt,
} from './chars.js'
import { escapeOutside, skipEscaped, unescapeAll } from './escapes.js'
import { hostText, scanHost, scanPort } from './host.js'
import type { Params } from './params.js'
import { lowerCase, noParams } from './params.js'
import { formatUriParams, scanUriParams } from './uri-params.js'
import { scanTelUri } from './tel-uri.js'
import type { TelUri } from './tel-uri.js'

export type { TelUri } from './tel-uri.js'
export { sameUri } from './same-uri.js'

/** A SIP or SIPS URI (RFC 3261 19.1). */
export interface SipUri {
  readonly scheme: 'sip' | 'sips'
  /** As written, escapes included; `unescapeUser` gives what it says. */
  readonly user?: string
  readonly password?: string
  /** Name or address; an IPv6 address keeps its brackets. */
  readonly host: string
  /** 1 to 65535. */
  readonly port?: number
  /** Names in lower case, values as written but for needless escapes; '' for a flag. */
  readonly params: Params
  /** What follows the '?', as written. Never acted upon. */
  readonly headers?: string
}

/** The SIP, SIPS or tel URI in `text`, or undefined when it is malformed or of another scheme. Nothing may stand before or after it. */
export function parseUri(text: string): SipUri | TelUri | undefined {
  const start = sipStart(text, 0, text.length)
  if (start > 0) {
    const found: Writable<SipUri> = { scheme: start === 5 ? 'sips' : 'sip', host: '', params: noParams }
    return scanSipUri(text, start, text.length, found) ? found : undefined
  }
  return uriScheme(text) === 'tel' ? scanTelUri(text, 4, text.length) : undefined
}

/** The scheme of a URI in lower case ('sip', 'soap.beep'), or undefined when the text does not begin with one and a colon. */
export function uriScheme(text: string): string | undefined {
  const colon = schemeEnd(text, 0, text.length)
  return colon < 0 ? undefined : lowerCase(text, 0, colon)
}

/** Whether the characters are one URI: strict for sip, sips and tel; of another scheme, only printable and without <, > and ". */
export function isUri(text: string, from: number, end: number): boolean {
  const start = sipStart(text, from, end)
  if (start > 0) return scanSipUri(text, start, end, undefined)
  const colon = schemeEnd(text, from, end)
  if (colon < 0) return false
  if (colon - from === 3 && lowerCase(text, from, colon) === 'tel')
    return scanTelUri(text, colon + 1, end) !== undefined
  return colon + 1 < end && skip(text, colon + 1, end, ANY_URI) === end
}

/**
 * Whether `text` may be a Request-URI. A SIP URI may carry no headers there (RFC 3261 19.1.1). A scheme that is not ours is only looked
 * over: it is for the core to refuse it with 416.
 */
export function isRequestUri(text: string): boolean {
  return isUri(text, 0, text.length) && (sipStart(text, 0, text.length) < 0 || text.indexOf('?', hostStart(text)) < 0)
}

/**
 * The URI as text.
 * Characters that a user part may not hold are escaped.
 * @throws {RangeError} when host, port, a parameter or the headers could not be part of a URI.
 */
export function formatUri(uri: SipUri | TelUri): string {
  const params = formatUriParams(uri.params)
  if (uri.scheme === 'tel') {
    const { number } = uri
    if (scanTelUri(number, 0, number.length)?.number !== number)
      throw new RangeError(`${JSON.stringify(number)} is no telephone number`)
    return `tel:${number}${params}`
  }
  let text = `${uri.scheme}:`
  if (uri.user !== undefined && uri.user !== '') {
    text += escapeOutside(uri.user, USER)
    if (uri.password !== undefined) text += `:${escapeOutside(uri.password, PASSWORD)}`
    text += '@'
  }
  if (scanHost(uri.host, 0, uri.host.length) !== uri.host.length)
    throw new RangeError(`${JSON.stringify(uri.host)} is no host`)
  text += uri.host
  if (uri.port !== undefined) text += formatPort(uri.port)
  text += params
  if (uri.headers === undefined) return text
  if (!areUriHeaders(uri.headers, 0, uri.headers.length))
    throw new RangeError(`${JSON.stringify(uri.headers)} are no URI headers`)
  return `${text}?${uri.headers}`
}

/** `:port`. @throws {RangeError} outside 1 to 65535. */
export function formatPort(port: number): string {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new RangeError(`${port} is no port`)
  return `:${port}`
}

/** What the user part of a URI says: escapes undone once, bad ones left alone. May hold any byte, so is never to be put in a header as it is. */
export function unescapeUser(text: string): string {
  return unescapeAll(text)
}

/** `text` as the user part of a URI: whatever may not stand there is escaped, a '%' too. */
export function escapeUser(text: string): string {
  return escapeOutside(text.replaceAll('%', '%25'), USER)
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }

/** Position after 'sip:' or 'sips:' (any case) at `from`, or -1. */
function sipStart(text: string, from: number, end: number): number {
  if (end - from < 4 || (codeAt(text, from) | 0x20) !== 0x73) return -1
  if ((codeAt(text, from + 1) | 0x20) !== 0x69 || (codeAt(text, from + 2) | 0x20) !== 0x70) return -1
  if (codeAt(text, from + 3) === COLON) return from + 4
  return (codeAt(text, from + 3) | 0x20) === 0x73 && codeAt(text, from + 4) === COLON && from + 5 <= end ? from + 5 : -1
}

/** Position of the colon after a scheme, or -1. */
function schemeEnd(text: string, from: number, end: number): number {
  const first = codeAt(text, from) | 0x20
  if (from >= end || first < 0x61 || first > 0x7a) return -1
  const colon = skip(text, from, end, SCHEME)
  return colon < end && codeAt(text, colon) === COLON ? colon : -1
}

/** Whether everything from `from` (after the scheme) to `end` is the rest of a SIP URI; fills `into` when given. */
function scanSipUri(text: string, from: number, end: number, into: Writable<SipUri> | undefined): boolean {
  const host = scanUserInfo(text, from, end, into)
  const hostEnd = scanHost(text, host, end)
  if (hostEnd < 0) return false
  const portEnd = scanPort(text, hostEnd, end)
  if (portEnd < 0) return false
  if (into !== undefined) {
    into.host = hostText(text, host, hostEnd)
    if (portEnd > hostEnd) into.port = decimal(text, hostEnd + 1, portEnd)
  }
  const at = scanUriParams(text, portEnd, end, into)
  if (at < 0) return false
  if (at === end) return true
  if (codeAt(text, at) !== QUESTION || !areUriHeaders(text, at + 1, end)) return false
  if (into !== undefined) into.headers = text.slice(at + 1, end)
  return true
}

/** Where the host of a well-formed SIP URI begins: no '@' can follow it. */
function hostStart(text: string): number {
  return text.indexOf('@') + 1
}

/** Position of the host: after the '@' of `user [ ":" password ] "@"`, or `from` when that is not what stands there. */
function scanUserInfo(text: string, from: number, end: number, into: Writable<SipUri> | undefined): number {
  const userEnd = skipEscaped(text, from, end, USER)
  if (userEnd <= from || userEnd === end) return from
  let at = userEnd
  if (codeAt(text, at) === COLON) {
    at = skipEscaped(text, at + 1, end, PASSWORD)
    if (at < 0 || at === end) return from
  }
  if (codeAt(text, at) !== AT) return from
  if (into !== undefined) {
    into.user = text.slice(from, userEnd)
    if (at > userEnd) into.password = text.slice(userEnd + 1, at)
  }
  return at + 1
}

/** Whether the characters are `header *( "&" header )`, each `hname "=" hvalue`. */
function areUriHeaders(text: string, from: number, end: number): boolean {
  let at = from
  for (;;) {
    const name = at
    at = skipEscaped(text, at, end, URI_HEADER)
    if (at <= name || at >= end || codeAt(text, at) !== EQUALS) return false
    at = skipEscaped(text, at + 1, end, URI_HEADER)
    if (at < 0) return false
    if (at === end) return true
    if (codeAt(text, at) !== AMPERSAND) return false
    at++
  }
}
