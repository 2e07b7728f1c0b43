import { codeAt } from '../message/chars.js'
import { canonicalName } from '../message/headers.js'
import { ownStrings } from '../message/own-strings.js'

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
const OURS = new Set(['via', 'record-route', 'rseq', 'content-length'])

const TOKEN = /^[A-Za-z0-9!%*_+`'~.-]+$/
/** Of ASCII that can be seen, without space around it. */
const PLAIN = /^(?:[!-~](?:[ -~]*[!-~])?)?$/
/** Spellings of header names that are remembered. */
const MAX_NAMES = 1_000
const LONGEST_NAME = 64
/** What becomes of a header that is spelled so: its canonical name, or '' when it is dropped. */
const names = new Map<string, string>()

function nameOf(spelling: string): string {
  const known = names.get(spelling)
  if (known !== undefined) return known
  const canonical = TOKEN.test(spelling) ? canonicalName(spelling) : ''
  const name = OURS.has(canonical) ? '' : canonical
  if (names.size < MAX_NAMES && spelling.length <= LONGEST_NAME) names.set(ownStrings([spelling])[0]!, name)
  return name
}

const NO_ROUTES: readonly string[] = []

/** SIP text of an application, line by line. */
export class AppLines implements AppText {
  readonly headers: AppHeader[] = []
  /** Most have none, and share an empty list. */
  private own: string[] | undefined

  constructor(
    readonly startLine: string,
    readonly body: string,
  ) {}

  get routes(): readonly string[] {
    return this.own ?? NO_ROUTES
  }

  /**
   * Adds a header line. It is dropped when the name is odd or ours, or when the value holds CR, LF or NUL.
   * @param value a byte string; space around it is not kept
   */
  add(spelling: string, value: string): void {
    const name = nameOf(spelling)
    if (name === '') return
    const bare = trimmed(value)
    if (!hasLineBreak(bare)) this.push(name, spelling, bare)
  }

  /** The same of a value that is text. */
  addText(spelling: string, value: string): void {
    if (!PLAIN.test(value)) return this.add(spelling, Buffer.from(value, 'utf8').toString('latin1'))
    const name = nameOf(spelling)
    if (name !== '') this.push(name, spelling, value)
  }

  private push(name: string, spelling: string, value: string): void {
    if (name === 'route') (this.own ??= []).push(value)
    else this.headers.push({ name, spelling, value })
  }
}

/**
 * Reads SIP text of an application. Each line stands alone (no folding); lines without a colon or with an odd name are
 * dropped. The body is all that follows the first blank line: the application's Content-Length counts characters, not bytes.
 */
export function readAppText(text: string): AppLines {
  const blank = text.indexOf('\r\n\r\n')
  const head = blank < 0 ? text : text.slice(0, blank)
  const [startLine = '', ...lines] = head.split('\r\n')
  const read = new AppLines(startLine, blank < 0 ? '' : text.slice(blank + 4))
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon > 0) read.add(trimmed(line.slice(0, colon)), line.slice(colon + 1))
  }
  return read
}

const isBlank = (code: number): boolean => code === 0x20 || (code >= 0x09 && code <= 0x0d)

/** Without the space around it: of ASCII only, other bytes are parts of characters. */
function trimmed(value: string): string {
  let from = 0
  let to = value.length
  while (from < to && isBlank(codeAt(value, from))) from++
  while (to > from && isBlank(codeAt(value, to - 1))) to--
  return from === 0 && to === value.length ? value : value.slice(from, to)
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
