import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { outboundTraceSchema } from '../../src/model/decision.js'
import type { VerdictCode } from '../../src/model/verdict.js'
import type { OutboundDecision } from '../../src/routing/outbound-plan.js'
import { RoutingBench } from '../support/routing-bench.js'

const NUMBER = '+14155550100'
const TO = '+13125550199'

const OutboundRouting = suite('The outbound router')

/** A bench whose number lists the agent and whose trunk has a destination. */
function benchWith(trunk: Parameters<RoutingBench['addTrunk']>[1] = {}): RoutingBench {
  const bench = new RoutingBench()
  bench.addTrunk('pbx-1', { sip_domain: 'pbx.example.com', ...trunk })
  bench.addNumber(NUMBER, { outbound_agent_ids: ['front'] })
  return bench
}

async function decide(bench: RoutingBench, from = NUMBER, to = TO, agentId = 'front'): Promise<OutboundDecision> {
  const decision = await bench.outbound.decide({ agentId, from, to })
  outboundTraceSchema.parse(decision.trace)
  assert.is(decision.code === undefined, decision.plan !== undefined)
  return decision
}

async function refused(decision: Promise<OutboundDecision>, code: VerdictCode, nearest: RegExp): Promise<void> {
  const { code: given, plan, detail, trace } = await decision
  assert.is(given, code, detail)
  assert.is(plan, undefined)
  assert.match(trace.nearest_miss ?? '', nearest)
}

OutboundRouting('lets an agent call as a number that lists it, and says how it came to that', async () => {
  const { plan, detail, trace } = await decide(benchWith())
  assert.is(plan?.agent.id, 'front')
  assert.is(plan?.number.phone_number, NUMBER)
  assert.is(plan?.trunk.id, 'pbx-1')
  assert.equal(plan?.destination, { kind: 'e164', value: TO })
  assert.is(detail, `agent front calls ${TO} as ${NUMBER} on trunk pbx-1`)
  assert.equal(trace, {
    source_address: null,
    identified_by: 'api',
    agents_tried: [],
    presented: { source: 'from', value: NUMBER, normalised: [NUMBER], found: NUMBER },
    destination: { value: TO, normalised: TO },
    nearest_miss: null,
    looked_up: 'redis',
  })
})

OutboundRouting('tells in its explanation how the agent is known', async () => {
  const agentsTried = [{ agent_id: 'front', matched: true, why: '127.0.0.3 is in 127.0.0.3/32' }]
  const { trace } = await benchWith().outbound.decide(
    { agentId: 'front', from: NUMBER, to: TO },
    { identifiedBy: 'address', sourceAddress: '127.0.0.3', presentedIn: 'X-Signalbox-Number', agentsTried },
  )
  assert.is(trace.source_address, '127.0.0.3')
  assert.is(trace.identified_by, 'address')
  assert.is(trace.presented.source, 'X-Signalbox-Number')
  assert.equal(trace.agents_tried, agentsTried)
})

OutboundRouting('reads the number to present in every spelling inbound calls are read in', async () => {
  const spellings = [
    '+14155550100',
    ' +1 (415) 555-0100 ',
    '14155550100',
    '0014155550100',
    '01114155550100',
    'tel:+1-415-555-0100',
    'tel:555-0100;phone-context=+1-415',
    'sip:+14155550100@edge.example.com;user=phone',
    'sip:%2B14155550100@edge',
  ]
  for (const from of spellings) assert.is((await decide(benchWith(), from)).plan?.number.phone_number, NUMBER, from)
  const bench = benchWith({ allowed_destinations: ['US'] })
  bench.addNumber('100', { kind: 'extension', outbound_agent_ids: ['front'] })
  assert.is((await decide(bench, '100')).plan?.number.phone_number, '100')
})

OutboundRouting(
  'refuses a number that does not list the agent, is switched off, or is of another account',
  async () => {
    const bench = benchWith()
    bench.addAgent('other')
    await refused(
      decide(bench, NUMBER, TO, 'other'),
      'CALLER_ID_NOT_ALLOWED',
      /^\+14155550100 does not have other in outbound_agent_ids$/,
    )
    bench.addNumber(NUMBER, { outbound_agent_ids: ['front'], enabled: false })
    await refused(decide(bench), 'CALLER_ID_NOT_ALLOWED', /is switched off/)
    bench.addNumber(NUMBER, { outbound_agent_ids: ['front'], account_id: 'acme' })
    await refused(decide(bench), 'CALLER_ID_NOT_ALLOWED', /^there is no number \+14155550100$/)
    await refused(decide(bench, '+14155550123'), 'CALLER_ID_NOT_ALLOWED', /there is no number \+14155550123/)
    await refused(decide(bench, 'Ann Caller'), 'CALLER_ID_NOT_ALLOWED', /"Ann Caller" is no number/)
    await refused(decide(bench, ' '), 'CALLER_ID_MISSING', /says no number/)
  },
)

OutboundRouting('takes of two readings of a number the one that lists the agent', async () => {
  const bench = benchWith()
  bench.addNumber('14155550100', { kind: 'extension' })
  assert.is((await decide(bench, '14155550100')).plan?.number.phone_number, NUMBER)
})

OutboundRouting('refuses an agent that does not exist or does not parse', async () => {
  const bench = benchWith()
  await refused(decide(bench, NUMBER, TO, 'nobody'), 'AGENT_UNKNOWN', /there is no agent nobody/)
  bench.agentRecords.set('front', 'sip_uri: missing')
  await refused(decide(bench), 'NUMBER_RECORD_INVALID', /agent front does not parse: sip_uri: missing/)
  bench.addAgent('front')
  bench.numberRecords.set(NUMBER, 'trunk_id: missing')
  await refused(decide(bench), 'NUMBER_RECORD_INVALID', /\+14155550100 does not parse: trunk_id: missing/)
})

OutboundRouting('refuses a trunk that is not there, does not parse, is not the number’s or leads nowhere', async () => {
  await refused(decide(benchWith({ sip_domain: null })), 'TRUNK_NOT_USABLE', /no outbound_proxy or sip_domain/)
  await refused(decide(benchWith({ outbound_proxy: 'http://x' })), 'TRUNK_NOT_USABLE', /no outbound_proxy/)
  await refused(decide(benchWith({ account_id: 'acme' })), 'TRUNK_NOT_USABLE', /another account/)
  const bench = benchWith()
  bench.trunkRecords.set('pbx-1', 'did_from: wrong')
  await refused(decide(bench), 'TRUNK_NOT_USABLE', /does not parse: did_from: wrong/)
  bench.trunkRecords.delete('pbx-1')
  await refused(decide(bench), 'TRUNK_NOT_USABLE', /does not exist/)
})

OutboundRouting('says that it cannot tell while Redis is away and memory does not know', async () => {
  const bench = benchWith()
  bench.from = 'unavailable'
  await refused(decide(bench), 'ROUTING_UNAVAILABLE', /Redis cannot be asked/)
  bench.warm.add(NUMBER)
  bench.coldTrunks.add('pbx-1')
  await refused(decide(bench), 'ROUTING_UNAVAILABLE', /on trunk pbx-1, which is not in memory/)
  assert.equal([...bench.metrics.lookups], [['unavailable', 2]])
})

OutboundRouting('asks for all readings in one round trip, and not at all when memory knows the number', async () => {
  const bench = benchWith()
  await decide(bench, '0014155550100')
  assert.equal(bench.questions, [['0014155550100', NUMBER]])
  bench.questions.length = 0
  bench.warm.add(NUMBER)
  assert.is((await decide(bench)).trace.looked_up, 'memory')
  assert.equal(bench.questions, [])
})

OutboundRouting('never throws', async () => {
  const bench = benchWith()
  bench.agent = () => Promise.reject(new Error('boom'))
  assert.is((await decide(bench)).code, 'INTERNAL_ERROR')
  assert.is(bench.log.matching('error', 'routing failed').length, 1)
})

OutboundRouting.run()
