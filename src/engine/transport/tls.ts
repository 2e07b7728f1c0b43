import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { connect, createServer as createTlsServer } from 'node:tls'
import type { ConnectionOptions, Server as TlsServer, TLSSocket } from 'node:tls'
import { bracketed, familyOf } from './address.js'
import type { LocalBinding } from './binding.js'
import { CertificateNames } from './certificate-names.js'
import type { Connections } from './connections.js'
import { listen, socketOptions } from './tcp.js'
import { readTlsMaterial } from './tls-settings.js'
import type { TlsCertificate, TlsMaterial, TlsSettings } from './tls-settings.js'
import { TransportError } from './transport.js'
import type { Target } from './transport.js'

/** The certificates in use, for what listens and for what connects. */
export class Tls {
  private material: TlsMaterial | undefined
  private readonly listeners = new Set<TlsServer>()
  private loading: Promise<unknown> = Promise.resolve()

  constructor(readonly settings: TlsSettings) {}

  /**
   * Reads the certificates. Handshakes from now on use them, connections in being stay as they are. When anything is wrong with the
   * new ones all stays as it was.
   *
   * @throws {TransportError} BAD_TLS, naming the file.
   */
  load(): Promise<TlsCertificate> {
    // One after the other: what was asked for last is what is used.
    const done = this.loading.then(
      () => this.read(),
      () => this.read(),
    )
    this.loading = done
    return done
  }

  private async read(): Promise<TlsCertificate> {
    const material = await readTlsMaterial(this.settings)
    this.material = material
    for (const server of this.listeners) server.setSecureContext(material.server)
    return material.certificate
  }

  /** Does the handshakes of one contact: streams are given to it with `emit('connection')`. */
  server(handshakeTimeoutMs: number): TlsServer {
    const { clientCertificates = 'none' } = this.settings
    const server = createTlsServer({
      ...this.material?.server,
      requestCert: clientCertificates !== 'none',
      rejectUnauthorized: clientCertificates === 'require',
      handshakeTimeout: handshakeTimeoutMs,
    })
    this.listeners.add(server)
    return server
  }

  forget(server: TlsServer): void {
    this.listeners.delete(server)
  }

  /**
   * Opens a stream to a server, and asks it to prove the name that was dialled when servers are verified. The name is told in the
   * handshake (RFC 6066), an IP literal is not.
   */
  connect(target: Target, localAddress: string, keepAliveMs: number): TLSSocket {
    const name = target.serverName ?? target.address
    const options: ConnectionOptions & { readonly localAddress: string; readonly allowHalfOpen: boolean } = {
      host: target.address,
      port: target.port,
      localAddress,
      allowHalfOpen: true,
      ...(this.material === undefined ? {} : { secureContext: this.material.client }),
      ...(familyOf(name) === undefined ? { servername: name } : {}),
      rejectUnauthorized: this.settings.verifyServers === true,
      checkServerIdentity: (_host, certificate) => {
        const names = CertificateNames.of(certificate)
        if (names.covers(name)) return undefined
        return new TransportError('TLS_PEER_REFUSED', `its certificate is for ${names.toString()}, not for ${name}`)
      },
    }
    const socket = connect(options)
    socket.setNoDelay(true)
    if (keepAliveMs > 0) socket.setKeepAlive(true, keepAliveMs)
    return socket
  }
}

/** Whom the far end has proved to be; undefined: nobody, or it is not asked. */
export function namesOf(socket: Socket): CertificateNames | undefined {
  const secured = socket as TLSSocket
  if (secured.authorized !== true) return undefined
  return CertificateNames.of(secured.getPeerCertificate())
}

/** What a stream of ours over TLS failed of, in our words: the handshake, or what the certificate said. */
export function tlsErrorOf(error: Error): TransportError {
  if (error instanceof TransportError) return error
  const { code = '' } = error as NodeJS.ErrnoException
  if (systemErrors.has(code)) return new TransportError('CONNECT_FAILED', error.message, { cause: error })
  const handshake = code.startsWith('ERR_') || code.startsWith('EPROTO')
  if (handshake)
    return new TransportError('TLS_HANDSHAKE_FAILED', `TLS handshake: ${reasonOf(error)}`, { cause: error })
  // What OpenSSL calls CERT_HAS_EXPIRED, DEPTH_ZERO_SELF_SIGNED_CERT ...
  return new TransportError('TLS_PEER_REFUSED', `its certificate is not accepted: ${error.message}`, { cause: error })
}

const systemErrors = new Set(
  'ECONNREFUSED ECONNRESET ETIMEDOUT EHOSTUNREACH ENETUNREACH EADDRNOTAVAIL EADDRINUSE EPIPE EACCES EPERM EMFILE ENFILE EINVAL'.split(
    ' ',
  ),
)

/** OpenSSL's reason without file names and line numbers. */
export function reasonOf(error: Error): string {
  const { reason } = error as Error & { reason?: string }
  return reason ?? error.message
}

/** One socket that listens for TLS. What it accepts belongs to `Connections` once the handshake is done, and counts there from the start. */
export class TlsListener {
  /** Streams whose handshake is under way. */
  private readonly shaking = new Map<string, Socket>()

  private constructor(
    private readonly server: Server,
    private readonly handshakes: TlsServer,
    private readonly tls: Tls,
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
    tls: Tls,
  ): Promise<TlsListener> {
    const { keepAliveMs, handshakeTimeoutMs } = connections.settings
    const server = createServer({ allowHalfOpen: true, ...socketOptions(keepAliveMs) })
    await listen(server, address, port)
    const binding = bindingOf(server.address() as AddressInfo)
    const handshakes = tls.server(handshakeTimeoutMs)
    const listener = new TlsListener(server, handshakes, tls, binding)
    server.on('connection', (socket) => {
      if (!connections.admit(socket)) return
      const peer = peerOf(socket)
      listener.shaking.set(peer, socket)
      socket.once('close', () => {
        if (listener.shaking.get(peer) === socket) listener.shaking.delete(peer)
      })
      handshakes.emit('connection', socket)
    })
    server.on('error', () => void connections.traffic.counters.refusedConnections++)
    handshakes.on('secureConnection', (socket) => {
      listener.shaking.delete(peerOf(socket))
      connections.accept(socket, binding)
    })
    handshakes.on('tlsClientError', (error, socket) => {
      const { authorizationError } = socket
      const { remoteAddress = '', remotePort = 0 } = beneath(socket)
      socket.destroy()
      const why = authorizationError ? `client certificate: ${String(authorizationError)}` : reasonOf(error)
      connections.traffic.handshakeFailed({ address: remoteAddress, port: remotePort }, why)
    })
    return listener
  }

  /** Stops listening. Resolves when every stream it accepted has closed too. */
  async close(): Promise<void> {
    this.tls.forget(this.handshakes)
    const cut = [...this.shaking.values()].map((socket) => new Promise((resolve) => socket.once('close', resolve)))
    for (const socket of this.shaking.values()) socket.destroy()
    await Promise.all([...cut, new Promise((resolve) => this.server.close(resolve))])
  }
}

/** The TCP socket under TLS: it still knows its peer when TLS has forgotten it. */
const beneath = (socket: TLSSocket): Socket => (socket as TLSSocket & { readonly _parent?: Socket })._parent ?? socket

const peerOf = ({ remoteAddress = '', remotePort = 0 }: Socket): string => `${bracketed(remoteAddress)}:${remotePort}`
