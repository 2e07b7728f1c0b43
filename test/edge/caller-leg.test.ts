import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Bench } from './bench.js'
import { ANSWER } from './scripted-server.js'

const CallerLeg = suite('Leg A before the answer')

CallerLeg(
  'gets every provisional response from 101 to 198, early media included, with status, words and body',
  async () => {
    const bench = new Bench()
    const invite = await bench.call()
    const out = bench.server.last
    out.ring(180, { 'X-Queue': '3', Contact: '<sip:b@10.0.0.9>', To: '<sip:x@y>;tag=b' }, '', 'Ringing')
    out.ring(183, { 'Content-Type': 'application/sdp' }, ANSWER, 'Session Progress')
    out.ring(181, {}, '', 'Call Is Being Forwarded')
    out.ring(110, {}, '', 'Odd')
    out.ring(199, {}, '', 'Early Dialog Terminated')
    assert.equal(
      invite.given.map(({ status, reason, body }) => [status, reason, body]),
      [
        [180, 'Ringing', ''],
        [183, 'Session Progress', ANSWER],
        [181, 'Call Is Being Forwarded', ''],
        [110, 'Odd', ''],
      ],
    )
    assert.equal(invite.given[0]?.headers, { 'X-Queue': '3' })
    assert.is(invite.given[1]?.headers['Content-Type'], 'application/sdp')
  },
)

CallerLeg('gets an unreliable copy of a reliable response when it does not require reliability', async () => {
  const bench = new Bench()
  const invite = await bench.call(Bench.invite({ Supported: '100rel' }))
  assert.is(bench.server.last.header('supported'), '100rel')
  bench.server.last.ring(183, { RSeq: '7', Require: '100rel' }, ANSWER)
  assert.is(invite.given[0]?.prack, undefined)
  assert.is(invite.given[0]?.headers['RSeq'], undefined)
  assert.is(invite.given[0]?.headers['Require'], undefined)
})

CallerLeg(
  'is given the answer of a reliable response again in the 200 when the agent leaves it out there',
  async () => {
    const bench = new Bench()
    const invite = await bench.call(Bench.invite({ Supported: '100rel' }))
    bench.server.last.ring(183, { RSeq: '7', Require: '100rel', 'Content-Type': 'application/sdp' }, ANSWER)
    bench.server.last.answer('')
    assert.is(invite.final?.body, ANSWER)
    assert.is(invite.final?.headers['Content-Type'], 'application/sdp')
  },
)

CallerLeg('that requires 100rel gets reliable responses one at a time, and its 200 after the last PRACK', async () => {
  const bench = new Bench()
  const invite = await bench.call(Bench.invite({ Require: '100rel' }))
  const out = bench.server.last
  out.ring(180)
  out.ring(183, {}, ANSWER)
  assert.equal(invite.statuses, [180])
  invite.given[0]?.prack?.()
  assert.equal(invite.statuses, [180, 183])
  out.answer()
  assert.equal(invite.statuses, [180, 183])
  invite.given[1]?.prack?.()
  assert.equal(invite.statuses, [180, 183, 200])
  bench.server.callerDialogs[0]!.acknowledge()
  bench.server.callerDialogs[0]!.hangUp()
  assert.is(bench.leaks, '')
})

CallerLeg('that sends no PRACK has a bounded number of responses waiting for it', async () => {
  const bench = new Bench()
  const invite = await bench.call(Bench.invite({ Require: '100rel' }))
  for (let i = 0; i < 100; i++) bench.server.last.ring(180)
  for (let acknowledged = 0; acknowledged < invite.given.length; acknowledged++) invite.given[acknowledged]?.prack?.()
  assert.is(invite.given.length, 17)
})

CallerLeg('that never sends the PRACK is answered all the same in the end', async () => {
  const bench = new Bench()
  const invite = await bench.call(Bench.invite({ Require: '100rel' }))
  bench.server.last.ring(183, {}, ANSWER)
  bench.server.last.answer()
  bench.clock.advance(32_000)
  assert.equal(invite.statuses, [183, 200])
})

CallerLeg('that cancels while its PRACK is waited for has the agent hung up', async () => {
  const bench = new Bench()
  const invite = await bench.call(Bench.invite({ Require: '100rel' }))
  bench.server.last.ring(183, {}, ANSWER)
  const b = bench.server.last.answer()
  invite.cancel()
  assert.is(b.byes.length, 1)
  assert.is(bench.cdr.result, 'caller_cancelled')
  assert.is(bench.leaks, '')
})

CallerLeg('whose agent hangs up while its PRACK is waited for is refused', async () => {
  const bench = new Bench()
  const invite = await bench.call(Bench.invite({ Require: '100rel' }))
  bench.server.last.ring(183, {}, ANSWER)
  bench.server.last.answer().hangUp()
  assert.equal(invite.statuses, [183, 480])
  assert.is(bench.cdr.result, 'agent_refused')
  assert.is(bench.leaks, '')
})

CallerLeg('without offer gets no SDP reliably: it would be an offer whose answer nobody waits for', async () => {
  const bench = new Bench()
  const invite = await bench.call(Bench.invite({ Require: '100rel' }, ''))
  bench.server.last.ring(183, { 'Content-Type': 'application/sdp' }, ANSWER)
  assert.is(invite.given[0]?.body, '')
  assert.is(invite.given[0]?.headers['Content-Type'], undefined)
})

CallerLeg.run()
