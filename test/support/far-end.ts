import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { connect, createServer, isIPv6, type Server, type Socket } from 'node:net'
import { freePort } from './free-port.js'
import { StreamReader, type Address } from './sip-peer.js'
import { SipText } from './sip-text.js'

export type FarProtocol = 'udp' | 'tcp'

/** The way a message came, and its answer goes: over TCP the connection itself. */
export interface Way {
  readonly protocol: FarProtocol
  readonly remote: Address
  /** Counts the connections of one far end, 1 upwards; 0 over UDP. */
  readonly connection: number
}

/** One message that a far end received. */
export interface Heard extends Way {
  readonly message: SipText
  readonly local: Address
  /** Milliseconds of `performance.now()`. */
  readonly atMs: number
  /** A request received before: its answer, if there is one, is sent again by itself. */
  readonly repeat: boolean
}

export interface FarEndOptions {
  readonly address: string
  /** Default: a free one. */
  readonly port?: number
  /** Default both. */
  readonly protocols?: readonly FarProtocol[]
}

/** An address as it stands in a URI or a Via. */
export const hostText = (address: string): string => (isIPv6(address) ? `[${address}]` : address)

/** The branch of the topmost Via and the method: what makes two requests the same one. */
function transactionOf(message: SipText): string {
  const branch = /;branch=([^;,\s]+)/.exec(message.header('via') ?? '')?.[1] ?? ''
  return `${branch} ${message.method}`
}

/** Header lines a response takes over from its request. */
function copied(request: SipText): string[] {
  const names = new Set(['via', 'from', 'call-id', 'cseq', 'record-route'])
  return request.headers.filter(([name]) => names.has(name)).map(([name, value]) => `${name}: ${value}`)
}

/** A response as text. `toTag` is added unless To has one. */
export function responseText(
  request: SipText,
  status: number,
  reason: string,
  { headers = [], body = '', toTag = 'far' }: { headers?: readonly string[]; body?: string; toTag?: string } = {},
): string {
  const tag = request.toTag !== '' || status === 100 ? '' : `;tag=${toTag}`
  return [
    `SIP/2.0 ${status} ${reason}`,
    ...copied(request),
    `to: ${request.header('to') ?? ''}${tag}`,
    ...headers,
    ...(body === '' ? [] : ['content-type: application/sdp']),
    `content-length: ${Buffer.byteLength(body, 'latin1')}`,
    '',
    body,
  ].join('\r\n')
}

/**
 * A far end on one address and port, UDP and TCP: keeps everything it hears, with the way it came. What it answers is up to
 * `onRequest`; without one it is a decoy that answers nothing.
 */
export class FarEnd {
  readonly heard: Heard[] = []
  onRequest: ((heard: Heard) => void) | undefined
  onResponse: ((heard: Heard) => void) | undefined
  onClosed: ((connection: number) => void) | undefined
  readonly #connections = new Map<number, Socket>()
  readonly #answers = new Map<string, string>()
  readonly #seen = new Set<string>()
  #opened = 0

  private constructor(
    readonly local: Address,
    private readonly udp: UdpSocket | undefined,
    private readonly tcp: Server | undefined,
  ) {
    udp?.on('message', (bytes, { address, port }) => {
      const text = bytes.toString('latin1')
      // A keep-alive is no message.
      if (text.trim() === '') return
      this.#hear(new SipText(text), { protocol: 'udp', remote: { address, port }, connection: 0 })
    })
    udp?.on('error', () => undefined)
    tcp?.on('connection', (socket) => void this.#adopt(socket))
  }

  /** @throws {Error} when the address is taken */
  static async open(options: FarEndOptions): Promise<FarEnd> {
    const { address, protocols = ['udp', 'tcp'] } = options
    const port = options.port ?? (await freePort(address))
    const udp = protocols.includes('udp') ? await boundUdp(address, port) : undefined
    const tcp = protocols.includes('tcp') ? await listeningTcp(address, port) : undefined
    return new FarEnd({ address, port }, udp, tcp)
  }

  /** Requests in their order, repeats left out; of one method when given. */
  requests(method?: string): Heard[] {
    return this.heard.filter(
      ({ message, repeat }) => message.status === 0 && !repeat && (method === undefined || message.method === method),
    )
  }

  /** Connections that are open now. */
  get openConnections(): number {
    return this.#connections.size
  }

  /** Connections that have been taken or made. */
  get connectionsSeen(): number {
    return this.#opened
  }

  /** Sends a text on a way; false when its connection is gone. */
  send(text: string, way: Way): boolean {
    if (way.protocol === 'udp') {
      this.udp?.send(Buffer.from(text, 'latin1'), way.remote.port, way.remote.address)
      return this.udp !== undefined
    }
    const socket = this.#connections.get(way.connection)
    return socket?.writable === true && (socket.write(Buffer.from(text, 'latin1')), true)
  }

  /** Answers a request; a final answer is sent again when the request is. */
  answer(heard: Heard, status: number, reason: string, more: Parameters<typeof responseText>[3] = {}): void {
    const text = responseText(heard.message, status, reason, more)
    this.#answers.set(transactionOf(heard.message), text)
    this.send(text, heard)
  }

  /** A connection of its own to an address, as a way to send on. */
  async connect(remote: Address): Promise<Way> {
    const socket = connect({ host: remote.address, port: remote.port, localAddress: this.local.address })
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.once('connect', resolve)
    })
    return this.#adopt(socket)
  }

  /** Closes a connection, or with none given all of them; `reset` as a crash does. */
  hangUp(connection?: number, reset = false): void {
    for (const [id, socket] of this.#connections)
      if (connection === undefined || connection === id) {
        if (reset) socket.resetAndDestroy()
        else socket.end()
      }
  }

  async close(): Promise<void> {
    for (const socket of this.#connections.values()) socket.destroy()
    await Promise.all([
      new Promise<void>((resolve) => (this.udp === undefined ? resolve() : this.udp.close(() => resolve()))),
      new Promise<void>((resolve) => (this.tcp === undefined ? resolve() : this.tcp.close(() => resolve()))),
    ])
  }

  #adopt(socket: Socket): Way {
    const id = ++this.#opened
    const remote = { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 }
    const way: Way = { protocol: 'tcp', remote, connection: id }
    const reader = new StreamReader({
      push: (...messages) => {
        for (const message of messages) this.#hear(message, way)
        return 0
      },
    })
    this.#connections.set(id, socket)
    socket.setNoDelay(true)
    socket.on('data', (chunk) => reader.push(chunk))
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.#connections.delete(id)
      this.onClosed?.(id)
    })
    return way
  }

  #hear(message: SipText, way: Way): void {
    const id = transactionOf(message)
    const request = message.status === 0
    // An ACK to a 2xx is never answered, and one of another branch is another one.
    const repeat = request && this.#seen.has(id)
    if (request) this.#seen.add(id)
    const heard: Heard = { ...way, message, local: this.local, atMs: performance.now(), repeat }
    this.heard.push(heard)
    if (!request) return this.onResponse?.(heard)
    if (!repeat) return this.onRequest?.(heard)
    const answer = this.#answers.get(id)
    if (answer !== undefined && message.method !== 'ACK') this.send(answer, heard)
  }
}

async function boundUdp(address: string, port: number): Promise<UdpSocket> {
  const socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4', recvBufferSize: 1 << 22 })
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.bind({ address, port, exclusive: true }, resolve)
  })
  return socket
}

async function listeningTcp(address: string, port: number): Promise<Server> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: address, port, exclusive: true, backlog: 4_096 }, resolve)
  })
  return server
}
