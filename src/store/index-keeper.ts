import type { Redis } from 'ioredis'
import type { Clock, Timer } from '../engine/index.js'
import { agentKind } from './agents.js'
import type { Connection } from './connection.js'
import { readJsonRecord } from './json-records.js'
import { keys, parseKey, type RecordKind } from './keys.js'
import { memberOf } from './members.js'
import { link } from './number-index.js'
import type { Log } from './observe.js'
import { trunkKind } from './trunks.js'

/** Changed records that may wait to be indexed; beyond that, a sweep finds them. */
const MAX_PENDING = 20_000
/** Records looked at in one go: a call that comes meanwhile waits a millisecond or two. */
const CHUNK = 25
/** Between two chunks: leaves Redis, and us, to calls. 25 records every 20 ms are a million in a quarter of an hour. */
const PAUSE_MS = 20
/** One node sweeps at a time; one that dies over it is followed by another after this long. */
const LEASE_S = 60
const RENEW_MS = 10_000
const MIN_SWEEP_INTERVAL_MS = 60_000
const RETRY_MS = 5_000

type RecordId = { readonly kind: RecordKind; readonly id: string }

/**
 * Keeps the indexes that lists are read from complete for records that others write: whatever is announced as changed is looked at and
 * indexed, and what may have been missed (before we watched, while Redis was away) is found by a paced SCAN through all keys.
 */
export class IndexKeeper {
  private readonly pending = new Map<string, RecordId>()
  private timer: Timer | undefined
  private sweepTimer: Timer | undefined
  private sweptAtMs: number | undefined
  private sweeping = false
  private stopped = false

  constructor(
    private readonly options: {
      connection: Connection
      clock: Clock
      logger: Log
      /** Records that a sweep came upon. */
      found(records: readonly RecordId[]): void
    },
  ) {}

  /** These were written or removed by someone. */
  note(records: readonly RecordId[]): void {
    for (const record of records) {
      if (this.pending.size >= MAX_PENDING) {
        this.requestSweep()
        break
      }
      this.pending.set(`${record.kind} ${record.id}`, record)
    }
    this.schedule(PAUSE_MS)
  }

  /** Goes through all keys soon, at most once a minute. */
  requestSweep(): void {
    if (this.sweepTimer !== undefined || this.stopped) return
    const { clock } = this.options
    const restMs = this.sweptAtMs === undefined ? 0 : this.sweptAtMs + MIN_SWEEP_INTERVAL_MS - clock.now()
    // What changed behind a sweep that is under way is for the next one.
    const delayMs = this.sweeping ? MIN_SWEEP_INTERVAL_MS : Math.max(0, restMs)
    this.sweepTimer = clock.after(delayMs, () => void this.sweep())
  }

  stop(): void {
    this.stopped = true
    this.timer?.cancel()
    this.sweepTimer?.cancel()
  }

  private schedule(delayMs: number): void {
    if (this.timer !== undefined || this.stopped || this.pending.size === 0) return
    this.timer = this.options.clock.after(delayMs, () => void this.indexPending())
  }

  private async indexPending(): Promise<void> {
    const chunk = [...this.pending.entries()].slice(0, CHUNK)
    for (const [name] of chunk) this.pending.delete(name)
    let delayMs = PAUSE_MS
    try {
      await this.index(chunk.map(([, record]) => record))
    } catch {
      for (const [name, record] of chunk) this.pending.set(name, record)
      delayMs = RETRY_MS
    }
    this.timer = undefined
    this.schedule(delayMs)
  }

  private index(records: readonly RecordId[]): Promise<void> {
    const idsOf = (kind: RecordKind): string[] => records.flatMap((record) => (record.kind === kind ? [record.id] : []))
    return this.options.connection.ask(
      'index',
      async (client) => {
        await Promise.all([
          link(client, idsOf('number')),
          indexJson(client, agentKind, idsOf('agent')),
          indexJson(client, trunkKind, idsOf('trunk')),
        ])
      },
      { patient: true },
    )
  }

  private async sweep(): Promise<void> {
    const { clock, connection, logger } = this.options
    this.sweepTimer = undefined
    if (this.sweeping) return this.requestSweep()
    this.sweeping = true
    this.sweptAtMs = clock.now()
    let records = 0
    try {
      if (!(await this.lease('NX'))) {
        this.requestSweep()
        return
      }
      let leasedAtMs = clock.now()
      for await (const chunk of this.scan()) {
        records += chunk.length
        await this.index(chunk)
        this.options.found(chunk)
        if (clock.now() - leasedAtMs < RENEW_MS) continue
        leasedAtMs = clock.now()
        await this.lease('XX')
      }
      await connection.ask('index', (client) => client.del(keys.sweep))
      logger.debug({ records }, 'the indexes are complete')
    } catch {
      if (!this.stopped) this.requestSweep()
    } finally {
      this.sweeping = false
    }
  }

  /** Takes the turn (NX), or keeps it (XX). False while another node has it. */
  private async lease(condition: 'NX' | 'XX'): Promise<boolean> {
    const { connection } = this.options
    const holder = String(process.pid)
    const answer = await connection.ask('index', (client) =>
      condition === 'NX'
        ? client.set(keys.sweep, holder, 'EX', LEASE_S, 'NX')
        : client.set(keys.sweep, holder, 'EX', LEASE_S, 'XX'),
    )
    return answer !== null
  }

  /** All records of ours, a chunk at a time. */
  private async *scan(): AsyncGenerator<RecordId[]> {
    const { clock, connection } = this.options
    let cursor = '0'
    do {
      const [next, found] = await connection.ask(
        'scan',
        (client) => client.scan(cursor, 'MATCH', 'signalbox:*', 'COUNT', CHUNK),
        { patient: true },
      )
      cursor = next
      const records = found.flatMap((key) => parseKey(key) ?? [])
      if (records.length > 0) yield records
      if (cursor !== '0') await new Promise<void>((resolve) => clock.after(PAUSE_MS, resolve))
    } while (cursor !== '0' && !this.stopped)
  }
}

async function indexJson<T extends { id: string; account_id: string; created_at: string; updated_at: string }>(
  client: Redis,
  kind: Parameters<typeof readJsonRecord<T>>[1],
  ids: readonly string[],
): Promise<void> {
  await Promise.all(
    ids.map(async (id) => {
      const read = await readJsonRecord(client, kind, id)
      if (read.kind === 'value') await client.zadd(kind.index, 0, memberOf(id))
    }),
  )
}
