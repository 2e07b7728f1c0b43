import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readTokenText } from '../../src/model/api-token.js'
import { ApiTokens, secretDigest, type KeptToken, type NewToken } from '../../src/store/api-tokens.js'
import { StoreError } from '../../src/store/errors.js'
import { KnownTokens } from '../../src/store/known-tokens.js'
import type { Read } from '../../src/store/record.js'
import { ManualClock } from '../support/manual-clock.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { StoreBench } from '../support/store-bench.js'

const newToken = (fields: Partial<NewToken> = {}): NewToken => ({
  name: 'noc',
  role: 'viewer',
  account_id: null,
  created_by: 'admin',
  expires_at: null,
  ...fields,
})

const Kept = suite('Tokens in Redis')
let redis: TestRedis
let bench: StoreBench
let tokens: ApiTokens

Kept.before(async () => {
  redis = await startRedis()
  bench = await StoreBench.ready(redis.url)
  tokens = new ApiTokens({ connection: bench.connection, clock: bench.clock })
})
Kept.after(async () => {
  await bench.stop()
  await redis.stop()
})
Kept.before.each(async () => {
  await redis.cli('FLUSHALL')
})

Kept('keep a digest of the secret, and the text nowhere', async () => {
  const { token, text } = await tokens.create(newToken())
  const { id, secret } = readTokenText(text)!
  assert.is(id, token.id)
  const hash = await redis.cli('HGETALL', `signalbox:api-token:${id}`)
  assert.match(hash, secretDigest(secret).toString('hex'))
  assert.not.match(hash, text.split('_').slice(2).join('_'))
  const found = await tokens.find(id)
  assert.ok(found.kind === 'value')
  assert.is(found.value.secret_sha256, secretDigest(secret).toString('hex'))
  assert.not.ok('secret_sha256' in (await tokens.get(id))!)
  assert.not.ok('secret_sha256' in token)
})

Kept('are listed by account, those of all accounts first, and are gone when revoked', async () => {
  const ofAll = (await tokens.create(newToken())).token
  const acme = (await tokens.create(newToken({ account_id: 'acme', name: 'acme' }))).token
  assert.equal((await tokens.list({ limit: 10 })).items, [ofAll, acme])
  assert.equal((await tokens.list({ limit: 10, accountId: 'acme' })).items, [acme])
  assert.equal((await tokens.list({ limit: 10, accountId: 'acm' })).items, [])
  assert.is(await tokens.revoke(acme.id), true)
  assert.is(await tokens.revoke(acme.id), false)
  assert.is(await tokens.get(acme.id), undefined)
  assert.equal((await tokens.list({ limit: 10 })).items, [ofAll])
  for (const id of ['*', '../x', 'a:b', '', 'x'.repeat(10_000)]) {
    assert.is(await tokens.get(id), undefined)
    assert.is(await tokens.revoke(id), false)
  }
})

Kept('that others wrote and that do not parse open nothing, are named in the list, and can be revoked', async () => {
  const { token } = await tokens.create(newToken())
  const key = `signalbox:api-token:${token.id}`
  await redis.cli('HSET', key, 'role', 'root')
  assert.is((await tokens.find(token.id)).kind, 'invalid')
  assert.equal(
    (await tokens.list({ limit: 10 })).invalid?.map(({ id }) => id),
    [token.id],
  )
  assert.is(await tokens.revoke(token.id), true)
  assert.equal((await tokens.list({ limit: 10 })).items, [])
})

Kept('note when they were used, and a revoked one does not come back by that', async () => {
  const { token } = await tokens.create(newToken())
  await tokens.touch(token.id, '2026-01-01T00:00:00.000Z')
  assert.is((await tokens.get(token.id))?.last_used_at, '2026-01-01T00:00:00.000Z')
  await tokens.revoke(token.id)
  await tokens.touch(token.id, '2026-01-01T00:01:00.000Z')
  assert.is(await redis.cli('EXISTS', `signalbox:api-token:${token.id}`), '0')
})

Kept('that expire leave Redis a month later', async () => {
  const expires_at = new Date(Date.now() + 86_400_000).toISOString()
  const { token } = await tokens.create(newToken({ expires_at }))
  const days = Number(await redis.cli('TTL', `signalbox:api-token:${token.id}`)) / 86_400
  assert.ok(days > 30.5 && days < 31.5, String(days))
})

Kept.run()

const Known = suite('Tokens in memory')

class FakeTokens {
  readonly clock = new ManualClock()
  readonly asked: string[] = []
  readonly touched: string[] = []
  readonly records = new Map<string, KeptToken>()
  away = false
  readonly known = new KnownTokens(this, this.clock)

  async find(id: string): Promise<Read<KeptToken>> {
    this.asked.push(id)
    if (this.away) throw new StoreError('UNAVAILABLE', 'away')
    const value = this.records.get(id)
    return value === undefined ? { kind: 'none' } : { kind: 'value', value }
  }

  async touch(id: string, at: string): Promise<void> {
    this.touched.push(`${id} ${at.slice(11, 19)}`)
  }

  put(id: string, last_used_at: string | null = null): KeptToken {
    const token = { ...newToken(), id, created_at: '2026-01-01T00:00:00.000Z', last_used_at, secret_sha256: '00' }
    this.records.set(id, token)
    return token
  }
}

Known('are asked for once while they are fresh, whether there are such or not, and by however many', async () => {
  const fake = new FakeTokens()
  const token = fake.put('a')
  const answers = await Promise.all([fake.known.find('a'), fake.known.find('a'), fake.known.find('b')])
  assert.equal(answers, [token, token, 'absent'])
  await fake.known.find('a')
  await fake.known.find('b')
  assert.equal(fake.asked, ['a', 'b'])
})

Known('that are revoked elsewhere are refused within half a second, here at once', async () => {
  const fake = new FakeTokens()
  const token = fake.put('a')
  await fake.known.find('a')
  fake.records.delete('a')
  fake.clock.advance(499)
  assert.is(await fake.known.find('a'), token)
  fake.clock.advance(1)
  assert.is(await fake.known.find('a'), 'absent')
  fake.put('b')
  await fake.known.find('b')
  fake.records.delete('b')
  fake.known.forget('b')
  assert.is(await fake.known.find('b'), 'absent')
})

Known('are believed for a minute while Redis is away; others cannot be told', async () => {
  const fake = new FakeTokens()
  const token = fake.put('a')
  await fake.known.find('a')
  fake.away = true
  fake.clock.advance(59_999)
  assert.is(await fake.known.find('a'), token)
  assert.is(await fake.known.find('b'), 'unavailable')
  fake.clock.advance(1)
  assert.is(await fake.known.find('a'), 'unavailable')
  fake.away = false
  assert.is(await fake.known.find('a'), token)
})

Known('have their use noted once a minute, also when another edge noted it', async () => {
  const fake = new FakeTokens()
  const token = fake.put('a')
  for (const ms of [0, 30_000, 29_999, 1]) {
    fake.clock.advance(ms)
    fake.known.use(token)
  }
  assert.equal(fake.touched, ['a 00:00:00', 'a 00:01:00'])
  fake.known.use(fake.put('b', '2026-01-01T00:00:30.000Z'))
  assert.is(fake.touched.length, 2)
  fake.known.use(fake.put('c', '2030-01-01T00:00:00.000Z'))
  fake.known.use(fake.put('c', '2030-01-01T00:00:00.000Z'))
  assert.is(fake.touched.length, 3, 'a time to come does not count, and is not written again and again')
})

Known.run()
