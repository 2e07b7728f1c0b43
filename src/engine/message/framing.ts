import { CR, LF, TOKEN, isIn } from './chars.js'
import type { Fault } from './fault.js'
import { verdicts } from './fault.js'
import type { Head } from './head.js'
import { looksLikeStartLine, readHead } from './head.js'
import type { Limits } from './limits.js'
import type { SipRequest } from './message.js'
import type { Parsed } from './parse.js'
import { contentLength, judge, refuse } from './parse.js'

/** Who hears of what a stream carries. */
export interface FramerSink {
  /** One message, with the bytes it took. */
  message(parsed: Parsed, bytes: number): void
  /** A double CRLF between messages: the peer wants a CRLF back (RFC 5626 4.4.1). Once for each run of them in a chunk. */
  ping(): void
  /** A single CRLF between messages, at the end of a chunk. @returns whether it is the answer to a ping, not the first half of one */
  pong?(): boolean
  /**
   * Nothing more can be told from this stream: the connection is to be closed, after an answer with `status` and `reason` when
   * there is a request to answer. Comes once, and nothing after it.
   */
  broken(reason: string, answer?: SipRequest, status?: number): void
}

const emptyBuffer = Buffer.alloc(0)

/**
 * Cuts one connection's bytes into messages by Content-Length (RFC 3261 18.3), however they are chunked. Work is linear in the bytes:
 * none is looked for an end of head twice, and held bytes are copied a bounded number of times.
 */
export class StreamFramer {
  /** Bytes of the unfinished message, from 0 to `heldBytes`. */
  private held = emptyBuffer
  private heldBytes = 0
  /** How far the present message has been searched for its empty line, from its first byte. */
  private searched = 0
  /** Where the line begins that the search is in, from the message's first byte. */
  private lineStart = 0
  private headBytes = 0
  private bodyBytes = 0
  private head: Head | undefined
  private crPending = false
  private lineEnds = 0
  private done = false

  constructor(
    private readonly limits: Limits,
    private readonly sink: FramerSink,
  ) {}

  /** Whether bytes of an unfinished message are held. */
  get partial(): boolean {
    return this.heldBytes > 0
  }

  /** Takes the next bytes. The chunk is not kept. */
  push(chunk: Buffer): void {
    if (this.done || chunk.length === 0) return
    if (this.heldBytes === 0) {
      this.consume(chunk, chunk.length)
      return
    }
    this.hold(chunk, 0)
    this.consume(this.held, this.heldBytes)
  }

  /** The rest of the message that is held did not come in time: the stream is broken, with an answer when enough of a request has come. */
  timeOut(): void {
    if (this.done || this.heldBytes === 0) return
    const head = this.head ?? readHead(this.held.toString('latin1', 0, this.heldBytes), 0, this.limits)
    this.breakOff('incomplete', head)
  }

  /** Nothing more is wanted: what is held is dropped and what comes is ignored. */
  stop(): void {
    this.done = true
    this.held = emptyBuffer
    this.heldBytes = 0
    this.head = undefined
  }

  private hold(chunk: Buffer, from: number): void {
    const bytes = this.heldBytes + chunk.length - from
    if (bytes > this.held.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(bytes, this.held.length * 2, 1_024))
      this.held.copy(larger, 0, 0, this.heldBytes)
      this.held = larger
    }
    chunk.copy(this.held, this.heldBytes, from)
    this.heldBytes = bytes
  }

  /** Delivers every whole message in `data` and holds what is left of it. A sink that throws does not upset the framing. */
  private consume(data: Buffer, end: number): void {
    let at = 0
    try {
      while (at < end && !this.done) {
        if (this.searched === 0 && this.head === undefined) {
          at = this.skipLineEnds(data, at, end)
          if (this.done || at === end) break
        }
        const parsed = this.readMessage(data, at, end)
        if (parsed === undefined) break
        const bytes = this.headBytes + this.bodyBytes
        at += bytes
        this.sink.message(parsed, bytes)
      }
    } finally {
      if (!this.done) this.keep(data, at, end)
    }
  }

  private keep(data: Buffer, from: number, end: number): void {
    if (data !== this.held) {
      if (from < end) this.hold(data.subarray(0, end), from)
      return
    }
    if (from > 0) data.copyWithin(0, from, end)
    this.heldBytes = end - from
    if (this.heldBytes === 0) this.held = emptyBuffer
  }

  /** Passes the CRLFs before a start line (7.5) and gives the position of the first other byte. */
  private skipLineEnds(data: Buffer, from: number, end: number): number {
    let at = from
    let pings = 0
    for (; at < end; at++) {
      const byte = data[at]
      if (byte === CR && !this.crPending) this.crPending = true
      else if (byte === LF && this.crPending) {
        this.crPending = false
        this.lineEnds++
        if (this.lineEnds === 2) {
          this.lineEnds = 0
          pings++
        }
      } else break
    }
    if (pings > 0) this.sink.ping()
    if (at === end && this.lineEnds === 1 && this.sink.pong?.() === true) this.lineEnds = 0
    if (at === end || this.done) return end
    if (this.crPending || !isIn(data[at]!, TOKEN)) this.breakOff('start-line', undefined)
    this.lineEnds = 0
    return at
  }

  /** The message that begins at `from`, once it is whole. */
  private readMessage(data: Buffer, from: number, end: number): Parsed | undefined {
    const head = this.head ?? this.findHead(data, from, end)
    const bodyStart = from + this.headBytes
    if (head === undefined || end - bodyStart < this.bodyBytes) return undefined
    this.head = undefined
    this.searched = 0
    this.lineStart = 0
    const body = this.bodyBytes === 0 ? '' : data.toString('latin1', bodyStart, bodyStart + this.bodyBytes)
    return judge(head, body, this.limits)
  }

  /** The head that begins at `from`, once it is whole, when it tells how long the body is. */
  private findHead(data: Buffer, from: number, end: number): Head | undefined {
    const headBytes = this.findEmptyLine(data, from, end)
    if (headBytes === undefined) {
      if (!this.done && end - from > this.limits.maxMessageBytes)
        this.breakOff('message-size', readHead(data.toString('latin1', from, end), 0, this.limits))
      return undefined
    }
    const head = readHead(data.toString('latin1', from, from + headBytes), 0, this.limits)
    const fault = head === undefined ? 'start-line' : this.framingFault(head, headBytes)
    if (fault !== undefined) {
      this.breakOff(fault, head)
      return undefined
    }
    this.headBytes = headBytes
    this.head = head
    return head
  }

  private framingFault(head: Head, headBytes: number): Fault | undefined {
    if (head.fault !== undefined && verdicts[head.fault].framingLost) return head.fault
    const length = contentLength(head.message.headers)
    if (length === undefined) return 'length-required'
    if (length < 0) return 'content-length'
    if (length > this.limits.maxBodyBytes) return 'body-size'
    if (headBytes + length > this.limits.maxMessageBytes) return 'message-size'
    this.bodyBytes = length
    return undefined
  }

  /** Length of the head with its empty line; undefined while that has not come, or when the first line is not SIP and the stream is broken. */
  private findEmptyLine(data: Buffer, from: number, end: number): number | undefined {
    let lineStart = from + this.lineStart
    for (let at = from + this.searched; at < end; at++) {
      if (data[at] !== LF) continue
      const lineEnd = at > from && data[at - 1] === CR ? at - 1 : at
      if (lineStart === from) {
        // Nobody is waited for who speaks another protocol.
        if (!looksLikeStartLine(data.toString('latin1', from, lineEnd))) {
          this.breakOff('start-line', undefined)
          return undefined
        }
      } else if (lineEnd <= lineStart) return at + 1 - from
      lineStart = at + 1
    }
    this.lineStart = lineStart - from
    this.searched = end - from
    if (lineStart === from && end - from > this.limits.maxStartLineBytes) this.breakOff('start-line-length', undefined)
    return undefined
  }

  private breakOff(fault: Fault, head: Head | undefined): void {
    const parsed = head === undefined ? undefined : refuse(head.message, fault)
    const { status, reason } = verdicts[fault]
    this.stop()
    if (parsed === undefined || parsed.ok || parsed.request === undefined) this.sink.broken(reason)
    else this.sink.broken(reason, parsed.request, status)
  }
}
