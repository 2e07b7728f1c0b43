// time limit: 150 s
// alone
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { AGENT, CALLER, TestEdge } from '../support/edge.js'
import { eventually, wait } from '../support/eventually.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { inviteOver, openUdp } from '../support/sip-peer.js'
import { Sipp } from '../support/sipp.js'

const RedisOutage = suite('Redis lost and found')

const RATE = 50
const SECONDS = 16
const CALLS = RATE * SECONDS
const NUMBER = '+14155550100'

let redis: TestRedis
let edge: TestEdge

RedisOutage.before(async () => {
  redis = await startRedis()
  edge = await TestEdge.start({ redisUrl: redis.url })
})

RedisOutage.after(async () => {
  await edge.stop()
  await redis.stop()
})

RedisOutage(
  `killed under ${RATE} calls a second fails no call to a known number, says so, and recovers by itself`,
  async () => {
    const shared = { calls: CALLS, timeoutS: SECONDS + 20, trace: false }
    const uas = await Sipp.start({ scenario: 'uas-load', address: AGENT, ...shared })
    await edge.addNumber(NUMBER, 'steady', [`sip:agent@${AGENT}:${uas.port}`])
    await edge.addNumber('+14155550101', 'steady', [`sip:agent@${AGENT}:${uas.port}`])
    // Known is what was asked for once.
    await edge.must('POST', '/v1/route-tests', { to: NUMBER, source_address: CALLER })
    const uac = await Sipp.start({
      ...{ scenario: 'uac-load', address: CALLER, target: edge.sip, service: NUMBER },
      ...{ ...shared, rate: RATE, holdMs: 500 },
    })

    await wait(3_000)
    await redis.kill()
    await eventually('/readyz says so', async () => (await edge.ready()).status === 503, 5_000)
    const away = await edge.ready()
    assert.is(away.body.ready, false)
    assert.is(away.body.status, 'degraded')
    assert.is(away.body.checks['redis']?.ok, false)
    assert.is((await edge.metrics()).sum('signalbox_redis_up'), 0)
    assert.is((await edge.api('GET', '/healthz')).status, 200)

    await wait(3_000)
    await redis.restart()
    const recovered = performance.now()
    await eventually('/readyz is well again', async () => (await edge.ready()).status === 200, 10_000)
    assert.ok(performance.now() - recovered < 10_000)
    assert.is((await edge.metrics()).sum('signalbox_redis_up'), 1)

    const caller = await uac.finished
    const agent = await uas.finished
    for (const [side, result] of [
      ['caller', caller],
      ['agent', agent],
    ] as const) {
      assert.is(result.stats.get('SuccessfulCall(C)'), CALLS, `${side}: ${result.errors.slice(0, 2_000)}`)
      assert.is(result.stats.get('FailedCall(C)'), 0, side)
    }
    const samples = await edge.metrics()
    assert.is(samples.count('signalbox_calls_total', { result: 'answered' }), CALLS)
    assert.is(samples.count('signalbox_cdrs_dropped_total'), 0)
  },
)

RedisOutage('loses no record of a call, and none is written twice', async () => {
  const records = await eventually(
    'all records',
    async () => {
      const found = await edge.allCdrs()
      return found.length >= CALLS && found
    },
    10_000,
  )
  assert.is(new Set(records.map(({ call_id }) => call_id)).size, CALLS)
  assert.is(records.length, CALLS)
  assert.ok(records.every(({ result }) => result === 'answered'))
  assert.is((await edge.metrics()).sum('signalbox_cdr_queue'), 0)
})

RedisOutage('a change made after the outage is seen within a second', async () => {
  await edge.must('PATCH', `/v1/numbers/${encodeURIComponent(NUMBER)}`, { enabled: false })
  await eventually(
    'the change is seen',
    async () => {
      const decision = await edge.must('POST', '/v1/route-tests', { to: NUMBER, source_address: CALLER })
      return decision['code'] === 'NUMBER_DISABLED'
    },
    1_000,
  )
})

RedisOutage(
  'while it lasts an unknown number is refused with 503 at once, and the API says what is wrong',
  async () => {
    await redis.kill()
    await eventually('/readyz says so', async () => (await edge.ready()).status === 503, 5_000)
    const peer = await openUdp(CALLER, edge.sip)
    const before = performance.now()
    const answer = await inviteOver(peer, { target: edge.sip, protocol: 'udp', number: '+14155558888' })
    assert.is(answer.status, 503)
    assert.ok(performance.now() - before < 1_000)
    peer.close()
    const refused = await edge.api('GET', '/v1/numbers/%2B14155558888')
    assert.is(refused.status, 503)
    await redis.restart()
    await eventually('/readyz is well again', async () => (await edge.ready()).status === 200, 10_000)
  },
)

RedisOutage('hung instead of closed delays no call to a known number', async () => {
  const uas = await Sipp.start({ scenario: 'uas-load', address: AGENT, calls: 20 })
  await edge.must('PUT', '/v1/agents/steady', { name: 'steady', sip_uri: `sip:agent@${AGENT}:${uas.port}` })
  const known = '+14155550101'
  await edge.must('POST', '/v1/route-tests', { to: known, source_address: CALLER })
  redis.hang()
  try {
    const uac = await Sipp.start({
      ...{ scenario: 'uac-load', address: CALLER, target: edge.sip, service: known },
      ...{ calls: 20, rate: 10, holdMs: 100, responseTimes: true },
    })
    const caller = await uac.finished
    assert.is(caller.exitCode, 0, caller.errors)
    assert.ok(Math.max(...caller.responseTimesMs) < 500, `slowest ${Math.max(...caller.responseTimesMs)} ms`)
  } finally {
    redis.resume()
  }
  await uas.finished
  await eventually('/readyz is well again', async () => (await edge.ready()).status === 200, 10_000)
})

RedisOutage('leaves nothing behind', async () => {
  assert.equal(await edge.settle(40_000), {})
})

RedisOutage.run()
