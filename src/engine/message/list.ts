import { BACKSLASH, COMMA, GREATER, LESS, QUOTE, skipSpace, trimEnd } from './chars.js'

/** The values of a header line that may carry several: parted at commas outside quoted strings and angle brackets; empty ones are left out. */
export function splitList(value: string): string[] {
  const parts: string[] = []
  const end = value.length
  let from = 0
  let quoted = false
  let bracketed = false
  for (let at = 0; at <= end; at++) {
    const code = at < end ? value.charCodeAt(at) : COMMA
    if (at < end) {
      if (quoted) {
        if (code === BACKSLASH) at++
        else if (code === QUOTE) quoted = false
        continue
      }
      if (bracketed) {
        if (code === GREATER) bracketed = false
        continue
      }
      if (code === QUOTE) quoted = true
      else if (code === LESS) bracketed = true
    }
    if (code !== COMMA) continue
    const start = skipSpace(value, from, at)
    const stop = trimEnd(value, start, Math.min(at, end))
    if (stop > start) parts.push(value.slice(start, stop))
    from = at + 1
  }
  return parts
}
