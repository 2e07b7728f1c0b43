import { createRequire } from 'node:module'
import type { LibraryHeaders, LibraryMessageType, LibraryParser } from './drachtio-library.js'

/** A message as the library's own reading gives it. */
export interface ParsedMessage {
  method?: string
  uri?: string
  version?: string
  status?: number
  reason?: string
  /** By name as `nameOf` gives it; several lines joined by `,`. */
  readonly headers: Record<string, string>
  body: string | undefined
  readonly payload: readonly never[]
}

const NO_PAYLOAD: readonly never[] = []
const SPACE = 0x20
const TAB = 0x09
/** Spellings of header names that are remembered. */
const MAX_NAMES = 1_000
const LONGEST_NAME = 64

/**
 * Reads messages as drachtio-srf does, in one go over the text: the same fields, but for the parts of `multipart/` bodies, which nobody
 * asks for. The library's way, several expressions a line and a search through all names a header, is a tenth of a call's time.
 */
export class DrachtioParser {
  private readonly names = new Map<string, string>()

  /** @param spelled the library's name for a header that is spelled so */
  constructor(private readonly spelled: (name: string) => string) {}

  /** The library's name for a header: mostly in lower case, compact forms in full. */
  readonly nameOf = (spelling: string): string => {
    const known = this.names.get(spelling)
    if (known !== undefined) return known
    const name = this.spelled(spelling)
    if (this.names.size < MAX_NAMES && spelling.length <= LONGEST_NAME) this.names.set(spelling, name)
    return name
  }

  /** Undefined when it is no message. */
  readonly parse = (text: string): ParsedMessage | undefined => {
    const empty = text.indexOf('\r\n\r\n')
    const end = empty < 0 ? text.length : empty
    let at = lineEnd(text, 0, end)
    const message = readStartLine(text.slice(0, at))
    if (message === undefined) return undefined
    const { headers } = message
    while (at < end) {
      const start = at + 2
      at = lineEnd(text, start, end)
      while (at < end && isBlank(text, at + 2)) at = lineEnd(text, at + 2, end)
      const colon = text.indexOf(':', start)
      if (colon < 0 || colon >= at) return undefined
      let nameEnd = colon
      while (nameEnd > start && isBlank(text, nameEnd - 1)) nameEnd--
      let valueStart = colon + 1
      while (valueStart < at && isBlank(text, valueStart)) valueStart++
      const spelling = text.slice(start, nameEnd)
      if (!this.names.has(spelling) && /\s/.test(spelling)) return undefined
      const name = this.nameOf(spelling)
      const value = text.slice(valueStart, at)
      const before: unknown = headers[name]
      headers[name] = typeof before === 'string' ? `${before},${value}` : value
    }
    message.body = bodyOf(text, empty, headers['content-length'])
    return message
  }
}

function bodyOf(text: string, empty: number, contentLength: string | undefined): string | undefined {
  if (empty < 0) return contentLength ? '' : undefined
  const from = empty + 4
  if (!contentLength) {
    const next = text.indexOf('\r\n\r\n', from)
    return text.slice(from, next < 0 ? text.length : next)
  }
  // Characters and bytes: the library takes the one for the other, and so a body with others than ASCII is whole.
  const bytes = Math.max(0, Math.min(Number(contentLength), Buffer.byteLength(text.slice(from), 'utf8')))
  return text.slice(from, from + (Number.isNaN(bytes) ? 0 : bytes))
}

function readStartLine(line: string): ParsedMessage | undefined {
  const message: ParsedMessage = { headers: {}, body: undefined, payload: NO_PAYLOAD }
  if (line.startsWith('SIP/')) {
    const read = /^SIP\/(\d+\.\d+)\s+(\d+)\s*(.*)$/.exec(line)
    if (read === null) return undefined
    message.version = read[1]!
    message.status = Number(read[2])
    message.reason = read[3]!
    return message
  }
  const uri = line.indexOf(' ')
  const version = line.lastIndexOf(' SIP/')
  if (uri <= 0 || version <= uri) return undefined
  message.method = line.slice(0, uri)
  message.uri = line.slice(uri + 1, version)
  message.version = line.slice(version + 5)
  const wellFormed =
    /^[\w\-.!%*_+`'~]+$/.test(message.method) && !/\s/.test(message.uri) && /^\d+\.\d+/.test(message.version)
  return wellFormed ? message : undefined
}

function lineEnd(text: string, from: number, end: number): number {
  const at = text.indexOf('\r\n', from)
  return at < 0 || at > end ? end : at
}

const isBlank = (text: string, at: number): boolean => {
  const code = codeAt.call(text, at)
  return code === SPACE || code === TAB
}

const { charCodeAt: codeAt } = String.prototype

let quickened: DrachtioParser | undefined

/**
 * Has drachtio-srf read messages by a `DrachtioParser`, and find headers without a search. For all its instances in this process.
 * @returns that parser
 * @throws {Error} when the library has no such place any more
 */
export function quickenLibrary(): DrachtioParser {
  if (quickened !== undefined) return quickened
  const require = createRequire(import.meta.url)
  const library = require('drachtio-srf/lib/sip-parser/parser') as LibraryParser
  const { prototype } = require('drachtio-srf/lib/sip-parser/message') as LibraryMessageType
  const { parseSipMessage, getHeaderName } = library
  const known = [parseSipMessage, getHeaderName, prototype.getHeaderName, prototype.get, prototype.has, prototype.set]
  if (!known.every((part) => typeof part === 'function'))
    throw new Error('drachtio-srf does not read messages where 5.0 does')
  const parser = (quickened = new DrachtioParser(getHeaderName))
  library.parseSipMessage = (text, lazy) =>
    lazy === true && typeof text === 'string' ? parser.parse(text) : parseSipMessage(text, lazy)
  library.getHeaderName = parser.nameOf
  Object.assign(prototype, headerAccess(parser.nameOf))
  return parser
}

/** What a message is asked for its headers by, and how the library shows it in its debug output, which it writes whether it is read or not. */
function headerAccess(
  nameOf: (spelling: string) => string,
): Omit<LibraryHeaders, 'headers' | 'method' | 'status'> & ThisType<LibraryHeaders> {
  return {
    getHeaderName(name) {
      const { headers } = this
      if (Object.hasOwn(headers, name)) return name
      const { length } = name
      let lower: string | undefined
      for (const own in headers)
        if (own.length === length && own.toLowerCase() === (lower ??= name.toLowerCase())) return own
      return undefined
    },
    get(name) {
      const own = this.getHeaderName(nameOf(name))
      return own === undefined ? undefined : this.headers[own]
    },
    has(name) {
      return this.getHeaderName(name) !== undefined
    },
    set(name, value) {
      if (typeof name === 'string') add(this.headers, nameOf(name), value)
      else for (const [each, its] of Object.entries(name)) add(this.headers, nameOf(each), its)
      return this
    },
    toJSON() {
      return this.method ?? this.status
    },
    [Symbol.toPrimitive]() {
      return String(this.method ?? this.status)
    },
  }
}

function add(headers: Record<string, unknown>, name: string, value: unknown): void {
  headers[name] = Object.hasOwn(headers, name) ? `${String(headers[name])},${String(value)}` : String(value)
}
