import { Server, Socket } from 'node:net'
import type { ControlLink, Engine } from '../engine/index.js'

/**
 * The library's connection to an engine in this process: a socket to the library, which takes a server of our making, and no
 * socket at all. Frames go over whole. The library's are text, the engine's byte strings of UTF-8; of ASCII they are the same.
 */
export class LinkedSocket extends Socket {
  private readonly link: ControlLink

  /** @param received takes one frame, without its length */
  constructor(engine: Pick<Engine, 'attach'>, received: (socket: LinkedSocket, frame: string) => void) {
    super()
    // What the library reads of a socket, over and over.
    for (const [name, value] of Object.entries({ remoteAddress: '127.0.0.1', remotePort: 0, localPort: 0 }))
      Object.defineProperty(this, name, { value })
    this.link = engine.attach({
      received: (payload) =>
        received(this, isAscii(payload) ? payload : Buffer.from(payload, 'latin1').toString('utf8')),
      closed: () => this.destroy(),
    })
  }

  /** Takes one frame with its length in bytes before it, as the library writes it. */
  override write(text: string | Uint8Array): boolean {
    const frame = String(text)
    const hash = frame.indexOf('#')
    const payload = frame.slice(hash + 1)
    const ascii = Number(frame.slice(0, hash)) === payload.length
    this.link.command(ascii ? payload : Buffer.from(payload, 'utf8').toString('latin1'))
    return true
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

/** Of a byte string: every other byte would be two in UTF-8. Faster than looking at each here. */
const isAscii = (bytes: string): boolean => Buffer.byteLength(bytes, 'utf8') === bytes.length
