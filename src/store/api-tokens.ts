import { createHash, randomBytes, randomInt } from 'node:crypto'
import type { Redis } from 'ioredis'
import { z } from 'zod'
import type { Clock } from '../engine/index.js'
import { type ApiToken, apiTokenSchema, type Role, TOKEN_SECRET_BYTES, tokenId, tokenText } from '../model/api-token.js'
import type { Connection } from './connection.js'
import { StoreError } from './errors.js'
import { readHash, writeHash, type FieldLimit, type RawHash } from './hash.js'
import { keys } from './keys.js'
import type { Page, PageRequest } from './page.js'
import { invalid, parseRecord, pickFields, type Read } from './record.js'
import { Script } from './script.js'
import { readPage, type Examined } from './sorted-index.js'

/** A token as it is kept: with the digest of its secret. */
export type KeptToken = ApiToken & { readonly secret_sha256: string }

export interface NewToken {
  readonly name: string
  readonly role: Role
  readonly account_id: string | null
  readonly created_by: string
  readonly expires_at: string | null
}

const keptSchema = apiTokenSchema.extend({ secret_sha256: z.string().regex(/^[0-9a-f]{64}$/) })
const FIELDS = Object.keys(keptSchema.shape)
const limits: readonly FieldLimit[] = FIELDS.map((field) => [field, 1_024])
const NULLABLE = new Set(['account_id', 'expires_at', 'last_used_at'])

const ID_LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789'
/** How long a token that has expired can still be seen. */
const EXPIRED_SHOWN_MS = 30 * 86_400_000
/** How the index names tokens of all accounts; no account is called so. */
const ALL = '*'

/** Writes when a token was used last, unless it has been revoked meanwhile. */
const touchScript = new Script(`
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'last_used_at', ARGV[1])
return 1`)

/** The digest that is kept of a token's secret. It is random and as long as the digest: nothing slower is needed. */
export const secretDigest = (secret: Buffer): Buffer => createHash('sha256').update(secret).digest()

const view = ({ secret_sha256: _digest, ...token }: KeptToken): ApiToken => token

const member = ({ account_id, id }: ApiToken): string => `${account_id ?? ALL}:${id}`

/** Tokens of the API: one hash each, `signalbox:api-token:<id>`, never with the token itself. Methods throw StoreError: UNAVAILABLE, INVALID. */
export class ApiTokens {
  private readonly connection: Connection
  private readonly clock: Clock

  constructor({ connection, clock }: { connection: Connection; clock: Clock }) {
    this.connection = connection
    this.clock = clock
  }

  /** Makes a token. Its `text` is here and nowhere else. */
  async create(fields: NewToken): Promise<{ token: ApiToken; text: string }> {
    const id = Array.from({ length: 12 }, () => ID_LETTERS[randomInt(ID_LETTERS.length)]).join('')
    const secret = randomBytes(TOKEN_SECRET_BYTES)
    const parsed = parseRecord(keptSchema, {
      ...fields,
      id,
      created_at: this.clock.date().toISOString(),
      last_used_at: null,
      secret_sha256: secretDigest(secret).toString('hex'),
    })
    if (parsed.kind !== 'value') throw new StoreError('INVALID', parsed.kind === 'invalid' ? parsed.why : 'is nothing')
    const kept = parsed.value
    const hash = new Map(Object.entries(kept).map(([field, value]) => [field, value ?? '']))
    const written = await this.connection.ask(
      'token',
      async (client) => {
        const key = keys.apiToken(id)
        const list = (): Promise<unknown> => client.zadd(keys.apiTokenIndex, 0, member(kept))
        // Listed first, so that a token that works is in the list; and again, for a list was read meanwhile.
        await list()
        const done = await writeHash(client, key, new Map(), hash)
        await list()
        if (kept.expires_at !== null) await client.pexpireat(key, Date.parse(kept.expires_at) + EXPIRED_SHOWN_MS)
        return done
      },
      { patient: true },
    )
    if (!written) throw new StoreError('EXISTS', `token ${id} is there already`)
    return { token: view(kept), text: tokenText(id, secret) }
  }

  /** The token with the digest of its secret, to be compared with what a client sent. */
  async find(id: string): Promise<Read<KeptToken>> {
    return this.connection.ask('token', (client) => read(client, id))
  }

  async get(id: string): Promise<ApiToken | undefined> {
    if (!tokenId.safeParse(id).success) return undefined
    const found = await this.find(id)
    if (found.kind === 'invalid') throw new StoreError('INVALID', `token ${id}: ${found.why}`)
    return found.kind === 'value' ? view(found.value) : undefined
  }

  /** Takes the token away, also one that does not parse. False when there was none. */
  async revoke(id: string): Promise<boolean> {
    if (!tokenId.safeParse(id).success) return false
    return this.connection.ask(
      'remove',
      async (client) => {
        const found = await read(client, id)
        const removed = (await client.del(keys.apiToken(id))) === 1
        if (found.kind === 'value') await client.zrem(keys.apiTokenIndex, member(found.value))
        return removed
      },
      { patient: true },
    )
  }

  /** Notes that the token was used at that instant. */
  async touch(id: string, at: string): Promise<void> {
    await this.connection.ask('token', (client) => touchScript.run(client, [keys.apiToken(id)], [at]))
  }

  /** Ordered by account (those of all accounts first) and id. */
  list({ accountId, cursor, limit }: PageRequest): Promise<Page<ApiToken>> {
    const examineOne = async (client: Redis, entry: string): Promise<Examined<ApiToken>> => {
      const id = entry.slice(entry.lastIndexOf(':') + 1)
      if (!tokenId.safeParse(id).success) return { kind: 'gone' }
      const found = await read(client, id)
      if (found.kind === 'invalid') return { kind: 'invalid', record: { id, why: found.why } }
      if (found.kind === 'none' || member(found.value) !== entry) return { kind: 'gone' }
      return { kind: 'item', item: view(found.value) }
    }
    return readPage(this.connection, {
      key: keys.apiTokenIndex,
      prefix: accountId === undefined ? '' : `${accountId}:`,
      cursor,
      limit,
      examine: (client, members) => Promise.all(members.map((entry) => examineOne(client, entry))),
      forget: async (entry) => {
        await this.connection.ask('index', (client) => client.zrem(keys.apiTokenIndex, entry))
      },
    })
  }
}

async function read(client: Redis, id: string): Promise<Read<KeptToken>> {
  return parse(id, await readHash(client, keys.apiToken(id), limits))
}

function parse(id: string, raw: RawHash): Read<KeptToken> {
  if (raw.kind === 'none') return raw
  if (raw.kind === 'unusable') return invalid(raw.why)
  const record = Object.fromEntries(
    [...raw.fields].map(([field, text]) => [field, NULLABLE.has(field) && (text ?? '') === '' ? null : text]),
  )
  const found = parseRecord(keptSchema, pickFields(FIELDS, record))
  return found.kind === 'value' && found.value.id !== id ? invalid('id: is not that of the key') : found
}
