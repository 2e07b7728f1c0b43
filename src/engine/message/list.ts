import { BACKSLASH, COMMA, GREATER, LESS, QUOTE, skipSpace, trimEnd, codeAt } from './chars.js'

/** The values of a header line that may carry several: parted at commas outside quoted strings and angle brackets; empty ones are left out. */
export function splitList(value: string): string[] {
  const parts: string[] = []
  const end = value.length
  let from = 0
  let quoted = false
  let bracketed = false
  for (let at = 0; at < end; at++) {
    const code = codeAt(value, at)
    if (quoted) {
      if (code === BACKSLASH) at++
      else if (code === QUOTE) quoted = false
    } else if (bracketed) bracketed = code !== GREATER
    else if (code === QUOTE) quoted = true
    else if (code === LESS) bracketed = true
    else if (code === COMMA) {
      addTrimmed(parts, value, from, at)
      from = at + 1
    }
  }
  addTrimmed(parts, value, from, end)
  return parts
}

function addTrimmed(parts: string[], value: string, from: number, end: number): void {
  const start = skipSpace(value, from, end)
  const stop = trimEnd(value, start, end)
  if (stop > start) parts.push(value.slice(start, stop))
}
