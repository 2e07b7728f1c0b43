import { createSocket } from 'node:dgram'
import type { RemoteInfo, Socket } from 'node:dgram'
import { parseDatagram } from '../message/parse.js'
import type { Limits } from '../message/parse.js'
import { describeAddress, seenFrom } from './binding.js'
import type { LocalBinding } from './binding.js'
import type { Flow } from './flow.js'
import { QueueProbe } from './queue-probe.js'
import type { Traffic } from './traffic.js'
import { TransportError } from './transport.js'

/** Bytes that may wait in front of one socket when the system takes no more. */
const maxQueuedBytes = 4 * 1024 * 1024

/** Remote addresses whose last flow is kept; past it all are forgotten. */
const maxKnownFlows = 1_024

/** One UDP socket: every datagram in and out of one binding. */
export class UdpListener {
  private closed = false
  /** The flow that was asked for last, by remote address: what is kept of messages for half a minute keeps no flow of its own. */
  private readonly flows = new Map<string, UdpFlow>()
  /** Once somebody wants to know how long datagrams wait. */
  private probe: QueueProbe | undefined

  private constructor(
    private readonly socket: Socket,
    readonly binding: LocalBinding,
    private readonly limits: Limits,
    private readonly traffic: Traffic,
  ) {
    socket.on('message', this.arrived)
    // An unconnected socket hears of ICMP errors at most here; they concern one peer, never the socket.
    socket.on('error', () => void this.traffic.counters.sendFailures++)
  }

  /**
   * Binds a socket.
   *
   * @param bufferBytes asked of the system for each direction; what it refuses is let go.
   * @throws {Error} of the system (EADDRINUSE, ...).
   */
  static async open(
    address: string,
    port: number,
    bufferBytes: number,
    bindingOf: (bound: { address: string; port: number }) => LocalBinding,
    limits: Limits,
    traffic: Traffic,
  ): Promise<UdpListener> {
    const ipv6 = address.includes(':')
    const family = ipv6 ? 6 : 4
    const socket = createSocket({
      type: ipv6 ? 'udp6' : 'udp4',
      ipv6Only: ipv6,
      reuseAddr: false,
      // Only IP literals are sent to: a turn through dns.lookup would add a quarter to the cost of every send.
      lookup: (literal, _options, done) => done(null, literal, family),
    })
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.bind({ address, port, exclusive: true }, () => {
        socket.off('error', reject)
        resolve()
      })
    })
    for (const set of ['setRecvBufferSize', 'setSendBufferSize'] as const) {
      try {
        socket[set](bufferBytes)
      } catch {
        // The system's own size then.
      }
    }
    return new UdpListener(socket, bindingOf(socket.address()), limits, traffic)
  }

  get open(): boolean {
    return !this.closed
  }

  flowTo(address: string, port: number): UdpFlow {
    const known = this.flows.get(address)
    if (known?.remotePort === port) return known
    if (known === undefined && this.flows.size >= maxKnownFlows) this.flows.clear()
    const flow = new UdpFlow(this, known?.remoteAddress ?? address, port)
    this.flows.set(flow.remoteAddress, flow)
    return flow
  }

  send(flow: UdpFlow, text: string, failed: ((error: Error) => void) | undefined): void {
    if (this.closed || this.socket.getSendQueueSize() > maxQueuedBytes) {
      const code = this.closed ? 'CLOSED' : 'QUEUE_FULL'
      const why = this.closed ? 'the socket is closed' : 'too much waits to be sent'
      this.traffic.failLater(new TransportError(code, `${nameOf(flow)}: ${why}`), failed)
      return
    }
    this.traffic.leaving(text, flow)
    const done = failed === undefined ? this.sent : (error: Error | null) => error && this.notSent(error, flow, failed)
    try {
      this.socket.send(Buffer.from(text, 'latin1'), flow.remotePort, flow.remoteAddress, done)
    } catch (error) {
      this.traffic.failLater(error as Error, failed)
    }
  }

  /** Milliseconds that datagrams wait in the socket's queue. Measured from the first time on that it is asked. */
  waitMs(nowMs: number): number {
    this.probe ??= new QueueProbe()
    return this.closed ? 0 : this.probe.measure(nowMs, this.sendToItself)
  }

  private readonly sendToItself = (bytes: Buffer): void => {
    const { address, port } = this.binding
    try {
      this.socket.send(bytes, port, address, () => undefined)
    } catch {
      // The next one may go.
    }
  }

  close(): Promise<void> {
    if (this.closed) return Promise.resolve()
    this.closed = true
    return new Promise((resolve) => this.socket.close(resolve))
  }

  private readonly arrived = (bytes: Buffer, source: RemoteInfo): void => {
    try {
      if (this.probe?.take(bytes, now) === true || this.traffic.bars(source.address)) return
      // Port 0 cannot be answered.
      const parsed = source.port === 0 ? undefined : parseDatagram(bytes, this.limits)
      if (parsed === undefined) this.traffic.ignored(source.address)
      else this.traffic.arrived(parsed, this.flowTo(source.address, source.port), bytes.length, bytes)
    } catch (error) {
      this.traffic.report(error)
    }
  }

  private readonly sent = (error: Error | null): void => {
    if (error) this.traffic.counters.sendFailures++
  }

  private notSent(cause: Error, flow: UdpFlow, failed: (error: Error) => void): void {
    this.traffic.counters.sendFailures++
    failed(new TransportError('SEND_FAILED', `${nameOf(flow)}: ${cause.message}`, { cause }))
  }
}

const now = (): number => performance.now()

function nameOf(flow: Flow): string {
  return describeAddress(flow.protocol, flow.remoteAddress, flow.remotePort)
}

/** Datagrams between one binding and one remote address and port. Holds nothing open. */
export class UdpFlow implements Flow {
  readonly binding: LocalBinding

  constructor(
    readonly listener: UdpListener,
    readonly remoteAddress: string,
    readonly remotePort: number,
  ) {
    const { binding } = listener
    this.binding = binding.inside === undefined ? binding : seenFrom(binding, remoteAddress)
  }

  get protocol(): 'udp' {
    return 'udp'
  }

  get reliable(): boolean {
    return false
  }

  get localAddress(): string {
    return this.listener.binding.address
  }

  get localPort(): number {
    return this.listener.binding.port
  }

  get open(): boolean {
    return this.listener.open
  }

  send(text: string, failed?: (error: Error) => void): void {
    this.listener.send(this, text, failed)
  }
}
