import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ContactTokens } from '../../src/store/contact-tokens.js'
import { eventually, wait } from '../support/eventually.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { newAgent, newNumber, newTrunk, StoreBench } from '../support/store-bench.js'

const A = '+14155550100'
const B = '+14155550101'
const KEY = `signalbox:did:${A}`

const DirectoryOnRedis = suite('The directory')
let redis: TestRedis
let bench: StoreBench

/** Commands Redis has been given by clients, but for our signs of life and those of redis-cli. */
async function lookupsSoFar(): Promise<number> {
  const stats = await redis.cli('INFO', 'commandstats')
  return [...stats.matchAll(/cmdstat_(evalsha|eval|hget|hgetall|get|hmget|zrangebylex):calls=(\d+)/g)].reduce(
    (sum, [, , calls]) => sum + Number(calls),
    0,
  )
}

DirectoryOnRedis.before(async () => {
  redis = await startRedis()
})
DirectoryOnRedis.before.each(async () => {
  await redis.cli('FLUSHALL')
  bench = await StoreBench.ready(redis.url)
  await bench.trunks.create(newTrunk('pbx-1', { allowed_addresses: ['127.0.0.1/32'] }))
  await bench.agents.create(newAgent('front'))
  await bench.numbers.create(newNumber(A))
})
DirectoryOnRedis.after.each(async () => {
  await bench.stop()
})
DirectoryOnRedis.after(async () => {
  await redis.stop()
})

async function started(limits: Parameters<StoreBench['directory']>[0] = {}) {
  const directory = bench.directory(limits)
  await directory.start()
  await eventually('the directory is healthy', () => directory.healthy)
  // The sweep of the start is over.
  await eventually('no sweep', async () => (await redis.cli('EXISTS', 'signalbox:index:sweep')) === '0')
  return directory
}

DirectoryOnRedis('finds agents by source address and by digest user, as they are now', async () => {
  await bench.agents.create(
    newAgent('caller', { allowed_addresses: ['127.0.0.0/8'], auth: { username: 'caller-user' } }),
  )
  const directory = await started()
  const ids = (agents: readonly { id: string }[]): string[] => agents.map(({ id }) => id)
  assert.equal(ids(directory.knownAgents.atAddress('127.0.0.9')), ['caller'])
  assert.equal(ids(directory.knownAgents.atAddress('192.0.2.1')), [])
  assert.equal(ids(directory.knownAgents.ofUser('caller-user')), ['caller'])
  await bench.agents.put(newAgent('caller', { auth: { username: 'another' } }))
  await eventually('the change is seen', () => directory.knownAgents.ofUser('another').length === 1)
  assert.equal(ids(directory.knownAgents.ofUser('caller-user')), [])
  assert.equal(ids(directory.knownAgents.atAddress('127.0.0.9')), [])
})

DirectoryOnRedis('knows all trunks and agents when it has started', async () => {
  const directory = await started()
  assert.equal(
    directory.trunksForAddress('127.0.0.1').map(({ id }) => id),
    ['pbx-1'],
  )
  assert.equal(directory.trunksForAddress('127.0.0.66'), [])
  const before = await lookupsSoFar()
  assert.is((await directory.agent('front')).from, 'memory')
  assert.is((await directory.trunk('pbx-1')).from, 'memory')
  assert.is(await lookupsSoFar(), before)
  assert.match(directory.status, 'changes are announced by Redis')
})

DirectoryOnRedis('asks once for a cold number, and not at all for a warm one', async () => {
  const directory = await started()
  const cold = await directory.number(A)
  assert.is(cold.from, 'redis')
  assert.is(cold.value?.inbound_agent_id, 'front')
  const before = await lookupsSoFar()
  for (let i = 0; i < 100; i++) assert.is((await directory.number(A)).from, 'memory')
  assert.is(directory.warmNumber(A)?.value?.trunk_id, 'pbx-1')
  assert.is(await lookupsSoFar(), before)
})

DirectoryOnRedis('remembers numbers that are not there, and asks for several at once', async () => {
  const directory = await started()
  const found = await directory.numbers([B, A, '*98', 'not a number', '', '{x}', 'a\nb', '*'.repeat(10_240)])
  assert.equal(
    found.map(({ from, value }) => [from, value?.phone_number]),
    [
      ['redis', undefined],
      ['redis', A],
      ['redis', undefined],
      ...Array.from({ length: 5 }, () => ['memory', undefined]),
    ],
  )
  const before = await lookupsSoFar()
  assert.equal(await directory.number(B), { from: 'memory' })
  assert.is(await lookupsSoFar(), before)
})

DirectoryOnRedis('asks one question for a number that a hundred calls want at the same moment', async () => {
  const directory = await started()
  const questions = async (): Promise<number> =>
    Number(/cmdstat_evalsha:calls=(\d+)/.exec(await redis.cli('INFO', 'commandstats'))?.[1])
  const before = await questions()
  const found = await Promise.all(Array.from({ length: 100 }, () => directory.number(A)))
  assert.ok(found.every(({ value }) => value?.phone_number === A))
  assert.is(await questions(), before + 1)
})

DirectoryOnRedis('sees what any client writes within a second', async () => {
  const directory = await started()
  const sees = (what: string, look: (found: Awaited<ReturnType<typeof directory.number>>) => boolean) =>
    eventually(what, async () => look(await directory.number(A)), 1_000)
  await directory.number(A)
  await directory.number(B)
  await redis.cli('HSET', KEY, 'inbound_agent_id', 'back')
  await sees('HSET by redis-cli', ({ value }) => value?.inbound_agent_id === 'back')
  await redis.cli('HSET', `signalbox:did:${B}`, 'trunk_id', 'pbx-1')
  await eventually('a number that was not there', async () => (await directory.number(B)).value !== undefined, 1_000)
  await redis.cli('DEL', KEY)
  await sees('DEL', ({ value }) => value === undefined)
  await redis.cli('HSET', KEY, 'trunk_id', 'pbx-1')
  await sees('HSET again', ({ value }) => value !== undefined)
  await redis.cli('PEXPIRE', KEY, '50')
  await sees('expiry', ({ value }) => value === undefined)
  await redis.cli('HSET', KEY, 'trunk_id', 'pbx-1')
  await sees('HSET after expiry', ({ value }) => value !== undefined)
  await redis.cli('RENAME', KEY, 'elsewhere')
  await sees('RENAME', ({ value }) => value === undefined)
  await redis.cli('RENAME', 'elsewhere', KEY)
  await sees('RENAME back', ({ value }) => value !== undefined)
  await redis.cli('FLUSHALL')
  await sees('FLUSHALL', ({ value }) => value === undefined)
  await eventually('trunks are gone too', () => directory.trunksForAddress('127.0.0.1').length === 0, 1_000)
})

DirectoryOnRedis('sees trunks and agents change, appear and go', async () => {
  const directory = await started()
  await bench.trunks.update('pbx-1', (trunk) => ({ ...trunk, allowed_addresses: ['192.0.2.0/24'] }))
  await eventually('the new network', () => directory.trunksForAddress('192.0.2.9').length === 1, 1_000)
  assert.equal(directory.trunksForAddress('127.0.0.1'), [])
  await redis.cli('SET', 'signalbox:trunk:pbx-2', '{"allowed_addresses":["127.0.0.2"],"added_by":"crm"}')
  await eventually('a trunk of others', () => directory.trunksForAddress('127.0.0.2')[0]?.id === 'pbx-2', 1_000)
  await redis.cli('SET', 'signalbox:agent:back', '{"sip_uri":"sip:back@127.0.0.1"}')
  await eventually(
    'an agent',
    async () => (await directory.agent('back')).value?.sip_uri === 'sip:back@127.0.0.1',
    1_000,
  )
  await redis.cli('DEL', 'signalbox:trunk:pbx-2')
  await eventually('it goes', () => directory.trunksForAddress('127.0.0.2').length === 0, 1_000)
})

DirectoryOnRedis('lists what others write', async () => {
  await redis.cli('HSET', `signalbox:did:${B}`, 'trunk_id', 'pbx-1', 'inbound_agent_id', 'front')
  await redis.cli('SET', 'signalbox:trunk:early', '{"allowed_addresses":["127.0.0.9"]}')
  const directory = await started()
  const numbers = async (): Promise<string> =>
    (await bench.numbers.list({ limit: 100 })).items.map(({ phone_number }) => phone_number).join(' ')
  await eventually('written before the start', async () => (await numbers()) === `${A} ${B}`, 2_000)
  await eventually('a trunk from before', () => directory.trunksForAddress('127.0.0.9').length === 1, 2_000)
  await redis.cli('HSET', 'signalbox:did:+14155550102', 'trunk_id', 'pbx-1', 'outbound_agent_ids', '["front"]')
  await eventually('written while it runs', async () => (await numbers()).endsWith('102'), 1_000)
  assert.is((await bench.numbers.list({ agentId: 'front', limit: 10 })).items.length, 3)
  await redis.cli('SET', 'signalbox:agent:other', '{"sip_uri":"sip:x@127.0.0.1"}')
  await eventually('an agent', async () => (await bench.agents.list({ limit: 10 })).items.length === 2, 1_000)
  await redis.cli('DEL', 'signalbox:did:+14155550102')
  assert.is(await numbers(), `${A} ${B}`)
})

DirectoryOnRedis('serves known numbers while Redis is gone, however long, and unknown ones not at all', async () => {
  const directory = await started()
  await directory.number(A)
  await directory.number(B)
  await redis.kill()
  await eventually('it is noticed', () => !bench.connection.up)
  assert.is(bench.metrics.up, 0)
  for (let i = 0; i < 3; i++) {
    const startMs = performance.now()
    const found = await directory.number(A)
    assert.is(found.from, 'stale')
    assert.is(found.value?.inbound_agent_id, 'front')
    assert.ok(performance.now() - startMs < 80, 'at once')
  }
  assert.equal(await directory.number('+13125550199'), { from: 'unavailable' })
  assert.equal(await directory.number(B), { from: 'unavailable' }, 'that it was not there before proves nothing')
  assert.is((await directory.agent('front')).value?.id, 'front')
  assert.is(directory.trunksForAddress('127.0.0.1').length, 1)
  assert.is(directory.healthy, false)
  assert.match(directory.status, 'Redis is away')

  await redis.restart()
  const startMs = performance.now()
  await eventually('it recovers by itself', () => directory.healthy, 10_000)
  assert.ok(performance.now() - startMs < 10_000)
  assert.is((await directory.number(A)).from, 'redis', 'nothing counts as fresh until it was asked for again')
  assert.is((await directory.number(A)).from, 'memory')
  await redis.cli('HSET', KEY, 'inbound_agent_id', 'back')
  await eventually(
    'changes are seen again',
    async () => (await directory.number(A)).value?.inbound_agent_id === 'back',
    1_000,
  )
})

DirectoryOnRedis('does not wait for a Redis that hangs', async () => {
  const directory = await started()
  await directory.number(A)
  redis.hang()
  try {
    // The first one who needs it finds out.
    const startMs = performance.now()
    assert.equal(await directory.number(B), { from: 'unavailable' })
    const firstMs = performance.now() - startMs
    assert.ok(firstMs >= 90 && firstMs < 1_000, `deadline of 100 ms: ${firstMs}`)
    await eventually('it is noticed', () => !bench.connection.up, 3_000)
    const laterMs = performance.now()
    for (let i = 0; i < 200; i++) {
      assert.is((await directory.number(A)).from, 'stale')
      assert.is((await directory.number(`+1415555${1000 + i}`)).from, 'unavailable')
    }
    assert.ok(performance.now() - laterMs < 2_000, 'nobody else waits, and nothing is queued')
    assert.match(bench.connection.problem ?? '', 'does not answer')
  } finally {
    redis.resume()
  }
  await eventually('it recovers', () => directory.healthy, 10_000)
  assert.is((await directory.number(A)).from, 'redis')
})

DirectoryOnRedis('notices within seconds that Redis hangs when nobody asks anything', async () => {
  await started()
  redis.hang()
  try {
    await eventually('it is noticed', () => !bench.connection.up && bench.metrics.up === 0, 5_000)
  } finally {
    redis.resume()
  }
  await eventually('it recovers', () => bench.connection.up, 10_000)
})

DirectoryOnRedis('starts without Redis, and loads when it comes', async () => {
  await redis.stop()
  const late = new StoreBench(redis.url)
  try {
    const directory = late.directory()
    const startMs = performance.now()
    await directory.start()
    assert.ok(performance.now() - startMs < 4_000)
    assert.is(directory.healthy, false)
    assert.is(directory.knowsTrunks, false)
    assert.equal(await directory.number(A), { from: 'unavailable' })
    await redis.restart()
    await eventually(
      'it loads',
      () => directory.healthy && directory.trunksForAddress('127.0.0.1').length === 1,
      10_000,
    )
    assert.is((await directory.number(A)).value?.inbound_agent_id, 'front')
    assert.is(directory.knowsTrunks, true)
  } finally {
    await late.stop()
    if (!bench.connection.up) await redis.restart()
  }
})

DirectoryOnRedis('hears of changes again after its connections are cut', async () => {
  const directory = await started()
  for (const type of ['pubsub', 'normal']) {
    await directory.number(A)
    const agent = `agent-${type}`
    await redis.cli('CLIENT', 'KILL', 'TYPE', type)
    await redis.cli('HSET', KEY, 'inbound_agent_id', agent)
    await eventually(
      'written while it was cut off',
      async () => (await directory.number(A)).value?.inbound_agent_id === agent,
      3_000,
    )
    await eventually('healthy', () => directory.healthy, 5_000)
    await redis.cli('HSET', KEY, 'inbound_agent_id', `${agent}-2`)
    await eventually(
      'and after',
      async () => (await directory.number(A)).value?.inbound_agent_id === `${agent}-2`,
      1_000,
    )
  }
})

DirectoryOnRedis('does not keep an answer that was overtaken by a change', async () => {
  const directory = await started()
  for (let i = 0; i < 200; i++) {
    const [agentBefore, agentAfter] = [`a${i}`, `b${i}`]
    await bench.connection.ask('test', (client) => client.hset(KEY, 'inbound_agent_id', agentBefore))
    const writing = bench.connection.ask('test', (client) => client.hset(KEY, 'inbound_agent_id', agentAfter))
    await Promise.all([directory.number(A), writing, directory.number(A)])
    await wait(1)
    const found = await eventually(
      'the change',
      async () => {
        const { value } = await directory.number(A)
        return value?.inbound_agent_id === agentAfter && value
      },
      1_000,
    )
    assert.is(found.inbound_agent_id, agentAfter)
  }
})

DirectoryOnRedis('fails the number whose record is malformed, and no other; complains once and counts', async () => {
  await bench.numbers.create(newNumber(B))
  const rows: [string, string[], RegExp][] = [
    ['wrong type', ['SET', KEY, '{"a":'], /holds a string, not a hash/],
    ['list', ['LPUSH', KEY, 'x'], /holds a list/],
    ['no trunk', ['HSET', KEY, 'label', 'x'], /^trunk_id: is missing/],
    ['bad trunk', ['HSET', KEY, 'trunk_id', '../x'], /^trunk_id: /],
    ['injection', ['HSET', KEY, 'trunk_id', 'a\r\nX-Evil: 1'], /^trunk_id: /],
    ['prototype', ['HSET', KEY, 'trunk_id', '__proto__'], /^trunk_id: /],
    ['agent', ['HSET', KEY, 'trunk_id', 'pbx-1', 'inbound_agent_id', 'a b'], /^inbound_agent_id: /],
    [
      'truncated list',
      ['HSET', KEY, 'trunk_id', 'pbx-1', 'outbound_agent_ids', '["a"'],
      /^outbound_agent_ids: must be a JSON array/,
    ],
    ['no list', ['HSET', KEY, 'trunk_id', 'pbx-1', 'outbound_agent_ids', '{"a":1}'], /^outbound_agent_ids: /],
    ['boolean', ['HSET', KEY, 'trunk_id', 'pbx-1', 'enabled', 'yes'], /^enabled: must be true or false/],
    ['kind', ['HSET', KEY, 'trunk_id', 'pbx-1', 'kind', 'constructor'], /^kind: /],
    ['number', ['HSET', KEY, 'trunk_id', 'pbx-1', 'phone_number', B], /^phone_number: is not the number of the key/],
    ['time', ['HSET', KEY, 'trunk_id', 'pbx-1', 'created_at', 'yesterday'], /^created_at: /],
    ['label', ['HSET', KEY, 'trunk_id', 'pbx-1', 'label', 'a\nb'], /^label: /],
  ]
  const directory = await started()
  for (const [what, command, why] of rows) {
    await redis.cli('DEL', KEY)
    await redis.cli(...command)
    const found = await eventually(what, async () => {
      const answer = await directory.number(A)
      return answer.invalid !== undefined && why.test(answer.invalid) && answer
    })
    assert.is(found.value, undefined)
    assert.ok((found.invalid ?? '').length <= 300)
    assert.is((await directory.number(B)).value?.inbound_agent_id, 'front', 'others work')
  }
  const counted = bench.metrics.invalid
  assert.ok(counted >= rows.length)
  const lines = bench.log.lines.length
  for (let i = 0; i < 50; i++) await directory.number(A)
  assert.is(bench.metrics.invalid, counted)
  assert.is(bench.log.lines.length, lines, 'not once a call')
  const complaints = bench.log.matching('error', 'does not parse')
  assert.ok(complaints.length >= 5 && complaints.length <= 20, `${complaints.length} lines`)
  await redis.cli('DEL', KEY)
  await redis.cli('HSET', KEY, 'trunk_id', 'pbx-1')
  await eventually('it is mended', async () => (await directory.number(A)).value !== undefined, 1_000)
})

DirectoryOnRedis('does not pull a huge value across the wire', async () => {
  const directory = await started()
  const huge = (value: string) =>
    bench.connection.ask('test', (client) => client.hset(KEY, 'label', value), { patient: true })
  await huge('x'.repeat(10 * 1024 * 1024))
  await eventually('it is seen', async () => (await directory.number(A)).invalid !== undefined)
  const sent = async (): Promise<number> =>
    Number(/total_net_output_bytes:(\d+)/.exec(await redis.cli('INFO', 'stats'))?.[1])
  const before = await sent()
  bench.metrics.asked.clear()
  await redis.cli('HSET', KEY, 'note', 'x')
  await eventually('it is asked again', () => (bench.metrics.asked.get('number') ?? 0) > 0)
  assert.match((await directory.number(A)).invalid ?? '', /^label: is longer than 1024 bytes/)
  assert.ok((await sent()) - before < 200_000)
  // A field of others may be as large as they like.
  await bench.numbers.remove(A)
  await bench.numbers.create(newNumber(A))
  await bench.connection.ask('test', (client) => client.hset(KEY, 'recording', 'x'.repeat(10 * 1024 * 1024)), {
    patient: true,
  })
  await eventually('it parses', async () => (await directory.number(A)).value !== undefined)
})

DirectoryOnRedis('fails the agent or trunk whose record is malformed', async () => {
  const directory = await started()
  const rows: [string, RegExp][] = [
    ['{"sip_uri":', /is not JSON/],
    ['[]', /is not a JSON object/],
    ['null', /is not a JSON object/],
    ['"x"', /is not a JSON object/],
    ['{}', /^sip_uri: /],
    ['{"sip_uri":"sip:x@127.0.0.1","id":"other"}', /^id: is not the id of the key/],
    ['{"sip_uri":"sip:x@127.0.0.1\\r\\nX-Evil: 1"}', /^sip_uri: /],
    ['{"sip_uri":"sip:x@127.0.0.1;maddr=127.0.0.9"}', /^sip_uri: /],
    ['{"sip_uri":"sip:x@127.0.0.1","headers":{"X-A":"b\\r\\nVia: x"}}', /^headers\.X-A: /],
    ['{"sip_uri":"sip:x@127.0.0.1","headers":{"Via":"x"}}', /^headers\.Via: /],
    [`{"sip_uri":"sip:x@127.0.0.1","a":${'['.repeat(100_000)}`, /is not JSON/],
    [`{"sip_uri":"${'x'.repeat(300_000)}"}`, /is longer than/],
  ]
  for (const [text, why] of rows) {
    await bench.connection.ask('test', (client) => client.set('signalbox:agent:front', text), { patient: true })
    await eventually(text.slice(0, 40), async () => why.test((await directory.agent('front')).invalid ?? ''))
  }
  await redis.cli(
    'SET',
    'signalbox:agent:front',
    '{"sip_uri":"sip:x@127.0.0.1","__proto__":{"sip_uri":"sip:y@x"},"new_field":1}',
  )
  const found = await eventually('unknown fields do no harm', async () => (await directory.agent('front')).value)
  assert.is(found.sip_uri, 'sip:x@127.0.0.1')
  assert.is(({} as Record<string, unknown>)['sip_uri'], undefined)
  await redis.cli('SET', 'signalbox:trunk:pbx-1', '{"allowed_addresses":["127.0.0.1/33"]}')
  await eventually('the trunk lets nobody in', () => directory.trunksForAddress('127.0.0.1').length === 0)
  assert.match((await directory.trunk('pbx-1')).invalid ?? '', /^allowed_addresses\.0: /)
})

DirectoryOnRedis('keeps to its bounds, and lets strangers not push known numbers out', async () => {
  const directory = await started({ maxNumbers: 10, maxAgents: 5, maxTrunks: 5 })
  await directory.number(A)
  for (let i = 0; i < 30; i++)
    await directory.numbers(Array.from({ length: 64 }, (_, n) => `+1312${i + 10}${n + 10000}`))
  assert.is((await directory.number(A)).from, 'memory')
  for (let i = 0; i < 20; i++) {
    await bench.numbers.create(newNumber(`+131255501${i + 10}`))
    await bench.trunks.create(newTrunk(`t${i}`, { allowed_addresses: [`192.0.2.${i}`] }))
    await directory.number(`+131255501${i + 10}`)
    await directory.trunk(`t${i}`)
  }
  assert.match(directory.status, '10 numbers, 5 trunks')
  const known = Array.from({ length: 20 }, (_, i) => directory.trunksForAddress(`192.0.2.${i}`).length)
  assert.is(
    known.reduce((sum, n) => sum + n, 0),
    5,
    'the index of addresses forgets with the memory',
  )
})

DirectoryOnRedis('finds a trunk by the token of its Contact, of former keys too, until it is gone', async () => {
  const tokens = new ContactTokens({ present: new Uint8Array(32).fill(1), former: [new Uint8Array(32)] })
  const [present = '', former = ''] = tokens.all({ account_id: 'default', id: 'pbx-1' })
  const directory = await started({ contactTokens: tokens })
  assert.is(directory.trunkOfToken(present)?.id, 'pbx-1')
  assert.is(directory.trunkOfToken(former.toUpperCase())?.id, 'pbx-1')
  assert.is(directory.trunkOfToken(present.slice(1)), undefined)
  await redis.cli('DEL', 'signalbox:trunk:pbx-1')
  await eventually('it is gone', () => directory.trunkOfToken(present) === undefined)
})

DirectoryOnRedis(
  'tells of every trunk it knows, of those written or changed by others, and of those that are gone',
  async () => {
    const directory = await started()
    const heard: string[] = []
    const end = directory.onTrunk((id, trunk, gone) =>
      heard.push(`${id} ${gone ? 'gone' : (trunk?.label ?? 'unknown')}`),
    )
    assert.equal(heard, ['pbx-1 '])
    const written = JSON.stringify(await bench.trunks.get('pbx-1'))
    const others = JSON.stringify({ ...JSON.parse(written), id: 'pbx-2', label: 'new' })
    await redis.cli('SET', 'signalbox:trunk:pbx-2', others)
    await eventually('a new one', () => heard.includes('pbx-2 new'))
    await redis.cli('SET', 'signalbox:trunk:pbx-2', others.replace('"new"', '"changed"'))
    await eventually('a changed one', () => heard.includes('pbx-2 changed'))
    await redis.cli('SET', 'signalbox:trunk:pbx-2', 'no JSON')
    await eventually('one that does not parse', () => heard.includes('pbx-2 unknown'))
    await redis.cli('DEL', 'signalbox:trunk:pbx-2')
    await eventually('one that is gone', () => heard.includes('pbx-2 gone'))
    end()
    const count = heard.length
    await bench.trunks.put(newTrunk('pbx-3'))
    await eventually('it is known', async () => (await directory.trunk('pbx-3')).value !== undefined)
    assert.is(heard.length, count)
  },
)

DirectoryOnRedis.run()

const Untold = suite('The directory on a Redis that cannot announce changes')

Untold('asks again for what is older than its time, and reloads trunks that other nodes change', async () => {
  const server = await startRedis({ args: '--user default on nopass ~* &* +@all -client|tracking'.split(' ') })
  const node = await StoreBench.ready(server.url)
  const other = await StoreBench.ready(server.url)
  try {
    await node.numbers.create(newNumber(A))
    const directory = node.directory({ freshMs: 300 })
    await directory.start()
    await eventually('healthy', () => directory.healthy)
    assert.match(directory.status, 'changes are seen within 300 ms')
    await directory.number(A)
    assert.is((await directory.number(A)).from, 'memory')
    await server.cli('HSET', KEY, 'inbound_agent_id', 'back')
    await eventually('the change', async () => (await directory.number(A)).value?.inbound_agent_id === 'back', 1_000)
    await other.trunks.create(newTrunk('pbx-1', { allowed_addresses: ['127.0.0.1'] }))
    await eventually('a trunk', () => directory.trunksForAddress('127.0.0.1').length === 1, 1_500)
    await other.trunks.update('pbx-1', (trunk) => ({ ...trunk, allowed_addresses: ['127.0.0.2'] }))
    await eventually('its change', () => directory.trunksForAddress('127.0.0.2').length === 1, 1_500)
    await server.kill()
    await eventually('gone', () => !node.connection.up)
    assert.is((await directory.number(A)).from, 'stale')
    await server.restart()
    await eventually('back', () => directory.healthy, 10_000)
    assert.is((await directory.number(A)).value?.inbound_agent_id, 'back')
  } finally {
    await node.stop()
    await other.stop()
    await server.stop()
  }
})

Untold.run()
