import type { Redis } from 'ioredis'
import type { Clock } from '../engine/index.js'
import { localId } from '../model/account.js'
import type { PhoneNumber } from '../model/number.js'
import { DEFAULT_ACCOUNT } from '../model/text.js'
import type { Connection } from './connection.js'
import { StoreError } from './errors.js'
import { readHash, writeHash } from './hash.js'
import { isPhoneNumber, keys } from './keys.js'
import { splitMember } from './members.js'
import { membershipsOf, unlink } from './number-index.js'
import { checkNumber, formatNumber, numberFieldLimits, parseNumber } from './number-record.js'
import type { Page, PageRequest } from './page.js'
import { Script } from './script.js'
import { addMembers, readPage, without, type Examined } from './sorted-index.js'

/** A number without the times, which the store sets. */
export type NewNumber = Omit<PhoneNumber, 'created_at' | 'updated_at'>

/** Attempts of an optimistic write before it is given up: each failure means that another writer succeeded. */
const MAX_ATTEMPTS = 20

/** Removes a number. ARGV: only when it is of this account ('' for any), the account of a record that names none. */
const removeScript = new Script(`
if ARGV[1] ~= '' then
  if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then return 0 end
  local account = redis.call('HGET', KEYS[1], 'account_id') or ''
  if account == '' then account = ARGV[2] end
  if account ~= ARGV[1] then return 0 end
end
return redis.call('DEL', KEYS[1])`)

/** What `rewrite` is to do with what it finds: write this, or nothing and give back what is there. */
type Rewrite = (current: PhoneNumber | undefined) => PhoneNumber

/**
 * The routing table: one Redis hash a number, `signalbox:did:<phone_number>`.
 * Every method throws StoreError: UNAVAILABLE, and INVALID for a record that does not parse.
 */
export class Numbers {
  private readonly connection: Connection
  private readonly clock: Clock

  constructor({ connection, clock }: { connection: Connection; clock: Clock }) {
    this.connection = connection
    this.clock = clock
  }

  async get(phoneNumber: string): Promise<PhoneNumber | undefined> {
    if (!isPhoneNumber(phoneNumber)) return undefined
    const { current } = await this.read(phoneNumber)
    return current
  }

  /**
   * Adds a number. One that is there already is replaced when `replaceInbound` is set (in the same account; `created_at` stays).
   * @throws {StoreError} CONFLICT naming the agent when the number is there with another inbound agent; EXISTS when it is there otherwise.
   */
  create(number: NewNumber, { replaceInbound = false } = {}): Promise<PhoneNumber> {
    return this.rewrite(number.phone_number, (current) => {
      const now = this.now()
      if (current === undefined) return { ...number, created_at: now, updated_at: now }
      const { inbound_agent_id, account_id } = current
      if (account_id !== number.account_id) throw new StoreError('EXISTS', `${number.phone_number} is there already`)
      if (replaceInbound) return { ...number, created_at: current.created_at, updated_at: now }
      if (inbound_agent_id !== null && inbound_agent_id !== number.inbound_agent_id) throw conflict(current)
      throw new StoreError('EXISTS', `${number.phone_number} is there already`, { inbound_agent_id })
    })
  }

  /**
   * Applies `change` to the present record as one atomic step; `change` may run again when another writer came between, and may throw.
   * `phone_number`, `account_id` and `created_at` stay, `updated_at` is set.
   * @throws {StoreError} NOT_FOUND
   */
  update(phoneNumber: string, change: (current: PhoneNumber) => PhoneNumber): Promise<PhoneNumber> {
    return this.rewrite(phoneNumber, (current) => {
      if (current === undefined) throw new StoreError('NOT_FOUND', `number ${phoneNumber} is not there`)
      const { phone_number, account_id, created_at } = current
      return { ...change(current), phone_number, account_id, created_at, updated_at: this.now() }
    })
  }

  /**
   * Gives the number to `agentId` for inbound calls; null takes it away.
   * @throws {StoreError} NOT_FOUND; CONFLICT naming the present agent when it has another and `replace` is not set
   */
  assignInbound(phoneNumber: string, agentId: string | null, { replace = false } = {}): Promise<PhoneNumber> {
    return this.update(phoneNumber, (current) => {
      const { inbound_agent_id } = current
      if (agentId !== null && inbound_agent_id !== null && inbound_agent_id !== agentId && !replace)
        throw conflict(current)
      return { ...current, inbound_agent_id: agentId }
    })
  }

  /**
   * Removes the number, also one whose record does not parse. False when there was none.
   * @param accountId only when it is of this account
   */
  async remove(phoneNumber: string, accountId?: string): Promise<boolean> {
    const key = keys.number(phoneNumber)
    return this.connection.ask(
      'remove',
      async (client) => {
        const read = parseNumber(phoneNumber, await readHash(client, key, numberFieldLimits))
        const removed = (await removeScript.run(client, [key], [accountId ?? '', DEFAULT_ACCOUNT])) === 1
        if (!removed) return false
        if (read.kind === 'value') await unlink(client, phoneNumber, membershipsOf(read.value))
        return true
      },
      { patient: true },
    )
  }

  /** Ordered by account and number. A trunk's or an agent's numbers are found without looking at others. */
  list(
    request: PageRequest & { trunkId?: string | undefined; agentId?: string | undefined },
  ): Promise<Page<PhoneNumber>> {
    const { accountId, trunkId, agentId, cursor, limit } = request
    const ofAll = agentId === undefined && trunkId === undefined
    const key =
      agentId !== undefined
        ? keys.numbersOfAgent(agentId)
        : trunkId !== undefined
          ? keys.numbersOfTrunk(trunkId)
          : keys.numberIndex
    const numberOf = (member: string): string | undefined => {
      const id = ofAll ? splitMember(member)?.id : member
      return id !== undefined && isPhoneNumber(id) ? id : undefined
    }
    const examineOne = async (client: Redis, member: string): Promise<Examined<PhoneNumber>> => {
      const id = numberOf(member)
      if (id === undefined) return { kind: 'gone' }
      const read = parseNumber(id, await readHash(client, keys.number(id), numberFieldLimits))
      if (read.kind === 'none') return { kind: 'gone' }
      if (read.kind === 'invalid') return { kind: 'invalid', record: { id, why: read.why } }
      const number = read.value
      if (!membershipsOf(number).some((entry) => entry.key === key && entry.member === member)) return { kind: 'gone' }
      const wanted =
        (accountId === undefined || number.account_id === accountId) &&
        (trunkId === undefined || number.trunk_id === trunkId)
      return wanted ? { kind: 'item', item: number } : { kind: 'passed' }
    }
    return readPage(this.connection, {
      key,
      prefix: ofAll && accountId !== undefined ? `${accountId}:` : '',
      cursor,
      limit,
      examine: (client, members) => Promise.all(members.map((member) => examineOne(client, member))),
      forget: async (member) => {
        const id = numberOf(member)
        await this.connection.ask('index', async (client) => {
          if (id === undefined) await client.zrem(key, member)
          else await unlink(client, id, [{ key, member }])
        })
      },
    })
  }

  private now(): string {
    return this.clock.date().toISOString()
  }

  private read(phoneNumber: string): Promise<{
    current: PhoneNumber | undefined
    fields: ReadonlyMap<string, string | null>
  }> {
    return this.connection.ask('number', async (client) => {
      const raw = await readHash(client, keys.number(phoneNumber), numberFieldLimits)
      const read = parseNumber(phoneNumber, raw)
      if (read.kind === 'invalid')
        throw new StoreError(
          'INVALID',
          `the record of ${phoneNumber} is there and does not parse (remove it first): ${read.why}`,
          raw.kind === 'hash' ? { account_id: raw.fields.get('account_id') || DEFAULT_ACCOUNT } : {},
        )
      return {
        current: read.kind === 'value' ? read.value : undefined,
        fields: raw.kind === 'hash' ? raw.fields : new Map<string, string | null>(),
      }
    })
  }

  /** Reads, decides and writes, until no other writer comes between. */
  private async rewrite(phoneNumber: string, decide: Rewrite): Promise<PhoneNumber> {
    const key = keys.number(phoneNumber)
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const { current, fields } = await this.read(phoneNumber)
      const checked = checkNumber(decide(current))
      if (checked.kind !== 'value')
        throw new StoreError('INVALID', checked.kind === 'invalid' ? checked.why : 'is nothing')
      const next = checked.value
      const before = current === undefined ? [] : membershipsOf(current)
      const after = membershipsOf(next)
      const added = without(after, before)
      const written = await this.connection.ask(
        'write',
        async (client) => {
          await addMembers(client, added)
          const done = await writeHash(client, key, fields, formatNumber(next))
          if (done) await addMembers(client, added)
          await unlink(client, phoneNumber, done ? without(before, after) : added)
          return done
        },
        { patient: true },
      )
      if (written) return next
    }
    throw new StoreError('UNAVAILABLE', `${phoneNumber} is being changed by others all the time`)
  }
}

function conflict({ phone_number, inbound_agent_id }: PhoneNumber): StoreError {
  return new StoreError(
    'CONFLICT',
    `${phone_number} already has the inbound agent ${localId(inbound_agent_id ?? '')}`,
    {
      inbound_agent_id,
    },
  )
}
