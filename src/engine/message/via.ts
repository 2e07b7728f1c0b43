import { COLON, COMMA, DIGIT, SEMICOLON, SLASH, TOKEN, decimal, isToken, skip, skipSpace, codeAt } from './chars.js'
import type { Headers } from './headers.js'
import { hostText, scanHost, withoutBrackets } from './host.js'
import type { Params } from './params.js'
import { formatParams, noParams, scanParams } from './params.js'
import { formatPort } from './uri.js'

/** One Via value (RFC 3261 20.42): where a response to the request goes. */
export interface Via {
  /** Transport in upper case: 'UDP', 'TCP', 'TLS' or any other token. */
  readonly protocol: string
  /** Host of sent-by; an IPv6 address keeps its brackets. */
  readonly host: string
  /** Port of sent-by, 1 to 65535. */
  readonly port?: number
  /** Names in lower case; values as they came. */
  readonly params: Params
}

/** First part of every branch made by RFC 3261 (8.1.1.7). */
export const magicCookie = 'z9hG4bK'

class ScannedVia implements Via {
  protocol = ''
  host = ''
  declare port?: number
  params: Params = noParams
}

/** The one Via in `value`, or undefined when it is malformed or not one. */
export function parseVia(value: string): Via | undefined {
  const found = new ScannedVia()
  return scanVia(value, 0, value.length, found) === value.length ? found : undefined
}

/** Whether `value` is one or more well-formed Vias, parted by commas. */
export function isViaList(value: string): boolean {
  return isViaListFrom(value, 0)
}

function isViaListFrom(value: string, from: number): boolean {
  const end = value.length
  for (let at = from; ; at++) {
    at = scanVia(value, at, end, undefined)
    if (at < 0 || at === end) return at === end
    if (codeAt(value, at) !== COMMA) return false
  }
}

/** The first Via of a header line all of whose Vias are well-formed, else undefined. */
export function parseTopVia(value: string): Via | undefined {
  const first = parseFirstVia(value)
  if (first === undefined) return undefined
  return first.end === value.length || isViaListFrom(value, first.end + 1) ? first.via : undefined
}

/** All Vias of a header line, top first, or undefined when any is malformed or there is none. */
export function parseViaList(value: string): Via[] | undefined {
  const list: Via[] = []
  const end = value.length
  for (let at = 0; ; at++) {
    const found = new ScannedVia()
    at = scanVia(value, at, end, found)
    if (at < 0) return undefined
    list.push(found)
    if (at === end) return list
    if (codeAt(value, at) !== COMMA) return undefined
  }
}

/** The first Via of a header line, and the position of the comma after it or of the end. Undefined when it is malformed. */
export function parseFirstVia(value: string): { via: Via; end: number } | undefined {
  const via = new ScannedVia()
  const end = scanVia(value, 0, value.length, via)
  return end === value.length || codeAt(value, end) === COMMA ? { via, end } : undefined
}

/**
 * As much of the first Via as a malformed line still tells: sent-protocol of any version, sent-by, and the parameters before the
 * first bad one. Undefined when there is no sent-by to answer to.
 */
export function salvageVia(value: string): Via | undefined {
  const via = new ScannedVia()
  scanVia(value, 0, value.length, via)
  return via.host === '' ? undefined : via
}

/** @throws {RangeError} when a part would not be read back as such. */
export function formatVia(via: Via): string {
  if (!isToken(via.protocol)) throw new RangeError(`transport ${JSON.stringify(via.protocol)} is not a token`)
  if (scanHost(via.host, 0, via.host.length) !== via.host.length)
    throw new RangeError(`${JSON.stringify(via.host)} is no host`)
  const port = via.port === undefined ? '' : formatPort(via.port)
  return `SIP/2.0/${via.protocol} ${via.host}${port}${formatParams(via.params)}`
}

/** The branch, '' when there is none (RFC 2543). */
export function branchOf(via: Via): string {
  return via.params.get('branch') ?? ''
}

/** Whether the branch is one that RFC 3261 makes unique: the magic cookie and something after it. */
export function hasUniqueBranch(via: Via): boolean {
  const branch = branchOf(via)
  return branch.length > magicCookie.length && branch.startsWith(magicCookie)
}

/** The address the request really came from, without brackets, as the receiver of it noted; undefined when it did not. */
export function receivedOf(via: Via): string | undefined {
  const received = via.params.get('received')
  return received === undefined || received === '' ? undefined : withoutBrackets(received)
}

/** The port the request really came from (RFC 3581); 'wanted' when the client asks for it; undefined when neither. */
export function rportOf(via: Via): number | 'wanted' | undefined {
  const rport = via.params.get('rport')
  if (rport === undefined) return undefined
  if (rport === '') return 'wanted'
  const port = decimal(rport, 0, rport.length)
  return port >= 1 && port <= 65_535 ? port : undefined
}

/** sent-by in the form in which two are compared (RFC 3261 17.2.3): host in lower case, and the port when there is one. */
export function sentByOf(via: Via): string {
  const host = via.host.toLowerCase()
  return via.port === undefined ? host : `${host}:${via.port}`
}

/** The Via with these parameters set in place, or added after the others; undefined as a value removes one. */
export function withParams(via: Via, changes: Readonly<Record<string, string | undefined>>): Via {
  const params = new Map(via.params)
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) params.delete(name)
    else params.set(name, value)
  }
  return { ...via, params }
}

/** Puts `via` in place of the first Via of a message; the others, on the same line too, stay. Appends a line when there is none. */
export function replaceTopVia(headers: Headers, via: Via): void {
  const line = headers.get('via')
  const rest = line === undefined ? undefined : restAfterFirst(line)
  headers.replaceFirst('via', rest === undefined ? formatVia(via) : `${formatVia(via)}, ${rest}`)
}

/** Removes the first Via of a message; the others, on the same line too, stay. */
export function removeTopVia(headers: Headers): void {
  const line = headers.get('via')
  const rest = line === undefined ? undefined : restAfterFirst(line)
  if (rest === undefined) headers.removeFirst('via')
  else headers.replaceFirst('via', rest)
}

function restAfterFirst(line: string): string | undefined {
  const first = parseFirstVia(line)
  if (first === undefined || first.end === line.length) return undefined
  return line.slice(skipSpace(line, first.end + 1, line.length))
}

/** What nearly every Via begins with. */
const usualStart = 'SIP/2.0/'

/**
 * Reads one Via from `from`; gives the position after it and the space that follows, or -1 when it is malformed. Then `into` holds
 * what came before the fault, with a host only when sent-by was well-formed. Without `into` it only checks.
 */
function scanVia(text: string, from: number, end: number, into: ScannedVia | undefined): number {
  const start = skipSpace(text, from, end)
  const usual = text.startsWith(usualStart, start)
  const transport = usual ? start + usualStart.length : scanNameAndVersion(text, start, end)
  if (transport < 0) return -1
  const transportStart = skipSpace(text, transport, end)
  const transportEnd = skip(text, transportStart, end, TOKEN)
  const host = skipSpace(text, transportEnd, end)
  if (transportEnd === transportStart || host === transportEnd) return -1
  const hostEnd = scanHost(text, host, end)
  if (hostEnd < 0) return -1
  let at = skipSpace(text, hostEnd, end)
  if (at < end && codeAt(text, at) === COLON) {
    const portStart = skipSpace(text, at + 1, end)
    at = skip(text, portStart, end, DIGIT)
    const port = decimal(text, portStart, at)
    if (port < 1 || port > 65_535) return -1
    if (into !== undefined) into.port = port
    at = skipSpace(text, at, end)
  }
  if (into !== undefined) {
    into.protocol = upperCase(text.slice(transportStart, transportEnd))
    into.host = hostText(text, host, hostEnd)
  }
  if (at < end && codeAt(text, at) === SEMICOLON) {
    at = scanParams(text, at, end, into)
    if (at < 0) return -1
  }
  return usual || isSip2(text, start) ? at : -1
}

/** Position after `token SLASH token SLASH`, of whatever protocol and version, or -1. */
function scanNameAndVersion(text: string, from: number, end: number): number {
  const name = scanSlash(text, skip(text, from, end, TOKEN), end)
  if (name <= from) return -1
  const version = skipSpace(text, name, end)
  const versionEnd = skip(text, version, end, TOKEN)
  return versionEnd === version ? -1 : scanSlash(text, versionEnd, end)
}

/** Position after `SWS "/"`, or -1. */
function scanSlash(text: string, from: number, end: number): number {
  const at = skipSpace(text, from, end)
  return at < end && codeAt(text, at) === SLASH ? at + 1 : -1
}

/** Whether the sent-protocol at `from`, known to be well-formed, is 'SIP' (any case) of version 2.0. */
function isSip2(text: string, from: number): boolean {
  const name = skip(text, from, text.length, TOKEN)
  const version = skipSpace(text, scanSlash(text, name, text.length), text.length)
  return (
    text.slice(from, name).toUpperCase() === 'SIP' &&
    text.slice(version, skip(text, version, text.length, TOKEN)) === '2.0'
  )
}

function upperCase(transport: string): string {
  return transport === 'UDP' || transport === 'TCP' || transport === 'TLS' ? transport : transport.toUpperCase()
}
