import { randomBytes } from 'node:crypto'
import type { Clock, Timer } from '../engine/index.js'
import type { Connection } from './connection.js'
import { isEdge, keys } from './keys.js'
import type { Log } from './observe.js'

export interface EdgesOptions {
  readonly connection: Connection
  readonly clock: Clock
  readonly logger: Log
  /** Names this edge to people; edges that share a name by mistake are told apart all the same. */
  readonly edgeId: string
  /** Milliseconds without a sign of life after which an edge counts as gone. */
  readonly leaseMs: number
}

/** Edges looked at, at most. */
const MAX_EDGES = 256
/** An edge that has been gone this long is forgotten. */
const FORGET_AFTER_MS = 60_000
/** Nobody acts in the last part of a lease: an answer may be on its way. */
const MARGIN = 0.05

/**
 * The edges on this Redis. Each holds one key that goes away by itself when the edge gives no sign of life; a life that has lapsed once is
 * over for good, and the edge goes on under a new incarnation. So whoever sees a life gone may take over what it owned.
 */
export class Edges {
  private readonly options: EdgesOptions
  private incarnation = newIncarnation()
  /** Since when the present sign of life counts; undefined while there is none. */
  private renewedMs: number | undefined
  private others: ReadonlySet<string> = new Set()
  private readonly goneSinceMs = new Map<string, number>()
  private readonly listeners = new Set<(former: string) => void>()
  private timer: Timer | undefined
  private stopped = false

  constructor(options: EdgesOptions) {
    this.options = options
  }

  /** This life of this edge: `<edge_id>#<incarnation>`. */
  get self(): string {
    return `${this.options.edgeId}#${this.incarnation}`
  }

  get id(): string {
    return this.options.edgeId
  }

  /** Whether nobody can have taken over what we own: our sign of life is fresh. */
  get holdsLease(): boolean {
    const { clock, leaseMs } = this.options
    return this.renewedMs !== undefined && clock.now() - this.renewedMs < leaseMs * (1 - MARGIN)
  }

  /** Whether no other edge was alive when last looked. */
  get alone(): boolean {
    return this.others.size === 0
  }

  /** Other edges that were alive when last looked. */
  get alive(): ReadonlySet<string> {
    return this.others
  }

  /** Gives the first sign of life, and one every third of the lease from then on. Resolves when Redis has had its chance to answer. */
  async start(): Promise<void> {
    await this.beat()
  }

  /** Calls `listener` when our own life has lapsed and a new one begun. */
  onLapse(listener: (former: string) => void): void {
    this.listeners.add(listener)
  }

  /**
   * Looks which edges are alive.
   * @throws {StoreError} UNAVAILABLE
   */
  async look(): Promise<void> {
    const { connection, clock } = this.options
    const { known, there } = await connection.ask('edges', async (client) => {
      const known = (await client.zrange(keys.edgeIndex, '0', String(MAX_EDGES - 1))).filter(isEdge)
      const there = await Promise.all(known.map((edge) => client.exists(keys.edge(edge))))
      return { known, there }
    })
    const { self } = this
    this.others = new Set(known.filter((edge, i) => edge !== self && there[i] === 1))
    const now = clock.now()
    const gone = new Set(known.filter((_, i) => there[i] !== 1))
    for (const edge of this.goneSinceMs.keys()) if (!gone.has(edge)) this.goneSinceMs.delete(edge)
    for (const edge of gone) {
      const since = this.goneSinceMs.get(edge) ?? now
      this.goneSinceMs.set(edge, since)
      if (now - since > FORGET_AFTER_MS) await connection.ask('edges', (client) => client.zrem(keys.edgeIndex, edge))
    }
  }

  /**
   * Whether an edge gives no sign of life at this moment.
   * @throws {StoreError} UNAVAILABLE
   */
  async areGone(edges: readonly string[]): Promise<boolean[]> {
    const there = await this.options.connection.ask('edges', (client) =>
      Promise.all(edges.map((edge) => (isEdge(edge) ? client.exists(keys.edge(edge)) : 0))),
    )
    return there.map((count) => count !== 1)
  }

  /** Ends the sign of life at once, so that others need not wait for its end. */
  async stop(): Promise<void> {
    this.stopped = true
    this.timer?.cancel()
    this.renewedMs = undefined
    const { self } = this
    await this.options.connection
      .ask('edges', (client) => Promise.all([client.del(keys.edge(self)), client.zrem(keys.edgeIndex, self)]))
      .catch(() => undefined)
  }

  private async beat(): Promise<void> {
    const { clock, leaseMs } = this.options
    const renewed = await this.renew().catch(() => false)
    if (this.stopped) return
    this.timer = clock.after(renewed ? leaseMs / 3 : Math.max(100, leaseMs / 10), () => void this.beat())
  }

  private async renew(): Promise<boolean> {
    const { connection, clock, leaseMs, logger } = this.options
    // Counted from before the question, so that the key in Redis never ends before we think so.
    const askedMs = clock.now()
    if (this.renewedMs !== undefined) {
      const { self } = this
      const key = keys.edge(self)
      const answer = await connection.ask('edges', (client) => client.set(key, '1', 'PX', leaseMs, 'XX'))
      if (this.stopped) return false
      if (answer === 'OK') {
        this.renewedMs = askedMs
        return true
      }
      this.renewedMs = undefined
      this.incarnation = newIncarnation()
      logger.warn({ edge: this.options.edgeId }, 'No sign of life for too long: what this edge owned may be taken over')
      for (const listener of this.listeners) listener(self)
    }
    const { self } = this
    const answer = await connection.ask('edges', async (client) => {
      const [set] = await Promise.all([
        client.set(keys.edge(self), '1', 'PX', leaseMs),
        client.zadd(keys.edgeIndex, '0', self),
      ])
      return set
    })
    if (this.stopped || answer !== 'OK') return false
    this.renewedMs = askedMs
    return true
  }
}

const newIncarnation = (): string => randomBytes(6).toString('hex')
