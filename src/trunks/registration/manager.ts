import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Clock, Timer } from '../../engine/index.js'
import type { EventSink } from '../../model/event.js'
import { shownRegistration, type Registration, type RegistrationState } from '../../model/registration.js'
import type { Trunk } from '../../model/trunk.js'
import type { Connection } from '../../store/connection.js'
import type { Directory } from '../../store/directory.js'
import type { Edges } from '../../store/edges.js'
import { memberOf } from '../../store/members.js'
import type { Log } from '../../store/observe.js'
import type { RegistrationRecord, RegistrationRequest, Registrations } from '../../store/registrations.js'
import { nameTarget, type Target } from '../target.js'
import type { RegisteredPath } from '../trunk-paths.js'
import { NotNow, NotOurs, type AttemptResult } from './attempt.js'
import type { DriverParts } from './driver-parts.js'
import { unclaimed } from './facts.js'
import { Keeper } from './keeper.js'
import { Ownership } from './ownership.js'
import { TrunkRegistration } from './trunk-registration.js'
import { PathsElsewhere } from './paths-elsewhere.js'
import { Tally, type RegistrationMetrics } from './tally.js'
import { Turns } from './turns.js'

export interface RegistrationsOptions extends Pick<
  DriverParts,
  | 'clock'
  | 'targetsOf'
  | 'send'
  | 'note'
  | 'credentialsOf'
  | 'forgetCredentials'
  | 'tokenOf'
  | 'ownAddresses'
  | 'userAgent'
> {
  readonly random?: () => number
  readonly directory: Pick<Directory, 'onTrunk'>
  /** Told where a trunk's REGISTER was accepted; undefined: it is not registered by this edge any more. */
  readonly registeredAt?: (trunkId: string, address: string | undefined) => void
  readonly store: Registrations
  readonly edges: Edges
  readonly connection: Pick<Connection, 'up' | 'onChange'>
  readonly events: EventSink
  readonly metrics: RegistrationMetrics
  readonly logger: Log
  readonly settings: DriverParts['settings'] & {
    readonly maxInFlight: number
    readonly startRate: number
    readonly leaseMs: number
    readonly unregisterOnStop: 'auto' | 'always' | 'never'
  }
}

/** Requests by hand and edges are looked at this often; trunks are claimed then. */
const TICK_MS = 500
/** An answer about who owns a trunk that took longer may be out of date: the process was stopped meanwhile. */
const MAX_ANSWER_MS = 1_000
/** A request by hand that nobody could act on is forgotten. */
const REQUEST_TTL_MS = 30_000
/** How long `stop` waits for REGISTERs under way and for un-REGISTERs. */
const STOP_MS = 2_000

/** Registers trunks: those that want it and that this edge owns. */
export class RegistrationManager {
  private readonly clock: Clock
  private readonly trunks = new Map<string, Trunk>()
  private readonly drivers = new Map<string, TrunkRegistration>()
  /** Records to be taken away: Redis may be away when their trunks end. */
  private readonly leftovers = new Map<
    string,
    { readonly owner: string; readonly fence: number; readonly member: string }
  >()
  private readonly tally: Tally
  private readonly elsewhere: PathsElsewhere
  private readonly turns: Turns
  private readonly ownership: Ownership
  private readonly keeper: Keeper
  private readonly driverParts: DriverParts
  private readonly undo: (() => void)[] = []
  private timer: Timer | undefined
  private ticking: Promise<void> | undefined
  private stopping = false

  constructor(private readonly options: RegistrationsOptions) {
    const { clock, edges, store, settings, metrics } = options
    this.clock = clock
    this.elsewhere = new PathsElsewhere(clock, store)
    this.tally = new Tally(metrics)
    this.turns = new Turns({ clock, maxInFlight: settings.maxInFlight, startRate: settings.startRate })
    this.ownership = new Ownership({
      clock,
      edges,
      store,
      leaseMs: settings.leaseMs,
      won: (trunkId, record) => this.won(trunkId, record),
      renewed: (trunkId, fence) => this.renewed(trunkId, fence),
    })
    this.keeper = new Keeper({
      clock,
      store,
      self: () => edges.self,
      mayWrite: (driver) =>
        this.drivers.get(driver.trunkId) === driver && !this.ownership.isStale(driver.trunkId) && options.connection.up,
      lost: (driver) => this.lost(driver),
    })
    this.driverParts = {
      ...options,
      random: options.random ?? Math.random,
      edgeId: edges.id,
      turns: this.turns,
      nextCseq: (trunkId, fence, sent) => this.nextCseq(trunkId, fence, sent),
      changed: (driver, before) => this.changed(driver, before),
      attempted: (result: AttemptResult) => metrics.registrationAttempts.inc({ result }),
      lost: (driver) => this.lost(driver),
    }
  }

  /** Takes trunks on as they become known. */
  start(): void {
    const { directory, edges, connection } = this.options
    edges.onLapse((former) => this.ownership.lapsed(former))
    this.undo.push(
      connection.onChange((up) => {
        if (up) this.ownership.redisIsBack()
      }),
      directory.onTrunk((id, trunk, gone) => this.heard(id, trunk, gone)),
    )
    this.tickSoon(0)
  }

  /** Un-registers or hands over what this edge owns, as configured; within a few seconds. */
  async stop(): Promise<void> {
    if (this.stopping) return
    this.stopping = true
    for (const undo of this.undo) undo()
    this.timer?.cancel()
    await this.ticking
    if (await this.unregistersOnStop()) for (const driver of this.drivers.values()) driver.withdraw('the edge stops')
    await this.within(STOP_MS, () =>
      [...this.drivers.values()].every(({ state, isIdle }) => state === 'stopped' || isIdle),
    )
    this.turns.stop()
    await this.keeper.stop()
    const { store, edges } = this.options
    const owned = [...this.drivers.values()]
    for (const driver of owned) this.discard(driver)
    // Others may claim what was ours at once.
    await Promise.all(
      owned.map(({ trunkId, fence }) =>
        store.release(trunkId, edges.self, fence, { remove: false }).catch(() => false),
      ),
    )
  }

  /** The server that accepted a trunk's REGISTER, whichever edge sent it; undefined while it is not registered. */
  registered(trunkId: string): RegisteredPath | undefined | Promise<RegisteredPath | undefined> {
    const driver = this.drivers.get(trunkId)
    if (driver !== undefined) return driver.path
    return this.trunks.has(trunkId) ? this.elsewhere.of(trunkId) : undefined
  }

  /** The registration of a trunk: as this edge has it, else as its owner wrote it. @throws {StoreError} UNAVAILABLE */
  async view(trunk: Pick<Trunk, 'id' | 'account_id' | 'register' | 'updated_at'>): Promise<Registration | null> {
    if (!trunk.register.enabled) return null
    const own = this.drivers.get(trunk.id)?.view
    return shownRegistration(own ?? (await this.options.store.get(trunk.id)) ?? unclaimed(trunk))
  }

  /**
   * Has the trunk registered, or un-registered, now: by this edge, or by the one that owns it.
   * @throws {StoreError} UNAVAILABLE
   */
  async request(trunkId: string, what: RegistrationRequest['what']): Promise<void> {
    const driver = this.drivers.get(trunkId)
    if (driver !== undefined) return this.act(driver, what)
    await this.options.store.request(trunkId, what, this.clock.date().getTime())
  }

  /** A connection is gone: what was registered by it has no way back to us. */
  connectionLost(peer: {
    readonly protocol: Target['transport']
    readonly address: string
    readonly port: number
  }): void {
    const name = nameTarget({ transport: peer.protocol, address: peer.address, port: peer.port })
    for (const driver of this.tally.at(name)) driver.connectionLost()
  }

  /** The SIP server was away and is back: its connections may be gone. What came by them is registered anew, at the pace of a start. */
  serverIsBack(): void {
    const spreadMs = (this.drivers.size / this.options.settings.startRate) * 1_000
    for (const driver of this.drivers.values()) driver.refreshWithin(spreadMs)
  }

  private heard(id: string, trunk: Trunk | undefined, gone: boolean): void {
    if (this.stopping || (trunk === undefined && !gone)) return
    const driver = this.drivers.get(id)
    if (trunk?.register.enabled === true) {
      // Read again is not changed: after an outage of Redis all trunks are.
      if (isDeepStrictEqual(this.trunks.get(id), trunk)) return
      this.trunks.set(id, trunk)
      this.ownership.want(id, trunk.account_id, () => this.beginning(id))
      if (driver !== undefined) void driver.change(trunk)
      return
    }
    this.trunks.delete(id)
    this.elsewhere.forget(id)
    this.ownership.unwant(id)
    if (driver === undefined) return
    driver.withdraw(gone ? 'the trunk was removed' : 'switched off')
    void this.finish(driver)
  }

  private beginning(trunkId: string) {
    return this.drivers.get(trunkId)?.beginning ?? { callId: randomUUID(), cseq: 0 }
  }

  private tickSoon(delayMs: number): void {
    if (this.stopping) return
    this.timer = this.clock.after(delayMs, () => {
      this.ticking = this.tick()
        .catch(() => undefined)
        .then(() => this.tickSoon(TICK_MS))
    })
  }

  private async tick(): Promise<void> {
    const { edges, store, connection } = this.options
    if (!connection.up) return
    await edges.look()
    await this.ownership.claim()
    for (const request of await store.requests()) await this.answer(request)
    for (const trunkId of [...this.leftovers.keys()]) await this.removeLeftover(trunkId)
    for (const { trunkId, owner } of this.ownership.orphans()) {
      await store.release(trunkId, owner, undefined, { remove: true })
      this.ownership.forget(trunkId)
    }
  }

  private async answer(request: RegistrationRequest): Promise<void> {
    const driver = this.drivers.get(request.trunkId)
    const old = Math.abs(this.clock.date().getTime() - request.atMs) > REQUEST_TTL_MS
    if (driver === undefined && !old) return
    if ((await this.options.store.take(request)) && driver !== undefined) this.act(driver, request.what)
  }

  private act(driver: TrunkRegistration, what: RegistrationRequest['what']): void {
    if (what === 'register') driver.registerNow()
    else driver.hold()
  }

  private won(trunkId: string, record: RegistrationRecord): void {
    const trunk = this.trunks.get(trunkId)
    if (trunk === undefined || this.drivers.has(trunkId) || this.stopping) {
      this.ownership.forget(trunkId)
      const { store, edges } = this.options
      void store.release(trunkId, edges.self, record.fence, { remove: false }).catch(() => false)
      return
    }
    const driver = new TrunkRegistration(this.driverParts, trunk, record)
    this.drivers.set(trunkId, driver)
    this.elsewhere.forget(trunkId)
    driver.start()
  }

  private renewed(trunkId: string, fence: number | undefined): void {
    const driver = this.drivers.get(trunkId)
    if (driver === undefined) return
    if (fence === undefined) this.lost(driver)
    else driver.adopt(fence)
  }

  /** Another edge owns the trunk: not a word more about it. */
  private lost(driver: TrunkRegistration): void {
    if (this.drivers.get(driver.trunkId) !== driver) return
    this.options.logger.warn({ trunk: driver.trunkId }, 'Registration taken over by another edge')
    this.discard(driver)
    this.ownership.forget(driver.trunkId)
  }

  private discard(driver: TrunkRegistration): void {
    driver.drop()
    this.keeper.forget(driver)
    this.drivers.delete(driver.trunkId)
    this.tally.forget(driver)
    this.options.registeredAt?.(driver.trunkId, undefined)
  }

  /** A trunk that is not to be registered, and is not: its record goes. */
  private async finish(driver: TrunkRegistration): Promise<void> {
    const { trunkId, fence } = driver
    if (this.stopping || driver.state !== 'stopped' || this.trunks.has(trunkId)) return
    if (this.drivers.get(trunkId) !== driver) return
    this.discard(driver)
    this.ownership.forget(trunkId)
    this.leftovers.set(trunkId, { owner: this.options.edges.self, fence, member: memberOf(trunkId) })
    await this.removeLeftover(trunkId).catch(() => undefined)
  }

  /** Takes the record of a trunk away that is not registered any more. @throws {StoreError} UNAVAILABLE: then it is done later */
  private async removeLeftover(trunkId: string): Promise<void> {
    const left = this.leftovers.get(trunkId)
    if (left === undefined) return
    const { store } = this.options
    await store.release(trunkId, left.owner, left.fence, { remove: true })
    await store.unlist(left.member)
    if (this.leftovers.get(trunkId) === left) this.leftovers.delete(trunkId)
  }

  private changed(driver: TrunkRegistration, before: RegistrationState): void {
    const { state } = driver
    // What one that was given up still hears is of no account.
    if (this.drivers.get(driver.trunkId) !== driver) return
    const isNew = this.tally.note(driver)
    this.keeper.mark(driver)
    this.options.registeredAt?.(driver.trunkId, driver.path?.target.address)
    if (state !== before || isNew) this.tell(driver.view)
    if (state === 'stopped') void this.finish(driver)
  }

  private tell(registration: Registration): void {
    const data = shownRegistration(registration)
    const { logger, events } = this.options
    const { state, last_code: code, last_phrase: phrase, registrar, reason } = data
    const fields = { trunk: registration.trunk_id, state, code, phrase, registrar, reason }
    if (state === 'retrying' || state === 'refused') logger.warn(fields, `Registration ${state}`)
    else logger.info(fields, `Registration ${state}`)
    events.publish({ type: 'registration', at: this.clock.date().toISOString(), account_id: data.account_id, data })
  }

  /** Asked before every REGISTER: whether the trunk is still ours, and its next CSeq. */
  private async nextCseq(trunkId: string, fence: number, sent: number): Promise<number> {
    const { store, edges } = this.options
    if (this.ownership.isStale(trunkId)) throw new NotNow('the edge gave no sign of life for too long')
    const askedMs = this.clock.now()
    let cseq: number | undefined
    try {
      cseq = await store.nextCSeq(trunkId, edges.self, fence, sent)
    } catch {
      // Nobody else can have it: no other edge is there, or our sign of life is fresh.
      if (edges.alone || edges.holdsLease) return sent + 1
      throw new NotNow('Redis is away, and another edge may have the trunk by now')
    }
    // Ours under a former life, as it turned out meanwhile.
    if (this.ownership.isStale(trunkId)) throw new NotNow('the edge gave no sign of life for too long')
    if (cseq === undefined) throw new NotOurs('another edge has the trunk')
    if (this.clock.now() - askedMs > MAX_ANSWER_MS || !edges.holdsLease)
      throw new NotNow('the edge gave no sign of life for too long')
    return cseq
  }

  private async unregistersOnStop(): Promise<boolean> {
    const { edges, settings, connection } = this.options
    if (settings.unregisterOnStop !== 'auto') return settings.unregisterOnStop === 'always'
    if (connection.up) await edges.look().catch(() => undefined)
    return edges.alone
  }

  /** Waits until it is so, no longer than the deadline. */
  private async within(deadlineMs: number, isSo: () => boolean): Promise<void> {
    const endMs = this.clock.now() + deadlineMs
    while (!isSo() && this.clock.now() < endMs) await new Promise<void>((resolve) => void this.clock.after(20, resolve))
  }
}
