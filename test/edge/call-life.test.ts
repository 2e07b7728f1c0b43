import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Bench, NUMBER } from './bench.js'
import { ANSWER, SDP } from './scripted-server.js'

const CallLife = suite('A call')

CallLife(
  'goes to the agent with the SDP untouched, is answered with the agent’s, and ends with one record',
  async () => {
    const bench = new Bench()
    const invite = await bench.call()
    const out = bench.server.last
    assert.is(out.uri, 'sip:agent@127.0.0.1:5090')
    assert.is(out.options.body, SDP)
    bench.clock.advance(40)
    out.ring()
    bench.clock.advance(960)
    const b = out.answer()
    assert.equal(invite.statuses, [180, 200])
    assert.is(invite.final?.body, ANSWER)
    assert.is(invite.final?.headers['Content-Type'], 'application/sdp')
    const a = bench.server.callerDialogs[0]!
    a.acknowledge()
    assert.is(bench.calls.list()[0]?.state, 'answered')
    assert.is(bench.active, 1)
    bench.clock.advance(5_000)
    a.hangUp({ Reason: 'Q.850;cause=16;text="Normal call clearing"' })
    assert.equal(b.byes, [{ Reason: 'Q.850;cause=16;text="Normal call clearing"' }])
    const { cdr } = bench
    assert.is(cdr.result, 'answered')
    assert.is(cdr.ended_by, 'leg_a')
    assert.is(cdr.duration_s, 5)
    assert.is(cdr.setup_ms, 1_000)
    assert.is(cdr.ringing_at, '2026-01-01T00:00:00.040Z')
    assert.is(cdr.answered_at, '2026-01-01T00:00:01.000Z')
    assert.equal([cdr.leg_a_status, cdr.leg_b_status], [200, 200])
    assert.equal([cdr.leg_a_call_id, cdr.leg_b_call_id], ['leg-a', 'leg-b-1'])
    assert.equal([cdr.from, cdr.to, cdr.phone_number], ['+13125550199', NUMBER, NUMBER])
    assert.equal([cdr.trunk_id, cdr.agent_id, cdr.account_id], ['pbx-1', 'front', 'default'])
    assert.is(cdr.explanation?.detail, 'to front')
    assert.equal(cdr.attempts, [{ target: 'sip:agent@127.0.0.1:5090', status: 200, reason: 'OK', duration_ms: 1_000 }])
    assert.is(cdr.end_reason, 'BYE: Q.850;cause=16;text="Normal call clearing"')
    assert.equal(bench.counted, [{ labels: { direction: 'inbound', result: 'answered' } }])
    assert.equal(bench.setupSeconds, [1])
    assert.is(bench.leaks, '')
  },
)

CallLife('is logged once when it starts, is answered and ends, each time with its callId', async () => {
  const bench = new Bench()
  const { a } = await bench.answered()
  a.hangUp()
  assert.equal(
    bench.log.map(({ message }) => message),
    ['Call started', 'Call answered', 'Call ended'],
  )
  for (const { fields } of bench.log) assert.is(fields.callId, bench.cdr.call_id)
  assert.is(bench.log[2]?.fields.trunk, 'pbx-1')
})

CallLife('tells of its start, ringing, answer and end, each once and in that order', async () => {
  const bench = new Bench()
  await bench.call()
  bench.server.last.ring()
  bench.server.last.ring(183)
  bench.server.last.answer()
  const a = bench.server.callerDialogs[0]!
  a.acknowledge()
  a.hangUp()
  assert.equal(
    bench.events.map(({ type }) => type),
    ['call.started', 'call.ringing', 'call.answered', 'call.ended'],
  )
  for (const { data } of bench.events) assert.is('call_id' in data && data.call_id, bench.cdr.call_id)
  assert.equal(bench.events.at(-1)?.data, bench.cdr)
  assert.is(bench.events.at(-1)?.at, bench.cdr.ended_at)
})

CallLife('measures the delay from its INVITE to the echo of the agent’s', async () => {
  const bench = new Bench()
  bench.server.echoes = false
  await bench.call()
  bench.clock.advance(3)
  bench.server.last.echo()
  assert.equal(bench.relaySeconds, [0.003])
})

CallLife('ended by the agent hangs up the caller, with the Reason copied', async () => {
  const bench = new Bench()
  const { a, b } = await bench.answered()
  b.hangUp({ Reason: 'SIP;cause=200;text="done"', 'X-Outcome': 'sold', Contact: '<sip:b@10.0.0.9>' })
  assert.equal(a.byes, [{ Reason: 'SIP;cause=200;text="done"', 'X-Outcome': 'sold' }])
  assert.is(bench.cdr.ended_by, 'leg_b')
  assert.is(bench.leaks, '')
})

CallLife('ended by both sides at once is ended once', async () => {
  const bench = new Bench()
  const { a, b } = await bench.answered()
  a.hangUp()
  b.hangUp()
  assert.is(bench.cdr.ended_by, 'leg_a')
  assert.is(b.byes.length, 1)
  assert.is(a.byes.length, 0)
  assert.is(bench.leaks, '')
})

CallLife('whose agent hangs up before the caller’s ACK waits for that ACK with its BYE (RFC 3261 15)', async () => {
  const bench = new Bench()
  await bench.call()
  const b = bench.server.last.answer()
  const a = bench.server.callerDialogs[0]!
  b.hangUp()
  assert.is(bench.cdr.result, 'answered')
  assert.is(a.byes.length, 0)
  a.acknowledge()
  assert.is(a.byes.length, 1)
  assert.is(bench.leaks, '')
})

CallLife('whose agent hangs up while the caller’s 200 is on its way is an answered one', async () => {
  const bench = new Bench()
  bench.server.acceptance = 'held'
  await bench.call()
  bench.server.last.answer().hangUp({ reason: 'Q.850;cause=16' })
  assert.is(bench.cdrs.length, 0)
  bench.server.releaseAccept!()
  const a = bench.server.callerDialogs[0]!
  const { result, ended_by, end_reason, leg_a_status, leg_b_status, answered_at } = bench.cdr
  assert.equal(
    [result, ended_by, end_reason, leg_a_status, leg_b_status],
    ['answered', 'leg_b', 'BYE: Q.850;cause=16', 200, 200],
  )
  assert.is.not(answered_at, null)
  a.acknowledge()
  assert.is(a.byes.length, 1)
  assert.is(bench.leaks, '')
})

CallLife(
  'whose agent hangs up while the caller’s 200 is on its way ends as its CANCEL says when that comes first',
  async () => {
    const bench = new Bench()
    bench.server.acceptance = 'held'
    const invite = await bench.call()
    bench.server.last.answer().hangUp()
    assert.is(bench.cdrs.length, 0)
    invite.cancel()
    assert.equal([bench.cdr.result, bench.cdr.leg_a_status], ['caller_cancelled', 487])
    assert.is(bench.leaks, '')
  },
)

CallLife('whose caller never acknowledges that does not wait for ever with the BYE', async () => {
  const bench = new Bench()
  await bench.call()
  bench.server.last.answer().hangUp()
  bench.clock.advance(32_000)
  assert.is(bench.server.callerDialogs[0]!.byes.length, 1)
  assert.is(bench.leaks, '')
})

CallLife('whose 200 is never acknowledged is ended by the server, and the agent’s leg with it', async () => {
  const bench = new Bench()
  await bench.call()
  const b = bench.server.last.answer()
  bench.clock.advance(32_000)
  bench.server.callerDialogs[0]!.endByServer('ACK timeout')
  assert.is(bench.cdr.result, 'caller_gone')
  assert.is(bench.cdr.ended_by, 'edge')
  assert.is(bench.cdr.end_reason, 'ACK timeout')
  assert.is(b.byes.length, 1)
  assert.is(bench.leaks, '')
})

CallLife('whose session timer runs out on one leg ends as an answered call, by the edge', async () => {
  const bench = new Bench()
  const { a, b } = await bench.answered()
  b.endByServer('Session timer expired')
  assert.equal(
    [bench.cdr.result, bench.cdr.ended_by, bench.cdr.end_reason],
    ['answered', 'edge', 'Session timer expired on leg b'],
  )
  assert.is(a.byes.length, 1)
  assert.is(bench.leaks, '')
})

CallLife('cancelled while routing is asked ends without an INVITE to anyone', async () => {
  let decide: (() => void) | undefined
  const bench = new Bench({
    decide: () => new Promise((resolve) => (decide = () => resolve(new Bench().decision))),
  })
  const invite = await bench.call()
  invite.cancel()
  decide?.()
  await bench.call(Bench.invite({ To: '<sip:x@h>;tag=1' }))
  assert.is(bench.server.out.length, 0)
  assert.equal([bench.cdr.result, bench.cdr.leg_a_status], ['caller_cancelled', 487])
  assert.is(bench.leaks, '')
})

CallLife('cancelled while ringing cancels the agent’s leg with the Reason copied, and records its 487', async () => {
  const bench = new Bench()
  const invite = await bench.call()
  const out = bench.server.last
  out.ring()
  invite.cancel({ Reason: 'SIP;cause=200;text="Call completed elsewhere"' })
  assert.equal(out.cancelled, { Reason: 'SIP;cause=200;text="Call completed elsewhere"' })
  assert.is(bench.cdrs.length, 0)
  out.refuse(487, 'Request Terminated')
  assert.equal([bench.cdr.leg_a_status, bench.cdr.leg_b_status], [487, 487])
  assert.is(bench.cdr.ended_by, 'leg_a')
  assert.is(bench.cdr.result, 'caller_cancelled')
  assert.equal(invite.statuses, [180, 487])
  assert.is(bench.leaks, '')
})

CallLife('cancelled with an agent that says nothing to the CANCEL ends after a second', async () => {
  const bench = new Bench()
  const invite = await bench.call()
  invite.cancel()
  assert.equal(bench.server.last.cancelled, { Reason: 'SIP;cause=487;text="Caller cancelled"' })
  bench.clock.advance(999)
  assert.is(bench.cdrs.length, 0)
  bench.clock.advance(1)
  assert.is(bench.cdr.leg_b_status, null)
  assert.is(bench.leaks, '')
})

CallLife('cancelled before its INVITE was echoed cancels that INVITE once it is', async () => {
  const bench = new Bench()
  bench.server.echoes = false
  const invite = await bench.call()
  invite.cancel()
  bench.clock.advance(1_000)
  assert.is(bench.cdr.result, 'caller_cancelled')
  bench.server.last.echo()
  assert.ok(bench.server.last.cancelled)
  assert.is(bench.leaks, '')
})

CallLife('whose CANCEL crosses the agent’s 200 hangs that answer up (RFC 3261 9.1)', async () => {
  const bench = new Bench()
  const invite = await bench.call()
  const out = bench.server.last
  invite.cancel()
  const b = out.answer()
  assert.is(b.byes.length, 1)
  assert.equal([bench.cdr.result, bench.cdr.leg_b_status], ['caller_cancelled', 200])
  assert.is(bench.server.callerDialogs.length, 0)
  assert.is(bench.leaks, '')
})

CallLife('whose agent answers long after the CANCEL has that answer hung up too', async () => {
  const bench = new Bench()
  const invite = await bench.call()
  const out = bench.server.last
  invite.cancel()
  bench.clock.advance(5_000)
  const b = out.answer()
  assert.is(b.byes.length, 1)
  assert.is(bench.cdrs.length, 1)
  assert.is(bench.leaks, '')
})

CallLife('whose CANCEL crosses our 200 at the server is cancelled, and the agent hung up', async () => {
  const bench = new Bench()
  bench.server.acceptance = new Error('Response not sent due to unknown transaction')
  await bench.call()
  const b = bench.server.last.answer()
  assert.is(b.byes.length, 1)
  assert.equal([bench.cdr.result, bench.cdr.leg_a_status], ['caller_cancelled', 487])
  assert.is(bench.leaks, '')
})

CallLife('whose caller’s connection is gone when it is answered is hung up at the agent', async () => {
  const bench = new Bench()
  bench.server.acceptance = new Error('transport for response has been shutdown or closed')
  await bench.call()
  const b = bench.server.last.answer()
  assert.is(b.byes.length, 1)
  assert.is(bench.cdr.result, 'caller_gone')
  assert.is(bench.leaks, '')
})

CallLife('without offer takes the agent’s offer to the caller and the caller’s answer back in the ACK', async () => {
  const bench = new Bench()
  const invite = await bench.call(Bench.invite({ Supported: '100rel' }, ''))
  const out = bench.server.last
  assert.is(out.options.body, '')
  assert.is(out.header('supported'), undefined)
  out.offer('v=0 offer of b')
  assert.is(invite.final?.body, 'v=0 offer of b')
  const a = bench.server.callerDialogs[0]!
  const early = a.receive('INFO', { 'Content-Type': 'application/dtmf' }, '1')
  assert.is(early.given.length, 0)
  a.acknowledge('v=0 answer of a')
  assert.is(out.acked, 'v=0 answer of a')
  assert.is(out.dialog?.sent[0]?.request.method, 'INFO')
  a.hangUp()
  assert.is(out.dialog?.byes.length, 1)
  assert.is(bench.leaks, '')
})

CallLife('without offer, whose caller goes before its ACK, gives the agent’s offer up', async () => {
  const bench = new Bench()
  await bench.call(Bench.invite({}, ''))
  bench.server.last.offer()
  bench.server.callerDialogs[0]!.endByServer('ACK timeout')
  assert.ok(bench.server.last.abandoned)
  assert.is(bench.cdr.result, 'caller_gone')
  assert.is(bench.leaks, '')
})

CallLife('ends with INTERNAL_ERROR when the router fails', async () => {
  const bench = new Bench({ decide: () => Promise.reject(new Error('boom')) })
  const invite = await bench.call()
  assert.is(invite.final?.status, 500)
  assert.is(bench.cdr.result, 'internal_error')
  assert.not(JSON.stringify(invite.given).includes('boom'))
  assert.is(bench.cdrs.length, 1)
  assert.is(bench.calls.size, 0)
  assert.is(bench.clock.pending, 0)
})

CallLife('ends with INTERNAL_ERROR when code of ours throws in the middle of it', async () => {
  const bench = new Bench()
  const invite = await bench.call()
  invite.answer = (status: number) => {
    if (status === 180) throw new Error('a bug')
    invite.given.push({ status, reason: '', headers: {}, body: '' })
  }
  bench.server.last.ring()
  assert.equal(invite.statuses, [500])
  assert.is(bench.cdr.result, 'internal_error')
  assert.ok(bench.server.last.cancelled)
  assert.is(bench.calls.size, 0)
  assert.is(bench.clock.pending, 0)
})

CallLife('ends although metrics, records and log all fail', async () => {
  const bench = new Bench()
  const { a } = await bench.answered()
  bench.counted.push = () => {
    throw new Error('metrics')
  }
  bench.cdrs.push = () => {
    throw new Error('records')
  }
  bench.log.push = () => {
    throw new Error('log')
  }
  bench.events.push = () => {
    throw new Error('events')
  }
  a.hangUp()
  assert.is(bench.calls.size, 0)
  assert.is(bench.server.openDialogs.length, 0)
  assert.is(bench.active, 0)
})

CallLife('says something to the server before its 64 s are over when the agent says nothing', async () => {
  const bench = new Bench({ agent: { ring_timeout_s: 200 } })
  const invite = await bench.call()
  bench.clock.advance(50_000)
  assert.equal(invite.statuses, [100])
  bench.clock.advance(100_000)
  assert.equal(invite.statuses, [100])
})

CallLife('never shows a caller who withholds its number (RFC 3323)', async () => {
  const bench = new Bench()
  await bench.call(Bench.invite({ Privacy: 'id', 'P-Asserted-Identity': '<sip:+19995550000@h>' }))
  const out = bench.server.last
  assert.is(out.header('from'), '"Anonymous" <sip:anonymous@anonymous.invalid>')
  assert.is(out.header('x-signalbox-caller'), 'anonymous')
  assert.not(JSON.stringify(out.options.headers).includes('1999'))
  assert.not(JSON.stringify(out.options.headers).includes('13125550199'))
})

CallLife.run()
