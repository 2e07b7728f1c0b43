import type { CSeq } from './cseq.js'
import { parseCSeq } from './cseq.js'
import { CALL_ID, decimal, skip } from './chars.js'
import { Headers } from './headers.js'
import type { NameAddr } from './name-addr.js'
import { parseNameAddr } from './name-addr.js'
import { noParams } from './params.js'
import { reasonPhrase } from './reason.js'
import type { Via } from './via.js'
import { parseTopVia } from './via.js'

export { createResponse } from './response.js'
export { reasonPhrase } from './reason.js'
export { serialise } from './serialise.js'

const noAddress: NameAddr = { uri: '', params: noParams }
const noVia: Via = { protocol: '', host: '', params: noParams }

/**
 * What requests and responses share: headers, body, and the headers every element needs, read when first asked for and again only
 * when their text has changed.
 *
 * In a message that came whole out of the parser all of them are there. In one that is being built, or that comes with a refusal,
 * one may be missing or malformed: then the getter gives an empty one (Call-ID and tags '', CSeq number 0, a URI or host '') and
 * `find...` gives undefined.
 */
abstract class Message {
  /** Byte string. */
  body: string
  headers: Headers
  /** It went over the wire as this text; undefined: it did not, or was changed since. */
  text: string | undefined

  private viaText: string | undefined
  private viaRead: Via | undefined
  private fromText: string | undefined
  private fromRead: NameAddr | undefined
  private toText: string | undefined
  private toRead: NameAddr | undefined
  private cseqText: string | undefined
  private cseqRead: CSeq | undefined

  constructor(headers: Headers, body: string) {
    this.headers = headers
    this.body = body
  }

  findTopVia(): Via | undefined {
    const text = this.headers.get('via')
    if (text !== this.viaText) {
      this.viaText = text
      this.viaRead = text === undefined ? undefined : parseTopVia(text)
    }
    return this.viaRead
  }

  findFrom(): NameAddr | undefined {
    const text = this.headers.get('from')
    if (text !== this.fromText) {
      this.fromText = text
      this.fromRead = text === undefined ? undefined : parseNameAddr(text)
    }
    return this.fromRead
  }

  findTo(): NameAddr | undefined {
    const text = this.headers.get('to')
    if (text !== this.toText) {
      this.toText = text
      this.toRead = text === undefined ? undefined : parseNameAddr(text)
    }
    return this.toRead
  }

  findCSeq(): CSeq | undefined {
    const text = this.headers.get('cseq')
    if (text !== this.cseqText) {
      this.cseqText = text
      this.cseqRead = text === undefined ? undefined : parseCSeq(text)
    }
    return this.cseqRead
  }

  /** The first Via, wherever its line stands. */
  get topVia(): Via {
    return this.findTopVia() ?? noVia
  }

  get from(): NameAddr {
    return this.findFrom() ?? noAddress
  }

  get to(): NameAddr {
    return this.findTo() ?? noAddress
  }

  get cseq(): CSeq {
    return this.findCSeq() ?? { number: 0, method: '' }
  }

  get callId(): string {
    return this.headers.get('call-id') ?? ''
  }

  /** '' when there is none. */
  get fromTag(): string {
    return this.from.params.get('tag') ?? ''
  }

  /** '' when there is none. */
  get toTag(): string {
    return this.to.params.get('tag') ?? ''
  }

  /** 0 to 255; undefined when there is none (RFC 2543). */
  get maxForwards(): number | undefined {
    const text = this.headers.get('max-forwards')
    return text === undefined ? undefined : parseMaxForwards(text)
  }
}

/** A SIP request. Method, Request-URI and body are byte strings. */
export class SipRequest extends Message {
  readonly kind = 'request'

  constructor(
    public method: string,
    /** Request-URI, as it came. */
    public uri: string,
    headers: Headers = new Headers(),
    body = '',
  ) {
    super(headers, body)
  }

  /** A request of its own with the same content. */
  clone(): SipRequest {
    return new SipRequest(this.method, this.uri, this.headers.clone(), this.body)
  }
}

/** A SIP response. Reason phrase and body are byte strings. */
export class SipResponse extends Message {
  readonly kind = 'response'

  constructor(
    /** 100 to 699. */
    public status: number,
    public reason: string = reasonPhrase(status),
    headers: Headers = new Headers(),
    body = '',
  ) {
    super(headers, body)
  }

  /** A response of its own with the same content. */
  clone(): SipResponse {
    return new SipResponse(this.status, this.reason, this.headers.clone(), this.body)
  }
}

export type SipMessage = SipRequest | SipResponse

/** Max-Forwards in a header value, 0 to 255, or undefined. */
export function parseMaxForwards(value: string): number | undefined {
  const hops = decimal(value, 0, value.length)
  return hops >= 0 && hops <= 255 ? hops : undefined
}

/** Whether the value is a Call-ID. It never holds space, '|', ',' or ';'. */
export function isCallId(value: string): boolean {
  return value.length > 0 && skip(value, 0, value.length, CALL_ID) === value.length
}
