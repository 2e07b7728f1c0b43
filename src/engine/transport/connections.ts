import { connect } from 'node:net'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Clock, Timer } from '../clock.js'
import type { Limits } from '../message/parse.js'
import { describeAddress, seenFrom } from './binding.js'
import type { LocalBinding } from './binding.js'
import { Connection } from './connection.js'
import type { ConnectionKeeper, ConnectionSettings } from './connection.js'
import { FailedFlow } from './failed-flow.js'
import type { Flow } from './flow.js'
import type { Traffic } from './traffic.js'
import { socketOptions } from './tcp.js'
import { tlsErrorOf } from './tls.js'
import type { Tls } from './tls.js'
import { TransportError } from './transport.js'
import type { Target } from './transport.js'

/** Bounds of all streams together. */
export interface ConnectionsSettings extends ConnectionSettings {
  readonly connectTimeoutMs: number
  readonly maxConnections: number
  readonly maxConnectionsPerAddress: number
  /** The same, of addresses that nobody is known to be at. */
  readonly maxConnectionsPerStranger: number
  /** Milliseconds a TLS handshake may take, once the connection is up. */
  readonly handshakeTimeoutMs: number
  /** Silence on a stream after which the system asks whether the peer's machine is still there; 0: never. */
  readonly keepAliveMs: number
}

/** How long closing may wait for peers that do not take their last bytes. */
const closeMs = 1_000

/** Every stream of the engine, whoever opened it, found by its peer's address and port. */
export class Connections implements ConnectionKeeper {
  private readonly all = new Set<Connection>()
  private readonly byPeer = new Map<string, Connection>()
  private readonly acceptedFrom = new Map<string, number>()
  /** Streams of peers that are not closed yet, those in a TLS handshake among them. */
  private accepted = 0
  private opened = 0
  private readonly sweepMs: number
  private sweepTimer: Timer | undefined
  private emptied: (() => void) | undefined

  constructor(
    private readonly clock: Clock,
    readonly limits: Limits,
    readonly settings: ConnectionsSettings,
    readonly traffic: Traffic,
    private readonly tls: Tls | undefined,
    /** Whether somebody is known to be at an address. */
    private readonly isKnown: (address: string) => boolean,
  ) {
    const { pingIntervalMs, pongTimeoutMs } = settings
    const pings = pingIntervalMs > 0 ? [pingIntervalMs / 2, pongTimeoutMs] : []
    const shortest = Math.min(settings.idleTimeoutMs, settings.readDeadlineMs, ...pings)
    this.sweepMs = Math.min(Math.max(Math.floor(shortest / 4), 250), 5_000)
  }

  get count(): number {
    return this.accepted + this.opened
  }

  /** Those of them over TLS whose handshake is done, or that we opened. */
  get tlsCount(): number {
    let count = 0
    for (const connection of this.all) if (connection.binding.secure) count++
    return count
  }

  now(): number {
    return this.clock.now()
  }

  /** Counts a stream that a peer opened, until it has closed. False: a cap is reached, and it was closed at once. */
  admit(socket: Socket): boolean {
    const from = socket.remoteAddress
    const fromThere = this.acceptedFrom.get(from ?? '') ?? 0
    const full = this.count >= this.settings.maxConnections || fromThere >= this.capOf(from, fromThere)
    if (from === undefined || full || this.traffic.bars(from)) {
      if (full) this.traffic.counters.refusedConnections++
      socket.on('error', () => undefined)
      socket.destroy()
      return false
    }
    this.accepted++
    this.acceptedFrom.set(from, fromThere + 1)
    socket.once('close', () => {
      this.accepted--
      const rest = (this.acceptedFrom.get(from) ?? 1) - 1
      if (rest > 0) this.acceptedFrom.set(from, rest)
      else this.acceptedFrom.delete(from)
    })
    return true
  }

  private capOf(from: string | undefined, fromThere: number): number {
    const { maxConnectionsPerAddress, maxConnectionsPerStranger } = this.settings
    const doubtful = fromThere >= maxConnectionsPerStranger && from !== undefined
    return doubtful && !this.isKnown(from) ? maxConnectionsPerStranger : maxConnectionsPerAddress
  }

  /** Takes in a stream that was admitted, when messages can be read from it. */
  accept(socket: Socket, binding: LocalBinding): void {
    const { remoteAddress } = socket
    if (remoteAddress === undefined || socket.destroyed) return
    this.keep(new Connection(socket, seenFrom(binding, remoteAddress), this))
  }

  /** An open stream between this binding and the target, whoever opened it. */
  find(target: Target, binding: LocalBinding): Connection | undefined {
    const { address, port, tlsProfile } = target
    const { tls } = this
    if (!binding.secure || tls === undefined) return this.byPeer.get(keyOf(binding, address, port))
    const name = tls.nameOf(target)
    const named = name === undefined ? undefined : this.byPeer.get(keyOf(binding, address, port, name, tlsProfile))
    const open = named ?? this.byPeer.get(keyOf(binding, address, port))
    return open?.serves(name, tlsProfile, tls.verifies(tlsProfile)) === true ? open : undefined
  }

  /** Opens a stream; what is sent on it before it is up waits. */
  connect(target: Target, binding: LocalBinding): Flow {
    const peer = describeAddress(target.protocol, target.address, target.port)
    if (this.count >= this.settings.maxConnections) {
      const error = new TransportError('TOO_MANY_CONNECTIONS', `${peer}: ${this.count} connections are open already`)
      return new FailedFlow(binding, target, error, this.traffic)
    }
    const { keepAliveMs, connectTimeoutMs, handshakeTimeoutMs } = this.settings
    const tls = target.protocol === 'tls' ? this.tls : undefined
    let socket: Socket
    try {
      socket =
        tls?.connect(target, binding.address, keepAliveMs) ??
        connect({
          host: target.address,
          port: target.port,
          localAddress: binding.address,
          allowHalfOpen: true,
          ...socketOptions(keepAliveMs),
        })
    } catch (cause) {
      if (!(cause instanceof TransportError)) throw cause
      tls?.failed(target, cause)
      return new FailedFlow(binding, target, new TransportError(cause.code, `${peer}: ${cause.message}`), this.traffic)
    }
    const connection = new Connection(socket, binding, this, { ...target, provenName: tls?.nameOf(target) })
    const within = (ms: number, what: string): Timer =>
      this.clock.after(ms, () => {
        const error = new TransportError('CONNECT_TIMEOUT', `no ${what} within ${ms} ms`)
        if (what === 'TLS handshake') tls?.failed(target, error)
        connection.abort(error)
      })
    let deadline = within(connectTimeoutMs, 'connection')
    socket.once('connect', () => {
      deadline.cancel()
      if (tls === undefined) connection.connected()
      else deadline = within(handshakeTimeoutMs, 'TLS handshake')
    })
    if (tls !== undefined) {
      socket.once('secureConnect', () => {
        deadline.cancel()
        const refused = tls.check(socket as TLSSocket, target)
        if (refused === undefined) connection.connected()
        else connection.abort(refused)
      })
      // After the handshake too: a server that wants another certificate of ours says so then (TLS 1.3).
      socket.once('error', (error) => tls.failed(target, tlsErrorOf(error)))
    }
    this.opened++
    socket.once('close', () => {
      deadline.cancel()
      this.opened--
    })
    this.keep(connection)
    return connection
  }

  retired(connection: Connection): void {
    for (const key of keysOf(connection)) if (this.byPeer.get(key) === connection) this.byPeer.delete(key)
  }

  gone(connection: Connection): void {
    if (!this.all.delete(connection) || this.all.size > 0) return
    this.sweepTimer?.cancel()
    this.sweepTimer = undefined
    this.emptied?.()
  }

  /** Ends every stream. Resolves when all are gone; a peer that does not take its last bytes is cut off. */
  async close(): Promise<void> {
    if (this.all.size === 0) return
    const empty = new Promise<void>((resolve) => (this.emptied = resolve))
    for (const connection of this.all) connection.endWithoutPeer()
    const cut = this.clock.after(closeMs, () => {
      for (const connection of this.all) connection.abort(new TransportError('CLOSED', 'the engine stops'))
    })
    await empty
    cut.cancel()
  }

  private keep(connection: Connection): void {
    this.all.add(connection)
    for (const key of keysOf(connection)) this.byPeer.set(key, connection)
    this.sweepTimer ??= this.clock.after(this.sweepMs, this.sweep)
  }

  // One timer for all streams, and none while there are none.
  private readonly sweep = (): void => {
    this.sweepTimer = this.clock.after(this.sweepMs, this.sweep)
    const now = this.clock.now()
    for (const connection of this.all) connection.sweep(now)
  }
}

function keyOf(binding: LocalBinding, address: string, port: number, name = '', profile = ''): string {
  return `${binding.address} ${binding.port} ${address} ${port} ${name} ${profile}`
}

/** It is found by its address, and over TLS by the name it is to prove: one address may serve several. Under a profile only so. */
function keysOf({ binding, remoteAddress, remotePort, provenName, tlsProfile }: Connection): string[] {
  const key = keyOf(binding, remoteAddress, remotePort)
  if (!binding.secure || provenName === undefined) return [key]
  const named = keyOf(binding, remoteAddress, remotePort, provenName, tlsProfile)
  return tlsProfile === undefined ? [key, named] : [named]
}
