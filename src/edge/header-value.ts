/** Header values between two legs: one line, no control characters, bounded. Linear in the length. */

const isControl = (code: number): boolean =>
  code < 0x20 || (code >= 0x7f && code <= 0x9f) || code === 0x2028 || code === 0x2029

/** The value on one line: every run of control characters (a fold's CRLF among them) is one space. */
export function unfold(value: string): string {
  let from = 0
  let clean = ''
  for (let at = 0; at < value.length; at++) {
    if (!isControl(value.charCodeAt(at))) continue
    let end = at + 1
    while (end < value.length && (isControl(value.charCodeAt(end)) || value.charCodeAt(end) === 0x20)) end++
    clean += `${value.slice(from, at)} `
    from = end
    at = end - 1
  }
  return from === 0 ? value : (clean + value.slice(from)).trim()
}

/** The value on one line and well-formed, at most `maxLength` characters of it. */
export function tidy(value: string, maxLength: number): string {
  const line = unfold(value.length > maxLength * 4 ? value.slice(0, maxLength * 4) : value)
  const cut = line.length > maxLength ? line.slice(0, maxLength) : line
  return wellFormed(cut).trim()
}

/** Lone surrogates, such as a cut through a pair leaves, become U+FFFD. */
function wellFormed(text: string): string {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code >= 0xd800 && code <= 0xdfff) return Buffer.from(text, 'utf8').toString('utf8')
  }
  return text
}

const isAscii = (text: string): boolean => {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0x7f) return false
  return true
}

/** Text as the engine's parsers read it: one character a byte of its UTF-8. */
export const toBytes = (text: string): string => (isAscii(text) ? text : Buffer.from(text, 'utf8').toString('latin1'))

/** Text back from the engine's parsers; bytes that are no UTF-8 become U+FFFD. */
export const fromBytes = (bytes: string): string =>
  isAscii(bytes) ? bytes : Buffer.from(bytes, 'latin1').toString('utf8')

/** The text as a quoted string: quotes and backslashes escaped. */
export function quoted(text: string): string {
  let value = '"'
  for (const character of unfold(text)) value += character === '"' || character === '\\' ? `\\${character}` : character
  return `${value}"`
}

const scratch = Buffer.allocUnsafeSlow(1_024)
/** Characters of a text that is never a slice: it is copied when it is cut out. */
const SHORT = 12

/** The text in memory of its own, for keeping: one that was cut out of a message keeps that alive, the whole of it. */
export function ownCopy(text: string): string {
  if (text.length <= SHORT) return text
  if (text.length * 3 > scratch.length) return Buffer.from(text, 'utf8').toString('utf8')
  return scratch.toString('utf8', 0, scratch.write(text, 'utf8'))
}
