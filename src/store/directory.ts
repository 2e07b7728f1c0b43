import type { Redis } from 'ioredis'
import type { Clock, Timer } from '../engine/index.js'
import { isScopedId } from '../model/account.js'
import type { Agent } from '../model/agent.js'
import type { PhoneNumber } from '../model/number.js'
import type { Trunk } from '../model/trunk.js'
import { agentKind } from './agents.js'
import { ChangeWatch } from './change-watch.js'
import type { Connection } from './connection.js'
import type { ContactTokens } from './contact-tokens.js'
import { hashScripts } from './hash.js'
import { IndexKeeper } from './index-keeper.js'
import { InvalidLog } from './invalid-log.js'
import { readJsonRecord } from './json-records.js'
import { isPhoneNumber, keys, type RecordKind } from './keys.js'
import { KnownAgents, type AgentListener } from './known-agents.js'
import { idOfMember } from './members.js'
import { readNumber } from './number-index.js'
import type { Log, LookupMetrics } from './observe.js'
import type { Read } from './record.js'
import { RecordCache, type Found, type Kept } from './record-cache.js'
import { textScripts } from './text.js'
import { TrunkIndex, type TrunkListener } from './trunk-index.js'
import { trunkKind } from './trunks.js'

export type { Found, FoundFrom } from './record-cache.js'

export interface DirectoryOptions {
  readonly connection: Connection
  readonly clock: Clock
  readonly metrics: Pick<LookupMetrics, 'routeRecordsInvalid'>
  readonly logger: Log
  /** Records kept in memory at most, of each kind. */
  readonly maxNumbers: number
  readonly maxTrunks: number
  readonly maxAgents: number
  /** How long an entry counts as fresh where Redis cannot tell us of changes. */
  readonly freshMs: number
  /** Finds a trunk by the token in the Contact it was registered with; without, no call is known by one. */
  readonly contactTokens?: Pick<ContactTokens, 'all' | 'generation'>
}

/** How long `start` waits for trunks and agents before it lets the edge come up without them. */
const START_WAIT_MS = 3_000
/** Members of an index read in one go; and records, which take longer: a call that comes meanwhile waits for them. */
const INDEX_CHUNK = 500
const LOAD_CHUNK = 50
const RETRY_MS = 1_000
/** Records known to have changed are asked for again together, this much later. */
const REFRESH_AFTER_MS = 5
const MAX_REFRESH = 10_000
/** Where changes are not announced, agents and trunks are loaded again this often even when no node counted a change. */
const RELOAD_UNWATCHED_MS = 30_000
/** More ids than any call asks for: then nobody waits. */
const BULK = 32

/** What routing asks: from memory when warm, one round trip when cold, the last known when Redis is gone. Never throws. */
export class Directory {
  private readonly numberCache: RecordCache<PhoneNumber>
  private readonly agentCache: RecordCache<Agent>
  private readonly trunkCache: RecordCache<Trunk>
  private readonly trunkIndex: TrunkIndex
  /** The agents in memory. */
  readonly knownAgents = new KnownAgents((id) => this.agentCache.last(id))
  private readonly watch: ChangeWatch
  private readonly indexes: IndexKeeper
  private readonly timers = new Map<string, Timer>()
  private readonly refreshing: Record<RecordKind, Set<string>> = {
    number: new Set(),
    agent: new Set(),
    trunk: new Set(),
  }
  private loading: Promise<void> | undefined
  private loadAgain = false
  private loaded = false
  private firstLoad: (() => void) | undefined
  private stopped = false
  private stopListening: (() => void) | undefined
  private seenChanges: string | null | undefined
  private loadedAtMs: number | undefined

  constructor(private readonly options: DirectoryOptions) {
    const { connection, clock, freshMs, logger } = options
    const invalidLog = new InvalidLog(logger, clock)
    this.trunkIndex = new TrunkIndex(options.contactTokens)
    const cacheOf = <T>(
      kind: RecordKind,
      max: number,
      read: RecordReader<T>,
      kept?: (id: string, value: T | undefined, kept: Kept) => void,
    ) =>
      new RecordCache<T>({
        max,
        clock,
        freshMs,
        read: (ids) =>
          connection.ask(kind, (client) => Promise.all(ids.map((id) => read(client, id))), {
            patient: ids.length > BULK,
          }),
        metInvalid: (id, why) => {
          options.metrics.routeRecordsInvalid.inc()
          invalidLog.add(kind, id, why)
        },
        ...(kept && { kept }),
      })
    this.numberCache = cacheOf('number', options.maxNumbers, readNumber)
    this.agentCache = cacheOf(
      'agent',
      options.maxAgents,
      (client, id) => readJsonRecord(client, agentKind, id),
      (id, agent, kept) => this.knownAgents.set(id, agent, kept),
    )
    this.trunkCache = cacheOf(
      'trunk',
      options.maxTrunks,
      (client, id) => readJsonRecord(client, trunkKind, id),
      (id, trunk, kept) => this.trunkIndex.set(id, trunk, kept),
    )
    this.watch = new ChangeWatch(connection, logger, {
      changed: (records) => this.changed(records),
      anythingChanged: () => this.distrustAll(),
      watching: (watching) => this.setWatched(watching),
    })
    this.indexes = new IndexKeeper({ connection, clock, logger, found: (records) => this.meet(records) })
  }

  /** Loads trunks and agents and watches for changes. Resolves also when Redis is away: then both happen when it returns. */
  async start(): Promise<void> {
    const { connection } = this.options
    this.stopListening = connection.onChange((up) => {
      if (!up) this.distrust()
    })
    const loaded = new Promise<void>((resolve) => {
      this.firstLoad = resolve
    })
    const waited = new Promise<void>((resolve) => this.after('start', START_WAIT_MS, resolve))
    this.watch.start()
    this.poll()
    await Promise.race([loaded, waited])
    this.timers.get('start')?.cancel()
  }

  async stop(): Promise<void> {
    this.stopped = true
    this.stopListening?.()
    this.watch.stop()
    this.indexes.stop()
    for (const timer of this.timers.values()) timer.cancel()
    this.timers.clear()
    this.firstLoad?.()
    await this.loading
  }

  /** Changes in Redis are seen, and trunks and agents are loaded. */
  get healthy(): boolean {
    return this.options.connection.up && this.loaded && (this.watch.watching || this.watch.unsupported)
  }

  /** Whether trunks have ever been loaded: then a source that none of them allows is a stranger, also while Redis is away. */
  get knowsTrunks(): boolean {
    return this.loadedAtMs !== undefined
  }

  /** Whether every trunk and agent there is has been loaded: then who is not among them is a stranger. */
  get knowsEverybody(): boolean {
    const { maxTrunks, maxAgents } = this.options
    return this.knowsTrunks && this.trunkCache.size < maxTrunks && this.agentCache.size < maxAgents
  }

  /** What `healthy` says, in words. */
  get status(): string {
    const { connection, freshMs } = this.options
    const known = `${this.numberCache.size} numbers, ${this.trunkCache.size} trunks and ${this.agentCache.size} agents in memory`
    if (!connection.up) return `Redis is away (${connection.problem ?? 'not connected'}): serving ${known}`
    if (!this.loaded) return 'loading trunks and agents'
    if (this.watch.watching) return `${known}; changes are announced by Redis`
    return this.watch.unsupported ? `${known}; changes are seen within ${freshMs} ms` : 'not watching for changes yet'
  }

  async number(phoneNumber: string): Promise<Found<PhoneNumber>> {
    const [found] = await this.numbers([phoneNumber])
    return found ?? { from: 'unavailable' }
  }

  /** One answer for each candidate, in one round trip at most. What cannot be a number is not there, without asking. */
  async numbers(candidates: readonly string[]): Promise<Found<PhoneNumber>[]> {
    const possible = candidates.filter(isPhoneNumber)
    const found = await this.numberCache.find(possible)
    return candidates.map((candidate) => found[possible.indexOf(candidate)] ?? { from: 'memory' })
  }

  /** The answer when memory alone can give it, fresh; else undefined. */
  warmNumber(phoneNumber: string): Found<PhoneNumber> | undefined {
    return this.numberCache.warm(phoneNumber)
  }

  /** At once when memory can tell, else in one round trip. */
  agent(id: string): Found<Agent> | Promise<Found<Agent>> {
    return this.one(this.agentCache, id)
  }

  /** At once when memory can tell, else in one round trip. */
  trunk(id: string): Found<Trunk> | Promise<Found<Trunk>> {
    return this.one(this.trunkCache, id)
  }

  /** Trunks that allow this source address, those with the longest prefix first; from memory. */
  trunksForAddress(address: string): Trunk[] {
    return this.trunkIndex.forAddress(address).flatMap((id) => this.trunkCache.last(id) ?? [])
  }

  /** The trunk as it was last known; from memory. */
  lastTrunk(id: string): Trunk | undefined {
    return this.trunkCache.last(id)
  }

  /** The trunk that was registered with a Contact of this token; from memory. */
  trunkOfToken(token: string): Trunk | undefined {
    const id = this.trunkIndex.forToken(token)
    return id === undefined ? undefined : this.trunkCache.last(id)
  }

  /** Tells of every trunk that is known, then of each that was read anew, changed or not, and of each that is gone. Ends with the returned function. */
  onTrunk(listener: TrunkListener): () => void {
    this.trunkCache.tell(listener)
    return this.trunkIndex.listen(listener)
  }

  /** The same of agents. */
  onAgent(listener: AgentListener): () => void {
    this.agentCache.tell(listener)
    return this.knownAgents.listen(listener)
  }

  private one<T>(cache: RecordCache<T>, id: string): Found<T> | Promise<Found<T>> {
    const warm = cache.warm(id)
    if (warm !== undefined) return warm
    if (!isScopedId(id)) return { from: 'memory' }
    return cache.find([id]).then(([found]) => found ?? { from: 'unavailable' })
  }

  private cacheOf(kind: RecordKind): RecordCache<PhoneNumber> | RecordCache<Agent> | RecordCache<Trunk> {
    if (kind === 'number') return this.numberCache
    return kind === 'agent' ? this.agentCache : this.trunkCache
  }

  private setWatched(watched: boolean): void {
    this.numberCache.watched = watched
    this.agentCache.watched = watched
    this.trunkCache.watched = watched
    if (!watched) this.distrust()
  }

  private distrust(): void {
    this.numberCache.distrustAll()
    this.agentCache.distrustAll()
    this.trunkCache.distrustAll()
    if (!this.options.connection.up) this.loaded = false
  }

  /** Nothing in memory is known to be right any more: it is asked for again when wanted; trunks and agents now. */
  private distrustAll(): void {
    this.distrust()
    this.load()
    this.indexes.requestSweep()
  }

  private changed(records: readonly { kind: RecordKind; id: string }[]): void {
    for (const { kind, id } of records) this.cacheOf(kind).distrust(id)
    this.indexes.note(records)
    // Known numbers are asked for again at once, so that the last known is the latest if Redis goes away.
    this.refresh(records.filter(({ kind, id }) => kind !== 'number' || this.numberCache.has(id)))
  }

  /** A sweep came upon records: agents and trunks that no index had are taken in. */
  private meet(records: readonly { kind: RecordKind; id: string }[]): void {
    this.refresh(records.filter(({ kind, id }) => kind !== 'number' && !this.cacheOf(kind).has(id)))
  }

  private refresh(records: readonly { kind: RecordKind; id: string }[]): void {
    for (const { kind, id } of records) {
      if (this.refreshing[kind].size < MAX_REFRESH) this.refreshing[kind].add(id)
      else if (kind !== 'number') this.loadAgain = true
    }
    if (records.length > 0 && !this.timers.has('refresh'))
      this.after('refresh', REFRESH_AFTER_MS, () => void this.refreshNow())
  }

  private async refreshNow(): Promise<void> {
    for (const kind of ['trunk', 'agent', 'number'] as const) {
      const ids = [...this.refreshing[kind]]
      this.refreshing[kind].clear()
      await this.findAll(this.cacheOf(kind), ids)
    }
    if (this.loadAgain) this.load()
  }

  private async findAll(cache: Finder, ids: readonly string[]): Promise<boolean> {
    let answered = true
    for (let i = 0; i < ids.length && !this.stopped; i += LOAD_CHUNK) {
      const found = await cache.find(ids.slice(i, i + LOAD_CHUNK))
      if (found.some(({ from }) => from === 'stale' || from === 'unavailable')) answered = false
    }
    return answered
  }

  /** Loads all trunks and agents; a wish for it that comes while it is done is done after. */
  private load(): void {
    this.loadAgain = true
    this.loading ??= this.loadWhileWanted().finally(() => {
      this.loading = undefined
    })
  }

  private async loadWhileWanted(): Promise<void> {
    while (this.loadAgain && !this.stopped) {
      this.loadAgain = false
      const { connection, clock, maxTrunks, maxAgents } = this.options
      try {
        await connection.ask('script', (client) =>
          Promise.all([...hashScripts, ...textScripts].map((script) => script.load(client))),
        )
        const answered =
          (await this.loadKind(this.trunkCache, keys.trunkIndex, maxTrunks)) &&
          (await this.loadKind(this.agentCache, keys.agentIndex, maxAgents))
        if (!answered) throw new Error('not all were answered')
        this.loaded = true
        this.loadedAtMs = clock.now()
        this.firstLoad?.()
      } catch {
        if (connection.up && !this.stopped) this.after('load', RETRY_MS, () => this.load())
        return
      }
    }
  }

  private async loadKind<T>(cache: RecordCache<T>, index: string, max: number): Promise<boolean> {
    let after = '-'
    let count = 0
    for (;;) {
      const low = after
      const members = await this.options.connection.ask(
        'list',
        (client) => client.zrangebylex(index, low, '+', 'LIMIT', 0, INDEX_CHUNK),
        { patient: true },
      )
      const ids = members.flatMap((member) => idOfMember(member) ?? [])
      if (!(await this.findAll(cache, ids))) return false
      count += members.length
      if (members.length < INDEX_CHUNK || count >= max || this.stopped) break
      after = `(${members.at(-1) ?? ''}`
    }
    // Those that memory has and the index has not: gone, or written by others.
    return this.findAll(
      cache,
      cache.ids().filter((id) => cache.warm(id) === undefined),
    )
  }

  /** Where Redis does not announce changes: looks for changes that other nodes counted. */
  private poll(): void {
    this.after('poll', Math.max(this.options.freshMs, 100), () => {
      void this.pollOnce().finally(() => this.poll())
    })
  }

  private async pollOnce(): Promise<void> {
    const { connection, clock } = this.options
    if (!this.watch.unsupported || !connection.up) return
    try {
      const changes = await connection.ask('poll', (client) => client.get(keys.changes))
      const counted = changes !== this.seenChanges
      this.seenChanges = changes
      if (counted || clock.now() - (this.loadedAtMs ?? 0) > RELOAD_UNWATCHED_MS) {
        this.trunkCache.distrustAll()
        this.agentCache.distrustAll()
        this.load()
        this.indexes.requestSweep()
      }
    } catch {
      // The connection says so itself.
    }
  }

  private after(name: string, delayMs: number, fire: () => void): void {
    this.timers.get(name)?.cancel()
    if (this.stopped) return
    this.timers.set(
      name,
      this.options.clock.after(delayMs, () => {
        this.timers.delete(name)
        fire()
      }),
    )
  }
}

type Finder = Pick<RecordCache<unknown>, 'find'>
type RecordReader<T> = (client: Redis, id: string) => Promise<Read<T>>
