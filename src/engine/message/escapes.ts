import { HEX, PERCENT, UNRESERVED, isIn, codeAt } from './chars.js'

/**
 * First position at or after `from` that is neither in the class nor part of a %HH escape, at most `end`; -1 when a '%' is not
 * followed by two hexadecimal digits.
 */
export function skipEscaped(text: string, from: number, end: number, flag: number): number {
  let at = from
  while (at < end) {
    const code = codeAt(text, at)
    if (code === PERCENT) {
      if (at + 2 >= end || !isIn(codeAt(text, at + 1), HEX) || !isIn(codeAt(text, at + 2), HEX)) return -1
      at += 3
    } else if (isIn(code, flag)) at++
    else break
  }
  return at
}

/** Undoes each %HH that `accepts` allows, once: what comes out is not looked at again. Bad escapes are left alone. */
function decode(text: string, accepts: (code: number) => boolean): string {
  let at = text.indexOf('%')
  if (at < 0) return text
  let decoded = ''
  let from = 0
  while (at >= 0 && at + 2 < text.length) {
    if (isIn(codeAt(text, at + 1), HEX) && isIn(codeAt(text, at + 2), HEX)) {
      const code = parseInt(text.slice(at + 1, at + 3), 16)
      if (accepts(code)) {
        decoded += text.slice(from, at) + String.fromCharCode(code)
        from = at + 3
      }
      at = text.indexOf('%', at + 3)
    } else at = text.indexOf('%', at + 1)
  }
  return decoded + text.slice(from)
}

/** The bytes an escaped text stands for: each %HH undone once. Bad escapes are left alone. */
export function unescapeAll(text: string): string {
  return decode(text, () => true)
}

/** The same text with needless escapes undone, those of characters that never need one (RFC 3261 19.1.4). Still escaped, so safe to put in a URI. */
export function unescapeNeedless(text: string): string {
  return decode(text, (code) => isIn(code, UNRESERVED))
}

/** `text` with every character outside the class escaped; escapes that are there already stay. */
export function escapeOutside(text: string, flag: number): string {
  if (skipEscaped(text, 0, text.length, flag) === text.length) return text
  let escaped = ''
  for (let at = 0, end = text.length; at < end; at++) {
    const code = codeAt(text, at)
    if (isIn(code, flag)) escaped += text.charAt(at)
    else if (code === PERCENT && isIn(codeAt(text, at + 1), HEX) && isIn(codeAt(text, at + 2), HEX)) escaped += '%'
    else if (code > 0xff) throw new RangeError(`${JSON.stringify(text)} holds a character that is no byte`)
    else escaped += `%${code.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return escaped
}
