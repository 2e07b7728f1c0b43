import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { overEveryTransport, requestsTo, responsesTo } from '../support/call.js'
import { AGENT, CALLER, TestEdge } from '../support/edge.js'
import { openRelay } from '../support/relay.js'
import { Sipp } from '../support/sipp.js'

const LostMessages = suite('Lost and doubled messages')

const T1_MS = 100

let edge: TestEdge

LostMessages.before(async () => {
  edge = await TestEdge.start({ env: { SIGNALBOX__SIP__T1_MS: String(T1_MS) } })
})

LostMessages.after(async () => {
  await edge.stop()
})

LostMessages('the 200 is repeated after T1, 2*T1 and 4*T1 until the ACK comes, over UDP and TCP', async () => {
  const options = { edge, caller: 'uac-dropped-200', agents: ['uas-basic'], noRepeats: { caller: true } }
  await overEveryTransport(options, ({ caller, agent, cdr, legs }) => {
    const answers = responsesTo(caller, 'INVITE').filter(({ status }) => status === 200)
    assert.is(answers.length, 4)
    assert.is(new Set(answers.map(({ raw }) => raw)).size, 1, 'the very same 200')
    const gaps = answers.slice(1).map(({ atMs }, i) => atMs - (answers[i]?.atMs ?? 0))
    for (const [i, gap] of gaps.entries()) {
      const due = T1_MS * 2 ** i
      assert.ok(gap > due * 0.7 && gap < due * 1.3 + 60, `${legs}: gaps ${gaps.join(', ')} ms`)
    }
    for (const method of ['INVITE', 'ACK', 'BYE']) assert.is(requestsTo(agent, method).length, 1)
    assert.is(cdr.result, 'answered')
  })
})

LostMessages('a lost ACK costs one more 200, and the ACK that follows ends the repeating', async () => {
  const options = { edge, caller: 'uac-dropped-ack', agents: ['uas-basic'], noRepeats: { caller: true } }
  await overEveryTransport(options, ({ caller, cdr }) => {
    assert.is(responsesTo(caller, 'INVITE').filter(({ status }) => status === 200).length, 2)
    assert.is(cdr.result, 'answered')
    assert.is(cdr.ended_by, 'leg_a')
  })
})

LostMessages('without any ACK both legs get a BYE after 64*T1, and there is one record', async () => {
  await overEveryTransport({ edge, caller: 'uac-no-ack', agents: ['uas-basic'] }, ({ caller, agent, cdr, legs }) => {
    const answered = responsesTo(caller, 'INVITE').find(({ status }) => status === 200)
    const bye = requestsTo(caller, 'BYE')[0]
    assert.ok(answered && bye)
    const waited = bye.atMs - answered.atMs
    assert.ok(waited > 60 * T1_MS && waited < 70 * T1_MS + 500, `${legs}: BYE after ${waited} ms`)
    assert.is(requestsTo(agent, 'BYE').length, 1)
    assert.is(cdr.ended_by, 'edge')
    assert.is(cdr.result, 'caller_gone')
  })
})

LostMessages('every copy of the 200 of an agent is acknowledged, and the caller notices nothing', async () => {
  const options = { edge, caller: 'uac-basic', agents: ['uas-repeated-200'], holdMs: 800, noRepeats: { agent: true } }
  await overEveryTransport(options, ({ caller, agent }) => {
    const acks = agent.trace.filter(({ sent, method, status }) => !sent && status === 0 && method === 'ACK')
    assert.is(acks.length, 2)
    assert.is(responsesTo(caller, 'INVITE').filter(({ status }) => status === 200).length, 1)
  })
})

LostMessages('calls succeed with 5 % of the datagrams lost on both sides of both legs', async () => {
  const calls = 150
  const uas = await Sipp.start({
    ...{ scenario: 'uas-answer', address: AGENT, calls: calls * 2, timeoutS: 60, trace: false },
    args: ['-lost', '5'],
  })
  await edge.addNumber('+14155550001', 'lossy', [`sip:agent@${AGENT}:${uas.port}`])
  const uac = await Sipp.start({
    ...{ scenario: 'uac-load', address: CALLER, target: edge.sip, service: '+14155550001' },
    ...{ calls, rate: 15, holdMs: 500, timeoutS: 60, trace: false },
    args: ['-lost', '5'],
  })
  const caller = await uac.finished
  await uas.stop()
  assert.is(caller.stats.get('SuccessfulCall(C)'), calls, caller.errors.slice(0, 2_000))
  assert.ok((caller.stats.get('Retransmissions(C)') ?? 0) > 0, 'something was lost')
  const ids = new Set((await edge.cdrs('+14155550001')).map(({ leg_a_call_id }) => leg_a_call_id))
  assert.is(ids.size, Math.min(100, calls), 'one record a call')
})

LostMessages('every datagram twice, the copy 50 ms late: one call and one record each', async () => {
  const calls = 40
  const uas = await Sipp.start({
    ...{ scenario: 'uas-load', address: AGENT, calls: calls + 1, timeoutS: 40 },
    args: ['-default_behaviors', 'pingreply'],
  })
  const below = await openRelay('127.0.0.5', { address: AGENT, port: uas.port }, { copyAfterMs: 50 })
  const above = await openRelay('127.0.0.4', edge.sip, { copyAfterMs: 50 })
  await edge.addNumber('+14155550002', 'doubled', [`sip:agent@127.0.0.5:${below.port}`], {
    number: { allowed_addresses: ['127.0.0.4/32'] },
  })
  const uac = await Sipp.start({
    ...{
      scenario: 'uac-load',
      address: CALLER,
      target: { address: '127.0.0.4', port: above.port },
      service: '+14155550002',
    },
    ...{ calls, rate: 20, holdMs: 300, timeoutS: 40 },
    args: ['-default_behaviors', 'pingreply'],
  })
  const caller = await uac.finished
  const agent = await uas.stop()
  above.close()
  below.close()
  assert.is(caller.stats.get('SuccessfulCall(C)'), calls, caller.errors.slice(0, 2_000))
  const callIds = new Set(requestsTo(agent, 'INVITE').map(({ callId }) => callId))
  assert.is(callIds.size, calls, 'no second call at the agent')
  assert.is((await edge.cdrs('+14155550002')).length, calls)
})

LostMessages('leaves nothing behind', async () => {
  assert.equal(await edge.settle(45_000), {})
})

LostMessages.run()
