import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Cdr } from '../../src/model/call.js'
import type { Decision } from '../../src/model/decision.js'
import { verdicts, type VerdictCode } from '../../src/model/verdict.js'
import { freshNumber, responsesTo } from '../support/call.js'
import { AGENT, CALLER, EDGE, TestEdge } from '../support/edge.js'
import { eventually } from '../support/eventually.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { inviteOver, nextMessage, openTcp, openUdp, inviteText, refusingAgent, followUp } from '../support/sip-peer.js'
import type { SipText } from '../support/sip-text.js'
import { runSipp, Sipp } from '../support/sipp.js'

const Refusals = suite('A refused call')

const STRANGER = '127.0.0.66'
const MAX_CALLS = 3

let edge: TestEdge
let redis: TestRedis
let agent: Awaited<ReturnType<typeof refusingAgent>>

Refusals.before(async () => {
  redis = await startRedis()
  agent = await refusingAgent(AGENT)
  edge = await TestEdge.start({
    redisUrl: redis.url,
    env: { SIGNALBOX__SIP__T1_MS: '100', SIGNALBOX__LIMITS__MAX_CALLS: String(MAX_CALLS) },
  })
})

Refusals.after(async () => {
  await edge.stop()
  await redis.stop()
  agent.close()
})

/** The answer, the record and the metric of one refused call say the same. */
async function assertRefused(code: VerdictCode, answer: SipText, before: number): Promise<Cdr> {
  const { status, reason } = verdicts[code]
  assert.is(answer.status, status, answer.startLine)
  const said = `${answer.header('warning') ?? ''} ${answer.header('reason') ?? ''}`
  assert.ok(said.includes(reason), `"${reason}" in Warning or Reason: ${said}`)
  const cdr = await edge.cdrOfLegA(answer.callId)
  assert.is(cdr.result, code.toLowerCase())
  assert.is(cdr.leg_a_status, status)
  assert.is(cdr.answered_at, null)
  assert.is(cdr.duration_s, 0)
  assert.is(cdr.setup_ms, null)
  assert.is(cdr.leg_b_call_id, null)
  assert.is(await refused(code), before + 1, `one call counted as ${code}`)
  return cdr
}

async function refused(code: VerdictCode): Promise<number> {
  return (await edge.metrics()).count('signalbox_calls_total', { direction: 'inbound', result: code.toLowerCase() })
}

/** A call by SIPp that the edge refuses by itself. */
async function refuseSipp(code: VerdictCode, scenario: string, number: string, address = CALLER): Promise<Cdr> {
  const before = await refused(code)
  const result = await runSipp({ scenario, address, target: edge.sip, service: number })
  assert.is(result.exitCode, 0, result.errors)
  const answer = responsesTo(result, 'INVITE').at(-1)
  assert.ok(answer)
  return assertRefused(code, answer, before)
}

/** The same, with an INVITE of our own writing. */
async function refuseInvite(
  code: VerdictCode,
  number: string,
  fields: { headers?: string[]; body?: string; contentType?: string } = {},
): Promise<{ answer: SipText; cdr: Cdr }> {
  const before = await refused(code)
  const peer = await openUdp(CALLER, edge.sip)
  const answer = await inviteOver(peer, { target: edge.sip, protocol: 'udp', number, ...fields })
  peer.close()
  return { answer, cdr: await assertRefused(code, answer, before) }
}

const routeTest = (to: string, source_address = CALLER): Promise<Decision> =>
  edge.must<Decision>('POST', '/v1/route-tests', { to, from: '+13125550199', source_address })

Refusals('to an unknown number gets 404; record and route test show the forms that were looked up', async () => {
  await edge.addNumber(freshNumber(), 'somebody', [agent.uri])
  const cdr = await refuseSipp('NUMBER_UNKNOWN', 'uac-unknown-number', '+14155559999')
  assert.is(cdr.phone_number, null)
  assert.is(cdr.to, '+14155559999')
  assert.is(cdr.source_address, CALLER)
  const decision = await routeTest('+1 (415) 555-9999')
  assert.is(decision.outcome, 'refused')
  assert.is(decision.code, 'NUMBER_UNKNOWN')
  assert.is(decision.sip_status, 404)
  for (const trace of [cdr.explanation?.trace, decision.trace]) {
    assert.ok(trace && 'trunks_tried' in trace)
    assert.ok(
      trace.trunks_tried.some(({ matched }) => matched),
      'a trunk allows the source',
    )
    const read = trace.sources_read.find(({ source }) => source === 'request-uri')
    assert.ok(read?.normalised.includes('+14155559999'), JSON.stringify(read))
    assert.is(read?.found, null)
  }
})

Refusals(
  'from an unknown source gets 403 and learns nothing; a log line tells of it, and a route test why',
  async () => {
    const number = freshNumber()
    await edge.addNumber(number, 'somebody', [agent.uri])
    const turnedAway = async () =>
      (await edge.metrics()).count('signalbox_refused_at_door_total', { reason: 'unknown_source' })
    const before = await turnedAway()
    const result = await runSipp({ scenario: 'uac-wrong-source', address: STRANGER, target: edge.sip, service: number })
    assert.is(result.exitCode, 0, result.errors)
    const answer = responsesTo(result, 'INVITE').at(-1)
    assert.is(answer?.status, verdicts.SOURCE_UNKNOWN.status)
    assert.match(`${answer?.header('warning')} ${answer?.header('reason')}`, verdicts.SOURCE_UNKNOWN.reason)
    assert.is(responsesTo(result, 'INVITE').length, 1, 'no 100')
    // Its ACK is counted as well.
    assert.ok((await turnedAway()) > before)
    assert.equal(
      (await edge.allCdrs()).filter(({ leg_a_call_id }) => leg_a_call_id === answer?.callId),
      [],
    )
    const line = await eventually('a log line tells of it', async () =>
      edge.output.split('\n').find((text) => text.includes('turned away') && text.includes(STRANGER)),
    )
    assert.ok(line.includes('"method":"INVITE"') && line.includes(`"dialled":"${number}"`), line)
    const decision = await routeTest(number, STRANGER)
    assert.is(decision.code, 'SOURCE_UNKNOWN')
    const miss = decision.trace.nearest_miss
    assert.ok(miss, 'there is a nearest miss')
    assert.ok(miss.includes(number), miss)
    assert.ok(miss.includes(`${CALLER}/32`), miss)
    assert.ok(miss.includes(STRANGER), miss)
    // A known and an unknown number look the same from outside.
    const peer = await openUdp(STRANGER, edge.sip)
    const known = await inviteOver(peer, { target: edge.sip, protocol: 'udp', number })
    const unknown = await inviteOver(peer, { target: edge.sip, protocol: 'udp', number: '+14155559998' })
    peer.close()
    assert.is(known.startLine, unknown.startLine)
    assert.equal(
      known.headers.map(([name]) => name),
      unknown.headers.map(([name]) => name),
    )
    assert.is(known.header('warning'), unknown.header('warning'))
    assert.is(agent.requests.length, 0, 'no agent is called')
  },
)

Refusals('to a number of another trunk gets 403', async () => {
  const number = freshNumber()
  await edge.addNumber(number, 'somebody', [agent.uri], {
    number: { allowed_addresses: ['192.0.2.0/24'], sip_domain: 'other.example.com' },
  })
  const { cdr } = await refuseInvite('NUMBER_NOT_ON_TRUNK', number)
  assert.ok(cdr.explanation?.trace.nearest_miss?.includes(number), String(cdr.explanation?.trace.nearest_miss))
  assert.is((await routeTest(number)).code, 'NUMBER_NOT_ON_TRUNK')
})

Refusals('to a number that is switched off gets 480, within a second of the change', async () => {
  const number = freshNumber()
  await edge.addNumber(number, 'somebody', [agent.uri])
  const path = `/v1/numbers/${encodeURIComponent(number)}`
  await edge.must('PATCH', path, { enabled: false })
  await eventually('the change is seen', async () => (await routeTest(number)).code === 'NUMBER_DISABLED', 1_000)
  const { cdr } = await refuseInvite('NUMBER_DISABLED', number)
  assert.is(cdr.phone_number, number)
})

Refusals('to a number without an agent gets 480', async () => {
  const number = freshNumber()
  await edge.addNumber(number, 'somebody', [agent.uri])
  await edge.must('PATCH', `/v1/numbers/${encodeURIComponent(number)}`, { inbound_agent_id: null })
  await eventually('the change is seen', async () => (await routeTest(number)).code === 'NUMBER_HAS_NO_AGENT', 1_000)
  await refuseInvite('NUMBER_HAS_NO_AGENT', number)
})

Refusals('to a malformed record written by others gets 500, and only that number does', async () => {
  const [broken, sound] = [freshNumber(), freshNumber()]
  await edge.addNumber(sound, 'somebody', [agent.uri])
  const hostile = ['trunk_id', '../../etc', 'inbound_agent_id', 'x'.repeat(5_000), 'enabled', 'perhaps']
  await redis.cli('HSET', `signalbox:did:${broken}`, ...hostile)
  const { cdr } = await refuseInvite('NUMBER_RECORD_INVALID', broken)
  assert.not(JSON.stringify(cdr).includes('x'.repeat(300)), 'the raw value is not repeated')
  assert.ok((await edge.metrics()).count('signalbox_route_records_invalid_total') > 0)
  assert.is((await routeTest(sound)).outcome, 'agent')

  // A key of another type is no better, and no worse.
  const wrongType = freshNumber()
  await redis.cli('SET', `signalbox:did:${wrongType}`, '{"a":')
  await refuseInvite('NUMBER_RECORD_INVALID', wrongType)
  assert.is((await routeTest(sound)).outcome, 'agent')
})

Refusals('reaches an agent once a number is written into Redis by others with a trunk alone', async () => {
  const [own, foreign] = [freshNumber(), freshNumber()]
  await edge.addNumber(own, 'somebody', [agent.uri])
  const { trunk_id } = await edge.must<{ trunk_id: string }>('GET', `/v1/numbers/${encodeURIComponent(own)}`)
  await redis.cli('HSET', `signalbox:did:${foreign}`, 'trunk_id', trunk_id)
  await refuseInvite('NUMBER_HAS_NO_AGENT', foreign)
  await redis.cli('HSET', `signalbox:did:${foreign}`, 'inbound_agent_id', 'somebody')
  await eventually('the change is seen', async () => (await routeTest(foreign)).outcome === 'agent', 1_000)
})

Refusals('with no hop left gets 483 and calls nobody', async () => {
  const number = freshNumber()
  await edge.addNumber(number, 'somebody', [agent.uri])
  await refuseSipp('TOO_MANY_HOPS', 'uac-max-forwards-0', number)
  assert.is(agent.requests.length, 0)
})

Refusals('with a body that is no SDP gets 415 and what is accepted', async () => {
  const number = freshNumber()
  await edge.addNumber(number, 'somebody', [agent.uri])
  const { answer } = await refuseInvite('MEDIA_TYPE_UNSUPPORTED', number, { body: 'hello', contentType: 'text/plain' })
  assert.match(answer.header('accept') ?? '', /application\/sdp/)
})

Refusals('that requires what we do not know gets 420 naming it', async () => {
  const number = freshNumber()
  await edge.addNumber(number, 'somebody', [agent.uri])
  const { answer } = await refuseInvite('EXTENSION_UNSUPPORTED', number, { headers: ['Require: teleportation'] })
  assert.is(answer.header('unsupported'), 'teleportation')
})

Refusals('of a caller that takes no SDP gets 406', async () => {
  const number = freshNumber()
  await edge.addNumber(number, 'somebody', [agent.uri])
  await refuseInvite('ANSWER_NOT_ACCEPTABLE', number, { headers: ['Accept: text/plain'] })
})

Refusals('whose number cannot be read gets 484', async () => {
  const before = await refused('NUMBER_UNREADABLE')
  const peer = await openUdp(CALLER, edge.sip)
  const { text, callId } = inviteText({ from: peer.local, target: edge.sip, protocol: 'udp', number: 'x' })
  const bare = text.replaceAll(`sip:x@${EDGE}`, `sip:${EDGE}`)
  peer.send(bare)
  const answer = await nextMessage(peer, 'the final answer', (m) => m.callId === callId && m.status >= 200)
  peer.send(followUp(bare, 'ACK', answer))
  await assertRefused('NUMBER_UNREADABLE', answer, before)
  peer.close()
})

Refusals('of an agent whose channels are all taken gets 486', async () => {
  const number = freshNumber()
  const uas = await Sipp.start({ scenario: 'uas-basic', address: AGENT })
  await edge.addNumber(number, 'one-channel', [`sip:agent@${AGENT}:${uas.port}`], { agent: { channel_limit: 1 } })
  const first = await Sipp.start({
    scenario: 'uac-basic',
    address: CALLER,
    target: edge.sip,
    service: number,
    holdMs: 2_000,
  })
  await eventually(
    'the first call is up',
    async () => (await edge.must<{ items: { state: string }[] }>('GET', '/v1/calls')).items[0]?.state === 'answered',
  )
  await refuseInvite('AGENT_CHANNELS_FULL', number)
  assert.is((await first.finished).exitCode, 0)
  assert.is((await uas.finished).exitCode, 0)
})

Refusals('for want of room gets 503 with Retry-After, and those inside are unharmed', async () => {
  const number = freshNumber()
  const uas = await Sipp.start({ scenario: 'uas-basic', address: AGENT, calls: MAX_CALLS })
  await edge.addNumber(number, 'many-channels', [`sip:agent@${AGENT}:${uas.port}`])
  const first = await Sipp.start({
    ...{ scenario: 'uac-basic', address: CALLER, target: edge.sip, service: number },
    ...{ calls: MAX_CALLS, rate: 50, holdMs: 2_000 },
  })
  await eventually(
    'the edge is full',
    async () => (await edge.must<{ items: unknown[] }>('GET', '/v1/calls')).items.length === MAX_CALLS,
  )
  const { answer } = await refuseInvite('EDGE_FULL', number)
  assert.match(answer.header('retry-after') ?? '', /^\d+/)
  assert.is((await first.finished).exitCode, 0)
  assert.is((await uas.finished).exitCode, 0)
})

Refusals('over TCP is refused on the same connection', async () => {
  const peer = await openTcp(STRANGER, edge.sip)
  const answer = await inviteOver(peer, { target: edge.sip, protocol: 'tcp', number: '+14155559997' })
  assert.is(answer.status, 403)
  assert.not.ok(peer.closed)
  peer.close()
})

Refusals('leaves nothing behind', async () => {
  assert.equal(await edge.settle(15_000), {})
})

Refusals.run()
