import { codeAt } from '../message/chars.js'
import { canonicalName } from '../message/headers.js'

/** SIP text as an application writes it: terse, without the headers that are ours to add. */
export interface AppText {
  readonly startLine: string
  readonly headers: ReadonlyArray<AppHeader>
  /** Values of its Route lines, in order: only where applications may preload a route. */
  readonly routes?: readonly string[]
  readonly body: string
}

export interface AppHeader {
  /** Canonical: lower case, long form. */
  readonly name: string
  readonly spelling: string
  readonly value: string
  /** Peers see it spelled as it is here, whatever it is usually. */
  readonly kept?: boolean
}

/** Headers an application has no say in: lines of that name are dropped. */
const OURS = new Set(['via', 'route', 'record-route', 'rseq', 'content-length'])

const isToken = /^[A-Za-z0-9!%*_+`'~.-]+$/

/**
 * Reads SIP text of an application. Each line stands alone (no folding); lines without a colon or with an odd name are
 * dropped. The body is all that follows the first blank line: the application's Content-Length counts characters, not bytes.
 */
export function readAppText(text: string): AppText {
  const blank = text.indexOf('\r\n\r\n')
  const head = blank < 0 ? text : text.slice(0, blank)
  const body = blank < 0 ? '' : text.slice(blank + 4)
  const lines = head.split('\r\n')
  const headers: AppHeader[] = []
  const routes: string[] = []
  for (let i = 1; i < lines.length; i++) {
    const line = lines[i]!
    const colon = line.indexOf(':')
    if (colon <= 0) continue
    const spelling = line.slice(0, colon).trim()
    if (!isToken.test(spelling)) continue
    const name = canonicalName(spelling)
    if (OURS.has(name) && name !== 'route') continue
    const value = line.slice(colon + 1).trim()
    if (hasLineBreak(value)) continue
    if (name === 'route') {
      routes.push(value)
      continue
    }
    headers.push({ name, spelling, value })
  }
  return { startLine: lines[0] ?? '', headers, routes, body }
}

/** A lone CR, LF or NUL in a value would split the header on the wire. */
function hasLineBreak(value: string): boolean {
  for (let i = 0, end = value.length; i < end; i++) {
    const code = codeAt(value, i)
    if (code === 0x0d || code === 0x0a || code === 0) return true
  }
  return false
}

/** The value of the first header of that canonical name. */
export function appHeader(text: AppText, name: string): string | undefined {
  for (const header of text.headers) if (header.name === name) return header.value
  return undefined
}
