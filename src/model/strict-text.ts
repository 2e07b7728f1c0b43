import { parseNameAddrList, parseUri } from '../engine/index.js'
import type { z } from 'zod'
import { safeText } from './safe-text.js'

/** Names that mean something to JavaScript's objects: nothing of ours is called so. */
export const RESERVED_WORDS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])

/** Control characters and line separators as a URI escapes them. */
export const ESCAPED_CONTROL = /%(?:[01][0-9a-f]|7f|c2%[89][0-9a-f]|e2%80%a[89])/i
/** Digits of other scripts, and the wide forms of ASCII: they look like what they are not. */
const LOOK_ALIKE = /(?![0-9])\p{Nd}|[\uff01-\uff5e]/u

/** Why no text of ours may be that, whatever its field; undefined: it may. */
function trick(text: string): string | undefined {
  if (RESERVED_WORDS.has(text)) return 'is a reserved word'
  if (ESCAPED_CONTROL.test(text)) return 'must not contain escaped control characters'
  if (LOOK_ALIKE.test(text)) return 'must not contain digits of other scripts or wide forms of ASCII characters'
  return text.includes('../') ? 'must not contain "../"' : undefined
}

const refined = (maxLength: number, problemOf: (text: string) => string | undefined) =>
  safeText(maxLength).superRefine((text, context) => {
    const problem = trick(text) ?? problemOf(text)
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
  })

const MARKUP = /[<>"\\;{}$`*|^]|%[0-9a-f]{2}/i

/** Text for people, such as a name or label. None of the characters that end or begin something else wherever it may be shown. */
export const plainText = (maxLength: number) =>
  refined(maxLength, (text) =>
    MARKUP.test(text) ? 'must not contain any of < > " \\ ; { } $ ` * | ^, nor escapes such as %3C' : undefined,
  )

/** A user name or realm: what may stand in the user part of a URI or between the quotes of a digest. No `:`, as RFC 7616 has it. */
export const userText = (maxLength: number) =>
  refined(maxLength, (text) =>
    /[<>"\\;:?{}`|^]/.test(text) ? 'must not contain any of < > " \\ ; : ? { } ` | ^' : undefined,
  )

/** Characters of numbers as people write and paste them. */
const NUMBER = /^[A-Za-z0-9_.*#+()/ \u00a0\u2010-\u2015\u202f-]+$/

/** A number or extension in any usual spelling. */
export const numberText = (maxLength: number) =>
  refined(maxLength, (text) => (NUMBER.test(text) ? undefined : 'is neither a number nor an extension'))

/** A number, an extension, or a `sip:` or `tel:` URI without headers, `maddr` and what would end it. */
export const dialText = (maxLength: number) =>
  refined(maxLength, (text) => {
    if (!/^(?:sips?|tel):/i.test(text))
      return NUMBER.test(text) ? undefined : 'is neither a number, an extension nor a sip: or tel: URI'
    if (/[\s<>"\\,?{}|^`]/.test(text)) return 'must be a URI without spaces, brackets, commas or embedded headers'
    return /;maddr\b/i.test(text) ? 'must not carry maddr' : undefined
  })

/** The value of an extra header: one line, its quotes and brackets in pairs, and no URI in it that would carry headers or `maddr`. */
export const headerValue = (maxLength: number) => refined(maxLength, headerProblem)

function headerProblem(text: string): string | undefined {
  if (/[<>]/.test(text)) {
    const addresses = parseNameAddrList(text)
    if (addresses === undefined) return 'must have its < and > around URIs'
    for (const { uri } of addresses) {
      const problem = uriProblem(uri)
      if (problem !== undefined) return problem
    }
    return undefined
  }
  if (/[{}]/.test(text) && !isJson(text)) return 'must not contain braces unless it is JSON'
  if (isJson(text)) return undefined
  if (/["\\]/.test(text) && !/^(?:[^"\\]|"(?:[^"\\]|\\.)*")*$/.test(text)) return 'must have its quotes in pairs'
  if (/[$*](?![0-9#*]|$)|[^0-9#*\s]\*$/.test(text) || text.includes('${')) return 'must not contain patterns'
  return /^sips?:/i.test(text) ? uriProblem(text) : undefined
}

function uriProblem(text: string): string | undefined {
  const uri = parseUri(text)
  if (uri === undefined) return 'must have its < and > around URIs'
  if (uri.scheme !== 'tel' && (uri.headers !== undefined || uri.params.has('maddr')))
    return 'must not have a URI with headers or maddr'
  return undefined
}

function isJson(text: string): boolean {
  if (!/^[[{]/.test(text)) return false
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Refuses reserved words besides what a schema refuses. */
export const notReserved = <T extends z.ZodType<string>>(schema: T) =>
  schema.refine((text) => !RESERVED_WORDS.has(text), 'is a reserved word')
