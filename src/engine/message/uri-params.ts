import { EQUALS, SEMICOLON, URI_PARAM, codeAt } from './chars.js'
import { skipEscaped, unescapeNeedless } from './escapes.js'
import { FewParams } from './few-params.js'
import type { Params } from './params.js'
import { paramName } from './params.js'

/**
 * Reads `*( ";" pname [ "=" pvalue ] )` and gives the position after it, or -1 when it is malformed or a name comes twice with
 * different values (RFC 3261 19.1.1).
 */
export function scanUriParams(text: string, from: number, end: number, into: { params: Params } | undefined): number {
  let params: FewParams | undefined
  let at = from
  while (at < end && codeAt(text, at) === SEMICOLON) {
    const start = at + 1
    const nameEnd = skipEscaped(text, start, end, URI_PARAM)
    if (nameEnd <= start) return -1
    let valueStart = nameEnd
    at = nameEnd
    if (at < end && codeAt(text, at) === EQUALS) {
      valueStart = at + 1
      at = skipEscaped(text, valueStart, end, URI_PARAM)
      if (at <= valueStart) return -1
    }
    // A check alone needs the names only to see that none comes twice.
    if (into === undefined && params === undefined && !(at < end && codeAt(text, at) === SEMICOLON)) return at
    const name = lowerCaseUnescaped(text, start, nameEnd)
    const value = unescapeNeedless(text.slice(valueStart, at))
    if (params === undefined) {
      params = new FewParams(name, value)
      if (into !== undefined) into.params = params
    } else if (!params.add(name, value)) return -1
  }
  return at
}

function lowerCaseUnescaped(text: string, start: number, end: number): string {
  const name = paramName(text, start, end)
  return name.indexOf('%') < 0 ? name : unescapeNeedless(name).toLowerCase()
}

/** `;name=value` for each parameter of a URI. @throws {RangeError} when one would not be read back as such. */
export function formatUriParams(params: Params): string {
  let text = ''
  for (const [name, value] of params) {
    if (name === '' || !isParamText(name)) throw new RangeError(`${JSON.stringify(name)} is no name of a URI parameter`)
    if (!isParamText(value)) throw new RangeError(`URI parameter ${name}: ${JSON.stringify(value)} is no value of one`)
    text += value === '' ? `;${name}` : `;${name}=${value}`
  }
  return text
}

function isParamText(text: string): boolean {
  return skipEscaped(text, 0, text.length, URI_PARAM) === text.length
}
