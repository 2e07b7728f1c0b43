import {
  COLON,
  CR,
  HT,
  LF,
  SP,
  TOKEN,
  decimal,
  isReasonPhrase,
  isVisible,
  nulsAreEscaped,
  skip,
  skipSpace,
  trimEnd,
  codeAt,
} from './chars.js'
import type { Fault } from './fault.js'
import { lineName } from './header-name.js'
import { Headers } from './headers.js'
import type { Limits } from './limits.js'
import { SipRequest, SipResponse } from './message.js'

/** Start line and header lines of a message, taken apart but not yet judged. */
export interface Head {
  readonly message: SipRequest | SipResponse
  /** Position in the text after the empty line; where the reading stopped when there is none. */
  readonly bodyStart: number
  /** The first thing that is wrong with the start line or with a line as such. */
  readonly fault: Fault | undefined
}

/**
 * Takes apart the head of the message that begins at `from`. Undefined when the first line is neither a request line nor a status line
 * of SIP, well-formed or not. Each character is looked at once or twice, whatever comes.
 *
 * Lines end in CRLF. A line that ends in LF or CR alone is a fault, the same over every transport, so that no two elements can read two
 * different messages out of the same bytes.
 */
export function readHead(text: string, from: number, limits: Limits): Head | undefined {
  const lines = new HeaderLines(text, limits)
  const lineEnd = lines.endOfLine(from)
  const start = readStartLine(text, from, lineEnd)
  if (start === undefined) return undefined
  if (start.fault !== undefined) lines.blame(start.fault)
  if (lineEnd - from > limits.maxStartLineBytes) lines.blame('start-line-length')
  const bodyStart = lines.read(lineEnd, start.message.headers)
  return { message: start.message, bodyStart, fault: lines.fault }
}

class HeaderLines {
  fault: Fault | undefined
  /** Position of what is read next. */
  private at = 0
  // The next CR, LF and NUL, each searched for once only: the text's length when there is none.
  private cr = -1
  private lf = -1
  private nul = -1

  constructor(
    private readonly text: string,
    private readonly limits: Limits,
  ) {}

  /** Remembers the first fault only: what follows may be its consequence. */
  blame(fault: Fault): void {
    this.fault ??= fault
  }

  /** Position of the CR or LF that ends the line, or of the end of the text. */
  endOfLine(from: number): number {
    if (this.cr < from) this.cr = this.next('\r', from)
    if (this.lf < from) this.lf = this.next('\n', from)
    return Math.min(this.cr, this.lf)
  }

  /** Whether a NUL stands between `from` and what is read next. */
  private hasNul(from: number): boolean {
    if (this.nul < from) this.nul = this.next('\0', from)
    return this.nul < this.at
  }

  private next(character: string, from: number): number {
    const at = this.text.indexOf(character, from)
    return at < 0 ? this.text.length : at
  }

  /** Reads from the end of the start line; gives the position after the empty line. */
  read(startLineEnd: number, headers: Headers): number {
    const { text } = this
    const end = text.length
    this.passLineEnd(startLineEnd)
    while (this.at < end) {
      const code = codeAt(text, this.at)
      if (code === CR || code === LF) {
        this.passLineEnd(this.at)
        return this.at
      }
      if (headers.count >= this.limits.maxHeaders) {
        this.blame('header-count')
        return this.at
      }
      this.readLine(headers)
    }
    this.blame('no-empty-line')
    return end
  }

  private readLine(headers: Headers): void {
    const { text } = this
    const start = this.at
    const end = text.length
    const nameEnd = skip(text, start, end, TOKEN)
    const colon = skipSpace(text, nameEnd, end)
    if (nameEnd === start || codeAt(text, colon) !== COLON) {
      this.blame('header-line')
      this.passLineEnd(this.endOfLine(colon))
      return
    }
    const valueStart = skipSpace(text, colon + 1, end)
    const lineEnd = this.endOfLine(valueStart)
    let value = text.slice(valueStart, trimEnd(text, valueStart, lineEnd))
    this.passLineEnd(lineEnd)
    if (this.isFolded()) value = this.unfold(value)
    if (this.at - start > this.limits.maxHeaderLineBytes + 2) this.blame('header-length')
    else if (this.hasNul(valueStart) && !nulsAreEscaped(value)) this.blame('header-line')
    else headers.appendLine(lineName(text.slice(start, nameEnd)), value)
  }

  private isFolded(): boolean {
    const code = codeAt(this.text, this.at)
    return code === SP || code === HT
  }

  /** The value with each fold, and the space around it, as one space (RFC 3261 7.3.1). */
  private unfold(first: string): string {
    const { text } = this
    const end = text.length
    const parts = first === '' ? [] : [first]
    while (this.isFolded()) {
      const from = skipSpace(text, this.at, end)
      const lineEnd = this.endOfLine(from)
      const to = trimEnd(text, from, lineEnd)
      if (to > from) parts.push(text.slice(from, to))
      this.passLineEnd(lineEnd)
    }
    return parts.join(' ')
  }

  /** Moves behind the line end at `at`. */
  private passLineEnd(at: number): void {
    const { text } = this
    if (at >= text.length) {
      this.at = at
      return
    }
    if (codeAt(text, at) === CR && codeAt(text, at + 1) === LF) {
      this.at = at + 2
      return
    }
    this.blame('line-end')
    this.at = at + 1
  }
}

interface StartLine {
  readonly message: SipRequest | SipResponse
  readonly fault: Fault | undefined
}

function readStartLine(text: string, from: number, end: number): StartLine | undefined {
  if (isSipSlash(text, from)) return readStatusLine(text, from, end)
  const methodEnd = skip(text, from, end, TOKEN)
  if (methodEnd === from) return undefined
  const method = text.slice(from, methodEnd)
  // The strict form first: one space each, nothing after the version.
  const version = end - 7
  if (codeAt(text, methodEnd) === SP && codeAt(text, version - 1) === SP && text.startsWith('SIP/2.0', version)) {
    const uri = version - 1 > methodEnd + 1 ? text.slice(methodEnd + 1, version - 1) : ''
    const fault = uri === '' || !isVisible(uri) ? 'start-line' : undefined
    return { message: new SipRequest(method, uri), fault }
  }
  return readLooseRequestLine(text, method, methodEnd, end)
}

/** A request line that is not quite one, or not of version 2.0: still enough of one to answer. */
function readLooseRequestLine(text: string, method: string, methodEnd: number, end: number): StartLine | undefined {
  const lineEnd = trimEnd(text, methodEnd, end)
  let version = lineEnd
  while (version > methodEnd && !isSpace(codeAt(text, version - 1))) version--
  if (version <= methodEnd || !isSpace(codeAt(text, methodEnd)) || !isSipSlash(text, version)) return undefined
  const uriStart = skipSpace(text, methodEnd, version)
  const uri = uriStart < version ? text.slice(uriStart, trimEnd(text, uriStart, version)) : ''
  const wellFormed =
    uri !== '' &&
    lineEnd === end &&
    codeAt(text, methodEnd) === SP &&
    codeAt(text, version - 1) === SP &&
    uriStart === methodEnd + 1 &&
    uriStart + uri.length === version - 1 &&
    isVisible(uri)
  const written = text.slice(version, lineEnd).toUpperCase()
  const fault = !wellFormed || !isVersion(written) ? 'start-line' : written === 'SIP/2.0' ? undefined : 'version'
  return { message: new SipRequest(method, uri), fault }
}

function readStatusLine(text: string, from: number, end: number): StartLine {
  const code = from + 8
  const status = decimal(text, code, code + 3)
  const separator = codeAt(text, code + 3)
  // Some equipment leaves out the space before an empty reason phrase.
  const wellFormed =
    text.slice(from, from + 7).toUpperCase() === 'SIP/2.0' &&
    codeAt(text, from + 7) === SP &&
    code + 3 <= end &&
    (code + 3 === end || separator === SP) &&
    status >= 100 &&
    status <= 699
  const reason = code + 4 < end ? text.slice(code + 4, end) : ''
  const fault = wellFormed && isReasonPhrase(reason) ? undefined : 'start-line'
  return {
    message: new SipResponse(fault === undefined ? status : 0, fault === undefined ? reason : '', new Headers()),
    fault,
  }
}

function isSpace(code: number): boolean {
  return code === SP || code === HT
}

/** Whether 'SIP/' stands at `from`, in any case (RFC 3261 7.1). */
function isSipSlash(text: string, from: number): boolean {
  return (
    (codeAt(text, from) | 0x20) === 0x73 &&
    (codeAt(text, from + 1) | 0x20) === 0x69 &&
    (codeAt(text, from + 2) | 0x20) === 0x70 &&
    codeAt(text, from + 3) === 0x2f
  )
}

/** 'SIP/' digits '.' digits, given in upper case. */
function isVersion(text: string): boolean {
  return /^SIP\/[0-9]+\.[0-9]+$/.test(text)
}

/** Whether a first line, without its line end, could be SIP at all. Decides early whether to wait for the rest of a stream's message. */
export function looksLikeStartLine(line: string): boolean {
  return readStartLine(line, 0, line.length) !== undefined
}
