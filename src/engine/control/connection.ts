import type { Socket } from 'node:net'
import type { Clock, Timer } from '../clock.js'
import type { App, Origin, ReceivedOn } from '../dialog/app.js'
import { newId } from '../dialog/tokens.js'
import type { SipMessage, SipRequest } from '../message/message.js'
import { FrameReader, frame } from './frames.js'
import { sipMessage, unsolicitedMessage } from './leader.js'

/** Frames of an application that has authenticated; SIP over a stream is held to less by the message limits. */
const MAX_FRAME_BYTES = 1_000_000
/** Frames of one that has not: room for a secret and twenty tags. */
const MAX_FIRST_FRAME_BYTES = 4_096
/** Bytes an application may leave unread before its connection is given up: a stuck one must not eat the memory. */
const MAX_UNREAD_BYTES = 16 * 1024 * 1024
/** How long a connection that we ended may linger for the client to take the last bytes and end too. */
const LINGER_MS = 1_000

export interface ConnectionSink {
  /** One control message, a byte string. */
  command(connection: Connection, payload: string): void
  /** Nothing reaches the application any more. Called once. */
  closed(connection: Connection): void
}

/** The control connection of one application. */
export class Connection implements App {
  tags: readonly string[] = []
  /** Methods (upper case) and `cdr:` events it takes. */
  readonly verbs = new Set<string>()
  private readonly reader: FrameReader
  private trusted = false
  private over = false
  private linger: Timer | undefined

  constructor(
    private readonly socket: Socket,
    private readonly sink: ConnectionSink,
    private readonly clock: Clock,
    keepAliveMs: number,
  ) {
    this.reader = new FrameReader(MAX_FIRST_FRAME_BYTES, (payload) => {
      if (!this.over) sink.command(this, payload)
    })
    socket.setNoDelay(true)
    if (keepAliveMs > 0) socket.setKeepAlive(true, keepAliveMs)
    socket.on('data', (chunk: Buffer) => this.read(chunk))
    socket.on('error', () => this.close())
    socket.on('close', () => {
      this.linger?.cancel()
      this.close()
    })
  }

  get open(): boolean {
    return !this.over
  }

  /** It has shown the right secret; nothing else is listened to before. */
  get authenticated(): boolean {
    return this.trusted
  }

  trust(): void {
    this.trusted = true
    this.reader.maxFrameBytes = MAX_FRAME_BYTES
  }

  deliver(message: SipMessage, origin: Origin, txnId: string, dialogId: string, receivedOn?: ReceivedOn): void {
    if (!this.over) this.send(sipMessage(newId(), message, origin, txnId, dialogId, this.clock.date(), receivedOn))
  }

  unsolicited(bye: SipRequest, origin: Origin, dialogId: string): void {
    if (!this.over) this.send(unsolicitedMessage(newId(), bye, origin, dialogId, this.clock.date()))
  }

  send(payload: string): void {
    if (this.over) return
    this.socket.write(frame(payload), 'latin1')
    if (this.socket.writableLength > MAX_UNREAD_BYTES) this.close()
  }

  /** Sends what is written, then ends; what still arrives is not read. */
  end(): void {
    if (this.over) return
    this.leave()
    this.socket.end()
    this.linger = this.clock.after(LINGER_MS, () => this.socket.destroy())
  }

  /** Ends at once. Idempotent. */
  close(): void {
    this.socket.destroy()
    if (!this.over) this.leave()
  }

  private leave(): void {
    this.over = true
    this.sink.closed(this)
  }

  private read(chunk: Buffer): void {
    if (this.over) return
    try {
      this.reader.push(chunk)
    } catch {
      // What follows a broken frame cannot be told apart from noise.
      this.close()
    }
  }
}
