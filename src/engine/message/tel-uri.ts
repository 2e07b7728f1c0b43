import { DIGIT, HEX, isIn, codeAt } from './chars.js'
import type { Params } from './params.js'
import { noParams } from './params.js'
import { scanUriParams } from './uri-params.js'

/** A tel URI (RFC 3966). */
export interface TelUri {
  readonly scheme: 'tel'
  /** As written, visual separators included: '+1-415-555-0100'. */
  readonly number: string
  readonly params: Params
}

/**
 * The tel URI whose number begins at `from` and which ends at `end`, or undefined. A local number may lack the phone-context that
 * RFC 3966 asks for, as it mostly does.
 */
export function scanTelUri(text: string, from: number, end: number): TelUri | undefined {
  let at = from
  let digits = 0
  const global = codeAt(text, at) === 0x2b
  if (global) at++
  for (; at < end; at++) {
    const code = codeAt(text, at)
    // Local numbers may also have A to F, '*' and '#'.
    if (isIn(code, DIGIT) || (!global && (isIn(code, HEX) || code === 0x2a || code === 0x23))) digits++
    else if (code !== 0x2d && code !== 0x2e && code !== 0x28 && code !== 0x29) break
  }
  if (digits === 0) return undefined
  const found: { scheme: 'tel'; number: string; params: Params } = {
    scheme: 'tel',
    number: text.slice(from, at),
    params: noParams,
  }
  return scanUriParams(text, at, end, found) === end ? found : undefined
}
