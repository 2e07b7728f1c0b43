import { Socket as UdpSocket } from 'node:dgram'
import { Socket } from 'node:net'

/** Where bytes go. */
export interface Opened {
  readonly protocol: 'udp' | 'tcp'
  readonly address: string
  readonly port: number
}

/**
 * Sees every datagram that is sent and every connection that is opened in this process. What leads off this machine is written down and
 * goes no further.
 */
export class SocketWatch {
  readonly opened: Opened[] = []
  /** Ports whose datagrams are not looked at: those of a name server of the test's, in this process. */
  readonly unwatched = new Set<number>()
  private readonly undo: Array<() => void> = []

  start(): void {
    const { opened, unwatched } = this
    const send = UdpSocket.prototype.send
    const note = (protocol: 'udp' | 'tcp', address: unknown, port: unknown): boolean => {
      const entry = { protocol, address: String(address ?? 'localhost'), port: Number(port) }
      opened.push(entry)
      return isLocal(entry.address)
    }
    UdpSocket.prototype.send = function (this: UdpSocket, ...args: unknown[]): void {
      // (msg[, offset, length][, port][, address][, callback]); a connected socket names neither.
      const numbers = args.slice(1).filter((arg) => typeof arg === 'number')
      const address = args.find((arg, at) => at > 0 && typeof arg === 'string')
      const port = numbers.at(-1)
      const own = this.address()
      // What a socket sends itself goes to nobody.
      const toItself = port === own.port && address === own.address
      if (address === undefined || toItself || unwatched.has(own.port) || note('udp', address, port))
        return Reflect.apply(send, this, args)
      const done = args.at(-1)
      if (typeof done === 'function') setImmediate(() => Reflect.apply(done, undefined, [null]))
    }
    const connect = Socket.prototype.connect
    Socket.prototype.connect = function (this: Socket, ...args: unknown[]): Socket {
      const [first] = args.flat() as unknown[]
      const target = typeof first === 'object' && first !== null ? (first as Record<string, unknown>) : undefined
      if (target?.['path'] !== undefined) return Reflect.apply(connect, this, args)
      if (target === undefined || note('tcp', target['host'], target['port'])) return Reflect.apply(connect, this, args)
      setImmediate(() => this.destroy(new Error('it would have left this machine')))
      return this
    } as typeof connect
    this.undo.push(
      () => (UdpSocket.prototype.send = send),
      () => (Socket.prototype.connect = connect),
    )
  }

  stop(): void {
    for (const undo of this.undo.splice(0)) undo()
  }

  /** What was opened since, but for these ports: those of the test's own parties. */
  besides(ports: ReadonlySet<number>): string[] {
    return this.opened
      .filter(({ port }) => !ports.has(port))
      .map(({ protocol, address, port }) => `${protocol} ${address}:${port}`)
  }
}

const isLocal = (address: string): boolean => address === 'localhost' || address === '::1' || address.startsWith('127.')
