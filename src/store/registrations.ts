import { accountOfId, isScopedId, localId } from '../model/account.js'
import { registrationSchema, type Registration, type RegistrationState } from '../model/registration.js'
import type { Connection } from './connection.js'
import { readHash, type RawHash } from './hash.js'
import { keys } from './keys.js'
import { idOfMember, memberOf } from './members.js'
import type { Page, PageRequest } from './page.js'
import { invalid, parseRecord, type Read } from './record.js'
import { claimScript, nextCSeqScript, releaseScript, saveScript, takeRequestScript } from './registration-scripts.js'
import { readPage, type Examined } from './sorted-index.js'

/** What goes with a trunk from owner to owner. */
export interface RegistrationRecord {
  /** Rises with each owner: what a former owner still writes or asks is refused. */
  readonly fence: number
  /** Of every REGISTER of the trunk. */
  readonly callId: string
  /** Of the last REGISTER. */
  readonly cseq: number
  /** The Contact as the registrar showed it last, and the AOR it is bound to; null when none is registered. */
  readonly contact: string | null
  readonly aor: string | null
  /** Set while the trunk is un-registered by hand: the settings it had then. A change of them ends that. */
  readonly held: string | null
  readonly state: Registration | undefined
}

/** Whether a trunk is ours now, or whose it is. */
export type Claimed =
  { readonly won: true; readonly record: RegistrationRecord } | { readonly won: false; readonly owner: string }

export interface Claim {
  readonly trunkId: string
  readonly accountId: string
  /** The owner whose life is over, or '' when none is known: nobody else is replaced. */
  readonly former: string
  /** For a trunk that has no Call-ID yet. */
  readonly callId: string
  /** At least this far the CSeq has risen. */
  readonly cseq: number
}

/** What an owner writes; a field that is left out stays, null takes it away. */
export interface Saved {
  readonly trunkId: string
  readonly fence: number
  readonly state?: Registration
  readonly contact?: string | null
  readonly aor?: string | null
  readonly held?: string | null
}

/** What was asked for by hand. */
export interface RegistrationRequest {
  readonly trunkId: string
  readonly what: 'register' | 'unregister'
  /** Calendar time of the edge that was asked, in milliseconds. */
  readonly atMs: number
  /** As it stands in Redis. */
  readonly text: string
}

const MAX_STATE_BYTES = 16_384
const CALL_ID = /^[A-Za-z0-9._@-]{1,128}$/
/** Beyond it a trunk starts again with a new Call-ID (RFC 3261 8.1.1.5: below 2**31). */
const MAX_CSEQ = 2_147_000_000
/** Room for what a former owner sent while it could not write. */
const CSEQ_GAP = 100

/**
 * Registrations: one Redis hash a trunk, `signalbox:registration:<trunk_id>`, with its owner. Every command touches the keys of one slot.
 * Methods throw StoreError: UNAVAILABLE, INVALID.
 */
export class Registrations {
  private readonly connection: Connection

  constructor({ connection }: { connection: Connection }) {
    this.connection = connection
  }

  /** Makes `owner` the owner of each trunk that has none or the former one; one answer each, in order. */
  async claim(owner: string, claims: readonly Claim[]): Promise<Claimed[]> {
    const answers = await this.connection.ask(
      'registration',
      (client) =>
        Promise.all(
          claims.map(async (claim) => {
            const { trunkId, former, callId, cseq } = claim
            const args = [owner, former, callId, cseq, MAX_CSEQ, CSEQ_GAP, MAX_STATE_BYTES]
            const answer = await claimScript.run(client, [keys.registration(trunkId)], args)
            return [claim, answer] as const
          }),
        ),
      { patient: true },
    )
    const results = answers.map(([claim, answer]) => readClaim(claim, answer))
    const won = claims.filter((_, i) => results[i]?.won === true)
    if (won.length > 0)
      await this.connection.ask('index', (client) =>
        client.zadd(keys.registrationIndex, ...won.flatMap(({ trunkId }) => ['0', memberOf(trunkId)])),
      )
    return results
  }

  /**
   * The CSeq of the next REGISTER; undefined when the trunk is not the owner's any more: then nothing may be sent.
   * @param sent the highest CSeq the owner knows to be used
   */
  async nextCSeq(trunkId: string, owner: string, fence: number, sent: number): Promise<number | undefined> {
    const answer = await this.connection.ask('registration', (client) =>
      nextCSeqScript.run(client, [keys.registration(trunkId)], [owner, fence, sent]),
    )
    return typeof answer === 'number' && answer > 0 ? answer : undefined
  }

  /** Writes what owners know, in one round trip; for each whether it was still the owner. */
  async save(owner: string, entries: readonly Saved[]): Promise<boolean[]> {
    const answers = await this.connection.ask(
      'registration',
      (client) =>
        Promise.all(
          entries.map((saved) => {
            const fields: (string | null)[] = []
            if (saved.state !== undefined)
              fields.push('state', JSON.stringify({ ...saved.state, trunk_id: localId(saved.trunkId) }))
            for (const name of ['contact', 'aor', 'held'] as const)
              if (saved[name] !== undefined) fields.push(name, saved[name])
            const args = [owner, saved.fence, ...fields.map((field) => field ?? '')]
            return saveScript.run(client, [keys.registration(saved.trunkId)], args)
          }),
        ),
      { patient: true },
    )
    return answers.map((answer) => answer === 1)
  }

  /**
   * Gives a trunk up, so that others may claim it at once, or (`remove`) takes its record away.
   * @param fence of the owner; undefined: whatever it is
   */
  async release(trunkId: string, owner: string, fence: number | undefined, { remove }: { remove: boolean }) {
    const released = await this.connection.ask(
      'registration',
      (client) =>
        releaseScript.run(client, [keys.registration(trunkId)], [owner, fence ?? '', remove ? 'remove' : 'release']),
      { patient: true },
    )
    return released === 1
  }

  /** The registration as its owner wrote it last. */
  async get(trunkId: string): Promise<Registration | undefined> {
    if (!isScopedId(trunkId)) return undefined
    const read = await this.connection.ask('registration', async (client) =>
      readState(trunkId, await readHash(client, keys.registration(trunkId), [['state', MAX_STATE_BYTES]])),
    )
    return read.kind === 'value' ? read.value : undefined
  }

  /** Registrations in the order of account and trunk. */
  list({
    accountId,
    cursor,
    limit,
    state,
  }: PageRequest & { readonly state?: RegistrationState | undefined }): Promise<Page<Registration>> {
    return readPage<Registration>(this.connection, {
      key: keys.registrationIndex,
      prefix: accountId === undefined ? '' : `${accountId}:`,
      cursor,
      limit,
      examine: (client, members) =>
        Promise.all(
          members.map(async (member): Promise<Examined<Registration>> => {
            const id = idOfMember(member)
            if (id === undefined) return { kind: 'gone' }
            const raw = await readHash(client, keys.registration(id), [['state', MAX_STATE_BYTES]])
            const read = readState(id, raw)
            if (raw.kind === 'none') return { kind: 'gone' }
            if (read.kind === 'invalid') return { kind: 'invalid', record: { id: localId(id), why: read.why } }
            if (read.kind === 'none') return { kind: 'passed' }
            return state === undefined || read.value.state === state
              ? { kind: 'item', item: read.value }
              : { kind: 'passed' }
          }),
        ),
      forget: (member) => this.unlist(member),
    })
  }

  /** Takes the trunk out of the list, unless it has a record after all. */
  async unlist(member: string): Promise<void> {
    await this.connection.ask('index', async (client) => {
      await client.zrem(keys.registrationIndex, member)
      const id = idOfMember(member)
      if (id !== undefined && (await client.exists(keys.registration(id))) === 1)
        await client.zadd(keys.registrationIndex, 0, member)
    })
  }

  /** Asks the owner of a trunk, whoever that is, to do something. A later request takes the place of an earlier one. */
  async request(trunkId: string, what: RegistrationRequest['what'], atMs: number): Promise<void> {
    const text = `${what}@${Math.trunc(atMs)}`
    await this.connection.ask('registration', (client) => client.hset(keys.registrationRequests, trunkId, text))
  }

  /** What is asked for and not done yet. */
  async requests(): Promise<RegistrationRequest[]> {
    const fields = await this.connection.ask('requests', (client) => client.hgetall(keys.registrationRequests))
    return Object.entries(fields).map(([trunkId, text]) => {
      const match = /^(register|unregister)@([0-9]{1,15})$/.exec(text)
      const what = match?.[1] === 'unregister' ? ('unregister' as const) : ('register' as const)
      // What nobody of us wrote is old enough to be thrown away.
      return { trunkId, what, atMs: Number(match?.[2] ?? 0), text }
    })
  }

  /** Takes a request away; false when another has taken its place or it was done by others. */
  async take({ trunkId, text }: RegistrationRequest): Promise<boolean> {
    const taken = await this.connection.ask('requests', (client) =>
      takeRequestScript.run(client, [keys.registrationRequests], [trunkId, text]),
    )
    return taken === 1
  }
}

function readState(trunkId: string, raw: RawHash): Read<Registration> {
  if (raw.kind === 'none') return raw
  if (raw.kind === 'unusable') return invalid(raw.why)
  return parseState(trunkId, raw.fields.get('state') ?? undefined)
}

function parseState(trunkId: string, text: string | undefined): Read<Registration> {
  if (text === undefined || text === '') return { kind: 'none' }
  try {
    const read = parseRecord(registrationSchema, JSON.parse(text) as object)
    if (read.kind !== 'value') return read
    if (read.value.trunk_id !== localId(trunkId)) return invalid('trunk_id: is another')
    if (read.value.account_id !== accountOfId(trunkId)) return invalid('account_id: is another')
    return { kind: 'value', value: { ...read.value, trunk_id: trunkId } }
  } catch {
    return invalid('is not JSON')
  }
}

function readClaim({ trunkId, callId }: Claim, answer: unknown): Claimed {
  const [kind, ...rest] = Array.isArray(answer) ? (answer as unknown[]) : []
  const text = (i: number): string => {
    const value = rest[i]
    return typeof value === 'string' ? value : ''
  }
  if (kind !== 'won') return { won: false, owner: text(0) }
  const state = parseState(trunkId, text(6))
  return {
    won: true,
    record: {
      fence: Number(rest[0]),
      callId: CALL_ID.test(text(1)) ? text(1) : callId,
      cseq: Number(rest[2]),
      contact: text(3) || null,
      aor: text(4) || null,
      held: text(5) || null,
      state: state.kind === 'value' ? state.value : undefined,
    },
  }
}
