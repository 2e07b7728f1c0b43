import { connect as connectTcp, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls'
import type { Certificate } from './certificates.js'
import type { Address } from './sip-peer.js'

/** Carries TCP over TLS, for a SIPp built without: it speaks TCP to the near end of this, the edge speaks TLS to the far one. */
export class TlsTunnel {
  /** Protocol versions of the TLS connections that came up. */
  readonly versions: string[] = []

  private constructor(
    readonly port: number,
    private readonly server: Server,
    private readonly sockets: Set<Socket>,
  ) {}

  /** Takes TCP connections at `address` and goes on over TLS to `target`, from the same address. */
  static async toTls(address: string, target: Address, ca: string, servername: string): Promise<TlsTunnel> {
    const sockets = new Set<Socket>()
    const server = createTcpServer((near) => {
      const socket = connectTcp({ host: target.address, port: target.port, localAddress: address })
      const far = connectTls({ socket, ca, servername })
      far.on('secureConnect', () => tunnel.versions.push(far.getProtocol() ?? ''))
      join(near, far, sockets)
    })
    const tunnel = new TlsTunnel(await listen(server, address), server, sockets)
    return tunnel
  }

  /** Takes TLS connections at `address` and goes on over TCP to `target`. */
  static async fromTls(address: string, { certificate, key }: Certificate, target: Address): Promise<TlsTunnel> {
    const sockets = new Set<Socket>()
    const server = createTlsServer({ cert: certificate, key }, (far: TLSSocket) => {
      tunnel.versions.push(far.getProtocol() ?? '')
      join(connectTcp({ host: target.address, port: target.port }), far, sockets)
    })
    const tunnel = new TlsTunnel(await listen(server, address), server, sockets)
    return tunnel
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy()
    this.server.close()
  }
}

function join(one: Socket, other: Socket, sockets: Set<Socket>): void {
  for (const [socket, far] of [
    [one, other],
    [other, one],
  ] as const) {
    sockets.add(socket)
    socket.on('error', () => far.destroy())
    socket.on('close', () => sockets.delete(socket))
    socket.pipe(far)
  }
}

function listen(server: Server, address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, address, () => resolve((server.address() as { port: number }).port))
  })
}
