import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:tls'
import type { ConnectionOptions, Server, TLSSocket, TlsOptions } from 'node:tls'
import type { Target, TransportError } from '../../src/engine/transport/transport.js'
import type { Transports } from '../../src/engine/transport/transports.js'
import type { Certificate } from './certificates.js'
import { eventually } from './eventually.js'
import { optionsText, TcpPeer, TransportBench } from './transport-bench.js'

/** Transports whose peers speak TLS. */
export class TlsBench extends TransportBench {
  /** A peer that connects. Rejects when the handshake fails. */
  async tlsPeer(port: number, options: ConnectionOptions): Promise<TlsPeer> {
    const socket = connect({ host: '127.0.0.1', port, ...options })
    this.closeLater(() => void socket.destroy())
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.once('secureConnect', resolve)
    })
    return new TlsPeer(socket)
  }

  /** A peer that accepts connections on a free port. */
  async tlsServer(certificate: Certificate, options: TlsOptions = {}): Promise<TlsServer> {
    const server = await TlsServer.open({ cert: certificate.certificate, key: certificate.key, ...options })
    this.closeLater(() => server.close())
    return server
  }
}

export class TlsPeer extends TcpPeer {
  constructor(override readonly socket: TLSSocket) {
    super(socket)
  }
}

export class TlsServer {
  readonly peers: TlsPeer[] = []
  /** Names that were told in the handshakes; `false`: none. */
  readonly names: string[] = []

  private constructor(private readonly server: Server) {
    server.on('secureConnection', (socket) => {
      this.names.push(String(socket.servername))
      this.peers.push(new TlsPeer(socket))
    })
    server.on('tlsClientError', () => undefined)
  }

  static async open(options: TlsOptions): Promise<TlsServer> {
    const server = createServer(options)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new TlsServer(server)
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  /** All that has arrived. */
  get received(): string {
    return this.peers.map(({ received }) => received).join('')
  }

  close(): void {
    for (const { socket } of this.peers) socket.destroy()
    this.server.close()
  }
}

/** A port on loopback over TLS, dialled by a name and with a profile if they are given. */
export const tlsTarget = (port: number, serverName?: string, tlsProfile?: string): Target => ({
  protocol: 'tls',
  address: '127.0.0.1',
  port,
  ...(serverName === undefined ? {} : { serverName }),
  ...(tlsProfile === undefined ? {} : { tlsProfile }),
})

/** What becomes of a request: the error it failed with, or undefined when it arrived at the server. */
export function outcome(
  transports: Transports,
  target: Target,
  server?: TlsServer,
): Promise<TransportError | undefined> {
  let failure: TransportError | undefined
  const before = server?.received
  transports.flowTo(target)?.send(optionsText(1, 'SIP/2.0/TLS 127.0.0.1;branch=z9hG4bKx'), (error) => {
    failure = error as TransportError
  })
  return eventually('an outcome', () => {
    if (failure !== undefined) return { failure }
    return server?.received !== before ? { failure } : undefined
  }).then((found) => found.failure)
}
