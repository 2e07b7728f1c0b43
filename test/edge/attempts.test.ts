import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Bench } from './bench.js'
import { ANSWER } from './scripted-server.js'

const Attempts = suite('Fail-over')

const TWO = ['sip:one@127.0.0.1:5091', 'sip:two@127.0.0.1:5092']

for (const status of [408, 500, 501, 502, 503, 504, 513, 580, 599])
  Attempts(`tries the agent’s next address after ${status}`, async () => {
    const bench = new Bench({ targets: TWO })
    const invite = await bench.call()
    bench.server.last.refuse(status)
    assert.is(bench.server.out.length, 2)
    assert.is(bench.server.last.uri, TWO[1])
    bench.server.last.answer()
    assert.equal(invite.statuses, [200])
    bench.server.callerDialogs[0]!.acknowledge()
    bench.server.callerDialogs[0]!.hangUp()
    assert.equal(
      bench.cdr.attempts.map((attempt) => [attempt.target, attempt.status]),
      [
        [TWO[0], status],
        [TWO[1], 200],
      ],
    )
    assert.is(bench.cdr.leg_b_call_id, 'leg-b-2')
    assert.is(bench.leaks, '')
  })

// The agent's status, what the caller gets, the result in metrics.
const final: readonly [number, number, string][] = [
  [302, 480, 'agent_refused'],
  [401, 480, 'agent_refused'],
  [403, 480, 'agent_refused'],
  [404, 480, 'agent_refused'],
  [407, 480, 'agent_refused'],
  [410, 480, 'agent_refused'],
  [415, 415, 'agent_refused'],
  [420, 480, 'agent_refused'],
  [480, 480, 'agent_refused'],
  [484, 480, 'agent_refused'],
  [486, 486, 'agent_busy'],
  [488, 488, 'agent_refused'],
  [600, 486, 'agent_busy'],
  [603, 603, 'agent_declined'],
  [604, 480, 'agent_refused'],
  [606, 606, 'agent_refused'],
  [607, 603, 'agent_declined'],
  [608, 603, 'agent_declined'],
]
for (const [status, toCaller, result] of final)
  Attempts(`never tries another address after ${status}; the caller gets ${toCaller}`, async () => {
    const bench = new Bench({ targets: TWO })
    const invite = await bench.call()
    bench.server.last.refuse(status, 'Whatever', { Contact: '<sip:10.0.0.1>', 'WWW-Authenticate': 'Digest realm="x"' })
    assert.is(bench.server.out.length, 1)
    assert.equal(invite.statuses, [toCaller])
    assert.is(bench.cdr.result, result)
    assert.equal([bench.cdr.leg_a_status, bench.cdr.leg_b_status], [toCaller, status])
    assert.is(bench.cdr.ended_by, 'leg_b')
    assert.is(invite.final?.headers['WWW-Authenticate'], undefined)
    assert.is(invite.final?.headers['Contact'], undefined)
    assert.is(bench.leaks, '')
  })

Attempts('hands a refusal of the offer on with its own words, without the agent’s address', async () => {
  const bench = new Bench()
  const invite = await bench.call()
  bench.server.last.refuse(488, 'Not Acceptable Here', {
    Warning: '305 10.1.2.3:5060 "Incompatible media format"',
    Accept: 'application/sdp',
  })
  const { final: given } = invite
  assert.is(given?.reason, 'Not Acceptable Here')
  assert.is(given?.headers['Warning'], '305 signalbox "Incompatible media format"')
  assert.is(given?.headers['Accept'], 'application/sdp')
  assert.not(JSON.stringify(given).includes('10.1.2.3'))
})

Attempts('tries the next address when an INVITE cannot be sent', async () => {
  const bench = new Bench({ targets: TWO })
  await bench.call()
  bench.server.last.fail()
  assert.is(bench.server.last.uri, TWO[1])
  bench.server.last.fail()
  assert.equal([bench.cdr.result, bench.cdr.leg_a_status, bench.cdr.leg_b_status], ['agent_unreachable', 503, null])
  assert.equal(
    bench.cdr.attempts.map(({ status }) => status),
    [0, 0],
  )
  assert.is(bench.leaks, '')
})

Attempts('cancels an address that rings too long and tries the next', async () => {
  const bench = new Bench({ targets: TWO, settings: { ringTimeoutMs: 20_000 } })
  const invite = await bench.call()
  const first = bench.server.last
  first.ring()
  bench.clock.advance(19_999)
  assert.is(first.cancelled, undefined)
  bench.clock.advance(1)
  assert.equal(first.cancelled, { Reason: 'SIP;cause=408;text="No answer"' })
  first.refuse(487, 'Request Terminated')
  assert.is(bench.server.last.uri, TWO[1])
  bench.server.last.answer()
  assert.equal(invite.statuses, [180, 200])
  bench.server.callerDialogs[0]!.acknowledge()
  bench.server.callerDialogs[0]!.hangUp()
  assert.is(bench.cdr.attempts[0]?.status, 487)
  assert.is(bench.cdr.attempts[0]?.duration_ms, 20_000)
  assert.is(bench.leaks, '')
})

Attempts('does not wait long for the end of an address it has cancelled', async () => {
  const bench = new Bench({ targets: TWO })
  await bench.call()
  bench.clock.advance(30_000)
  assert.is(bench.server.out.length, 1)
  bench.clock.advance(1_000)
  assert.is(bench.server.out.length, 2)
})

Attempts('takes the agent’s own ring timeout before the edge’s', async () => {
  const bench = new Bench({ agent: { ring_timeout_s: 5 } })
  const invite = await bench.call()
  bench.server.last.ring()
  bench.clock.advance(5_000)
  bench.server.last.refuse(487, 'Request Terminated')
  assert.equal(invite.statuses, [180, 480])
  assert.is(bench.cdr.result, 'agent_no_answer')
  assert.is(bench.leaks, '')
})

Attempts('calls an agent that never said a word a timeout', async () => {
  const bench = new Bench()
  const invite = await bench.call()
  bench.clock.advance(31_000)
  assert.is(invite.final?.status, 408)
  assert.is(bench.cdr.result, 'agent_timeout')
  assert.is(bench.cdr.leg_b_status, null)
  assert.is(bench.leaks, '')
})

Attempts(
  'hangs up an answer that crosses the CANCEL of its ring timeout, and goes on to the next address',
  async () => {
    const bench = new Bench({ targets: TWO })
    await bench.call()
    const first = bench.server.last
    first.ring()
    bench.clock.advance(30_000)
    const late = first.answer()
    assert.is(late.byes.length, 1)
    assert.is(bench.server.last.uri, TWO[1])
    bench.server.last.refuse(486)
    assert.is(bench.cdr.result, 'agent_busy')
    assert.is(bench.leaks, '')
  },
)

Attempts('ends when the caller cancels while an address is being given up', async () => {
  const bench = new Bench({ targets: TWO })
  const invite = await bench.call()
  bench.clock.advance(30_000)
  invite.cancel()
  bench.server.last.refuse(487)
  assert.is(bench.server.out.length, 1)
  assert.is(bench.cdr.result, 'caller_cancelled')
  assert.is(bench.leaks, '')
})

Attempts('reports the failure of the lowest class: no answer rather than an unreachable second address', async () => {
  const bench = new Bench({ targets: TWO })
  const invite = await bench.call()
  bench.server.last.ring()
  bench.clock.advance(30_000)
  bench.server.last.refuse(487)
  bench.server.last.fail()
  assert.is(invite.final?.status, 480)
  assert.is(bench.cdr.result, 'agent_no_answer')
  assert.is(bench.leaks, '')
})

Attempts('does not fail over once the caller relies on an SDP answer of the first address (RFC 3262)', async () => {
  const bench = new Bench({ targets: TWO })
  const invite = await bench.call(Bench.invite({ Require: '100rel' }))
  bench.server.last.ring(183, { RSeq: '1' }, ANSWER)
  invite.given[0]?.prack?.()
  bench.server.last.refuse(503)
  assert.is(bench.server.out.length, 1)
  assert.is(bench.cdr.result, 'agent_server_error')
  assert.is(bench.leaks, '')
})

Attempts('ignores what a cancelled address still says', async () => {
  const bench = new Bench({ targets: TWO })
  const invite = await bench.call()
  const first = bench.server.last
  bench.clock.advance(31_000)
  first.ring(183, {}, ANSWER)
  first.refuse(486)
  assert.equal(invite.statuses, [])
  bench.server.last.refuse(603)
  assert.equal(invite.statuses, [603])
  assert.is(bench.cdr.attempts.length, 2)
  assert.is(bench.leaks, '')
})

Attempts.run()
