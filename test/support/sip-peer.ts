import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { connect, createServer, type Server, type Socket } from 'node:net'
import {
  connect as connectTls,
  type ConnectionOptions,
  createServer as createTlsServer,
  type TLSSocket,
  type TlsOptions,
} from 'node:tls'
import type { Certificate } from './certificates.js'
import { eventually } from './eventually.js'
import { SipText } from './sip-text.js'

export interface Address {
  readonly address: string
  readonly port: number
}

/** A party that sends bytes as they are and reads what comes: for what SIPp cannot or will not send. */
export interface SipPeer {
  readonly local: Address
  /** Every message received, in order. */
  readonly messages: readonly SipText[]
  /** The far end has closed the connection; always false over UDP. */
  readonly closed: boolean
  send(bytes: Buffer | string): void
  close(): void
}

const asBytes = (bytes: Buffer | string): Buffer => (typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)

/** A peer on UDP that talks to `target`, from a free port of `address`. */
export async function openUdp(address: string, target: Address): Promise<SipPeer & { readonly socket: UdpSocket }> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 })
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.bind({ address, port: 0 }, resolve)
  })
  const messages: SipText[] = []
  socket.on('message', (bytes) => messages.push(new SipText(bytes.toString('latin1'))))
  return {
    socket,
    local: { address, port: socket.address().port },
    messages,
    closed: false,
    send: (bytes) => socket.send(asBytes(bytes), target.port, target.address),
    close: () => socket.close(),
  }
}

/** Cuts a stream into messages by Content-Length, as a test trusts the far end to write it. */
export class StreamReader {
  #text = ''

  constructor(private readonly messages: Pick<SipText[], 'push'>) {}

  push(chunk: Buffer): void {
    this.#text += chunk.toString('latin1')
    for (;;) {
      while (this.#text.startsWith('\r\n')) this.#text = this.#text.slice(2)
      const end = this.#text.indexOf('\r\n\r\n')
      if (end < 0) return
      const length = Number(new SipText(this.#text.slice(0, end + 4)).header('content-length') ?? 0)
      const whole = end + 4 + length
      if (this.#text.length < whole) return
      this.messages.push(new SipText(this.#text.slice(0, whole)))
      this.#text = this.#text.slice(whole)
    }
  }
}

/** A peer on one TCP connection to `target`. */
export async function openTcp(address: string, target: Address): Promise<SipPeer & { readonly socket: Socket }> {
  const socket = connect({ host: target.address, port: target.port, localAddress: address })
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.once('connect', resolve)
  })
  return peerOn(socket)
}

/** A peer on one TLS connection to `target`. Rejects when the handshake fails. */
export async function openTls(
  address: string,
  target: Address,
  options: ConnectionOptions,
): Promise<SipPeer & { readonly socket: TLSSocket }> {
  const beneath = connect({ host: target.address, port: target.port, localAddress: address })
  beneath.on('error', () => undefined)
  const socket = connectTls({ ...options, socket: beneath })
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.once('secureConnect', resolve)
  })
  return Object.assign(peerOn(socket), { socket, local: { address, port: beneath.localPort ?? 0 } })
}

/** A peer on a TCP connection that is up, whoever opened it. */
export function peerOn(socket: Socket): SipPeer & { readonly socket: Socket } {
  const messages: SipText[] = []
  const reader = new StreamReader(messages)
  let closed = false
  socket.on('data', (chunk) => reader.push(chunk))
  socket.on('error', () => undefined)
  socket.on('end', () => (closed = true))
  socket.on('close', () => (closed = true))
  return {
    socket,
    local: { address: socket.localAddress ?? '', port: socket.localPort ?? 0 },
    messages,
    get closed() {
      return closed
    },
    send: (bytes) => void socket.write(asBytes(bytes)),
    close: () => socket.destroy(),
  }
}

/** A message received later than the first `after` ones that `fits`. */
export function nextMessage(
  peer: Pick<SipPeer, 'messages'>,
  what: string,
  fits: (message: SipText) => boolean,
  timeoutMs = 5_000,
  after = 0,
): Promise<SipText> {
  return eventually(what, () => peer.messages.slice(after).find(fits), timeoutMs)
}

let count = 0

/** An OPTIONS ping. */
export function optionsPing(
  from: Address,
  target: Address,
  protocol: 'udp' | 'tcp' | 'tls',
): { text: string; callId: string } {
  const n = ++count
  const callId = `ping-${process.pid}-${n}`
  const text = [
    `OPTIONS sip:${target.address}:${target.port} SIP/2.0`,
    `Via: SIP/2.0/${protocol.toUpperCase()} ${from.address}:${from.port};rport;branch=z9hG4bK-ping-${process.pid}-${n}`,
    'Max-Forwards: 70',
    `From: <sip:ping@${from.address}>;tag=ping${n}`,
    `To: <sip:${target.address}:${target.port}>`,
    `Call-ID: ${callId}`,
    'CSeq: 1 OPTIONS',
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n')
  return { text, callId }
}

const offer = (address: string): string =>
  [
    'v=0',
    `o=- 1 1 IN IP4 ${address}`,
    's=-',
    `c=IN IP4 ${address}`,
    't=0 0',
    'm=audio 40000 RTP/AVP 0',
    'a=rtpmap:0 PCMU/8000',
    '',
  ].join('\r\n')

export interface InviteFields {
  readonly from: Address
  readonly target: Address
  readonly protocol: 'udp' | 'tcp' | 'tls'
  readonly number: string
  /** Header lines besides the usual ones. */
  readonly headers?: readonly string[]
  /** Default: SDP with one audio line. */
  readonly body?: string
  readonly contentType?: string
}

/** An INVITE. */
export function inviteText(fields: InviteFields): { text: string; callId: string } {
  const { from, target, protocol, number, headers = [], contentType = 'application/sdp' } = fields
  const n = ++count
  const callId = `invite-${process.pid}-${n}`
  const body = fields.body ?? offer(from.address)
  const text = [
    `INVITE sip:${number}@${target.address}:${target.port} SIP/2.0`,
    `Via: SIP/2.0/${protocol.toUpperCase()} ${from.address}:${from.port};rport;branch=z9hG4bK-invite-${process.pid}-${n}`,
    'Max-Forwards: 70',
    `From: <sip:+13125550199@${from.address}>;tag=peer${n}`,
    `To: <sip:${number}@${target.address}:${target.port}>`,
    `Call-ID: ${callId}`,
    'CSeq: 1 INVITE',
    `Contact: <sip:+13125550199@${from.address}:${from.port};transport=${protocol}>`,
    ...headers,
    ...(body === '' ? [] : [`Content-Type: ${contentType}`]),
    `Content-Length: ${Buffer.byteLength(body)}`,
    '',
    body,
  ].join('\r\n')
  return { text, callId }
}

/** Another request of the same transaction or dialog as `invite`: ACK or CANCEL to it, or BYE. To is the answer's, when given. */
export function followUp(
  invite: string,
  method: 'ACK' | 'CANCEL' | 'BYE',
  answer?: SipText,
  requestUri?: string,
): string {
  const sent = new SipText(invite)
  // The ACK to a refusal and the CANCEL belong to the INVITE's transaction; the others are transactions of their own.
  const own = method === 'BYE' || (method === 'ACK' && answer?.status === 200)
  const number = method === 'BYE' ? 2 : 1
  return [
    `${method} ${requestUri ?? sent.requestUri} SIP/2.0`,
    `Via: ${sent.header('via') ?? ''}${own ? `-${method}` : ''}`,
    'Max-Forwards: 70',
    `From: ${sent.header('from') ?? ''}`,
    `To: ${(answer ?? sent).header('to') ?? ''}`,
    `Call-ID: ${sent.callId}`,
    `CSeq: ${number} ${method}`,
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n')
}

/** Sends an INVITE, waits for its final answer and acknowledges it. */
export async function inviteOver(
  peer: SipPeer,
  fields: Omit<InviteFields, 'from'>,
  timeoutMs = 5_000,
): Promise<SipText> {
  const { text, callId } = inviteText({ ...fields, from: peer.local })
  peer.send(text)
  const isFinal = (message: SipText): boolean => message.callId === callId && message.status >= 200
  const answer = await nextMessage(peer, `final answer to the INVITE to ${fields.number}`, isFinal, timeoutMs)
  peer.send(followUp(text, 'ACK', answer))
  return answer
}

/** Sends an OPTIONS ping and waits for its 200; resolves to the milliseconds it took. */
export async function pingOver(
  peer: SipPeer,
  target: Address,
  protocol: 'udp' | 'tcp' | 'tls',
  timeoutMs = 2_000,
): Promise<number> {
  const { text, callId } = optionsPing(peer.local, target, protocol)
  const before = performance.now()
  peer.send(text)
  return new Promise((resolve, reject) => {
    // Looked at on every turn: the time is what is asked for.
    const look = (): void => {
      const answer = peer.messages.find((message) => message.callId === callId && message.status >= 200)
      const tookMs = performance.now() - before
      if (answer?.status === 200) resolve(tookMs)
      else if (answer !== undefined) reject(new Error(`OPTIONS was answered ${answer.startLine}`))
      else if (peer.closed) reject(new Error('the connection was closed before the OPTIONS was answered'))
      else if (tookMs > timeoutMs) reject(new Error(`OPTIONS was not answered in ${timeoutMs} ms`))
      else setImmediate(look)
    }
    look()
  })
}

/** An agent on UDP that refuses every INVITE with 486 and keeps what it was sent. */
export async function refusingAgent(address: string): Promise<{ uri: string; requests: SipText[]; close(): void }> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 })
  await new Promise<void>((resolve) => socket.bind({ address, port: 0 }, resolve))
  const requests: SipText[] = []
  socket.on('message', (bytes, from) => {
    const request = new SipText(bytes.toString('latin1'))
    requests.push(request)
    if (request.method === 'ACK' || request.status !== 0) return
    const copied = request.headers
      .filter(([name]) => ['via', 'from', 'call-id', 'cseq'].includes(name))
      .map(([name, value]) => `${name}: ${value}`)
    const answer = [
      request.method === 'INVITE' ? 'SIP/2.0 486 Busy Here' : 'SIP/2.0 200 OK',
      ...copied,
      `to: ${request.header('to') ?? ''};tag=agent`,
      'content-length: 0',
      '',
      '',
    ].join('\r\n')
    socket.send(Buffer.from(answer, 'latin1'), from.port, from.address)
  })
  return {
    uri: `sip:agent@${address}:${socket.address().port}`,
    requests,
    close: () => socket.close(),
  }
}

/** A TCP listener for tests of connections; what comes in is handed to `connected`. */
export async function listenTcp(
  address: string,
  connected: (socket: Socket) => void,
): Promise<{ port: number; server: Server }> {
  const server = createServer(connected)
  await new Promise<void>((resolve) => server.listen({ host: address, port: 0 }, resolve))
  const bound = server.address()
  return { port: typeof bound === 'object' && bound !== null ? bound.port : 0, server }
}

/** The same over TLS, with its certificate; those whose handshake fails are not handed on. */
export async function listenTls(
  address: string,
  { certificate: cert, key }: Certificate,
  connected: (socket: TLSSocket) => void,
  options: TlsOptions = {},
): Promise<{ port: number; server: Server }> {
  const server = createTlsServer({ cert, key, ...options }, connected)
  server.on('tlsClientError', () => undefined)
  await new Promise<void>((resolve) => server.listen({ host: address, port: 0 }, resolve))
  const bound = server.address()
  return { port: typeof bound === 'object' && bound !== null ? bound.port : 0, server }
}
