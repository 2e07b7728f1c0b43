import { CR, LF, TOKEN, decimal, isIn, isToken, skipSpace, trimEnd, codeAt } from './chars.js'
import type { Fault } from './fault.js'
import { verdicts } from './fault.js'
import type { Head } from './head.js'
import { readHead } from './head.js'
import { findHeaderFault } from './header-rules.js'
import type { Headers } from './headers.js'
import type { Limits } from './limits.js'
import type { SipMessage, SipRequest } from './message.js'
import { isRequestUri } from './uri.js'
import { formatVia, salvageVia } from './via.js'

export { defaultLimits } from './limits.js'
export type { Limits } from './limits.js'
export type { Fault } from './fault.js'

/** What became of one message's bytes. */
export type Parsed =
  | { readonly ok: true; readonly message: SipMessage }
  | {
      readonly ok: false
      /** Status and reason phrase of the answer. */
      readonly status: number
      readonly reason: string
      readonly fault: Fault
      /**
       * The request an answer can be made from: it has a top Via that can be read, and as many of From, To, Call-ID and CSeq as
       * came. Absent when there is none to answer (a response, an ACK, no Via): then the message is dropped in silence.
       */
      readonly request?: SipRequest
    }

/**
 * The message in a datagram. Bytes after the body are noise (RFC 3261 18.3). Undefined when there is no SIP in it at all: empty, only
 * line ends or zeros (keep-alives), binary (STUN, RTP).
 */
export function parseDatagram(bytes: Buffer, limits: Limits): Parsed | undefined {
  const text = bytes.toString('latin1', 0, bytes.length)
  let from = 0
  // 7.5 has them ignored before a start line on streams; many send them in datagrams too.
  while (codeAt(text, from) === CR && codeAt(text, from + 1) === LF) from += 2
  if (!isIn(codeAt(text, from), TOKEN)) return undefined
  const head = readHead(text, from, limits)
  if (head === undefined) return refusal('start-line')
  if (text.length - from > limits.maxMessageBytes) return refuse(head.message, 'message-size')
  if (head.fault !== undefined) return refuse(head.message, head.fault)
  const held = text.length - head.bodyStart
  const length = contentLength(head.message.headers)
  if (length === undefined) return judge(head, text.slice(head.bodyStart), limits)
  if (length < 0 || length > held) return refuse(head.message, 'content-length')
  return judge(head, text.slice(head.bodyStart, head.bodyStart + length), limits)
}

/**
 * The Content-Length of a message, undefined when it has none, or -1 when it is not digits only or several disagree. A value no message
 * can have is Infinity.
 */
export function contentLength(headers: Headers): number | undefined {
  let length: number | undefined
  for (let at = 0; at < headers.count; at++) {
    if (headers.nameAt(at).canonical !== 'content-length') continue
    const line = headers.valueAt(at)
    let from = 0
    while (from <= line.length) {
      let comma = line.indexOf(',', from)
      if (comma < 0) comma = line.length
      const start = skipSpace(line, from, comma)
      const value = decimal(line, start, trimEnd(line, start, comma))
      if (value < 0 || (length !== undefined && value !== length)) return -1
      length = value
      from = comma + 1
    }
  }
  return length
}

/** The message with its body when everything that every element needs is there and well-formed, else the refusal. */
export function judge(head: Head, body: string, limits: Limits): Parsed {
  const { message } = head
  if (head.fault !== undefined) return refuse(message, head.fault)
  if (body.length > limits.maxBodyBytes) return refuse(message, 'body-size')
  message.body = body
  if (message.kind === 'request' && !isRequestUri(message.uri)) return refuse(message, 'request-uri')
  const found = findHeaderFault(message)
  if (found !== undefined) return refuse(message, found.fault, found.reason)
  if (message.kind === 'request' && message.cseq.method !== message.method) return refuse(message, 'cseq-method')
  return { ok: true, message }
}

function refusal(fault: Fault): Parsed {
  const { status, reason } = verdicts[fault]
  return { ok: false, status, reason, fault }
}

/** The refusal of a message for a fault; it carries the request when that can be answered. */
export function refuse(message: SipMessage, fault: Fault, reason = verdicts[fault].reason): Parsed {
  const { status } = verdicts[fault]
  // An ACK is never answered (RFC 3261 17.1.1.3), a response neither.
  if (message.kind === 'response' || message.method === 'ACK' || !isToken(message.method))
    return { ok: false, status, reason, fault }
  const top = message.headers.get('via')
  if (top === undefined) return { ok: false, status, reason, fault }
  if (message.findTopVia() === undefined) {
    const via = salvageVia(top)
    if (via === undefined) return { ok: false, status, reason, fault }
    // So that whoever sends the answer can read where it goes.
    message.headers.replaceFirst('via', formatVia(via))
  }
  return { ok: false, status, reason, fault, request: message }
}
