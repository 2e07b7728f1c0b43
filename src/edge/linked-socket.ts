import { Server, Socket } from 'node:net'
import type { ControlLink, Engine, Notice, SipCommand } from '../engine/index.js'

/**
 * The library's connection to an engine in this process: a socket to the library, which takes a server of our making, and no
 * socket at all. Frames go over whole, and SIP messages in their parts. What the library has is text, the engine's are byte strings
 * of UTF-8; of ASCII they are the same.
 */
export class LinkedSocket extends Socket {
  private readonly link: ControlLink

  /** @param received takes one frame, without its length, or what came with a message */
  constructor(engine: Pick<Engine, 'attach'>, received: (socket: LinkedSocket, frame: string | Notice) => void) {
    super()
    // What the library reads of a socket, over and over.
    for (const [name, value] of Object.entries({ remoteAddress: '127.0.0.1', remotePort: 0, localPort: 0 }))
      Object.defineProperty(this, name, { value })
    this.link = engine.attach({
      received: (payload) => received(this, typeof payload === 'string' ? textOf(payload) : payload),
      closed: () => this.destroy(),
    })
  }

  /** Takes one frame with its length in bytes before it, as the library writes it. */
  override write(text: string | Uint8Array): boolean {
    const frame = String(text)
    this.command(frame.slice(frame.indexOf('#') + 1))
    return true
  }

  /** Takes one frame without its length, or a message in its parts. */
  command(frame: string | SipCommand): void {
    this.link.command(typeof frame === 'string' ? bytesOf(frame) : frame)
  }

  override end(): this {
    return this.destroy()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.link.close()
    super._destroy(error, done)
  }

  override setKeepAlive(): this {
    return this
  }
}

/** A server that listens nowhere: whoever listens to it gets the connections that are made here. */
export class LinkedServer extends Server {
  connect(socket: LinkedSocket): void {
    this.emit('connection', socket)
  }
}

const ASCII = /^[\0-\x7f]*$/

/** The byte string of UTF-8 that says this text. */
export const bytesOf = (text: string): string =>
  ASCII.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1')

/** The text that a byte string of UTF-8 says; what is no UTF-8 reads as U+FFFD. */
export const textOf = (bytes: string): string =>
  ASCII.test(bytes) ? bytes : Buffer.from(bytes, 'latin1').toString('utf8')
