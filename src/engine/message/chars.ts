/** The character classes of RFC 3261 25.1, as bits of one table, and the few scans everything else is made of. */

/** alphanum and - . ! % * _ + ` ' ~ */
export const TOKEN = 1
/** What a Call-ID is made of: `word`, '@', and the signs = & $ # ^ that some equipment puts there. Never '|', ';' or ','. */
export const CALL_ID = 1 << 1
/** User part of a SIP URI, escapes aside. '#' is not in the grammar but every feature code has it. */
export const USER = 1 << 2
export const PASSWORD = 1 << 3
/** Name or value of a URI parameter, escapes aside. */
export const URI_PARAM = 1 << 4
/** Name or value of a URI header, escapes aside. */
export const URI_HEADER = 1 << 5
/** Letters, digits, '-' and '_' (not in the grammar, but container and Windows names have it). */
export const HOST_LABEL = 1 << 6
export const ALPHANUM = 1 << 7
export const DIGIT = 1 << 8
export const HEX = 1 << 9
export const UNRESERVED = 1 << 10
/** Unquoted value of a header parameter: a token or a host, so also [ ] : and, from some equipment, '/'. */
export const PARAM_VALUE = 1 << 11
export const SCHEME = 1 << 12
/** Any URI that is not ours to read: printable, without < > and ". */
export const ANY_URI = 1 << 13
/** Unquoted display name: token characters, and UTF-8, which much equipment leaves unquoted. */
export const DISPLAY = 1 << 14

const table = new Uint16Array(256)

function allow(flag: number, characters: string): void {
  for (let i = 0; i < characters.length; i++) table[characters.charCodeAt(i)]! |= flag
}

const digits = '0123456789'
const alphanum = `ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz${digits}`
const token = `${alphanum}-.!%*_+\`'~`
const unreserved = `${alphanum}-_.!~*'()`

allow(TOKEN, token)
allow(CALL_ID, `${token}()<>:\\"/[]?{}@=&$#^`)
allow(USER, `${unreserved}&=+$,;?/#`)
allow(PASSWORD, `${unreserved}&=+$,`)
allow(URI_PARAM, `${unreserved}[]/:&+$`)
allow(URI_HEADER, `${unreserved}[]/?:+$`)
allow(HOST_LABEL, `${alphanum}-_`)
allow(ALPHANUM, alphanum)
allow(DIGIT, digits)
allow(HEX, `${digits}abcdefABCDEF`)
allow(UNRESERVED, unreserved)
allow(PARAM_VALUE, `${token}[]:/`)
allow(SCHEME, `${alphanum}+-.`)
for (let code = 0x21; code < 0x7f; code++) if (code !== 0x22 && code !== 0x3c && code !== 0x3e) table[code]! |= ANY_URI
allow(DISPLAY, token)
for (let code = 0x80; code < 0x100; code++) table[code]! |= DISPLAY

export const NUL = 0x00
export const HT = 0x09
export const LF = 0x0a
export const CR = 0x0d
export const SP = 0x20
export const QUOTE = 0x22
export const PERCENT = 0x25
export const STAR = 0x2a
export const AMPERSAND = 0x26
export const COMMA = 0x2c
export const HYPHEN = 0x2d
export const DOT = 0x2e
export const SLASH = 0x2f
export const COLON = 0x3a
export const SEMICOLON = 0x3b
export const LESS = 0x3c
export const EQUALS = 0x3d
export const GREATER = 0x3e
export const QUESTION = 0x3f
export const AT = 0x40
export const OPEN_BRACKET = 0x5b
export const BACKSLASH = 0x5c
export const CLOSE_BRACKET = 0x5d

const { charCodeAt } = String.prototype

/**
 * The character's code; NaN past the end. For scans: as a method, `charCodeAt` is looked up at every character once a place has met
 * more kinds of strings (slices, joined ones, names that are keys of objects ...) than the compiler tells apart, which costs four times as much.
 */
export function codeAt(text: string, at: number): number {
  return charCodeAt.call(text, at)
}

/** Whether the character is in the class. False past the end of a string (code NaN) and for characters that are no byte. */
export function isIn(code: number, flag: number): boolean {
  return code < 256 && (table[code]! & flag) !== 0
}

/** First position at or after `from` whose character is not in the class, at most `end`. */
export function skip(text: string, from: number, end: number, flag: number): number {
  let at = from
  while (at < end) {
    const code = codeAt(text, at)
    if (code > 255 || (table[code]! & flag) === 0) break
    at++
  }
  return at
}

/** First position at or after `from` that is neither space nor tab, at most `end`. */
export function skipSpace(text: string, from: number, end: number): number {
  let at = from
  while (at < end) {
    const code = codeAt(text, at)
    if (code !== SP && code !== HT) break
    at++
  }
  return at
}

/** Position after the last character before `end` that is neither space nor tab, at least `from`. */
export function trimEnd(text: string, from: number, end: number): number {
  let at = end
  while (at > from) {
    const code = codeAt(text, at - 1)
    if (code !== SP && code !== HT) break
    at--
  }
  return at
}

/** `text` without spaces and tabs around it. */
export function trim(text: string): string {
  const from = skipSpace(text, 0, text.length)
  const to = trimEnd(text, from, text.length)
  return from === 0 && to === text.length ? text : text.slice(from, to)
}

/** Whether `text` is one token: at least one character, all of the class. */
export function isToken(text: string): boolean {
  return text.length > 0 && skip(text, 0, text.length, TOKEN) === text.length
}

/**
 * Position after the quoted string that opens at `from`, or -1: not closed before `end`, or a control character that is not
 * escaped. CR and LF are never allowed, escaped or not.
 */
export function skipQuoted(text: string, from: number, end: number): number {
  for (let at = from + 1; at < end; at++) {
    let code = codeAt(text, at)
    if (code === QUOTE) return at + 1
    if (code === BACKSLASH) {
      at++
      if (at >= end) return -1
      code = codeAt(text, at)
      if (code === CR || code === LF || code > 0x7f) return -1
    } else if ((code < SP && code !== HT) || code === 0x7f || code > 0xff) return -1
  }
  return -1
}

/** What a quoted string says: without its quotes and escapes. Text that is not quoted is given back as it is. */
export function unquote(text: string): string {
  if (text.length < 2 || codeAt(text, 0) !== QUOTE) return text
  const inner = text.slice(1, -1)
  if (inner.indexOf('\\') < 0) return inner
  let said = ''
  let from = 0
  for (let at = inner.indexOf('\\'); at >= 0 && at + 1 < inner.length; at = inner.indexOf('\\', from + 1)) {
    said += inner.slice(from, at)
    from = at + 1
  }
  return said + inner.slice(from)
}

/** `text` as a quoted string. What no quoted string can carry (control characters, characters that are no byte) becomes a space. */
export function quote(text: string): string {
  let quoted = '"'
  let from = 0
  for (let at = 0, end = text.length; at < end; at++) {
    const code = codeAt(text, at)
    if (code === QUOTE || code === BACKSLASH) {
      quoted += `${text.slice(from, at)}\\`
      from = at
    } else if (code < SP || code === 0x7f || code > 0xff) {
      quoted += `${text.slice(from, at)} `
      from = at + 1
    }
  }
  return `${quoted}${text.slice(from)}"`
}

/**
 * The number written in digits only, or -1 when it is anything else. Above 2^53 the result is Infinity.
 * @param from first digit, @param end position after the last
 */
export function decimal(text: string, from: number, end: number): number {
  if (from >= end) return -1
  let value = 0
  for (let at = from; at < end; at++) {
    const digit = codeAt(text, at) - 0x30
    if (!(digit >= 0 && digit <= 9)) return -1
    value = value * 10 + digit
  }
  return value <= Number.MAX_SAFE_INTEGER ? value : Infinity
}

/**
 * What makes `text` unfit as a header value, or undefined when it is fit: CR, LF, a character that is no byte (it would be cut
 * down to one on the wire, maybe to CR or LF), or a NUL that is not escaped inside a quoted string.
 */
export function valueFault(text: string): string | undefined {
  let nul = false
  for (let at = 0, end = text.length; at < end; at++) {
    const code = codeAt(text, at)
    if (code < SP) {
      if (code === CR) return 'a CR'
      if (code === LF) return 'an LF'
      if (code === NUL) nul = true
    } else if (code > 0xff) return 'a character that is no byte'
  }
  return nul && !nulsAreEscaped(text) ? 'a NUL' : undefined
}

/** Whether every NUL stands behind a backslash inside a quoted string, the only place where RFC 3261 25.1 allows one. */
export function nulsAreEscaped(text: string): boolean {
  let quoted = false
  for (let at = 0, end = text.length; at < end; at++) {
    const code = codeAt(text, at)
    if (code === NUL) return false
    if (code === QUOTE) quoted = !quoted
    else if (code === BACKSLASH && quoted) at++
  }
  return true
}

/** Whether every character is a byte that is neither a control character nor space. */
export function isVisible(text: string): boolean {
  for (let at = 0, end = text.length; at < end; at++) {
    const code = codeAt(text, at)
    if (code <= SP || code === 0x7f || code > 0xff) return false
  }
  return true
}

/** Whether `text` can be a reason phrase: no control character but tab, and every character a byte. */
export function isReasonPhrase(text: string): boolean {
  for (let at = 0, end = text.length; at < end; at++) {
    const code = codeAt(text, at)
    if ((code < SP && code !== HT) || code === 0x7f || code > 0xff) return false
  }
  return true
}
