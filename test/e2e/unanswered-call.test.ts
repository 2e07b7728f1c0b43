import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { overEveryTransport, requestsTo, responsesTo, sentBy } from '../support/call.js'
import { TestEdge } from '../support/edge.js'

const UnansweredCall = suite('A call that is not answered')

let edge: TestEdge

UnansweredCall.before(async () => {
  edge = await TestEdge.start({ env: { SIGNALBOX__SIP__T1_MS: '100' } })
})

UnansweredCall.after(async () => {
  await edge.stop()
})

UnansweredCall('because the agent is busy is busy for the caller, and no other address is tried', async () => {
  const options = { edge, caller: 'uac-busy', agents: ['uas-busy', 'uas-basic'], uncalled: [1] }
  await overEveryTransport(options, ({ caller, agent, cdr }) => {
    assert.is(responsesTo(caller, 'INVITE').at(-1)?.status, 486)
    assert.is(requestsTo(agent, 'ACK').length, 1)
    assert.is(cdr.result, 'agent_busy')
    assert.is(cdr.leg_a_status, 486)
    assert.is(cdr.leg_b_status, 486)
    assert.is(cdr.ended_by, 'leg_b')
    assert.is(cdr.duration_s, 0)
    assert.is(cdr.attempts.length, 1)
  })
})

UnansweredCall('because the agent declines is declined, and no other address is tried', async () => {
  const options = { edge, caller: 'uac-declined', agents: ['uas-decline', 'uas-basic'], uncalled: [1] }
  await overEveryTransport(options, ({ cdr }) => {
    assert.is(cdr.result, 'agent_declined')
    assert.is(cdr.leg_a_status, 603)
    assert.is(cdr.leg_b_status, 603)
  })
})

UnansweredCall('within the ring timeout ends in 480, and the agent gets a CANCEL', async () => {
  const options = { edge, caller: 'uac-no-answer', agents: ['uas-no-answer'], agent: { ring_timeout_s: 1 } }
  await overEveryTransport(options, ({ caller, agent, cdr }) => {
    assert.is(requestsTo(agent, 'CANCEL').length, 1)
    assert.equal(
      responsesTo(caller, 'INVITE').map(({ status }) => status),
      [100, 180, 480],
    )
    assert.is(cdr.result, 'agent_no_answer')
    assert.is(cdr.leg_a_status, 480)
    assert.is(cdr.ended_by, 'edge')
    assert.type(cdr.ringing_at, 'string')
    assert.is(cdr.answered_at, null)
  })
})

UnansweredCall('because the caller gives up is cancelled on both legs, with the reason given', async () => {
  await overEveryTransport({ edge, caller: 'uac-cancel', agents: ['uas-cancel'] }, ({ caller, agent, cdr }) => {
    const cancels = requestsTo(agent, 'CANCEL')
    assert.is(cancels.length, 1)
    assert.is(cancels[0]?.header('reason'), 'SIP;cause=200;text="Call completed elsewhere"')
    const rang = sentBy(agent, 'SIP/2.0 18')[0]
    assert.ok(rang && cancels[0] && cancels[0].atMs >= rang.atMs, 'no CANCEL before a provisional response')
    assert.is(responsesTo(caller, 'INVITE').at(-1)?.status, 487)
    assert.is(requestsTo(agent, 'ACK').length, 1)
    assert.is(cdr.result, 'caller_cancelled')
    assert.is(cdr.leg_a_status, 487)
    assert.is(cdr.leg_b_status, 487)
    assert.is(cdr.ended_by, 'leg_a')
  })
})

UnansweredCall('leaves nothing behind', async () => {
  const samples = await edge.metrics()
  for (const result of ['agent_busy', 'agent_declined', 'agent_no_answer', 'caller_cancelled'])
    assert.is(samples.count('signalbox_calls_total', { direction: 'inbound', result }), 4, result)
  assert.equal(await edge.settle(45_000), {})
})

UnansweredCall.run()
