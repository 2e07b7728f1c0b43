import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { overEveryTransport, requestsTo, responsesTo, sentBy } from '../support/call.js'
import { TestEdge } from '../support/edge.js'

// The flows of RFC 5407: messages that cross on their way. Both legs end in the same state, with one record.
const Races = suite('Crossing messages')

let edge: TestEdge

Races.before(async () => {
  edge = await TestEdge.start({ env: { SIGNALBOX__SIP__T1_MS: '100' } })
})

Races.after(async () => {
  await edge.stop()
})

Races('the 200 of the agent crosses the CANCEL: the agent gets ACK and BYE, the caller 487', async () => {
  await overEveryTransport(
    { edge, caller: 'uac-cancel', agents: ['uas-answer-over-cancel'] },
    ({ caller, agent, cdr }) => {
      assert.is(requestsTo(agent, 'ACK').length, 1)
      assert.is(requestsTo(agent, 'BYE').length, 1)
      assert.is(responsesTo(caller, 'INVITE').at(-1)?.status, 487)
      assert.is(cdr.result, 'caller_cancelled')
      assert.is(cdr.leg_a_status, 487)
      assert.is(cdr.duration_s, 0)
    },
  )
})

Races('the CANCEL crosses the 200: the call is up, and the BYE ends both legs', async () => {
  await overEveryTransport({ edge, caller: 'uac-cancel-late', agents: ['uas-basic'] }, ({ caller, agent, cdr }) => {
    assert.is(requestsTo(agent, 'CANCEL').length, 0)
    assert.is(requestsTo(agent, 'BYE').length, 1)
    assert.is(requestsTo(caller, 'BYE').length, 0)
    assert.is(cdr.result, 'answered')
    assert.is(cdr.ended_by, 'leg_a')
  })
})

Races('BYE crosses BYE on leg A: each BYE is answered', async () => {
  await overEveryTransport({ edge, caller: 'uac-bye-crossing', agents: ['uas-bye'] }, ({ caller, cdr }) => {
    assert.is(requestsTo(caller, 'BYE').length, 1)
    assert.is(responsesTo(caller, 'BYE').length, 1)
    assert.is(cdr.ended_by, 'leg_b')
    assert.is(cdr.result, 'answered')
  })
})

Races('BYE crosses BYE on leg B: each BYE is answered', async () => {
  await overEveryTransport({ edge, caller: 'uac-bye', agents: ['uas-bye-crossing'] }, ({ agent, cdr }) => {
    assert.is(requestsTo(agent, 'BYE').length, 1)
    assert.is(responsesTo(agent, 'BYE').length, 1)
    assert.is(cdr.ended_by, 'leg_a')
  })
})

Races('re-INVITE crosses re-INVITE: both are refused with 491, and the call goes on', async () => {
  await overEveryTransport(
    { edge, caller: 'uac-reinvite-glare', agents: ['uas-reinvite-glare'] },
    ({ caller, agent, cdr }) => {
      for (const end of [caller, agent]) {
        const refused = responsesTo(end, 'INVITE').filter(({ status }) => status === 491)
        assert.is(new Set(refused.map(({ raw }) => raw)).size, 1)
      }
      assert.is(requestsTo(agent, 'BYE').length, 1, 'the call was ended by the caller later')
      assert.is(cdr.result, 'answered')
      assert.is(cdr.ended_by, 'leg_a')
    },
  )
})

Races('BYE crosses re-INVITE: the re-INVITE gets a final answer, both legs end', async () => {
  const options = { edge, caller: 'uac-reinvite-bye-race', agents: ['uas-reinvite-bye-race'] }
  await overEveryTransport(options, ({ caller, agent, cdr }) => {
    const again = sentBy(caller, 'INVITE')[1]
    assert.ok(again)
    const finals = responsesTo(caller, 'INVITE').filter(
      (response) => response.status >= 200 && response.header('cseq') === again.header('cseq'),
    )
    assert.ok(finals[0] !== undefined && finals[0].status >= 400, 'a final answer to the re-INVITE')
    assert.is(requestsTo(caller, 'BYE').length, 1)
    assert.is(responsesTo(agent, 'BYE').at(-1)?.status, 200)
    assert.is(cdr.ended_by, 'leg_b')
  })
})

Races('leave nothing behind', async () => {
  assert.equal(await edge.settle(45_000), {})
})

Races.run()
