import { z } from 'zod'

const hasControlCharacter = (text: string): boolean => {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x20 || (code >= 0x7f && code <= 0x9f) || code === 0x2028 || code === 0x2029) return true
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
