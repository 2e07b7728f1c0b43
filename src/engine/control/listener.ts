import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type SecureContextOptions, type Server as TlsServer } from 'node:tls'

/** Connections there may be, authenticated or not; more are closed at once. */
const MAX_CONNECTIONS = 1_000
/** How long a client may take over the TLS handshake. */
const HANDSHAKE_WITHIN_MS = 10_000

/** One port that applications connect to, over TCP or TLS. */
export class ControlListener {
  private readonly server: Server
  private readonly secure: TlsServer | undefined
  /** As they were accepted: under TLS before the handshake too. */
  private readonly sockets = new Set<Socket>()

  /** @param connected gets every connection that is up, over TLS after its handshake */
  constructor(connected: (socket: Socket) => void, secure?: SecureContextOptions) {
    if (secure === undefined) this.server = createServer(connected)
    else {
      this.secure = createTlsServer({ ...secure, handshakeTimeout: HANDSHAKE_WITHIN_MS }, connected)
      this.secure.on('tlsClientError', (_error, socket) => socket.destroy())
      this.server = this.secure
    }
    this.server.maxConnections = MAX_CONNECTIONS
    this.server.on('connection', (socket: Socket) => {
      this.sockets.add(socket)
      socket.on('close', () => this.sockets.delete(socket))
    })
  }

  /** @throws when the address is taken */
  async listen(port: number, host: string): Promise<{ host: string; port: number }> {
    const { server } = this
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, host, () => {
        server.removeListener('error', reject)
        server.on('error', () => {})
        resolve()
      })
    })
    const bound = server.address() as AddressInfo
    return { host: bound.address, port: bound.port }
  }

  /** Handshakes from now on show this; connections in being stay. */
  renew(secure: SecureContextOptions): void {
    this.secure?.setSecureContext(secure)
  }

  /** Ends all connections at once. */
  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    if (this.server.listening) await new Promise<void>((resolve) => this.server.close(() => resolve()))
  }
}
