import { connect } from 'node:net'
import type { Socket } from 'node:net'
import type { Clock, Timer } from '../clock.js'
import type { Limits } from '../message/parse.js'
import { describeAddress, seenFrom } from './binding.js'
import type { LocalBinding } from './binding.js'
import { Connection } from './connection.js'
import type { ConnectionKeeper, ConnectionSettings } from './connection.js'
import { FailedFlow } from './failed-flow.js'
import type { Flow } from './flow.js'
import type { Traffic } from './traffic.js'
import { TransportError } from './transport.js'
import type { Target } from './transport.js'

/** Bounds of all streams together. */
export interface ConnectionsSettings extends ConnectionSettings {
  readonly connectTimeoutMs: number
  readonly maxConnections: number
  readonly maxConnectionsPerAddress: number
}

/** Silence on a stream after which the system asks whether the peer's machine is still there. */
const keepAliveMs = 120_000
/** How long closing may wait for peers that do not take their last bytes. */
const closeMs = 1_000

/** Every stream of the engine, whoever opened it, found by its peer's address and port. */
export class Connections implements ConnectionKeeper {
  private readonly all = new Set<Connection>()
  private readonly byPeer = new Map<string, Connection>()
  private readonly acceptedFrom = new Map<string, number>()
  private readonly sweepMs: number
  private sweepTimer: Timer | undefined
  private emptied: (() => void) | undefined

  constructor(
    private readonly clock: Clock,
    readonly limits: Limits,
    readonly settings: ConnectionsSettings,
    readonly traffic: Traffic,
  ) {
    const shortest = Math.min(settings.idleTimeoutMs, settings.readDeadlineMs)
    this.sweepMs = Math.min(Math.max(Math.floor(shortest / 4), 250), 5_000)
  }

  get count(): number {
    return this.all.size
  }

  now(): number {
    return this.clock.now()
  }

  /** Takes in a stream that a peer opened, or closes it at once when a cap is reached. */
  accept(socket: Socket, binding: LocalBinding): void {
    const from = socket.remoteAddress
    const fromThere = this.acceptedFrom.get(from ?? '') ?? 0
    const full = this.all.size >= this.settings.maxConnections || fromThere >= this.settings.maxConnectionsPerAddress
    if (from === undefined || full) {
      if (full) this.traffic.counters.refusedConnections++
      socket.on('error', () => undefined)
      socket.destroy()
      return
    }
    this.acceptedFrom.set(from, fromThere + 1)
    this.keep(new Connection(socket, seenFrom(binding, from), this))
  }

  /** An open stream between this binding and the target, whoever opened it. */
  find(target: Target, binding: LocalBinding): Connection | undefined {
    return this.byPeer.get(keyOf(binding, target.address, target.port))
  }

  /** Opens a stream; what is sent on it before it is up waits. */
  connect(target: Target, binding: LocalBinding): Flow {
    const peer = describeAddress(target.protocol, target.address, target.port)
    if (this.all.size >= this.settings.maxConnections) {
      const error = new TransportError('TOO_MANY_CONNECTIONS', `${peer}: ${this.all.size} connections are open already`)
      return new FailedFlow(binding, target, error, this.traffic)
    }
    const socket = connect({
      host: target.address,
      port: target.port,
      localAddress: binding.address,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveMs,
    })
    const connection = new Connection(socket, binding, this, target)
    const { connectTimeoutMs } = this.settings
    const deadline = this.clock.after(connectTimeoutMs, () =>
      connection.abort(new TransportError('CONNECT_TIMEOUT', `no connection within ${connectTimeoutMs} ms`)),
    )
    socket.once('connect', () => {
      deadline.cancel()
      connection.connected()
    })
    socket.once('close', () => deadline.cancel())
    this.keep(connection)
    return connection
  }

  retired(connection: Connection): void {
    const key = keyOf(connection.binding, connection.remoteAddress, connection.remotePort)
    if (this.byPeer.get(key) === connection) this.byPeer.delete(key)
  }

  gone(connection: Connection): void {
    if (!this.all.delete(connection)) return
    if (connection.accepted) {
      const rest = (this.acceptedFrom.get(connection.remoteAddress) ?? 1) - 1
      if (rest > 0) this.acceptedFrom.set(connection.remoteAddress, rest)
      else this.acceptedFrom.delete(connection.remoteAddress)
    }
    if (this.all.size > 0) return
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
    this.byPeer.set(keyOf(connection.binding, connection.remoteAddress, connection.remotePort), connection)
    this.sweepTimer ??= this.clock.after(this.sweepMs, this.sweep)
  }

  // One timer for all streams, and none while there are none.
  private readonly sweep = (): void => {
    this.sweepTimer = this.clock.after(this.sweepMs, this.sweep)
    const now = this.clock.now()
    for (const connection of this.all) connection.sweep(now)
  }
}

function keyOf(binding: LocalBinding, address: string, port: number): string {
  return `${binding.address} ${binding.port} ${address} ${port}`
}
