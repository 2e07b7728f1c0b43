import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Bench, turn } from './bench.js'
import { OriginateBench } from './originate-bench.js'
import { OutboundBench } from './outbound-bench.js'

const CALL = { 'Refer-To': '<sip:+88213300655@pbx.example.com>' }
const reasonOf = (byes: readonly object[]): string => JSON.stringify(byes)

const Limits = suite('The limits of a call')

Limits(
  '[A10] max_call_seconds of the trunk, the agent or all calls, whichever is least, end a call: BYE on both legs',
  async () => {
    for (const [options, seconds, whose] of [
      [{ trunk: { max_call_seconds: 30 }, agent: { max_call_seconds: 40 }, maxCallSeconds: 50 }, 30, 'of trunk pbx-1'],
      [{ agent: { max_call_seconds: 40 }, maxCallSeconds: 50 }, 40, 'of agent front'],
      [{ maxCallSeconds: 50 }, 50, 'limits.max_call_seconds'],
    ] as const) {
      const bench = new Bench(options)
      const { a, b } = await bench.answered()
      bench.clock.advance(seconds * 1_000 - 1)
      assert.equal([a.byes.length, b.byes.length], [0, 0])
      bench.clock.advance(1)
      for (const { byes } of [a, b]) assert.match(reasonOf(byes), /SIP;cause=480;text=.+CALL_TOO_LONG/)
      const { result, ended_by, end_reason, duration_s } = bench.cdr
      assert.equal([result, ended_by, duration_s], ['call_too_long', 'edge', seconds])
      assert.ok(end_reason.endsWith(whose), end_reason)
      assert.is(bench.leaks, '')
    }
  },
)

Limits(
  '[A10] max_call_seconds count from the answer, and leave no timer behind a call that ends by itself',
  async () => {
    const bench = new Bench({ maxCallSeconds: 20 })
    await bench.call()
    bench.server.last.ring()
    bench.clock.advance(25_000)
    bench.server.last.answer()
    const a = bench.server.callerDialogs.at(-1)!
    a.acknowledge()
    bench.clock.advance(19_000)
    assert.is(bench.cdrs.length, 0)
    a.hangUp()
    assert.is(bench.cdr.result, 'answered')
    assert.is(bench.leaks, '')
  },
)

Limits('[A10] max_call_seconds end calls of agents too, over SIP and over the API', async () => {
  const agents = new OutboundBench({ max_call_seconds: 10 })
  const { a, b } = await agents.answered()
  agents.bench.clock.advance(10_000)
  assert.equal([a.byes.length, b.byes.length, agents.bench.cdr.result], [1, 1, 'call_too_long'])
  const asked = new OriginateBench({ trunk: { max_call_seconds: 10 } })
  await asked.answered()
  asked.clock.advance(10_000)
  assert.is(asked.cdrs.at(-1)?.result, 'call_too_long')
  assert.is(asked.leaks, '')
})

Limits('[A10] minutes_per_day refuse a call, and end one that goes on: BYE on both legs with the reason', async () => {
  const bench = new Bench({ agent: { minutes_per_day: 1 } })
  const { a, b } = await bench.answered()
  const second = await bench.call()
  assert.equal([second.final?.status, bench.cdr.result], [480, 'agent_minutes_spent'])
  // The clock of the test starts with a day in UTC.
  assert.is(second.final?.headers['Retry-After'], '86400')
  for (let passed = 0; passed < 60; passed += 5) {
    assert.equal([a.byes.length, b.byes.length], [0, 0])
    bench.clock.advance(5_000)
    await turn()
  }
  for (const { byes } of [a, b]) assert.match(reasonOf(byes), /SIP;cause=480;text=.+AGENT_MINUTES_SPENT/)
  const { result, duration_s } = bench.cdrs.at(-1)!
  assert.equal([result, duration_s], ['agent_minutes_spent', 60])
  // What Redis, which is away, has to be told of the minutes.
  assert.is(bench.leaks, '1 timers')
})

Limits('[A10] outbound_minutes_per_day of a trunk leave its own calls alone', async () => {
  const inbound = new Bench({ trunk: { outbound_minutes_per_day: 1 } })
  await inbound.answered()
  await inbound.answered()
  assert.is(inbound.calls.size, 2)
  const agents = new OutboundBench({ outbound_minutes_per_day: 1 })
  await agents.answered()
  const second = await agents.call()
  assert.equal([second.final?.status, agents.bench.cdr.result], [480, 'trunk_minutes_spent'])
})

Limits('[A10] cps_limit of an agent holds for calls to it and calls of it', async () => {
  const bench = new Bench({ agent: { cps_limit: 1 } })
  await bench.answered()
  const second = await bench.call()
  assert.equal([second.final?.status, second.final?.headers['Retry-After']], [480, '1'])
  assert.is(bench.cdr.result, 'agent_rate_limited')
  bench.clock.advance(1_000)
  await bench.answered()
})

Limits('[A10] a transfer that an agent asks of a trunk goes no further than calls may', async () => {
  const agents = new OutboundBench()
  const { a, b } = await agents.answered()
  const refused = a.receive('REFER', CALL)
  assert.equal(refused.statuses, [403])
  assert.match(refused.final?.headers['Warning'] ?? '', /name the prefix \+882 in allowed_destinations/)
  assert.is(b.sent.length, 0)
  a.receive('REFER', { 'Refer-To': '<sip:+13125550100@pbx.example.com>' })
  a.receive('REFER', { 'Refer-To': '<sip:alice@pbx.example.com>' })
  assert.is(b.sent.length, 2)
  const inbound = new Bench()
  const call = await inbound.answered()
  assert.equal(call.b.receive('REFER', CALL).statuses, [403])
  // What the trunk asks of the agent is not called on the trunk.
  call.a.receive('REFER', CALL)
  assert.is(call.b.sent.length, 1)
})

Limits('[A10] an agent’s call to where it may not go is refused, and nothing is dialled', async () => {
  const agents = new OutboundBench()
  const invite = await agents.call(OutboundBench.invite({}, undefined, '+18095551234'))
  assert.is(invite.final?.status, 403)
  assert.match(invite.final?.headers['Reason'] ?? '', /DESTINATION_BARRED/)
  assert.equal([agents.bench.cdr.result, agents.bench.server.out.length], ['destination_barred', 0])
})

Limits('[A10] no call of an agent is placed while the edge drains: 503 with Retry-After', async () => {
  const agents = new OutboundBench()
  const { a } = await agents.answered()
  const stopped = agents.bench.edge.stop(60_000)
  const invite = await agents.call()
  assert.equal([invite.final?.status, invite.final?.headers['Retry-After']], [503, '10'])
  assert.equal([agents.bench.cdr.result, agents.bench.server.out.length], ['edge_stopping', 1])
  assert.is(a.byes.length, 0)
  a.hangUp()
  await stopped
})

Limits.run()
