// alone
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Carrier } from '../support/carrier.js'
import { TestEdge } from '../support/edge.js'
import { eventually, wait } from '../support/eventually.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { openRedisRelay, type RedisRelay } from '../support/redis-relay.js'
import { agentOn, callsOf, nextCall } from '../support/trunk-edge.js'

// An edge that cannot reach Redis cannot know whether it still has its trunks: another edge, which can, takes them.
const CutOff = suite('An edge cut off from Redis')

const GRANT_S = 12
const DOMAIN = 'cut.example.com'
const NUMBER = '+14155550281'

let redis: TestRedis
let relay: RedisRelay
let registrar: Carrier
let agent: Carrier
let cutOff: TestEdge
let other: TestEdge

CutOff.before(async () => {
  redis = await startRedis()
  relay = await openRedisRelay(redis.port)
  registrar = await Carrier.open({ address: '127.0.0.71', auth: { realm: 'cut', users: { user: 'of one' } } })
  registrar.registrar.play.maxExpires = GRANT_S
  const env = { SIGNALBOX_SECRET_KEY: '5a'.repeat(32) }
  cutOff = await TestEdge.start({ redisUrl: relay.url, env })
  agent = await agentOn(cutOff, 'front')
  await cutOff.must('POST', '/v1/numbers', {
    phone_number: NUMBER,
    sip_domain: DOMAIN,
    username: 'user',
    password: 'of one',
    outbound_proxy: `sip:${registrar.address}:${registrar.port}`,
    register: { enabled: true, expires: 60 },
    inbound_agent_id: 'front',
  })
  await registrar.registered(`sip:user@${DOMAIN}`)
  other = await TestEdge.start({ redisUrl: redis.url, env })
  // An edge that was alone goes on by itself when Redis is away: it must have seen the other one.
  await wait(4_000)
})

CutOff.after(async () => {
  await cutOff?.stop()
  await other?.stop()
  await agent?.close()
  await registrar?.close()
  await relay?.close()
  await redis?.stop()
})

/** The REGISTERs that an edge has sent: its Via names its port. */
const registersOf = ({ sipPort }: TestEdge) =>
  registrar.requests('REGISTER').filter(({ message }) => message.header('via')?.includes(`:${sipPort};`))

const lastBy = (edge: TestEdge): number => registersOf(edge).at(-1)?.atMs ?? -Infinity
const firstBy = (edge: TestEdge): number => registersOf(edge)[0]?.atMs ?? Infinity

CutOff('loses its trunk to one that is not within 15 s, while no edge sends over the other', async () => {
  relay.cut()
  const cutAtMs = performance.now()
  await eventually('the other registers', () => registersOf(other).length > 0, 15_000)
  assert.ok(firstBy(other) > cutAtMs)
  // Long enough that refreshes of both would be due.
  await wait(GRANT_S * 1_000 - 3_000)
  assert.ok(lastBy(cutOff) < firstBy(other), 'nothing from the edge that was cut off, after the first of the other')
  assert.ok(registersOf(other).length > 3, 'the other refreshes')
  const [binding, ...more] = registrar.registrar.bindings()
  assert.is(more.length, 0)
  assert.ok(binding?.uri.includes(`:${other.sipPort}`))
})

CutOff('goes on sending nothing when it is back, and the calls of the trunk reach the agent', async () => {
  relay.mend()
  await eventually('it is ready again', async () => (await cutOff.ready()).status === 200, 10_000)
  await wait(3_000)
  assert.ok(lastBy(cutOff) < firstBy(other))
  const [binding] = registrar.registrar.bindings()
  assert.ok(binding)
  const before = callsOf(agent)
  const call = registrar.call(binding, { from: `+13125550199@${DOMAIN}`, to: `${NUMBER}@${DOMAIN}` })
  await call.answered(200)
  await nextCall(agent, before)
  call.send('BYE')
  await call.final('BYE')
})

CutOff.run()
