import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Router } from '../../src/routing/router.js'
import type { Directory } from '../../src/store/directory.js'
import { eventually } from '../support/eventually.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { inviteTo } from '../support/routing-bench.js'
import { newAgent, newNumber, newTrunk, StoreBench } from '../support/store-bench.js'

const NUMBER = '+14155550100'

const Table = suite('Routing by the table in Redis')
let redis: TestRedis
let bench: StoreBench
let directory: Directory
let router: Router

Table.before(async () => {
  redis = await startRedis()
  bench = await StoreBench.ready(redis.url)
  directory = bench.directory()
  router = new Router({ directory, metrics: bench.metrics, logger: bench.log })
  await directory.start()
  await eventually('healthy', () => directory.healthy)
})
Table.after(async () => {
  await bench.stop()
  await redis.stop()
})

const decide = async (requestUri: string, source = '127.0.0.1') =>
  (await router.decide(inviteTo(requestUri, { to: `<${requestUri}>` }, source))).decision

Table('sends a call where redis-cli says, a moment after it was said', async () => {
  assert.is((await decide(`sip:${NUMBER}@edge`)).code, 'SOURCE_UNKNOWN')
  await redis.cli('SET', 'signalbox:agent:front', '{"sip_uri":"sip:front@127.0.0.1:5090"}')
  await redis.cli('SET', 'signalbox:trunk:pbx', '{"allowed_addresses":["127.0.0.1"]}')
  await redis.cli('HSET', `signalbox:did:${NUMBER}`, 'trunk_id', 'pbx', 'inbound_agent_id', 'front')
  await eventually('it goes there', async () => (await decide(`sip:${NUMBER}@edge`)).agent_id === 'front', 1_000)
  await redis.cli('HSET', `signalbox:did:${NUMBER}`, 'enabled', 'false')
  await eventually('it is off', async () => (await decide(`sip:${NUMBER}@edge`)).code === 'NUMBER_DISABLED', 1_000)
  await redis.cli('HDEL', `signalbox:did:${NUMBER}`, 'enabled')
  await eventually('it is on', async () => (await decide(`sip:${NUMBER}@edge`)).outcome === 'agent', 1_000)
})

Table('sends a call to what the API has just written, at once', async () => {
  for (let i = 0; i < 50; i++) {
    const number = `+131255501${String(i).padStart(2, '0')}`
    await bench.agents.put(newAgent(`agent-${i}`))
    await bench.trunks.put(newTrunk(`trunk-${i}`, { allowed_addresses: [`127.0.1.${i}`] }))
    await bench.numbers.create(newNumber(number, { trunk_id: `trunk-${i}`, inbound_agent_id: `agent-${i}` }))
    const decision = await decide(`sip:${number}@edge`, `127.0.1.${i}`)
    assert.is(decision.agent_id, `agent-${i}`, decision.detail)
  }
})

Table('gives Redis no command for a call it knows', async () => {
  await decide(`sip:${NUMBER}@edge`)
  await eventually('indexed', async () => (await redis.cli('EXISTS', 'signalbox:index:sweep')) === '0')
  const ours = async (): Promise<string[]> =>
    (await redis.cli('INFO', 'commandstats')).match(
      /cmdstat_(evalsha|eval|get|hget|zadd|scan|zrangebylex):calls=\d+/g,
    ) ?? []
  await eventually('quiet', async () => {
    const before = (await ours()).join()
    await new Promise((resolve) => setTimeout(resolve, 100))
    return (await ours()).join() === before
  })
  const before = await ours()
  for (let i = 0; i < 100; i++) assert.is((await decide(`sip:${NUMBER}@edge`)).trace.looked_up, 'memory')
  assert.equal(await ours(), before)
})

Table('goes on for what it knows while Redis is away, and refuses with 503 what it cannot know', async () => {
  await decide(`sip:${NUMBER}@edge`)
  await redis.kill()
  await eventually('away', () => !bench.connection.up)
  const known = await decide(`sip:${NUMBER}@edge`)
  assert.is(known.agent_id, 'front')
  assert.is(known.trace.looked_up, 'stale')
  const cold = await decide('sip:+13125550999@edge')
  assert.is(cold.code, 'ROUTING_UNAVAILABLE')
  assert.is(cold.sip_status, 503)
  assert.is((await decide('sip:+13125550999@edge', '127.0.0.66')).code, 'SOURCE_UNKNOWN')
  assert.ok((bench.metrics.lookups.get('stale') ?? 0) >= 1)
  assert.ok((bench.metrics.lookups.get('unavailable') ?? 0) >= 1)
  await redis.restart()
  await eventually('back', () => directory.healthy, 10_000)
  assert.is((await decide(`sip:${NUMBER}@edge`)).trace.looked_up, 'redis')
  assert.is((await decide('sip:+13125550999@edge')).code, 'NUMBER_UNKNOWN')
})

Table.run()
