import type { Headers } from '../message/headers.js'
import { sameAddress } from './address.js'

/**
 * Writes into the top Via where a request came from: `rport` always, `received` when the sent-by host is another address or
 * `rport` was asked for (RFC 3261 18.2.1, RFC 3581 section 4). What the peer wrote there itself is replaced, so the answer goes
 * nowhere but to the source.
 */
export function stampSource(headers: Headers, address: string, port: number): void {
  const value = headers.get('via')
  if (value === undefined) return
  try {
    headers.replaceFirst('via', stamped(value, address, port))
  } catch {
    // A line so malformed that it cannot be written again goes back as it came; the request is being refused anyway.
  }
}

/** The Via header line `value` with its first entry stamped; everything else stays letter by letter. */
export function stamped(value: string, address: string, port: number): string {
  const end = value.includes(',') ? indexOfUnquoted(value, ',', 0, value.length) : value.length
  let semicolon = indexOfUnquoted(value, ';', 0, end)
  const sentBy = value.slice(0, semicolon).trimEnd()
  let entry = sentBy
  let asked = false
  while (semicolon < end) {
    const next = indexOfUnquoted(value, ';', semicolon + 1, end)
    const param = value.slice(semicolon + 1, next)
    if (isNamed(param, 'rport')) asked = true
    else if (!isNamed(param, 'received')) entry += `;${param}`
    semicolon = next
  }
  entry += `;rport=${port}`
  if (asked || !sameAddress(hostOf(sentBy), address)) entry += `;received=${address}`
  return entry + value.slice(end)
}

/** Where `letter` first stands outside quoted strings in [from, limit); `limit` when nowhere. */
function indexOfUnquoted(text: string, letter: ',' | ';', from: number, limit: number): number {
  let quoted = false
  for (let i = from; i < limit; i++) {
    const c = text[i]
    if (quoted && c === '\\') i++
    else if (c === '"') quoted = !quoted
    else if (c === letter && !quoted) return i
  }
  return limit
}

function isNamed(param: string, name: string): boolean {
  const equals = param.indexOf('=')
  const spelled = (equals < 0 ? param : param.slice(0, equals)).trim()
  return spelled.length === name.length && spelled.toLowerCase() === name
}

/** The host out of `SIP/2.0/UDP host:port`. White space around the colon (RFC 4475 3.1.1.1) is allowed. */
function hostOf(sentBy: string): string {
  const bracket = sentBy.indexOf('[')
  if (bracket >= 0) return sentBy.slice(bracket, sentBy.indexOf(']', bracket) + 1 || undefined)
  const colon = sentBy.lastIndexOf(':')
  const head = (colon < 0 ? sentBy : sentBy.slice(0, colon)).trimEnd()
  return head.slice(Math.max(head.lastIndexOf(' '), head.lastIndexOf('\t')) + 1)
}
