import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { connect, createServer as createTlsServer } from 'node:tls'
import type { ConnectionOptions, SecureContext, Server as TlsServer, TLSSocket } from 'node:tls'
import { bracketed, familyOf } from './address.js'
import type { LocalBinding } from './binding.js'
import { CertificateNames } from './certificate-names.js'
import type { Connections } from './connections.js'
import { listen, socketOptions } from './tcp.js'
import type { TlsPeers } from './tls-peers.js'
import type { TlsProfile, TlsProfiles } from './tls-profiles.js'
import { readTlsMaterial } from './tls-settings.js'
import type { TlsCertificate, TlsMaterial, TlsSettings } from './tls-settings.js'
import { refusalOf, shownBy } from './tls-verdict.js'
import { TransportError } from './transport.js'
import type { Target } from './transport.js'

/** The certificates in use, for what listens and for what connects. */
export class Tls {
  private material: TlsMaterial | undefined
  private readonly listeners = new Set<TlsServer>()
  private loading: Promise<unknown> = Promise.resolve()
  /** Of connections under profiles, by the certificate that is shown and the authorities that are believed. */
  private readonly contexts = new Map<string, SecureContext>()

  constructor(
    readonly settings: TlsSettings,
    readonly profiles: TlsProfiles,
    readonly peers: TlsPeers,
  ) {}

  /** Our certificates as they were last read: the one that is shown to all, and those with names. */
  get certificates():
    { readonly own: TlsCertificate; readonly named: ReadonlyMap<string, TlsCertificate> } | undefined {
    const { material } = this
    return material && { own: material.certificate, named: material.named }
  }

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
    this.contexts.clear()
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
   * The name a server at that target has to prove: that of its profile, else the one that was dialled. Undefined: nobody named it, and
   * without a profile whoever is at its address will do.
   */
  nameOf({ tlsProfile, serverName, address }: Target): string | undefined {
    if (tlsProfile === undefined) return serverName
    const profile = this.profiles.get(tlsProfile)
    return profile?.pinnedName ?? profile?.serverName ?? serverName ?? address
  }

  /** Whether servers dialled under that profile, or none, must prove their names. */
  verifies(tlsProfile: string | undefined): boolean {
    if (tlsProfile === undefined) return this.settings.verifyServers === true
    return this.profiles.get(tlsProfile)?.verify !== false
  }

  /**
   * Opens a stream to a server. The name is told in the handshake (RFC 6066), an IP literal is not. Whom it has reached is for `check`
   * to say, once the handshake is done and before anything is sent.
   *
   * @throws {TransportError} BAD_TLS when its profile is not known, or names a certificate that is not there
   */
  connect(target: Target, localAddress: string, keepAliveMs: number): TLSSocket {
    const { tlsProfile, serverName, address } = target
    const profile = tlsProfile === undefined ? undefined : this.profiles.get(tlsProfile)
    if (tlsProfile !== undefined && profile === undefined)
      throw new TransportError('BAD_TLS', 'its TLS profile is not known any more')
    const name = profile?.serverName ?? serverName ?? address
    const context = profile === undefined ? this.material?.client : this.contextOf(profile)
    const options: ConnectionOptions & { readonly localAddress: string; readonly allowHalfOpen: boolean } = {
      host: address,
      port: target.port,
      localAddress,
      allowHalfOpen: true,
      ...(context === undefined ? {} : { secureContext: context }),
      ...(familyOf(name) === undefined ? { servername: name } : {}),
      // `check` does both, and can then say what was shown.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
    }
    const socket = connect(options)
    socket.setNoDelay(true)
    if (keepAliveMs > 0) socket.setKeepAlive(true, keepAliveMs)
    return socket
  }

  /** Why the server is not whom we wanted; undefined: it is. Either way it is remembered. */
  check(socket: TLSSocket, target: Target): TransportError | undefined {
    const { tlsProfile, address } = target
    const name = this.verifies(tlsProfile) ? (this.nameOf(target) ?? address) : undefined
    const pins = (tlsProfile === undefined ? undefined : this.profiles.get(tlsProfile)?.pins) ?? []
    const refused = refusalOf(socket, { name, pins })
    const shown = shownBy(socket)
    const dialled = dialledOf(target)
    if (refused !== undefined) this.peers.failed(tlsProfile, dialled, refused.message, shown)
    else if (shown !== undefined) this.peers.verified(tlsProfile, dialled, shown)
    return refused
  }

  /** Remembers that there was no handshake with a server. What has nothing to do with TLS is passed over. */
  failed(target: Target, error: TransportError): void {
    const { code, message } = error
    if (code === 'TLS_HANDSHAKE_FAILED' || code === 'CONNECT_TIMEOUT' || code === 'BAD_TLS')
      this.peers.failed(target.tlsProfile, dialledOf(target), message)
  }

  private contextOf({ clientCertificate, ca }: TlsProfile): SecureContext | undefined {
    if (clientCertificate === undefined && ca === undefined) return this.material?.client
    const key = `${clientCertificate ?? ''}\n${ca ?? ''}`
    const known = this.contexts.get(key)
    if (known !== undefined) return known
    let made: SecureContext | undefined
    try {
      made = this.material?.clientWith({
        ...(clientCertificate === undefined ? {} : { named: clientCertificate }),
        ...(ca === undefined ? {} : { ca }),
      })
    } catch (cause) {
      if (cause instanceof TransportError) throw cause
      throw new TransportError(
        'BAD_TLS',
        `the authorities of its TLS profile cannot be used: ${reasonOf(cause as Error)}`,
        { cause },
      )
    }
    if (made === undefined) return undefined
    if (this.contexts.size >= MAX_CONTEXTS) this.contexts.clear()
    this.contexts.set(key, made)
    return made
  }
}

/** Contexts kept at a time: each holds its certificates in memory, and takes milliseconds to make. */
const MAX_CONTEXTS = 256

const dialledOf = ({ serverName, address }: Target): string => serverName ?? address

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
      // Whoever ends it before the handshake is over is gone, and keeps no place.
      socket.allowHalfOpen = false
      handshakes.emit('connection', socket)
    })
    server.on('error', () => void connections.traffic.counters.refusedConnections++)
    handshakes.on('secureConnection', (socket) => {
      listener.shaking.delete(peerOf(socket))
      socket.allowHalfOpen = true
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
