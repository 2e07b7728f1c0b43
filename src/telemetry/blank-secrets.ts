import { BLANK } from './blank-fields.js'

/** Headers whose value proves who somebody is, or lets it be worked out. */
const SECRET_HEADERS = new Set([
  'authorization',
  'proxy-authorization',
  'www-authenticate',
  'proxy-authenticate',
  'authentication-info',
  'proxy-authentication-info',
])

/** Beginnings of body lines that hold keys of the media (SDP) or digits a caller types (DTMF: card numbers, PINs). */
const SECRET_LINES = ['a=crypto:', 'a=ice-pwd:', 'a=key-mgmt:', 'k=', 'signal=']

/** The token of a Contact we registered: who knows it can call as that trunk. */
const CONTACT_TOKEN = /sbt[a-z2-7]{20}/gi

const LONGEST_NAME = 64

/**
 * A SIP message as it may be logged: the values of authentication headers with their folds, SDP keys and DTMF digits are
 * replaced, and so are Contact tokens. Linear in the length of the text; all else stays as it is, line ends included.
 */
export function blankSecrets(sipText: string): string {
  let out = ''
  let copied = 0
  let inSecret = false
  let start = 0
  while (start < sipText.length) {
    let end = start
    while (end < sipText.length && !isLineEnd(sipText, end)) end += 1
    const folded = sipText[start] === ' ' || sipText[start] === '\t'
    const keep: number = folded ? (inSecret ? 0 : -1) : secretFrom(sipText, start, end)
    inSecret = keep >= 0
    if (inSecret && end > start) {
      out += `${sipText.slice(copied, start + keep)}${folded ? ' ' : ''}${BLANK}`
      copied = end
    }
    start = end + (sipText.startsWith('\r\n', end) ? 2 : 1)
  }
  return (out + sipText.slice(copied)).replace(CONTACT_TOKEN, BLANK)
}

const isLineEnd = (text: string, at: number): boolean => text[at] === '\n' || text[at] === '\r'

/** How many characters of a line come before its secret; -1 when there is none. */
function secretFrom(text: string, start: number, end: number): number {
  const head = text.slice(start, Math.min(end, start + LONGEST_NAME)).toLowerCase()
  const packed = head.replaceAll(' ', '')
  const beginning = SECRET_LINES.find((line) => packed.startsWith(line))
  if (beginning !== undefined) return head.indexOf(beginning.at(-1) ?? '') + 1
  // A name may have any amount of space behind it.
  let colon = head.indexOf(':')
  if (!SECRET_HEADERS.has((colon < 0 ? head : head.slice(0, colon)).trimEnd())) return -1
  if (colon < 0) colon = text.slice(start, end).indexOf(':')
  if (colon < 0) return -1
  return text[start + colon + 1] === ' ' ? colon + 2 : colon + 1
}
