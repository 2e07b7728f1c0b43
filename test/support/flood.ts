import { createSocket, type Socket } from 'node:dgram'
import { inviteText, type Address } from './sip-peer.js'

/** Milliseconds between two bursts. */
const EVERY_MS = 5

/** INVITEs of sources that nobody knows, as fast as it is told. What comes back is counted. */
export class Flood {
  sent = 0
  received = 0
  private timer: NodeJS.Timeout | undefined
  private startedMs = 0
  private next = 0

  private constructor(
    private readonly sockets: readonly Socket[],
    private readonly texts: readonly string[],
    private readonly target: Address,
  ) {
    for (const socket of sockets) socket.on('message', () => void this.received++)
  }

  /** @param addresses where it comes from, in turn */
  static async open(addresses: readonly string[], target: Address): Promise<Flood> {
    const sockets = await Promise.all(
      addresses.map(
        (address) =>
          new Promise<Socket>((resolve, reject) => {
            const socket = createSocket({ type: 'udp4', sendBufferSize: 1 << 20 })
            socket.once('error', reject)
            socket.bind({ address, port: 0 }, () => resolve(socket))
          }),
      ),
    )
    const texts = sockets.map((socket) => {
      const from = { address: socket.address().address, port: socket.address().port }
      return inviteText({ from, target, protocol: 'udp', number: '+14155550100' }).text
    })
    return new Flood(sockets, texts, target)
  }

  /** @param rate INVITEs a second, of all sources together; each a new call */
  start(rate: number): void {
    this.startedMs = performance.now()
    this.timer = setInterval(() => {
      const due = ((performance.now() - this.startedMs) / 1000) * rate
      // A machine that was away does not make up for it at once.
      if (due - this.sent > rate / 10) this.startedMs = performance.now() - (this.sent / rate) * 1000
      for (let burst = Math.min(due - this.sent, rate / 10); burst >= 1; burst--) this.send()
    }, EVERY_MS)
  }

  private send(): void {
    const at = this.next++ % this.sockets.length
    const text = this.texts[at]!.replaceAll(/-invite-|: invite-/g, (part) => `${part}${this.sent}-`)
    this.sent++
    this.sockets[at]!.send(Buffer.from(text, 'latin1'), this.target.port, this.target.address)
  }

  stop(): void {
    clearInterval(this.timer)
  }

  close(): void {
    this.stop()
    for (const socket of this.sockets) socket.close()
  }
}

/** Loopback addresses from 127.0.<third>.1 on. */
export const loopbackAddresses = (count: number, third = 66): string[] =>
  Array.from({ length: count }, (_, i) => `127.0.${third + Math.floor(i / 250)}.${1 + (i % 250)}`)
