import type { SipRequest } from '../../src/engine/message/message.js'
import { CoreHarness, sentOf } from './core-harness.js'

export const SDP_LINES = [
  'v=0',
  'o=- 1 1 IN IP4 198.51.100.7',
  's=-',
  'c=IN IP4 198.51.100.7',
  't=0 0',
  'm=audio 4000 RTP/AVP 0',
]
export const SDP = 'v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n'
export const PEER = 'sip:bob@198.51.100.7:5060'
export const PEER_CONTACT = 'Contact: <sip:bob@198.51.100.7:5060>'

export interface RequestParts {
  readonly cseq?: number
  readonly branch?: string
  readonly callId?: string
  readonly fromTag?: string
  readonly toTag?: string
  readonly contact?: string
  readonly transport?: string
  readonly more?: readonly string[]
  readonly body?: readonly string[]
}

/** A request of the peer, as lines. */
export function peerRequest(method: string, parts: RequestParts = {}): string[] {
  const { cseq = 1, toTag = '', more = [], body = [], callId = 'call-1', fromTag = 'a1', transport = 'UDP' } = parts
  const branch = parts.branch ?? `z9hG4bK${method}${cseq}${callId}`
  return [
    `${method} sip:4155550100@192.0.2.1 SIP/2.0`,
    `Via: SIP/2.0/${transport} 198.51.100.7:5060;branch=${branch}`,
    'Max-Forwards: 70',
    `From: "Ann" <sip:ann@198.51.100.7>;tag=${fromTag}`,
    `To: <sip:4155550100@192.0.2.1>${toTag && `;tag=${toTag}`}`,
    `Call-ID: ${callId}`,
    `CSeq: ${cseq} ${method}`,
    `Contact: ${parts.contact ?? '<sip:ann@198.51.100.7:5060>'}`,
    ...more,
    ...(body.length > 0 ? ['Content-Type: application/sdp', '', ...body] : []),
  ]
}

/** The peer's response to a request of ours, as lines. */
export function peerResponse(
  request: SipRequest,
  status: number,
  more: readonly string[] = [],
  toTag = 'b1',
): string[] {
  return [
    `SIP/2.0 ${status} Whatever`,
    ...request.headers.getAll('via').map((via) => `Via: ${via}`),
    `From: ${request.headers.get('from')}`,
    `To: ${request.headers.get('to')}${request.toTag === '' && toTag !== '' ? `;tag=${toTag}` : ''}`,
    `Call-ID: ${request.callId}`,
    `CSeq: ${request.headers.get('cseq')}`,
    ...more,
  ]
}

/** A call the peer placed and the application answered; acknowledged unless `ack` is false. */
export function incomingCall(options: { harness?: CoreHarness; invite?: readonly string[]; ack?: boolean } = {}) {
  const { harness = new CoreHarness(), invite = peerRequest('INVITE', { body: SDP_LINES }), ack = true } = options
  harness.receive(invite)
  const { txnId } = harness.app.last()
  const { dialogId, sent } = sentOf(harness.respond(txnId, 200, [], SDP))
  const { toTag } = sent
  if (ack) harness.receive(peerRequest('ACK', { branch: 'z9hG4bKack', toTag }))
  return { harness, txnId, dialogId, toTag, ok: sent }
}

/** A call the application placed and the peer answered; acknowledged unless `ack` is false. */
export function outgoingCall(
  options: { harness?: CoreHarness; uri?: string; more?: readonly string[]; headers?: string[]; ack?: boolean } = {},
) {
  const { harness = new CoreHarness(), uri = PEER, more = [PEER_CONTACT], headers = [], ack = true } = options
  const { dialogId, txnId } = sentOf(harness.request('INVITE', uri, headers, SDP))
  const sentAt = harness.sent.at(-1)!
  const invite = harness.sentRequests('INVITE').at(-1)!
  const [protocol, address = '', port = ''] = sentAt.to.split(':')
  const flow = harness.flow(protocol as 'udp', address, Number(port))
  harness.receive(peerResponse(invite, 200, more), flow)
  if (ack) sentOf(harness.requestInDialog(dialogId, 'ACK'))
  return { harness, dialogId, txnId, invite, flow }
}

/** The statuses of the responses the application was given, oldest first. */
export const statusesOf = (harness: CoreHarness): number[] =>
  harness.app.delivered.flatMap(({ message }) => (message.kind === 'response' ? [message.status] : []))

/** The methods of the requests that were sent, oldest first. */
export const methodsOf = (harness: CoreHarness): string[] =>
  harness.sent.flatMap(({ message }) => (message.kind === 'request' ? [message.method] : []))
