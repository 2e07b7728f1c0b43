import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../engine/index.js'
import { localId } from '../model/account.js'
import { trunkFields, trunkSchema, type Trunk, type TrunkFields } from '../model/trunk.js'
import type { Connection } from './connection.js'
import { StoreError } from './errors.js'
import { JsonRecords, type Kind, type Untimed } from './json-records.js'
import { keys } from './keys.js'
import { Numbers } from './numbers.js'
import type { Page, PageRequest } from './page.js'
import { pickFields } from './record.js'
import { removeUnused } from './references.js'
import { readText, writeText } from './text.js'

/** A trunk without the times, which the store sets. */
export type NewTrunk = Untimed<Trunk>

export const trunkKind: Kind<Trunk> = { noun: 'trunk', schema: trunkSchema, key: keys.trunk, index: keys.trunkIndex }

const FIRST_FIELDS: ReadonlySet<string> = new Set(
  (
    'label sip_domain username auth_username outbound_proxy transport from_user from_domain caller_id number_format country register ' +
    'ping allowed_addresses inbound_auth did_from channel_limit cps_limit allowed_extensions pass_headers headers'
  ).split(' '),
)
const FIELD_NAMES = Object.keys(trunkFields.shape)
/** Fields that came later. One that has its default is not counted: trunks are found that were made without it. */
const LATER_FIELDS: ReadonlySet<string> = new Set(FIELD_NAMES.filter((name) => !FIRST_FIELDS.has(name)))
const DEFAULTS: Readonly<Record<string, unknown>> = trunkFields.parse({})
const MAX_ATTEMPTS = 5

/** Trunks: one JSON string each, `signalbox:trunk:<id>`. Every method throws StoreError: UNAVAILABLE, INVALID. */
export class Trunks {
  private readonly connection: Connection
  private readonly records: JsonRecords<Trunk>
  private readonly numbers: Numbers

  constructor({ connection, clock }: { connection: Connection; clock: Clock }) {
    this.connection = connection
    this.records = new JsonRecords(trunkKind, connection, clock)
    this.numbers = new Numbers({ connection, clock })
  }

  get(id: string): Promise<Trunk | undefined> {
    return this.records.get(id)
  }

  /** Adds the trunk or takes the place of the one with that id (`created_at` stays). */
  async put(trunk: NewTrunk): Promise<{ trunk: Trunk; created: boolean }> {
    const { record, created } = await this.records.put(trunk)
    await this.claim(record)
    return { trunk: record, created }
  }

  /** @throws {StoreError} EXISTS */
  async create(trunk: NewTrunk): Promise<Trunk> {
    const created = await this.records.create(trunk)
    await this.claim(created)
    return created
  }

  /** A trunk of the account whose fields (all of TrunkFields, the label too) are equal to these. */
  async findEqual(fields: TrunkFields, accountId: string): Promise<Trunk | undefined> {
    return (await this.holder(fields, accountId)).trunk
  }

  /** The account's trunk with equal fields, else this one, added: imports running at the same time end with one trunk. */
  async findOrCreate(trunk: NewTrunk): Promise<{ trunk: Trunk; created: boolean }> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const { trunk: found, key, claimed } = await this.holder(trunk, trunk.account_id)
      if (found !== undefined) return { trunk: found, created: false }
      // The record first: whoever then finds the claim finds the trunk too.
      const created = await this.records.create(trunk)
      if (await this.connection.ask('write', (client) => writeText(client, key, claimed, created.id)))
        return { trunk: created, created: true }
      await this.records.remove(created.id)
    }
    throw new StoreError('UNAVAILABLE', `trunk ${trunk.id}: others import the same fields all the time`)
  }

  /** Atomic, as `Numbers.update`. @throws {StoreError} NOT_FOUND */
  async update(id: string, change: (current: Trunk) => Trunk): Promise<Trunk> {
    const updated = await this.records.update(id, change)
    await this.claim(updated)
    return updated
  }

  /** Removes the trunk and its passwords. False when there was none. @throws {StoreError} IN_USE while numbers name it. */
  async remove(id: string): Promise<boolean> {
    const { records } = this
    const { removed, record: trunk } = await removeUnused<Trunk>(
      this.numbers,
      `trunk ${localId(id)}`,
      { trunkId: id },
      {
        get: () => records.get(id),
        remove: () => records.remove(id),
        putBack: (record) => records.put(record),
      },
    )
    const { key, claimed } = trunk === undefined ? {} : await this.holder(trunk, trunk.account_id)
    await this.connection.ask(
      'remove',
      (client) =>
        Promise.all([
          client.del(keys.trunkSecret(id)),
          client.del(keys.trunkInboundSecret(id)),
          key !== undefined && claimed === id && client.del(key),
        ]),
      { patient: true },
    )
    return removed
  }

  list(request: PageRequest): Promise<Page<Trunk>> {
    return this.records.list(request)
  }

  /** The trunk that the index names for these fields, if it still has them; else what the index says, to be replaced. */
  private async holder(
    fields: TrunkFields,
    accountId: string,
  ): Promise<{ key: string; claimed: string | null; trunk: Trunk | undefined }> {
    const wanted = fieldsOf(fields)
    const key = keys.trunkOfFields(digestOf(wanted, accountId))
    const raw = await this.connection.ask('trunk', (client) => readText(client, key, 160))
    if (raw.kind !== 'text') return { key, claimed: null, trunk: undefined }
    const trunk = await this.records.get(raw.text)
    const equal = trunk?.account_id === accountId && isDeepStrictEqual(fieldsOf(trunk), wanted)
    return { key, claimed: raw.text, trunk: equal ? trunk : undefined }
  }

  /** Makes the trunk the one that imports with equal fields reuse, unless another is. */
  private async claim(trunk: Trunk): Promise<void> {
    const { key, claimed, trunk: holder } = await this.holder(trunk, trunk.account_id)
    if (holder === undefined) await this.connection.ask('write', (client) => writeText(client, key, claimed, trunk.id))
  }
}

/** The fields that make a trunk equal to another, in an order of their own. */
function fieldsOf(trunk: TrunkFields): Record<string, unknown> {
  return { ...trunkFields.parse(pickFields(FIELD_NAMES, trunk)) }
}

function digestOf(fields: Record<string, unknown>, accountId: string): string {
  const counted = Object.entries(fields).filter(
    ([name, value]) => !LATER_FIELDS.has(name) || !isDeepStrictEqual(value, DEFAULTS[name]),
  )
  return createHash('sha256')
    .update(JSON.stringify([accountId, sorted(Object.fromEntries(counted))]))
    .digest('hex')
}

/** The same value with the keys of every object in order, so that equal fields have equal JSON. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, field]) => [name, sorted(field)])
}
