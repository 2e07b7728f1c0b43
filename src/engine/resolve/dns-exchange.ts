import { createSocket } from 'node:dgram'
import { connect, isIP } from 'node:net'
import { sameAddress } from '../transport/address.js'
import type { ServerAddress } from './server-address.js'

/** Who waits for what a name server sends. Nothing comes before the call that opens the way has returned. */
export interface Listener {
  /** One message of the server, whatever it holds. */
  message(bytes: Buffer): void
  /** Nothing more will come. */
  failed(error: Error): void
}

/** Ends an exchange; the listener hears nothing more. Idempotent. */
export type Close = () => void

/**
 * Sends a question in a datagram from a port that the system draws. The socket is connected: datagrams of anybody but the server do
 * not reach it, and a port where nobody listens is heard of at once.
 */
export function overUdp({ address, port }: ServerAddress, question: Buffer, listener: Listener): Close {
  const family = isIP(address) === 6 ? 6 : 4
  const socket = createSocket({
    type: family === 6 ? 'udp6' : 'udp4',
    lookup: (literal, _options, done) => done(null, literal, family),
  })
  let open = true
  const close = (): void => {
    if (!open) return
    open = false
    socket.close()
  }
  const failed = (error: Error): void => {
    if (!open) return
    close()
    listener.failed(error)
  }
  socket.on('error', failed)
  socket.on('message', (bytes, from) => {
    // Until it is connected anybody reaches it.
    if (open && from.port === port && sameAddress(from.address, address)) listener.message(bytes)
  })
  // By its types `connect` has no errors to tell; it does when there is no way there.
  socket.connect(port, address, ((error?: Error) => {
    if (error !== undefined) failed(error)
    else if (open) socket.send(question, (cause) => cause && failed(cause))
  }) as () => void)
  return close
}

/** Asks over a stream (RFC 7766): each message has its length before it. */
export function overTcp({ address, port }: ServerAddress, question: Buffer, listener: Listener): Close {
  const socket = connect({ host: address, port, noDelay: true })
  let open = true
  const close = (): void => {
    open = false
    socket.destroy()
  }
  const failed = (error: Error): void => {
    if (!open) return
    close()
    listener.failed(error)
  }
  const length = Buffer.alloc(2)
  length.writeUInt16BE(question.length)
  socket.write(Buffer.concat([length, question]))
  socket.on('error', failed)
  socket.on('close', () => failed(new Error('the name server closed the connection')))
  const chunks: Buffer[] = []
  let held = 0
  let wanted: number | undefined
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    held += chunk.length
    if (wanted === undefined && held >= 2) wanted = 2 + Buffer.concat(chunks).readUInt16BE(0)
    if (!open || wanted === undefined || held < wanted) return
    const message = Buffer.concat(chunks).subarray(2, wanted)
    close()
    listener.message(message)
  })
  return close
}
