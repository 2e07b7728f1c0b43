import type { Redis } from 'ioredis'
import type { z } from 'zod'
import type { Clock } from '../engine/index.js'
import { accountOfId, isScopedId, localId } from '../model/account.js'
import type { Connection } from './connection.js'
import { StoreError } from './errors.js'
import { MAX_JSON_BYTES, parseJsonRecord } from './json-record.js'
import { keys } from './keys.js'
import { idOfMember, memberOf } from './members.js'
import type { Page, PageRequest } from './page.js'
import { parseRecord, type Read } from './record.js'
import { readPage, type Examined } from './sorted-index.js'
import { readText, writeText } from './text.js'

interface Fields {
  readonly id: string
  readonly account_id: string
  readonly created_at: string
  readonly updated_at: string
}

export type Untimed<T> = Omit<T, 'created_at' | 'updated_at'>

const MAX_ATTEMPTS = 20
/** The last instant that ISO 8601 writes with four digits of a year. */
const LAST_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999)

/**
 * How one kind of record is kept: a JSON string a record, and an index of `<account_id>:<id>`. The JSON has the id that the account uses;
 * the record has, and everything is asked for by, the id inside (`scopedId`).
 */
export interface Kind<T extends Fields> {
  /** The field's word for it, in messages. */
  readonly noun: string
  readonly schema: z.ZodType<T> & { readonly shape: object }
  readonly key: (id: string) => string
  readonly index: string
}

/** Reads one record of the kind. */
export async function readJsonRecord<T extends Fields>(client: Redis, kind: Kind<T>, id: string): Promise<Read<T>> {
  return parseJsonRecord(
    kind.schema,
    Object.keys(kind.schema.shape),
    id,
    await readText(client, kind.key(id), MAX_JSON_BYTES),
  )
}

/** The records of one kind that are JSON strings in Redis: agents, trunks. */
export class JsonRecords<T extends Fields> {
  constructor(
    private readonly kind: Kind<T>,
    private readonly connection: Connection,
    private readonly clock: Clock,
  ) {}

  async get(id: string): Promise<T | undefined> {
    if (!isScopedId(id)) return undefined
    return (await this.read(id)).current
  }

  async put(record: Untimed<T>): Promise<{ record: T; created: boolean; before: T | undefined }> {
    let before: T | undefined
    const written = await this.rewrite(record.id, (current) => {
      before = current
      const now = this.after(current)
      return { ...record, created_at: current?.created_at ?? now, updated_at: now }
    })
    return { record: written, created: before === undefined, before }
  }

  create(record: Untimed<T>): Promise<T> {
    return this.rewrite(record.id, (current) => {
      if (current !== undefined) throw this.exists(record.id)
      const now = this.after(undefined)
      return { ...record, created_at: now, updated_at: now }
    })
  }

  update(id: string, change: (current: T) => T): Promise<T> {
    return this.rewrite(id, (current) => {
      if (current === undefined) throw new StoreError('NOT_FOUND', `${this.kind.noun} ${localId(id)} is not there`)
      const { account_id, created_at } = current
      return { ...change(current), id, account_id, created_at, updated_at: this.after(current) }
    })
  }

  /** Removes the record, also one that does not parse. False when there was none. */
  remove(id: string): Promise<boolean> {
    const { kind } = this
    return this.connection.ask(
      'remove',
      async (client) => {
        const read = await readJsonRecord(client, kind, id)
        const removed = (await client.del(kind.key(id))) === 1
        await client.incr(keys.changes)
        if (read.kind === 'value') await this.unlist(client, memberOf(id))
        return removed
      },
      { patient: true },
    )
  }

  list({ accountId, cursor, limit }: PageRequest): Promise<Page<T>> {
    const { kind } = this
    const examineOne = async (client: Redis, member: string): Promise<Examined<T>> => {
      const id = idOfMember(member)
      if (id === undefined) return { kind: 'gone' }
      const read = await readJsonRecord(client, kind, id)
      if (read.kind === 'invalid') return { kind: 'invalid', record: { id: localId(id), why: read.why } }
      return read.kind === 'none' ? { kind: 'gone' } : { kind: 'item', item: read.value }
    }
    return readPage(this.connection, {
      key: kind.index,
      prefix: accountId === undefined ? '' : `${accountId}:`,
      cursor,
      limit,
      examine: (client, members) => Promise.all(members.map((member) => examineOne(client, member))),
      forget: (member) => this.connection.ask('index', (client) => this.unlist(client, member)),
    })
  }

  private exists(id: string): StoreError {
    return new StoreError('EXISTS', `${this.kind.noun} ${localId(id)} is there already`)
  }

  /** The time of a change: later than that of the one before, so that whoever holds one against the other sees every change. */
  private after(current: T | undefined): string {
    const now = this.clock.date().getTime()
    const before = current === undefined ? Number.NaN : Date.parse(current.updated_at)
    return new Date(before >= now && before < LAST_MS ? before + 1 : now).toISOString()
  }

  private read(id: string): Promise<{ current: T | undefined; text: string | null }> {
    const { kind } = this
    return this.connection.ask(kind.noun, async (client) => {
      const raw = await readText(client, kind.key(id), MAX_JSON_BYTES)
      const read = parseJsonRecord(kind.schema, Object.keys(kind.schema.shape), id, raw)
      if (read.kind === 'invalid')
        throw new StoreError(
          'INVALID',
          `${kind.noun} ${localId(id)} is there and does not parse (remove it first): ${read.why}`,
        )
      return { current: read.kind === 'value' ? read.value : undefined, text: raw.kind === 'text' ? raw.text : null }
    })
  }

  /** Reads, decides and writes, until no other writer comes between. The index is completed first, so that no record is unlisted. */
  private async rewrite(id: string, decide: (current: T | undefined) => object): Promise<T> {
    const { kind } = this
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const { current, text } = await this.read(id)
      const checked = parseRecord(kind.schema, { ...decide(current), id: localId(id) })
      if (checked.kind !== 'value')
        throw new StoreError('INVALID', checked.kind === 'invalid' ? checked.why : 'is nothing')
      const next = checked.value
      if (next.account_id !== accountOfId(id))
        throw new StoreError('INVALID', 'account_id: is not the account of the id')
      const member = memberOf(id)
      const written = await this.connection.ask(
        'write',
        async (client) => {
          await client.zadd(kind.index, 0, member)
          const done = await writeText(client, kind.key(id), text, JSON.stringify(next))
          if (done) await Promise.all([client.zadd(kind.index, 0, member), client.incr(keys.changes)])
          else await this.unlist(client, member)
          return done
        },
        { patient: true },
      )
      if (written) return { ...next, id }
    }
    throw new StoreError('UNAVAILABLE', `${kind.noun} ${localId(id)} is being changed by others all the time`)
  }

  /** Takes the entry out of the list, and puts it back when the record is there after all. */
  private async unlist(client: Redis, member: string): Promise<void> {
    const { kind } = this
    await client.zrem(kind.index, member)
    const id = idOfMember(member)
    if (id === undefined) return
    const read = await readJsonRecord(client, kind, id)
    if (read.kind === 'value') await client.zadd(kind.index, 0, member)
  }
}
