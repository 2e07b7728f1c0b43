import { FewParams } from './few-params.js'
import {
  EQUALS,
  PARAM_VALUE,
  QUOTE,
  SEMICOLON,
  TOKEN,
  isIn,
  isToken,
  skip,
  skipQuoted,
  skipSpace,
  codeAt,
} from './chars.js'

/** Parameters of a header value: lower-case names, values as they came (quotes included), '' for one without a value. */
export type Params = ReadonlyMap<string, string>

export const noParams: Params = new Map()

/** What `scanParams` fills. */
export interface Parameterised {
  params: Params
}

/**
 * Reads `*( SEMI generic-param )` (RFC 3261 25.1) and gives the position after it and the space that follows, or -1 when it is
 * malformed. A name that comes twice with different values is malformed (7.3.1); with the same value it is one. Without `into` it only
 * checks.
 */
export function scanParams(text: string, from: number, end: number, into: Parameterised | undefined): number {
  let params: FewParams | undefined
  let at = skipSpace(text, from, end)
  while (at < end && codeAt(text, at) === SEMICOLON) {
    const start = skipSpace(text, at + 1, end)
    at = skip(text, start, end, TOKEN)
    if (at === start) return -1
    const nameEnd = at
    let valueStart = at
    let valueEnd = at
    at = skipSpace(text, at, end)
    if (at < end && codeAt(text, at) === EQUALS) {
      valueStart = skipSpace(text, at + 1, end)
      if (codeAt(text, valueStart) === QUOTE) {
        at = skipQuoted(text, valueStart, end)
        if (at < 0) return -1
      } else {
        at = skip(text, valueStart, end, PARAM_VALUE)
        if (at === valueStart) return -1
      }
      valueEnd = at
      at = skipSpace(text, at, end)
    }
    // A check alone needs the names only to see that none comes twice.
    if (into === undefined && params === undefined && !(at < end && codeAt(text, at) === SEMICOLON)) return at
    const name = paramName(text, start, nameEnd)
    const value = text.slice(valueStart, valueEnd)
    if (params === undefined) {
      params = new FewParams(name, value)
      if (into !== undefined) into.params = params
    } else if (!params.add(name, value)) return -1
  }
  return at
}

/** Names that nearly every message has, by their length: at most one of each. */
const usualNames: readonly (string | undefined)[] = [
  undefined,
  undefined,
  'lr',
  'tag',
  'user',
  'rport',
  'branch',
  'expires',
  'received',
  'transport',
]

/** The name of a parameter, in lower case. */
export function paramName(text: string, start: number, end: number): string {
  const usual = usualNames[end - start]
  return usual !== undefined && text.startsWith(usual, start) ? usual : lowerCase(text, start, end)
}

/** `text` from `start` to `end`, ASCII letters in lower case. */
export function lowerCase(text: string, start: number, end: number): string {
  const part = text.slice(start, end)
  for (let at = start; at < end; at++) {
    const code = codeAt(text, at)
    if (code >= 0x41 && code <= 0x5a) return part.toLowerCase()
  }
  return part
}

/**
 * `;name=value` for each parameter.
 * @throws {RangeError} when a name is no token or a value is neither empty, a token or host, nor a quoted string.
 */
export function formatParams(params: Params): string {
  let text = ''
  for (const [name, value] of params) {
    if (!isToken(name)) throw new RangeError(`parameter name ${JSON.stringify(name)} is not a token`)
    if (value === '') {
      text += `;${name}`
      continue
    }
    const fits = isIn(codeAt(value, 0), PARAM_VALUE)
      ? skip(value, 0, value.length, PARAM_VALUE) === value.length
      : codeAt(value, 0) === QUOTE && skipQuoted(value, 0, value.length) === value.length
    if (!fits) throw new RangeError(`parameter ${name}: ${JSON.stringify(value)} needs quotes`)
    text += `;${name}=${value}`
  }
  return text
}
