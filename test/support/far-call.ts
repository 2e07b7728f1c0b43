import { eventually } from './eventually.js'
import { hostText, responseText, type FarEnd, type Heard, type Way } from './far-end.js'
import { uriOf } from './far-registrar.js'
import { SipText } from './sip-text.js'

/** SDP with one audio line. */
export function sdp(address: string, more: readonly string[] = []): string {
  const where = `IN IP${address.includes(':') ? 6 : 4} ${address}`
  const lines = ['v=0', `o=far 1 1 ${where}`, 's=-', `c=${where}`, 't=0 0', 'm=audio 42000 RTP/AVP 0']
  return [...lines, 'a=rtpmap:0 PCMU/8000', ...more, ''].join('\r\n')
}

export interface PlaceOptions {
  /** User and host of From and To: `+13125550199@carrier.example.com`. */
  readonly from: string
  readonly to: string
  /** Header lines besides the usual ones. */
  readonly headers?: readonly string[]
  /** Default: SDP with one audio line; '' for none. */
  readonly body?: string
}

const reasons: Record<number, string> = { 100: 'Trying', 180: 'Ringing', 183: 'Session Progress' }
const REPEAT_MS = 500

let count = 0

/** A call as one far end sees it: one dialog at most, either side of it. */
export class FarCall {
  /** Final status of the INVITE, sent or received; 0 until then. */
  status = 0
  /** The ACK of a 200 of ours has come. */
  acknowledged = false
  /** It has ended by BYE or CANCEL, or never began. */
  ended = false
  /** Requests in the dialog, in their order. */
  readonly received: Heard[] = []
  readonly responses: Heard[] = []
  #cseq = 1
  #local = ''
  #remote = ''
  #target = ''
  #routes: readonly string[] = []
  #repeat: NodeJS.Timeout | undefined

  private constructor(
    private readonly end: FarEnd,
    readonly callId: string,
    /** The INVITE that began it. */
    readonly invite: SipText,
    private way: Way,
    private readonly asked: Heard | undefined,
    private readonly tag: string,
    private readonly dialog: { readonly recordRoute?: string | undefined; readonly contact: string },
  ) {}

  /** The side that is called. */
  static answering(
    end: FarEnd,
    heard: Heard,
    dialog: { readonly recordRoute?: string | undefined; readonly contact: string },
  ): FarCall {
    const { message } = heard
    const call = new FarCall(end, message.callId, message, heard, heard, `far${++count}`, dialog)
    call.#local = `${message.header('to') ?? ''};tag=${call.tag}`
    call.#remote = message.header('from') ?? ''
    call.#target = uriOf(message.header('contact') ?? '')
    call.#routes = message.all('record-route').flatMap((line) => line.split(','))
    return call
  }

  /** The side that calls: sends the INVITE. */
  static place(end: FarEnd, uri: string, way: Way, options: PlaceOptions): FarCall {
    const tag = `far${++count}`
    const callId = `far-${process.pid}-${count}-${Date.now()}`
    const { address, port } = end.local
    const contact = `<sip:caller@${hostText(address)}:${port};transport=${way.protocol}>`
    const body = options.body ?? sdp(address)
    const local = `<sip:${options.from}>;tag=${tag}`
    const text = [
      `INVITE ${uri} SIP/2.0`,
      viaOf(end, way, `${callId}-1`),
      'Max-Forwards: 70',
      `From: ${local}`,
      `To: <sip:${options.to}>`,
      `Call-ID: ${callId}`,
      'CSeq: 1 INVITE',
      `Contact: ${contact}`,
      ...(options.headers ?? []),
      ...(body === '' ? [] : ['Content-Type: application/sdp']),
      `Content-Length: ${body.length}`,
      '',
      body,
    ].join('\r\n')
    const call = new FarCall(end, callId, new SipText(text), way, undefined, tag, { contact })
    call.#local = local
    call.#remote = `<sip:${options.to}>`
    call.#target = uri
    end.send(text, way)
    if (way.protocol === 'udp') call.#again(text)
    return call
  }

  /** Provisional response; 183 has SDP. */
  provisional(status: 100 | 180 | 183): void {
    const { recordRoute, contact } = this.dialog
    if (this.asked === undefined || this.status !== 0) return
    const headers =
      status === 100
        ? []
        : [`Contact: ${contact}`, ...(recordRoute === undefined ? [] : [`Record-Route: ${recordRoute}`])]
    this.end.send(
      responseText(this.asked.message, status, reasons[status] ?? '', {
        toTag: this.tag,
        headers,
        body: status === 183 ? sdp(this.end.local.address, ['a=x-early:1']) : '',
      }),
      this.asked,
    )
  }

  /** Answers with 200, again until the ACK comes. */
  accept(body: string): void {
    if (this.asked === undefined || this.status !== 0) return
    this.status = 200
    const { recordRoute, contact } = this.dialog
    const headers = [`Contact: ${contact}`, ...(recordRoute === undefined ? [] : [`Record-Route: ${recordRoute}`])]
    const more = { toTag: this.tag, headers, body }
    this.end.answer(this.asked, 200, 'OK', more)
    this.#again(responseText(this.asked.message, 200, 'OK', more))
  }

  refuse(status: number, reason: string, headers: readonly string[] = []): void {
    if (this.asked === undefined || this.status !== 0) return
    this.status = status
    this.ended = true
    this.end.answer(this.asked, status, reason, { toTag: this.tag, headers })
  }

  /** Sends a request in the dialog, BYE or re-INVITE, with these header lines besides; its responses are in `responses`. */
  send(method: string, body = '', headers: readonly string[] = []): void {
    const cseq = ++this.#cseq
    if (method === 'BYE') this.ended = true
    this.end.send(this.#text(method, cseq, body, headers), this.way)
  }

  /** A response of the INVITE with this status, waited for. */
  answered(status: number, timeoutMs = 5_000): Promise<Heard> {
    const isIt = ({ message }: Heard): boolean => message.status === status && message.method === 'INVITE'
    return eventually(`${status} to the call ${this.callId}`, () => this.responses.find(isIt), timeoutMs)
  }

  /** A final response to a method, waited for. */
  final(method: string, timeoutMs = 5_000): Promise<Heard> {
    const isIt = ({ message }: Heard): boolean => message.status >= 200 && message.method === method
    return eventually(`final response to ${method} of ${this.callId}`, () => this.responses.find(isIt), timeoutMs)
  }

  /** A request of a method in the dialog, waited for. */
  heard(method: string, timeoutMs = 5_000): Promise<Heard> {
    const isIt = ({ message }: Heard): boolean => message.method === method
    return eventually(`${method} of the call ${this.callId}`, () => this.received.find(isIt), timeoutMs)
  }

  /** Takes a request in the dialog, or the CANCEL of it. */
  request(heard: Heard): void {
    const { message } = heard
    this.received.push(heard)
    this.#follow(heard)
    if (message.method === 'ACK') {
      this.acknowledged = true
      return this.#quiet()
    }
    if (message.method === 'CANCEL') {
      this.end.answer(heard, 200, 'OK')
      if (this.status === 0) this.refuse(487, 'Request Terminated')
      return
    }
    if (message.method === 'BYE') {
      this.ended = true
      this.#quiet()
    }
    const body = message.method === 'INVITE' ? sdp(this.end.local.address) : ''
    this.end.answer(heard, 200, 'OK', { body, headers: body === '' ? [] : [`Contact: ${this.dialog.contact}`] })
  }

  /** Takes a response to the INVITE, or to a request in the dialog. */
  response(heard: Heard): void {
    const { message } = heard
    this.responses.push(heard)
    if (message.method !== 'INVITE') return
    const cseq = Number.parseInt(message.header('cseq') ?? '0', 10)
    this.#quiet()
    if (message.status < 200) return
    if (cseq === 1 && this.status === 0) {
      this.status = message.status
      if (message.status >= 300) this.ended = true
      this.#remote = message.header('to') ?? ''
      this.#routes = message
        .all('record-route')
        .flatMap((line) => line.split(','))
        .reverse()
      if (message.status < 300) this.#target = uriOf(message.header('contact') ?? '')
    }
    const ack = message.status < 300 ? this.#text('ACK', cseq, '') : this.#refusalAck(message)
    this.end.send(ack, this.way)
  }

  /** Ends its timers. */
  forget(): void {
    this.#quiet()
  }

  /** Over TCP the far end may have come back on another connection: the dialog goes on there. */
  #follow({ protocol, remote, connection }: Heard): void {
    if (protocol === 'tcp' && this.way.protocol === 'tcp') this.way = { protocol, remote, connection }
  }

  #text(method: string, cseq: number, body: string, headers: readonly string[] = []): string {
    const unique = `${this.callId}-${cseq}${method === 'ACK' ? '-ack' : ''}`
    return [
      `${method} ${this.#target} SIP/2.0`,
      viaOf(this.end, this.way, unique),
      'Max-Forwards: 70',
      `From: ${this.#local}`,
      `To: ${this.#remote}`,
      `Call-ID: ${this.callId}`,
      `CSeq: ${cseq} ${method}`,
      ...this.#routes.map((route) => `Route: ${route.trim()}`),
      ...(method === 'INVITE' ? [`Contact: ${this.dialog.contact}`] : []),
      ...headers,
      ...(body === '' ? [] : ['Content-Type: application/sdp']),
      `Content-Length: ${body.length}`,
      '',
      body,
    ].join('\r\n')
  }

  /** The ACK to a refusal belongs to the INVITE's transaction. */
  #refusalAck(refusal: SipText): string {
    const via = refusal.header('via')?.replace(/;(received|rport)=[^;,]*/g, '') ?? ''
    const cseq = Number.parseInt(refusal.header('cseq') ?? '1', 10)
    return [
      `ACK ${cseq === 1 ? this.invite.requestUri : this.#target} SIP/2.0`,
      `Via: ${via}`,
      'Max-Forwards: 70',
      `From: ${this.#local}`,
      `To: ${refusal.header('to') ?? ''}`,
      `Call-ID: ${this.callId}`,
      `CSeq: ${cseq} ACK`,
      'Content-Length: 0',
      '',
      '',
    ].join('\r\n')
  }

  #again(text: string): void {
    this.#repeat = setTimeout(() => {
      this.end.send(text, this.way)
      this.#again(text)
    }, REPEAT_MS)
  }

  #quiet(): void {
    clearTimeout(this.#repeat)
    this.#repeat = undefined
  }
}

const viaOf = (end: FarEnd, way: Way, unique: string): string =>
  `Via: SIP/2.0/${way.protocol.toUpperCase()} ${hostText(end.local.address)}:${end.local.port};rport;branch=z9hG4bK-${unique}`
