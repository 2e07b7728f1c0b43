import type { Socket } from 'node:net'
import type { App, Origin, ReceivedOn } from '../dialog/app.js'
import { newId } from '../dialog/tokens.js'
import type { SipMessage, SipRequest } from '../message/message.js'
import { FrameReader, frame } from './frames.js'
import { sipMessage, unsolicitedMessage } from './leader.js'

/** Frames from applications may be this large; SIP over a stream is held to less by the message limits. */
const MAX_FRAME_BYTES = 1_000_000
/** Bytes an application may leave unread before its connection is given up: a stuck one must not eat the memory. */
const MAX_UNREAD_BYTES = 64 * 1024 * 1024

export interface ConnectionSink {
  /** One control message, a byte string. */
  command(connection: Connection, payload: string): void
  closed(connection: Connection): void
}

/** The control connection of one application. */
export class Connection implements App {
  /** Set by a right secret; nothing else is listened to before. */
  authenticated = false
  tags: readonly string[] = []
  /** Methods (upper case) and `cdr:` events it takes. */
  readonly verbs = new Set<string>()
  private readonly reader: FrameReader
  private closed = false

  constructor(
    private readonly socket: Socket,
    private readonly sink: ConnectionSink,
    private readonly date: () => Date,
    keepAliveMs: number,
  ) {
    this.reader = new FrameReader(MAX_FRAME_BYTES, (payload) => {
      if (!this.closed) sink.command(this, payload)
    })
    socket.setNoDelay(true)
    if (keepAliveMs > 0) socket.setKeepAlive(true, keepAliveMs)
    socket.on('data', (chunk: Buffer) => this.read(chunk))
    socket.on('error', () => this.close())
    socket.on('close', () => this.close())
  }

  get open(): boolean {
    return !this.closed
  }

  get peer(): string {
    return `${this.socket.remoteAddress ?? '?'}:${this.socket.remotePort ?? '?'}`
  }

  deliver(message: SipMessage, origin: Origin, txnId: string, dialogId: string, receivedOn?: ReceivedOn): void {
    this.send(sipMessage(newId(), message, origin, txnId, dialogId, this.date(), receivedOn))
  }

  unsolicited(bye: SipRequest, origin: Origin, dialogId: string): void {
    this.send(unsolicitedMessage(newId(), bye, origin, dialogId, this.date()))
  }

  send(payload: string): void {
    if (this.closed) return
    this.socket.write(frame(payload), 'latin1')
    if (this.socket.writableLength > MAX_UNREAD_BYTES) this.close()
  }

  /** Sends what is written, then ends. */
  end(): void {
    this.socket.end()
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    this.socket.destroy()
    this.sink.closed(this)
  }

  private read(chunk: Buffer): void {
    try {
      this.reader.push(chunk)
    } catch {
      // What follows a broken frame cannot be told apart from noise.
      this.close()
    }
  }
}
