import type { Clock, Timer } from '../engine/index.js'
import { type AuditEntry, auditEntrySchema, type ListedAuditEntry } from '../model/audit.js'
import { before } from './cdr-list.js'
import type { Connection } from './connection.js'
import { formatCursor, parseCursor } from './cursor.js'
import { StoreError } from './errors.js'
import { keys } from './keys.js'
import type { Log } from './observe.js'
import type { InvalidRecord, Page } from './page.js'
import { invalid, parseRecord, type Read } from './record.js'

export interface AuditLogOptions {
  readonly connection: Connection
  readonly clock: Clock
  readonly metrics: { readonly auditDropped: { inc(): void } }
  readonly logger: Log
  /** Entries the stream keeps; the oldest go first. */
  readonly maxEntries: number
}

export interface AuditListRequest {
  /** Entries at most, 1 to 1,000. */
  readonly limit: number
  readonly cursor?: string | undefined
  /** ISO instant: changes made then or later. */
  readonly since?: string | undefined
  /** Changes of this object alone: its id. */
  readonly object?: string | undefined
  /** Of this account alone. */
  readonly accountId?: string | undefined
}

/** Entries that wait while Redis is away; then the oldest is dropped, logged and counted. */
const MAX_WAITING = 1_000
const BATCH = 50
const RETRY_MS = 1_000
const MAX_EXAMINED = 5_000
const STEP = 200
/** Bytes of an entry that are read; ours are shorter. */
const MAX_ENTRY = 262_144
const POSITION = /^[0-9]{1,16}-[0-9]{1,20}$/
/** An entry's time and its place in the stream are of two clocks that differ less than this. */
const CLOCK_SKEW_MS = 5 * 60_000

/** The changes made through the API, in a Redis stream that is only ever added to, and cut at its old end. */
export class AuditLog {
  private waiting: string[] = []
  private writing: Promise<void> | undefined
  private retry: Timer | undefined
  private stopped = false

  constructor(private readonly options: AuditLogOptions) {}

  /** Adds an entry. Resolves when it is in the stream, or waits for Redis to come back. Never rejects. */
  record(entry: AuditEntry): Promise<void> {
    this.waiting.push(JSON.stringify(entry))
    if (this.waiting.length > MAX_WAITING) {
      const text = this.waiting.shift()
      this.options.metrics.auditDropped.inc()
      // The log has it at least.
      this.options.logger.error({ entry: text?.slice(0, 1_000) }, 'an audit entry is dropped: too many wait for Redis')
    }
    return this.write()
  }

  /** Newest first. @throws {StoreError} UNAVAILABLE, INVALID (cursor, since) */
  async list({ limit, cursor, since, object, accountId }: AuditListRequest): Promise<Page<ListedAuditEntry>> {
    const wanted = Math.min(Math.max(Math.trunc(limit) || 1, 1), 1_000)
    const sinceMs = since === undefined ? 0 : Date.parse(since)
    if (Number.isNaN(sinceMs)) throw new StoreError('INVALID', 'since: is not an ISO 8601 instant')
    const end = String(Math.max(0, sinceMs - CLOCK_SKEW_MS))
    const items: ListedAuditEntry[] = []
    const unread: InvalidRecord[] = []
    let after = cursor === undefined ? undefined : parseCursor(cursor, POSITION)
    let more = true
    for (let examined = 0; more && items.length < wanted && examined < MAX_EXAMINED;) {
      const step = object === undefined && accountId === undefined ? Math.min(wanted - items.length, STEP) : STEP
      const start = after === undefined ? '+' : before(after)
      const entries = start === undefined ? [] : await this.read(start, end, step)
      more = entries.length === step
      for (const [id, fields] of entries) {
        examined += 1
        after = id
        const found = parse(fields)
        // Nobody knows whose it is.
        if (found.kind === 'invalid' && accountId === undefined) unread.push({ id, why: found.why })
        if (found.kind !== 'value') continue
        const entry = found.value
        if (Date.parse(entry.at) < sinceMs) continue
        if (accountId !== undefined && entry.account_id !== accountId) continue
        if (object !== undefined && entry.object !== object) continue
        items.push({ id, ...entry })
        if (items.length < wanted) continue
        more ||= id !== entries.at(-1)?.[0]
        break
      }
    }
    return {
      items,
      next_cursor: more && after !== undefined ? formatCursor(after) : null,
      ...(unread.length > 0 && { invalid: unread }),
    }
  }

  /** Writes what waits, if Redis takes it, and ends. */
  async stop(): Promise<void> {
    await this.write()
    this.stopped = true
    this.retry?.cancel()
  }

  private read(start: string, end: string, count: number): Promise<[string, string[]][]> {
    const { connection } = this.options
    return connection.ask('audit', (client) => client.xrevrange(keys.audit, start, end, 'COUNT', count), {
      patient: true,
    })
  }

  private write(): Promise<void> {
    this.writing ??= this.writeAll().finally(() => (this.writing = undefined))
    return this.writing
  }

  private async writeAll(): Promise<void> {
    const { connection, clock, logger, maxEntries } = this.options
    while (this.waiting.length > 0 && !this.stopped) {
      const batch = this.waiting.slice(0, BATCH)
      try {
        await connection.ask(
          'audit',
          (client) =>
            Promise.all(batch.map((text) => client.xadd(keys.audit, 'MAXLEN', '=', maxEntries, '*', 'entry', text))),
          { patient: true },
        )
      } catch (error) {
        if (this.retry === undefined)
          logger.warn({ waiting: this.waiting.length, error: String(error) }, 'audit entries wait for Redis')
        this.retry?.cancel()
        this.retry = clock.after(RETRY_MS, () => void this.write())
        return
      }
      this.retry?.cancel()
      this.retry = undefined
      const written = new Set(batch)
      this.waiting = this.waiting.filter((text) => !written.has(text))
    }
  }
}

function parse(fields: readonly string[]): Read<AuditEntry> {
  const at = fields.indexOf('entry')
  const text = at % 2 === 0 ? (fields[at + 1] ?? '') : ''
  if (text.length > MAX_ENTRY) return invalid(`entry: is longer than ${MAX_ENTRY} bytes`)
  try {
    return parseRecord(auditEntrySchema, JSON.parse(text))
  } catch {
    return invalid('entry: is not JSON')
  }
}
