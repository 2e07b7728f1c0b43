import type { Socket } from 'node:net'
import type { Clock, Timer } from '../clock.js'
import type { Carrier, CarrierEvents } from './carrier.js'
import { FrameReader, frame } from './frames.js'
import type { Notice } from './leader.js'

/** Frames of an application that has authenticated; SIP over a stream is held to less by the message limits. */
const MAX_FRAME_BYTES = 1_000_000
/** Frames of one that has not: room for a secret and twenty tags. */
const MAX_FIRST_FRAME_BYTES = 4_096
/** Bytes an application may leave unread before its connection is given up: a stuck one must not eat the memory. */
const MAX_UNREAD_BYTES = 16 * 1024 * 1024
/** How long a connection that we ended may linger for the client to take the last bytes and end too. */
const LINGER_MS = 1_000

/** Control messages as frames over a TCP or TLS socket that is up. */
export class SocketCarrier implements Carrier {
  private reader: FrameReader | undefined
  private events: CarrierEvents | undefined
  private linger: Timer | undefined

  /** @param keepAliveMs TCP keep-alive; 0: none */
  constructor(
    private readonly socket: Socket,
    private readonly clock: Clock,
    keepAliveMs: number,
  ) {
    socket.setNoDelay(true)
    if (keepAliveMs > 0) socket.setKeepAlive(true, keepAliveMs)
  }

  start(events: CarrierEvents): void {
    const { socket } = this
    this.events = events
    this.reader = new FrameReader(MAX_FIRST_FRAME_BYTES, (payload) => this.events?.received(payload))
    socket.on('data', (chunk: Buffer) => this.read(chunk))
    socket.on('error', () => this.destroy())
    socket.on('close', () => {
      this.linger?.cancel()
      this.over()
    })
  }

  trust(): void {
    if (this.reader !== undefined) this.reader.maxFrameBytes = MAX_FRAME_BYTES
  }

  send(payload: string | Notice): void {
    if (this.events === undefined) return
    this.socket.write(frame(typeof payload === 'string' ? payload : payload.text()), 'latin1')
    if (this.socket.writableLength > MAX_UNREAD_BYTES) this.destroy()
  }

  end(): void {
    if (this.events === undefined) return
    this.over()
    this.socket.end()
    this.linger = this.clock.after(LINGER_MS, () => this.socket.destroy())
  }

  destroy(): void {
    this.socket.destroy()
    this.over()
  }

  private over(): void {
    const { events } = this
    this.events = undefined
    events?.closed()
  }

  private read(chunk: Buffer): void {
    if (this.events === undefined) return
    try {
      this.reader?.push(chunk)
    } catch {
      // What follows a broken frame cannot be told apart from noise.
      this.destroy()
    }
  }
}
