import { createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import type { LocalBinding } from './binding.js'
import type { Connections } from './connections.js'

/** Connections the system may hold for us until we take them. */
const backlog = 1_024

/** One TCP socket that listens; what it accepts belongs to `Connections`. */
export class TcpListener {
  private constructor(
    private readonly server: Server,
    readonly binding: LocalBinding,
  ) {}

  /**
   * Listens.
   *
   * @throws {Error} of the system (EADDRINUSE, ...).
   */
  static async open(
    address: string,
    port: number,
    bindingOf: (bound: { address: string; port: number }) => LocalBinding,
    connections: Connections,
  ): Promise<TcpListener> {
    // A peer that ends its side may still wait for an answer: `Connection` decides when ours ends.
    const server = createServer({ allowHalfOpen: true, ...socketOptions(connections.settings.keepAliveMs) })
    await listen(server, address, port)
    const binding = bindingOf(server.address() as AddressInfo)
    server.on('connection', (socket) => {
      if (connections.admit(socket)) connections.accept(socket, binding)
    })
    // Out of file descriptors: that connection is lost, the socket goes on listening.
    server.on('error', () => void connections.traffic.counters.refusedConnections++)
    return new TcpListener(server, binding)
  }

  /** Stops listening. Resolves when every stream it accepted has closed too. */
  close(): Promise<void> {
    return new Promise((resolve) => this.server.close(() => resolve()))
  }
}

/** Listens. @throws {Error} of the system (EADDRINUSE, ...) */
export async function listen(server: Server, address: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: address, port, backlog, exclusive: true, ipv6Only: address.includes(':') }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/** @param keepAliveMs silence after which the system asks whether the peer's machine is still there; 0: it never does */
export const socketOptions = (keepAliveMs: number) => ({
  noDelay: true,
  keepAlive: keepAliveMs > 0,
  keepAliveInitialDelay: keepAliveMs,
})
