import { createSocket } from 'node:dgram'
import type { Socket as UdpSocket } from 'node:dgram'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { defaultLimits } from '../../src/engine/message/limits.js'
import type { Parsed } from '../../src/engine/message/parse.js'
import { parseContact } from '../../src/engine/transport/contact.js'
import type { Flow, TransportSink } from '../../src/engine/transport/transport.js'
import { Transports } from '../../src/engine/transport/transports.js'
import type { TransportsOptions } from '../../src/engine/transport/transports.js'
import { ManualClock } from './manual-clock.js'

/** This machine has `::1`; many containers have not. */
export const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'))

export interface Arrival {
  readonly parsed: Parsed
  readonly flow: Flow
  readonly bytes: number
}

/** Transports on loopback whose arrivals are kept, peers that talk to them, and one call that closes all. */
export class TransportBench implements TransportSink {
  readonly clock = new ManualClock()
  readonly arrivals: Arrival[] = []
  readonly closedFlows: Flow[] = []
  readonly failedHandshakes: Array<{ readonly address: string; readonly at: number; readonly why: string }> = []
  /** What the user of the transports does with each message. */
  onArrival: ((arrival: Arrival) => void) | undefined
  /** What it does with each stream that has ended. */
  onClosed: ((flow: Flow) => void) | undefined
  private readonly waiting = new Set<() => void>()
  private readonly closers: (() => void | Promise<void>)[] = []

  /** Starts on free ports: `sip:127.0.0.1:0;transport=udp,tcp` unless told otherwise. */
  async start(
    contact = 'sip:127.0.0.1:0;transport=udp,tcp',
    options: Partial<TransportsOptions> = {},
  ): Promise<Transports> {
    const transports = new Transports({
      contacts: parseContact(contact),
      clock: this.clock,
      limits: defaultLimits,
      sink: this,
      ...options,
    })
    this.closers.push(() => transports.stop())
    await transports.start()
    return transports
  }

  received(parsed: Parsed, flow: Flow, bytes: number): void {
    const arrival = { parsed, flow, bytes }
    this.arrivals.push(arrival)
    this.onArrival?.(arrival)
    for (const look of [...this.waiting]) look()
  }

  closed(flow: Flow): void {
    this.closedFlows.push(flow)
    this.onClosed?.(flow)
  }

  handshakeFailed({ address, port }: { address: string; port: number }, why: string): void {
    this.failedHandshakes.push({ address, at: port, why })
  }

  /** Waits until that many messages have arrived, and gives the last of them. */
  arrived(count: number): Promise<Arrival> {
    return new Promise((resolve, reject) => {
      const limit = setTimeout(
        () => reject(new Error(`${this.arrivals.length} of ${count} messages within 5 s`)),
        5_000,
      )
      const look = (): void => {
        const last = this.arrivals[count - 1]
        if (last === undefined) return
        this.waiting.delete(look)
        clearTimeout(limit)
        resolve(last)
      }
      this.waiting.add(look)
      look()
    })
  }

  async udpPeer(address = '127.0.0.1'): Promise<UdpPeer> {
    const peer = await UdpPeer.open(address)
    this.closers.push(() => peer.close())
    return peer
  }

  /** A connection to `port`. */
  async tcpPeer(port: number, address = '127.0.0.1'): Promise<TcpPeer> {
    const socket = connect({ port, host: address, allowHalfOpen: true })
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    const peer = new TcpPeer(socket)
    this.closers.push(() => void socket.destroy())
    return peer
  }

  /** Something that accepts connections on a free port. */
  async tcpServer(address = '127.0.0.1', port = 0): Promise<TcpServer> {
    const server = await TcpServer.open(address, port)
    this.closers.push(() => server.close())
    return server
  }

  /** Has this done at the end, before what was opened until now is closed. */
  closeLater(close: () => void | Promise<void>): void {
    this.closers.push(close)
  }

  async close(): Promise<void> {
    for (const close of this.closers.reverse()) await close()
  }
}

export class UdpPeer {
  readonly received: string[] = []
  private closed = false

  private constructor(
    private readonly socket: UdpSocket,
    readonly address: string,
  ) {
    socket.on('message', (bytes) => this.received.push(bytes.toString('latin1')))
  }

  static async open(address: string): Promise<UdpPeer> {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
    await new Promise<void>((resolve) => socket.bind(0, address, resolve))
    return new UdpPeer(socket, address)
  }

  get port(): number {
    return this.socket.address().port
  }

  send(text: string | Buffer, port: number): void {
    this.socket.send(typeof text === 'string' ? Buffer.from(text, 'latin1') : text, port, this.address)
  }

  /** Idempotent. */
  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    await new Promise<void>((resolve) => this.socket.close(resolve))
  }
}

export class TcpPeer {
  received = ''
  /** The other side has ended. */
  ended = false
  /** The connection is gone. */
  closed = false

  constructor(readonly socket: Socket) {
    socket.setNoDelay(true)
    socket.on('data', (bytes) => (this.received += bytes.toString('latin1')))
    socket.on('end', () => (this.ended = true))
    socket.on('close', () => (this.closed = true))
    socket.on('error', () => undefined)
  }

  get port(): number {
    return this.socket.localPort ?? 0
  }

  send(text: string): void {
    this.socket.write(text, 'latin1')
  }
}

export class TcpServer {
  readonly peers: TcpPeer[] = []

  private constructor(private readonly server: Server) {
    server.on('connection', (socket) => this.peers.push(new TcpPeer(socket)))
  }

  static async open(address: string, port: number): Promise<TcpServer> {
    const server = createServer({ allowHalfOpen: true })
    await new Promise<void>((resolve) => server.listen(port, address, resolve))
    return new TcpServer(server)
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  async close(): Promise<void> {
    for (const { socket } of this.peers) socket.destroy()
    await new Promise<void>((resolve) => this.server.close(() => resolve()))
  }
}

/** An OPTIONS request of a peer, a byte string. */
export function optionsText(number = 1, via = 'SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKx', body = ''): string {
  return [
    'OPTIONS sip:edge@127.0.0.1 SIP/2.0',
    `Via: ${via}`,
    'Max-Forwards: 70',
    'From: <sip:peer@127.0.0.1>;tag=p',
    'To: <sip:edge@127.0.0.1>',
    'Call-ID: bench-1',
    `CSeq: ${number} OPTIONS`,
    `Content-Length: ${body.length}`,
    '',
    body,
  ].join('\r\n')
}
