import type { Clock, Timer } from '../../engine/index.js'
import { localId } from '../../model/account.js'
import {
  type Binding,
  type BindingEvent,
  type BindingView,
  showBinding,
  sourceOf,
  type TrunkBindings,
} from '../../model/binding.js'
import type { EventSink } from '../../model/event.js'
import type { Trunk } from '../../model/trunk.js'
import type { Bindings } from '../../store/bindings.js'
import type { Log } from '../../store/observe.js'
import type { Target } from '../target.js'
import { apart } from './bind.js'
import { BindingTable, type RequestSource } from './binding-table.js'
import { contactTargets, type Place, type ReachOptions } from './contact-targets.js'
import { mayRegister, type RegisteringTrunk, type RegisteringTrunks, userKey } from './registering-trunks.js'

export interface LocationOptions {
  readonly store: Bindings
  readonly registering: RegisteringTrunks
  readonly trunks: { onTrunk(listener: (id: string, trunk: Trunk | undefined, gone: boolean) => void): () => void }
  readonly clock: Clock
  readonly events: EventSink
  readonly metrics: { readonly bindings: { set(count: number): void } }
  readonly logger: Pick<Log, 'info' | 'warn'>
  readonly edgeId: string
  /** This life of the edge. */
  readonly edgeLife: string
  /** Hears of the addresses that a trunk is registered from. */
  readonly known?: (trunkId: string, addresses: readonly string[]) => void
  /** Whether requests may go to the place that a contact names. Default: only at the address that it was registered from. */
  readonly permits?: ReachOptions['permits']
}

/** How often is looked for what others wrote and what has ended. */
const TICK_MS = 1_000
/** Everything is read anew so often: what was missed is found. */
const RELOAD_TICKS = 60
/** What another edge took and has not cleared away this long after its end is cleared away by whoever sees it. */
const OTHERS_GRACE_MS = 3_000
/** Connections that were closed and are remembered, at most. */
const MAX_CLOSED = 10_000

/**
 * Where the trunks are that register to us (RFC 3261 10: the location service): their contacts in memory, in step with Redis and so with what
 * other edges take within a second. It costs nothing while no trunk may register.
 */
export class Location {
  private readonly table: BindingTable
  private readonly closed = new Set<string>()
  private seen: number | undefined
  private ticks = 0
  private timer: Timer | undefined
  private stopListening: (() => void) | undefined
  private stopped = false
  private readonly permits: ReachOptions['permits']

  constructor(private readonly options: LocationOptions) {
    this.table = new BindingTable(options.known)
    this.permits = options.permits ?? ((place, source) => place.address === source.address)
  }

  /** Whether any trunk may register. */
  get active(): boolean {
    return this.options.registering.size > 0
  }

  /** Reads what there is and follows what changes. Resolves also when Redis is away. */
  async start(): Promise<void> {
    this.stopListening = this.options.trunks.onTrunk((id, trunk, gone) => this.learn(id, trunk, gone))
    await this.tick()
  }

  stop(): void {
    this.stopped = true
    this.stopListening?.()
    this.timer?.cancel()
  }

  /** Where calls to a trunk go, in the order to try; none when it is not registered. */
  targets(trunkId: string): Target[] {
    const { edgeLife } = this.options
    return contactTargets(this.table.of(trunkId, this.nowMs), {
      holdsFlow: (binding) => binding.edge_life === edgeLife && !this.closed.has(sourceOf(binding)),
      permits: this.permits,
    })
  }

  /** The trunks that are registered from there, over a connection that is still the same. */
  at(source: RequestSource): readonly string[] {
    if (this.table.size === 0 || this.closed.has(flowName(source))) return NONE
    return this.table.at(source, this.nowMs)
  }

  /** Whether a trunk has registered that it is there: a place that requests may go to. */
  leadsTo(place: Place): boolean {
    return this.table.size > 0 && this.table.leadsTo(place, this.nowMs)
  }

  /** The contacts of a trunk for people. */
  view(trunkId: string): BindingView[] {
    const { nowMs } = this
    return this.table.of(trunkId, nowMs).map((binding) => showBinding(binding, nowMs))
  }

  /** Takes what stands in Redis now, because we wrote it. */
  took(trunkId: string, record: TrunkBindings | undefined): void {
    for (const binding of record?.bindings ?? []) this.closed.delete(sourceOf(binding))
    this.set(trunkId, record)
  }

  /** A connection of this edge is closed: what was registered on it cannot be reached there any more. */
  flowClosed(peer: RequestSource): void {
    if (this.table.size === 0) return
    if (this.table.at(peer, this.nowMs).length === 0) return
    if (this.closed.size >= MAX_CLOSED) this.closed.clear()
    this.closed.add(flowName(peer))
  }

  /** Ends all contacts of a trunk: it is gone, does not register any more, or its credentials are others. */
  async drop(trunkId: string, why: string): Promise<void> {
    let dropped: TrunkBindings | undefined
    await this.options.store.update(trunkId, this.nowOf, (current) => {
      dropped = current
      return current === undefined ? undefined : null
    })
    this.set(trunkId, undefined)
    if (dropped === undefined || dropped.bindings.length === 0) return
    this.options.logger.info({ trunk: trunkId, contacts: dropped.bindings.length }, `Contacts dropped: ${why}`)
    this.tell('binding.removed', dropped, dropped.bindings)
  }

  /** Tells of contacts that came or went. */
  tell(
    type: 'binding.created' | 'binding.removed' | 'binding.expired',
    { account_id, trunk_id }: Pick<TrunkBindings, 'account_id' | 'trunk_id'>,
    bindings: readonly Binding[],
  ): void {
    const { events, clock, logger } = this.options
    for (const binding of bindings) {
      const { contact, user_agent, since, expires_at, edge_id } = binding
      const source = sourceOf(binding)
      const shown = localId(trunk_id)
      const data: BindingEvent = {
        account_id,
        trunk_id: shown,
        contact,
        source,
        user_agent,
        since,
        expires_at,
        edge_id,
      }
      events.publish({ type, at: clock.date().toISOString(), account_id, data })
      logger.info({ trunk: trunk_id, contact, source }, SAID[type])
    }
  }

  private readonly nowOf = (): number => this.nowMs

  private get nowMs(): number {
    return this.options.clock.date().getTime()
  }

  private set(trunkId: string, record: TrunkBindings | undefined): void {
    this.table.set(trunkId, record)
    // The rest is counted once a second: there may be many.
    if (this.table.size <= 1) this.count()
  }

  private count(): void {
    const { edgeLife, metrics } = this.options
    const { nowMs } = this
    let count = 0
    for (const { bindings } of this.table.all())
      for (const { edge_life, expires_at } of bindings)
        if (edge_life === edgeLife && Date.parse(expires_at) > nowMs) count++
    metrics.bindings.set(count)
  }

  private learn(id: string, trunk: Trunk | undefined, gone: boolean): void {
    const { registering } = this.options
    const former = registering.get(id)
    const next = trunk !== undefined && mayRegister(trunk) ? trunk : undefined
    registering.set(id, next)
    // A record that does not parse, or that memory has no room for, says nothing: its contacts end by themselves.
    if (trunk === undefined && !gone) return
    if (next === undefined) {
      if (former !== undefined || this.table.get(id) !== undefined)
        this.dropSoon(id, 'the trunk does not register to us any more')
      return
    }
    if (former === undefined) {
      if (this.timer === undefined && this.seen === undefined) return
      void this.load([id]).catch(() => undefined)
    } else if (userKey(former) !== userKey(next)) this.dropSoon(id, 'inbound_auth of the trunk is another')
    this.schedule()
  }

  private dropSoon(id: string, why: string): void {
    this.drop(id, why).catch(() => this.table.set(id, undefined))
  }

  private schedule(): void {
    if (this.stopped || this.timer !== undefined || !this.active) return
    this.timer = this.options.clock.after(TICK_MS, () => {
      this.timer = undefined
      void this.tick()
    })
  }

  private async tick(): Promise<void> {
    if (this.active || this.table.size > 0) {
      try {
        await this.follow()
        await this.clear()
      } catch {
        // The connection says so itself; what was known last holds as long as it lasts.
      }
    } else if (this.seen === undefined) this.seen = 0
    this.schedule()
  }

  /** Reads what others wrote. */
  private async follow(): Promise<void> {
    const { store, registering } = this.options
    if (!store.up) {
      this.ticks = 0
      return
    }
    const whole = this.ticks === 0
    this.ticks = (this.ticks + 1) % RELOAD_TICKS
    if (whole) {
      this.seen = await store.changeCount()
      return this.load([...registering.all()].map(({ id }) => id))
    }
    const { trunkIds, count } = await store.changedSince(this.seen ?? 0)
    this.seen = count
    await this.load(trunkIds)
  }

  private async load(ids: readonly string[]): Promise<void> {
    const { store, registering } = this.options
    const trunks = ids.flatMap((id): RegisteringTrunk[] => {
      const trunk = registering.get(id)
      return trunk === undefined ? [] : [trunk]
    })
    if (trunks.length === 0) return
    const found = await store.get(trunks.map(({ id }) => id))
    trunks.forEach((trunk, i) => {
      const record = found[i]
      // Another trunk may have taken its id, or another user its place.
      const fits = record?.user === userKey(trunk) && record.account_id === trunk.account_id
      this.table.set(trunk.id, fits ? record : undefined)
    })
  }

  /** Takes away what has ended, and tells of it: each once, by the edge that took it or, when that does not, by another. */
  private async clear(): Promise<void> {
    const { edgeLife, store } = this.options
    const { nowMs } = this
    const due = [...this.table.all()].filter(({ bindings }) =>
      bindings.some(
        ({ expires_at, edge_life }) => Date.parse(expires_at) <= nowMs - (edge_life === edgeLife ? 0 : OTHERS_GRACE_MS),
      ),
    )
    for (const record of due) {
      let ended: readonly Binding[] = []
      const left = await store.update(record.trunk_id, this.nowOf, (current) => {
        ended = []
        if (current === undefined) return undefined
        const { live, expired } = apart(current.bindings, this.nowMs)
        if (expired.length === 0) return undefined
        ended = expired
        return live.length === 0 ? null : { ...current, bindings: [...live] }
      })
      this.set(record.trunk_id, left)
      this.tell('binding.expired', record, ended)
    }
    this.count()
  }
}

const NONE: readonly string[] = []

/** As `sourceOf` writes it. */
const flowName = ({ address, port, protocol }: RequestSource): string =>
  `sip:${address.includes(':') ? `[${address}]` : address}:${port};transport=${protocol}`

const SAID = {
  'binding.created': 'Contact registered',
  'binding.removed': 'Contact removed',
  'binding.expired': 'Contact ended without a refresh',
} as const
