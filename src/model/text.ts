import { z } from 'zod'

/** The account that exists from the start. */
export const DEFAULT_ACCOUNT = 'default'

const hasControlCharacter = (text: string): boolean => {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x20 || code === 0x7f || code === 0x2028 || code === 0x2029) return true
  }
  return false
}

/**
 * Text that may end up in a SIP message or on a terminal: no control characters (CR, LF, NUL, TAB ...), no lone surrogates.
 * @param maxLength characters, 1 or more
 */
export const safeText = (maxLength: number) =>
  z
    .string()
    .max(maxLength)
    .refine((text) => !hasControlCharacter(text), 'must not contain control characters or line breaks')
    .refine((text) => isWellFormed(text), 'must be well-formed Unicode')

function isWellFormed(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0xd800 || code > 0xdfff) continue
    const next = text.charCodeAt(i + 1)
    if (code > 0xdbff || next < 0xdc00 || next > 0xdfff || Number.isNaN(next)) return false
    i += 1
  }
  return true
}

/** An identifier of ours: 1 to 64 of letters, digits, `_`, `.`, `-`, starting with a letter or digit. Safe in keys, URLs and SIP text. */
export const identifier = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/,
    'must be 1 to 64 letters, digits, "_", "." or "-", starting with a letter or digit',
  )
  .refine((text) => text !== '__proto__' && text !== 'constructor' && text !== 'prototype', 'is a reserved word')

/** An ISO 8601 instant in UTC, as we write it. */
export const instant = z.iso.datetime()

const HEADER_NAME = /^[A-Za-z0-9!%*_+`'~.-]{1,64}$/

/** Headers that the edge itself writes: a customer's or agent's header map may not name them. */
const RESERVED_HEADERS = new Set(
  (
    'via route record-route from to call-id cseq contact content-length content-type max-forwards require proxy-require supported ' +
    'authorization proxy-authorization www-authenticate proxy-authenticate rack rseq v f t i m l c k'
  ).split(' '),
)

/** Extra SIP headers: at most 32, names are tokens and not ours to write, values one line of at most 1,024 characters. */
export const headerMap = z
  .record(z.string(), safeText(1024))
  .refine((headers) => Object.keys(headers).length <= 32, 'at most 32 headers')
  .superRefine((headers, context) => {
    for (const name of Object.keys(headers)) {
      if (!HEADER_NAME.test(name)) context.addIssue({ code: 'custom', path: [name], message: 'is not a header name' })
      else if (RESERVED_HEADERS.has(name.toLowerCase()) || name.toLowerCase().startsWith('x-signalbox-'))
        context.addIssue({ code: 'custom', path: [name], message: 'is written by Signalbox itself' })
    }
  })
