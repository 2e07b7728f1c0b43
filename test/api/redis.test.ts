import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { SystemClock } from '../../src/engine/index.js'
import { Agents } from '../../src/store/agents.js'
import { connect, type Connection } from '../../src/store/connection.js'
import { Numbers } from '../../src/store/numbers.js'
import { createPasswords } from '../../src/store/passwords.js'
import { Secrets } from '../../src/store/secrets.js'
import { Trunks } from '../../src/store/trunks.js'
import { FakeServices, startApi, type TestApi } from '../support/api-fakes.js'
import { startRedis, type TestRedis } from '../support/redis.js'

const OverRedis = suite('API over Redis')

let redis: TestRedis
let connection: Connection
let test: TestApi

OverRedis.before(async () => {
  redis = await startRedis()
  const services = new FakeServices()
  const { logger } = services
  const ignore = { inc: () => {}, set: () => {}, observe: () => {} }
  const metrics = { redisSeconds: ignore, redisErrors: ignore, redisUp: ignore }
  connection = connect({ url: redis.url, commandTimeoutMs: 2_000, connectTimeoutMs: 2_000, metrics, logger })
  assert.ok(await connection.ready(5_000))
  const parts = { connection, clock: new SystemClock() }
  Object.assign(services, {
    agents: new Agents(parts),
    numbers: new Numbers(parts),
    trunks: new Trunks(parts),
    passwords: createPasswords({ connection, secrets: new Secrets(Buffer.alloc(32, 7)) }),
  })
  test = startApi(services)
  for (const id of ['a', 'b', 'c', 'd']) await test.ask('PUT', `/v1/agents/${id}`, { sip_uri: `sip:${id}@127.0.0.1` })
})

OverRedis.after(async () => {
  await connection.stop()
  await redis.stop()
})

const trunk = {
  sip_domain: 'pbx.example.com',
  username: 'u',
  password: 'hush-hush',
  allowed_addresses: ['192.0.2.0/24'],
}

OverRedis('a number is a hash that others can read; its password is nowhere in Redis as it is', async () => {
  const made = await test.ask('POST', '/v1/numbers', { phone_number: '+14155550100', inbound_agent_id: 'a', ...trunk })
  assert.is(made.status, 201, made.text)
  assert.is(await redis.cli('hget', 'signalbox:did:+14155550100', 'inbound_agent_id'), 'a')
  assert.is(await redis.cli('hget', 'signalbox:did:+14155550100', 'trunk_id'), String(made.body.trunk_id))
  const keys = (await redis.cli('--raw', 'keys', '*')).split('\n')
  assert.ok(keys.length > 5)
  for (const key of keys) {
    const kind = await redis.cli('type', key)
    if (kind === 'string') assert.not.match(await redis.cli('get', key), 'hush-hush')
    if (kind === 'hash') assert.not.match(await redis.cli('hgetall', key), 'hush-hush')
  }
  const shown = await test.ask('GET', `/v1/trunks/${String(made.body.trunk_id)}`)
  assert.is(shown.body.has_password, true)
})

OverRedis('of requests that race for the inbound agent of a number, one wins', async () => {
  for (let round = 0; round < 10; round++) {
    await test.ask('PATCH', '/v1/numbers/+14155550100', { inbound_agent_id: null })
    const answers = await Promise.all(
      ['a', 'b', 'c', 'd'].map((id) => test.ask('PATCH', '/v1/numbers/+14155550100', { inbound_agent_id: id })),
    )
    const winners = answers.filter(({ status }) => status === 200)
    assert.is(winners.length, 1, answers.map(({ status }) => status).join())
    const now = (await test.ask('GET', '/v1/numbers/+14155550100')).body.inbound_agent_id
    assert.is(winners[0]?.body.inbound_agent_id, now)
    for (const { status, body } of answers) if (status !== 200) assert.is(body.inbound_agent_id, now)
  }
})

OverRedis('of imports that race for one number, one wins; what the others made is gone', async () => {
  const before = (await test.ask('GET', '/v1/trunks')).body.items?.length ?? 0
  const answers = await Promise.all(
    ['a', 'b', 'c', 'd'].map((id) =>
      test.ask('POST', '/v1/numbers', {
        phone_number: '+14155550150',
        inbound_agent_id: id,
        sip_domain: `${id}.example.com`,
      }),
    ),
  )
  assert.is(answers.filter(({ status }) => status === 201).length, 1)
  assert.is(answers.filter(({ status }) => status === 409).length, 3)
  assert.is((await test.ask('GET', '/v1/trunks')).body.items?.length, before + 1)
})

OverRedis('imports with equal trunk fields at the same time end on one trunk', async () => {
  const answers = await Promise.all(
    [1, 2, 3, 4, 5].map((n) => test.ask('POST', '/v1/numbers', { phone_number: `+1415555016${n}`, ...trunk })),
  )
  for (const { status, text } of answers) assert.is(status, 201, text)
  assert.is(new Set(answers.map(({ body }) => body.trunk_id)).size, 1)
})

OverRedis(
  'a refused import takes its trunk away only when no other came to use it, and leaves no password',
  async () => {
    const secrets = async (): Promise<string[]> =>
      (await redis.cli('--raw', 'keys', 'signalbox:*secret')).split('\n').sort()
    for (let round = 0; round < 8; round++) {
      const of = (n: number) => ({
        sip_domain: `r${round}-${n}.example.com`,
        username: 'u',
        password: 'hush-hush',
        inbound_auth: { username: 'c', password: 'hush-hush' },
      })
      const ns = [0, 1, 2, 3]
      const answers = await Promise.all(
        ns.flatMap((n) => [
          test.ask('POST', '/v1/numbers', { phone_number: `+1415555030${round}`, ...of(n) }),
          test.ask('POST', '/v1/numbers', { phone_number: `+141555504${round}${n}`, ...of(n) }),
        ]),
      )
      assert.is(answers.filter(({ status }) => status === 409).length, 3)
      const made = answers.filter(({ status }) => status === 201)
      assert.is(made.length, 5, answers.map(({ text }) => text).join('\n'))
      for (const { body } of made) {
        const shown = await test.ask('GET', `/v1/numbers/${String(body.phone_number)}`)
        const kept = shown.body.trunk as Record<string, unknown> | null
        assert.ok(kept !== null, 'its trunk exists')
        assert.is(kept.has_password, true)
        assert.is(kept.has_inbound_password, true)
      }
    }
    const trunks: string[] = []
    for (let cursor: unknown = ''; cursor !== null;) {
      const page = await test.ask('GET', `/v1/trunks?limit=1000${cursor === '' ? '' : `&cursor=${String(cursor)}`}`)
      trunks.push(...(page.body.items ?? []).map((item) => String(item.id)))
      cursor = page.body.next_cursor
    }
    for (const key of await secrets()) assert.ok(trunks.includes(key.split(':')[2] ?? ''), `${key} belongs to a trunk`)
  },
)

OverRedis('of changes of a trunk or an agent at the same time, username and password come from one', async () => {
  const made = await test.ask('POST', '/v1/numbers', {
    phone_number: '+14155550181',
    ...trunk,
    sip_domain: 'x.example.com',
  })
  const id = String(made.body.trunk_id)
  const keptAs = new Secrets(Buffer.alloc(32, 7))
  for (let round = 0; round < 5; round++) {
    await Promise.all(
      [0, 1, 2, 3].flatMap((n) => [
        test.ask('PATCH', `/v1/trunks/${id}`, { username: `user-${n}`, password: `pw-${n}` }),
        test.ask('PUT', '/v1/agents/a', {
          sip_uri: 'sip:a@127.0.0.1',
          auth: { username: `user-${n}`, password: `pw-${n}` },
        }),
      ]),
    )
    for (const [url, key, userOf] of [
      [`/v1/trunks/${id}`, `signalbox:trunk:${id}:secret`, (body: Record<string, unknown>) => body['username']],
      [
        '/v1/agents/a',
        'signalbox:agent:a:secret',
        ({ auth }: Record<string, unknown>) => (auth as { username: string }).username,
      ],
    ] as const) {
      const { body } = await test.ask('GET', url)
      const password = keptAs.open(await redis.cli('get', key), key)
      assert.is(String(userOf(body)).replace('user', 'pw'), password)
    }
  }
})

OverRedis('a change of a password alone changes updated_at', async () => {
  const { body } = await test.ask('GET', '/v1/trunks')
  const { id } = body.items?.[0] as { id: string }
  const times = new Set<unknown>()
  for (let n = 0; n < 5; n++) {
    const changed = await test.ask('PATCH', `/v1/trunks/${id}`, { password: `pw-${n}`, username: 'u' })
    assert.is(changed.status, 200, changed.text)
    times.add(changed.body.updated_at)
  }
  assert.is(times.size, 5)
})

OverRedis('a record that others broke is reported, skipped in lists, and can be removed', async () => {
  await redis.cli('hset', 'signalbox:did:+14155550170', 'trunk_id', 'pbx', 'enabled', 'perhaps')
  const shown = await test.ask('GET', '/v1/numbers/+14155550170')
  assert.is(shown.status, 500)
  assert.is(shown.body.code, 'RECORD_INVALID')
  assert.match(String(shown.body.detail), 'enabled')
  assert.is((await test.ask('DELETE', '/v1/numbers/+14155550170')).status, 204)
  assert.is((await test.ask('GET', '/v1/numbers/+14155550170')).status, 404)
})

OverRedis('a number that others wrote with a trunk alone is shown with its defaults', async () => {
  await redis.cli('hset', 'signalbox:did:+14155550171', 'trunk_id', 'pbx')
  const shown = await test.ask('GET', '/v1/numbers/+14155550171')
  assert.is(shown.status, 200, shown.text)
  assert.is(shown.body.enabled, true)
  assert.is(shown.body.trunk, null)
})

OverRedis('lists page over everything once', async () => {
  const seen: unknown[] = []
  let cursor: unknown
  do {
    const page = await test.ask(
      'GET',
      `/v1/numbers?limit=2${cursor === undefined ? '' : `&cursor=${encodeURIComponent(String(cursor))}`}`,
    )
    assert.is(page.status, 200, page.text)
    seen.push(...(page.body.items ?? []).map((item) => item.phone_number))
    cursor = page.body.next_cursor
  } while (cursor !== null)
  assert.is(new Set(seen).size, seen.length)
  assert.ok(seen.includes('+14155550100') && seen.includes('+14155550165'))
  assert.is((await test.ask('GET', '/v1/numbers?cursor=nonsense')).body.errors?.[0]?.field, 'cursor')
})

OverRedis('when Redis is gone, it answers 503 and comes back with it', async () => {
  await redis.stop()
  const away = await test.ask('GET', '/v1/numbers/+14155550100')
  assert.is(away.status, 503)
  assert.is(away.body.code, 'STORE_UNAVAILABLE')
  await redis.restart()
  assert.ok(await connection.ready(10_000))
  assert.is((await test.ask('GET', '/v1/numbers/+14155550100')).status, 200)
})

OverRedis.run()
