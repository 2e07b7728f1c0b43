import { createSocket } from 'node:dgram'
import { SipText } from './sip-text.js'

/** What a peer answers a request: a status line's rest and header lines; undefined for nothing. */
export type PeerAnswer = { status: string; headers?: readonly string[]; body?: string } | undefined

/** A SIP peer on UDP that answers as the test says, repeats included, and keeps what it was sent. */
export class ChallengingPeer {
  readonly requests: SipText[] = []
  answer: (request: SipText) => PeerAnswer = () => ({ status: '200 OK' })
  private readonly answered = new Map<string, string>()

  private constructor(
    private readonly socket: ReturnType<typeof createSocket>,
    readonly address: string,
  ) {
    socket.on('message', (bytes, from) => this.receive(new SipText(bytes.toString('utf8')), from.port, from.address))
  }

  static async start(address = '127.0.0.1'): Promise<ChallengingPeer> {
    const socket = createSocket('udp4')
    await new Promise<void>((resolve) => socket.bind({ address, port: 0 }, resolve))
    return new ChallengingPeer(socket, address)
  }

  get port(): number {
    return this.socket.address().port
  }

  get contact(): string {
    return `Contact: <sip:peer@${this.address}:${this.port}>`
  }

  /** Requests of one method, each once. */
  of(method: string): SipText[] {
    return this.requests.filter((request) => request.status === 0 && request.method === method)
  }

  /** The responses that came in to requests of this peer. */
  get responses(): SipText[] {
    return this.requests.filter(({ status }) => status !== 0)
  }

  /** Sends something to a port of 127.0.0.1. */
  send(text: string, port: number): void {
    this.socket.send(Buffer.from(text, 'utf8'), port, '127.0.0.1')
  }

  close(): void {
    this.socket.close()
  }

  private receive(message: SipText, port: number, address: string): void {
    if (message.status !== 0) return void this.requests.push(message)
    const key = `${message.method} ${message.header('via') ?? ''}`
    const known = this.answered.get(key)
    if (known === undefined) this.requests.push(message)
    const text = known ?? (message.method === 'ACK' ? '' : this.compose(message))
    this.answered.set(key, text)
    if (text !== '') this.socket.send(Buffer.from(text, 'utf8'), port, address)
  }

  private compose(request: SipText): string {
    const answer = this.answer(request)
    if (answer === undefined) return ''
    const { status, headers = [], body = '' } = answer
    const copied = request.headers
      .filter(([name]) => ['via', 'from', 'to', 'call-id', 'cseq'].includes(name))
      .map(([name, value]) => `${name}: ${value}${name === 'to' && !value.includes('tag=') ? ';tag=peer' : ''}`)
    const lines = [`SIP/2.0 ${status}`, ...copied, ...headers]
    if (request.method === 'INVITE') lines.push(this.contact)
    if (body !== '') lines.push('Content-Type: application/sdp')
    return [...lines, `Content-Length: ${Buffer.byteLength(body)}`, '', body].join('\r\n')
  }
}
