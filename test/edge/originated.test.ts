import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  AGENT_AGAIN,
  AGENT_MOVED,
  ANSWER,
  DESTINATION,
  NUMBER,
  OFFER,
  OriginateBench,
  OTHER,
  turn,
} from './originate-bench.js'

const Placed = suite('A call placed for an agent')

Placed('rings the agent without an offer, and gives the destination the one it answers with', async () => {
  const bench = new OriginateBench({
    agent: { headers: { 'X-Team': 'sales', 'X-Both': 'agent' } },
    request: { headers: { 'X-Lead': '17', 'X-Both': 'request' } },
  })
  const originated = await bench.originate()
  assert.is(originated.call?.state, 'trying')
  assert.is(originated.call?.direction, 'outbound')
  const { agent } = bench
  assert.is(agent.uri, 'sip:agent@127.0.0.1:5090')
  assert.is(agent.options.body, '')
  assert.is(agent.header('from'), `<sip:${NUMBER}@localhost>`)
  assert.is(agent.header('x-signalbox-call-id'), originated.call?.call_id)
  assert.is(agent.header('x-signalbox-number'), NUMBER)
  assert.is(agent.header('x-signalbox-destination'), DESTINATION)
  assert.is(agent.header('x-signalbox-direction'), 'outbound')
  assert.equal([agent.header('x-team'), agent.header('x-lead'), agent.header('x-both')], ['sales', '17', 'request'])
  assert.is(agent.header('supported'), undefined)
  agent.ring()
  assert.is(bench.server.out.length, 1)
  agent.offer(OFFER)
  assert.is(agent.acked, undefined)
  await turn()
  const out = bench.server.last
  assert.is(out.uri, `sip:${DESTINATION}@pbx.example.com`)
  assert.is(out.options.body, OFFER)
  assert.match(out.header('from') ?? '', NUMBER)
  out.ring()
  assert.is(bench.state, 'ringing')
  bench.clock.advance(2_000)
  const b = out.answer(ANSWER)
  assert.is(agent.acked, ANSWER)
  assert.is(bench.state, 'answered')
  bench.clock.advance(5_000)
  bench.a.hangUp({ Reason: 'Q.850;cause=16' })
  assert.equal(b.byes, [{ Reason: 'Q.850;cause=16' }])
  const { cdr } = bench
  assert.equal([cdr.direction, cdr.from, cdr.to, cdr.phone_number], ['outbound', NUMBER, DESTINATION, NUMBER])
  assert.equal([cdr.trunk_id, cdr.agent_id, cdr.account_id], ['pbx', 'front', 'default'])
  assert.equal([cdr.leg_a_status, cdr.leg_b_status], [200, 200])
  assert.is(cdr.leg_a_call_id, agent.callId)
  assert.is(cdr.leg_b_call_id, out.callId)
  assert.is(cdr.source_address, '127.0.0.9')
  assert.is(cdr.result, 'answered')
  assert.is(cdr.ended_by, 'leg_a')
  assert.is(cdr.duration_s, 5)
  assert.equal(
    cdr.attempts.map(({ status }) => status),
    [200, 200],
  )
  assert.is(cdr.explanation?.trace.identified_by, 'api')
  assert.equal(
    bench.events.map(({ type }) => type),
    ['call.started', 'call.ringing', 'call.answered', 'call.ended'],
  )
  assert.is(bench.leaks, '')
})

Placed('is bridged like any other: re-INVITE, INFO and BYE pass both ways', async () => {
  const bench = new OriginateBench()
  const { a, b } = await bench.answered()
  const hold = a.receive('INVITE', {}, AGENT_MOVED)
  assert.is(b.sent.at(-1)?.request.body, AGENT_MOVED)
  b.sent.at(-1)?.respond(200, 'OK', {}, OTHER)
  assert.is(hold.final?.body, OTHER)
  const info = b.receive('INFO', {}, 'x')
  a.sent.at(-1)?.respond(200, 'OK')
  assert.equal(info.statuses, [200])
  b.hangUp()
  assert.is(a.byes.length, 1)
  assert.is(bench.cdr.ended_by, 'leg_b')
  assert.is(bench.leaks, '')
})

Placed('lets the agent hear early media: the first SDP of the destination is the answer in its ACK', async () => {
  const bench = new OriginateBench()
  const out = await bench.offered()
  out.ring(180)
  assert.is(bench.agent.acked, undefined)
  out.ring(183, {}, ANSWER)
  assert.is(bench.agent.acked, ANSWER)
  assert.is(bench.state, 'ringing')
  out.ring(183, {}, ANSWER)
  out.answer(ANSWER)
  assert.is(bench.a.sent.length, 0)
  bench.clock.advance(30_000)
  assert.is(bench.state, 'answered')
  bench.a.hangUp()
  assert.is(bench.leaks, '')
})

Placed('takes a 200 without SDP when a reliable provisional response has had the answer (RFC 3262)', async () => {
  const bench = new OriginateBench()
  const out = await bench.offered()
  out.ring(183, { RSeq: '1' }, ANSWER)
  const b = out.answer('')
  const info = bench.a.receive('INFO')
  assert.is(b.sent.length, 1)
  b.sent[0]?.respond(200, 'OK')
  assert.equal(info.statuses, [200])
  bench.a.hangUp()
  assert.is(bench.leaks, '')
})

Placed('ends when the destination answers without SDP at all', async () => {
  const bench = new OriginateBench()
  const out = await bench.offered()
  const b = out.answer('')
  assert.is(bench.cdr.result, 'destination_refused')
  assert.is(b.byes.length, 1)
  assert.is(bench.a.byes.length, 1)
  assert.is(bench.leaks, '')
})

Placed('tells the agent by re-INVITE when the destination’s answer is not its early one', async () => {
  const bench = new OriginateBench()
  const out = await bench.offered()
  out.ring(183, {}, ANSWER)
  const b = out.answer(OTHER)
  const { a } = bench
  assert.is(a.sent[0]?.request.method, 'INVITE')
  assert.is(a.sent[0]?.request.body, OTHER)
  // What comes now waits, or is told that an offer is under way.
  const info = a.receive('INFO')
  const glare = b.receive('INVITE', {}, ANSWER)
  assert.equal(glare.statuses, [491])
  assert.equal(a.receive('INVITE', {}, OFFER).statuses, [491])
  a.sent[0]?.respond(200, 'OK', {}, AGENT_AGAIN)
  assert.is(b.sent[0]?.request.method, 'INFO')
  b.sent[0]?.respond(200, 'OK')
  assert.equal(info.statuses, [200])
  b.hangUp()
  assert.is(bench.cdr.result, 'answered')
  assert.is(bench.leaks, '')
})

Placed('tells the destination when the agent answers that from elsewhere, and no more than it must', async () => {
  const bench = new OriginateBench()
  const out = await bench.offered()
  out.ring(183, {}, ANSWER)
  const b = out.answer(OTHER)
  const { a } = bench
  a.sent[0]?.respond(200, 'OK', {}, AGENT_MOVED)
  assert.is(b.sent[0]?.request.method, 'INVITE')
  assert.is(b.sent[0]?.request.body, AGENT_MOVED)
  b.sent[0]?.respond(200, 'OK', {}, OTHER)
  assert.is(a.sent.length, 1)
  const info = a.receive('INFO')
  assert.is(b.sent[1]?.request.method, 'INFO')
  b.sent[1]?.respond(200, 'OK')
  assert.equal(info.statuses, [200])
  a.hangUp()
  assert.is(bench.leaks, '')
})

Placed('does not go on for ever between ends that answer each offer with another', async () => {
  const bench = new OriginateBench()
  const out = await bench.offered()
  out.ring(183, {}, ANSWER)
  const b = out.answer(OTHER)
  const { a } = bench
  const anew = (port: number): string => ANSWER.replaceAll('6000', String(port))
  let at = 0
  for (; at < 20; at++) {
    const [last, other] = [a.sent.at(-1), b.sent.at(-1)]
    const before = a.sent.length + b.sent.length
    if (at % 2 === 0) last?.respond(200, 'OK', {}, anew(7000 + at))
    else other?.respond(200, 'OK', {}, anew(8000 + at))
    if (a.sent.length + b.sent.length === before) break
  }
  assert.ok(at > 2 && at < 10, `${at} rounds`)
  a.receive('INFO')
  assert.is(b.sent.at(-1)?.request.method, 'INFO')
  a.hangUp()
  assert.is(bench.leaks, '')
})

Placed(
  'answers the agent after 20 s with streams on which nothing flows, and brings it the real answer later',
  async () => {
    const bench = new OriginateBench()
    const out = await bench.offered()
    out.ring()
    bench.clock.advance(19_999)
    assert.is(bench.agent.acked, undefined)
    bench.clock.advance(1)
    const interim = bench.agent.acked ?? ''
    assert.match(interim, 'm=audio 9 RTP/AVP 0 8 101\r\n')
    assert.match(interim, 'a=rtpmap:101 telephone-event/8000\r\n')
    assert.match(interim, 'a=inactive\r\n')
    bench.clock.advance(30_000)
    const b = out.answer(ANSWER)
    assert.is(bench.a.sent[0]?.request.body, ANSWER)
    bench.a.sent[0]?.respond(200, 'OK', {}, AGENT_AGAIN)
    assert.is(b.sent.length, 0)
    bench.a.hangUp()
    assert.is(b.byes.length, 1)
    assert.is(bench.leaks, '')
  },
)

Placed(
  'tries its re-INVITE again after a glare, 2.1 to 4 s later (RFC 3261 14.1), and after a 500 with Retry-After',
  async () => {
    const bench = new OriginateBench()
    const out = await bench.offered()
    out.ring(183, {}, ANSWER)
    out.answer(OTHER)
    const { a } = bench
    a.sent[0]?.respond(491, 'Request Pending')
    bench.clock.advance(2_099)
    assert.is(a.sent.length, 1)
    bench.clock.advance(1_901)
    assert.is(a.sent.length, 2)
    a.sent[1]?.respond(500, 'Server Internal Error', { 'Retry-After': '3' })
    bench.clock.advance(2_999)
    assert.is(a.sent.length, 2)
    bench.clock.advance(1)
    a.sent[2]?.respond(200, 'OK', {}, AGENT_AGAIN)
    a.hangUp()
    assert.is(bench.leaks, '')
  },
)

Placed('ends when an agent will have none of the destination’s answer, on both sides', async () => {
  for (const [status, fail] of [
    [488, false],
    [481, false],
    [0, true],
  ] as const) {
    const bench = new OriginateBench()
    const out = await bench.offered()
    out.ring(183, {}, ANSWER)
    const b = out.answer(OTHER)
    if (fail) bench.a.sent[0]?.fail({ dialogGone: true, message: 'no such dialog' })
    else bench.a.sent[0]?.respond(status, 'No')
    assert.is(bench.cdr.result, 'agent_refused')
    assert.is(b.byes.length, 1)
    assert.is(bench.a.byes.length, 1)
    assert.is(bench.leaks, '')
  }
})

Placed('outlives an agent that does not take another branch’s early media', async () => {
  const bench = new OriginateBench()
  const out = await bench.offered()
  out.ring(183, {}, ANSWER)
  out.ring(183, {}, OTHER)
  bench.a.sent[0]?.respond(488, 'Not Acceptable Here')
  out.ring(183, {}, OTHER)
  assert.is(bench.a.sent.length, 1)
  out.answer(ANSWER)
  assert.is(bench.state, 'answered')
  bench.a.hangUp()
  assert.is(bench.cdr.result, 'answered')
  assert.is(bench.leaks, '')
})

Placed('ends when the destination will have none of where the agent is now', async () => {
  const bench = new OriginateBench()
  const out = await bench.offered()
  out.ring(183, {}, ANSWER)
  const b = out.answer(OTHER)
  bench.a.sent[0]?.respond(200, 'OK', {}, AGENT_MOVED)
  b.sent[0]?.respond(488, 'Not Acceptable Here')
  assert.is(bench.cdr.result, 'destination_refused')
  assert.is(bench.cdr.ended_by, 'leg_b')
  assert.is(bench.leaks, '')
})

Placed('to a busy destination ends the agent’s leg with BYE and why', async () => {
  const bench = new OriginateBench()
  const out = await bench.offered()
  out.refuse(486, 'Busy Here')
  // The offer has its answer, and the 200 its ACK, before the BYE.
  assert.match(bench.agent.acked ?? '', 'a=inactive')
  assert.equal(bench.a.byes, [{ Reason: 'SIP;cause=486;text="DESTINATION_BUSY"' }])
  assert.is(bench.cdr.result, 'destination_busy')
  assert.is(bench.cdr.ended_by, 'leg_b')
  assert.equal([bench.cdr.leg_a_status, bench.cdr.leg_b_status], [200, 486])
  assert.is(bench.leaks, '')
})

Placed('ends after early media as well when the destination declines', async () => {
  const bench = new OriginateBench()
  const out = await bench.offered()
  out.ring(183, {}, ANSWER)
  out.refuse(603, 'Decline')
  assert.is(bench.a.byes.length, 1)
  assert.is(bench.cdr.result, 'destination_declined')
  assert.is(bench.leaks, '')
})

Placed('never calls the destination when the agent does not answer, is busy, or is not there', async () => {
  for (const [end, result, status, by] of [
    ['busy', 'agent_busy', 486, 'leg_a'],
    ['silent', 'agent_timeout', null, 'edge'],
    ['rings', 'agent_no_answer', 487, 'edge'],
    ['away', 'agent_unreachable', null, 'edge'],
  ] as const) {
    const bench = new OriginateBench({ agent: { ring_timeout_s: 5 } })
    await bench.originate()
    const { agent } = bench
    if (end === 'busy') agent.refuse(486, 'Busy Here')
    if (end === 'away') agent.fail()
    if (end === 'rings') agent.ring()
    if (end === 'rings' || end === 'silent') {
      bench.clock.advance(5_000)
      assert.ok(agent.cancelled)
      if (end === 'rings') agent.refuse(487, 'Request Terminated')
      else bench.clock.advance(1_000)
    }
    assert.is(bench.cdr.result, result)
    assert.is(bench.cdr.leg_a_status, status)
    assert.is(bench.cdr.leg_b_status, null)
    assert.is(bench.cdr.ended_by, by, end)
    assert.is(bench.server.out.length, 1)
    assert.is(bench.leaks, '')
  }
})

Placed('tries the agent’s addresses in order, each for the time that was asked for', async () => {
  const bench = new OriginateBench({
    agent: { fallback_sip_uris: ['sip:second@127.0.0.1:5091'], ring_timeout_s: 60 },
    request: { ringTimeoutMs: 2_000 },
  })
  await bench.originate()
  bench.clock.advance(2_000)
  bench.agent.refuse(487, 'Request Terminated')
  assert.is(bench.server.last.uri, 'sip:second@127.0.0.1:5091')
  bench.server.last.offer(OFFER)
  await turn()
  bench.server.last.ring()
  bench.clock.advance(2_000)
  bench.server.last.refuse(487, 'Request Terminated')
  assert.is(bench.cdr.result, 'destination_no_answer')
  assert.equal(
    bench.cdr.attempts.map(({ status }) => status),
    [487, 200, 487],
  )
  assert.is(bench.leaks, '')
})

Placed(
  'calls an agent that wants an offer again, with one on which nothing flows, and then asks for its own',
  async () => {
    for (const status of [400, 415, 488, 606]) {
      const bench = new OriginateBench({ agent: { fallback_sip_uris: ['sip:second@127.0.0.1:5091'] } })
      await bench.originate()
      bench.agent.refuse(status, 'No')
      const again = bench.server.last
      assert.is(again.uri, 'sip:agent@127.0.0.1:5090')
      assert.match(again.options.body, 'm=audio 9 RTP/AVP 0 8 101')
      assert.match(again.options.body, 'a=inactive')
      assert.is(again.header('content-type'), 'application/sdp')
      const a = again.answer(AGENT_AGAIN)
      assert.is(a.sent[0]?.request.body, '')
      a.sent[0]?.respond(200, 'OK', {}, OFFER)
      await turn()
      const out = bench.server.last
      assert.is(out.options.body, OFFER)
      const b = out.answer(ANSWER)
      assert.is(a.sent[0]?.ack, ANSWER)
      const info = b.receive('INFO')
      a.sent[1]?.respond(200, 'OK')
      assert.equal(info.statuses, [200])
      a.hangUp()
      assert.equal(
        bench.cdr.attempts.map((attempt) => attempt.status),
        [status, 200, 200],
      )
      assert.is(bench.cdr.leg_a_status, 200)
      assert.is(bench.leaks, '')
    }
  },
)

Placed('gives up on an agent that refuses either way, or has no offer of its own', async () => {
  const refusing = new OriginateBench()
  await refusing.originate()
  refusing.agent.refuse(488, 'Not Acceptable Here')
  refusing.server.last.refuse(488, 'Not Acceptable Here')
  assert.is(refusing.server.out.length, 2)
  assert.is(refusing.cdr.result, 'agent_refused')
  assert.is(refusing.leaks, '')

  const bench = new OriginateBench()
  await bench.originate()
  bench.agent.refuse(488, 'Not Acceptable Here')
  const a = bench.server.last.answer(AGENT_AGAIN)
  a.sent[0]?.respond(488, 'Not Acceptable Here')
  assert.is(a.byes.length, 1)
  assert.is(bench.cdr.result, 'agent_refused')
  assert.is(bench.server.out.length, 2)
  assert.is(bench.leaks, '')

  for (const body of ['', 'hello', 'v=0\r\n']) {
    const silent = new OriginateBench()
    await silent.originate()
    if (body === '') silent.agent.answer('')
    else silent.agent.offer(body)
    await turn()
    assert.is(silent.server.out.length, 1, body)
    assert.is(silent.cdr.result, 'agent_refused')
    assert.is(silent.leaks, '')
  }
})

Placed(
  'is given up when the agent hangs up while the destination rings: CANCEL, and its end is heard out',
  async () => {
    for (const early of [true, false]) {
      const bench = new OriginateBench()
      const out = await bench.offered()
      if (early) out.ring(183, {}, ANSWER)
      else out.ring(180)
      if (early) bench.a.hangUp({ Reason: 'SIP;cause=200;text="changed my mind"' })
      else bench.agent.hangUpEarly()
      assert.ok(out.cancelled?.Reason)
      assert.is(bench.state, 'ending')
      out.refuse(487, 'Request Terminated')
      assert.is(bench.cdr.result, 'caller_cancelled')
      assert.is(bench.cdr.ended_by, 'leg_a')
      assert.equal([bench.cdr.leg_a_status, bench.cdr.leg_b_status], [200, 487])
      assert.is(bench.leaks, '')
    }
  },
)

Placed('whose agent’s BYE crosses the destination’s answer ends that too', async () => {
  const bench = new OriginateBench()
  const out = await bench.offered()
  out.ring(183, {}, ANSWER)
  bench.a.hangUp()
  const b = out.answer(ANSWER)
  assert.is(b.byes.length, 1)
  assert.is(bench.cdr.result, 'caller_cancelled')
  assert.is(bench.leaks, '')
})

Placed('is not held up by a destination that does not answer the CANCEL', async () => {
  const bench = new OriginateBench()
  const out = await bench.offered()
  out.ring(183, {}, ANSWER)
  bench.a.hangUp()
  bench.clock.advance(1_000)
  assert.is(bench.cdr.result, 'caller_cancelled')
  assert.is(bench.leaks, '')
})

Placed('whose destination hangs up while the agent is being told of its answer ends both', async () => {
  const bench = new OriginateBench()
  const out = await bench.offered()
  out.ring(183, {}, ANSWER)
  const b = out.answer(OTHER)
  b.hangUp()
  assert.is(bench.a.byes.length, 1)
  // Its answer comes all the same.
  bench.a.sent[0]?.respond(200, 'OK', {}, AGENT_AGAIN)
  assert.is(b.sent.length, 0)
  assert.is(bench.cdr.ended_by, 'leg_b')
  assert.is(bench.leaks, '')
})

Placed('is ended by an operator in whatever phase it is', async () => {
  const phases: Record<string, (bench: OriginateBench) => Promise<void>> = {
    calling: async (bench) => {
      await bench.originate()
      bench.server.echoes = true
    },
    'agent rings': async (bench) => {
      await bench.originate()
      bench.agent.ring()
    },
    'destination is looked for': async (bench) => {
      await bench.originate()
      bench.agent.offer(OFFER)
    },
    'destination rings': async (bench) => {
      ;(await bench.offered()).ring()
    },
    'early media': async (bench) => {
      ;(await bench.offered()).ring(183, {}, ANSWER)
    },
    'after the interim answer': async (bench) => {
      ;(await bench.offered()).ring()
      bench.clock.advance(20_000)
    },
    're-INVITE': async (bench) => {
      const out = await bench.offered()
      out.ring(183, {}, ANSWER)
      out.answer(OTHER)
    },
    glare: async (bench) => {
      const out = await bench.offered()
      out.ring(183, {}, ANSWER)
      out.answer(OTHER)
      bench.a.sent[0]?.respond(491, 'Request Pending')
    },
    're-INVITE to the destination': async (bench) => {
      const out = await bench.offered()
      out.ring(183, {}, ANSWER)
      out.answer(OTHER)
      bench.a.sent[0]?.respond(200, 'OK', {}, AGENT_MOVED)
    },
    'glare with the destination': async (bench) => {
      const out = await bench.offered()
      out.ring(183, {}, ANSWER)
      const b = out.answer(OTHER)
      bench.a.sent[0]?.respond(200, 'OK', {}, AGENT_MOVED)
      b.sent[0]?.respond(491, 'Request Pending')
    },
    'asked for an offer': async (bench) => {
      await bench.originate()
      bench.agent.refuse(488, 'No')
      bench.server.last.answer(AGENT_AGAIN)
    },
    'offer after all': async (bench) => {
      await bench.originate()
      bench.agent.refuse(488, 'No')
      bench.server.last.answer(AGENT_AGAIN).sent[0]?.respond(200, 'OK', {}, OFFER)
      await turn()
    },
    answered: async (bench) => {
      await bench.answered()
    },
  }
  for (const [phase, reach] of Object.entries(phases)) {
    const bench = new OriginateBench()
    await reach(bench)
    const before = bench.server.out.length
    assert.ok(await bench.calls.hangUp(bench.calls.list()[0]!.call_id), phase)
    await turn()
    assert.is(bench.server.out.length, before, phase)
    for (const out of bench.server.out) if (!out.over) assert.ok(out.cancelled, `${phase}: ${out.uri} is not cancelled`)
    const answered = bench.cdr.answered_at !== null
    assert.is(bench.cdr.result, answered ? 'answered' : 'operator_hung_up', phase)
    assert.is(bench.cdr.ended_by, 'edge', phase)
    // What is still under way says something.
    for (const out of bench.server.out) if (!out.over) out.refuse(487, 'Request Terminated')
    assert.is(bench.leaks, '', phase)
  }
})

Placed('says no to what the agent wants of a destination that has not answered', async () => {
  const bench = new OriginateBench()
  const out = await bench.offered()
  out.ring(183, {}, ANSWER)
  const { a } = bench
  assert.equal(a.receive('INVITE', {}, OFFER).statuses, [491])
  assert.equal(a.receive('UPDATE', {}, OFFER).statuses, [491])
  assert.equal(a.receive('UPDATE').statuses, [200])
  assert.equal(a.receive('INFO').statuses, [480])
  assert.equal(a.receive('REFER').statuses, [480])
  assert.equal(a.receive('OPTIONS').statuses, [200])
  out.answer(ANSWER)
  a.hangUp()
  assert.is(bench.leaks, '')
})

Placed('ends with INTERNAL_ERROR when code of ours throws in the middle of it', async () => {
  const bench = new OriginateBench()
  await bench.originate()
  bench.server.invite = () => {
    throw new Error('a bug')
  }
  bench.agent.offer(OFFER)
  await turn()
  assert.is(bench.cdr.result, 'internal_error')
  assert.is(bench.errors.length, 1)
  bench.errors.length = 0
  assert.is(bench.a.byes.length, 1)
  assert.is(bench.leaks, '')
})

const Asked = suite('A request for a call')

Asked('that the router refuses is refused with its code; nobody is called and nothing recorded', async () => {
  const bench = new OriginateBench({ refuse: 'CALLER_ID_NOT_ALLOWED' })
  const refused = await bench.originate()
  assert.equal(refused, { code: 'CALLER_ID_NOT_ALLOWED', detail: 'refused: CALLER_ID_NOT_ALLOWED' })
  assert.is(bench.server.out.length, 0)
  assert.is(bench.cdrs.length + bench.events.length, 0)
  assert.equal(bench.asked, [{ agentId: 'front', from: NUMBER, to: DESTINATION }])
})

const codeOf = (originated: object): string | undefined => ('code' in originated ? String(originated.code) : undefined)

Asked('is refused while the edge stops or is full, also when it becomes so meanwhile', async () => {
  const stopping = new OriginateBench()
  stopping.stopping = true
  assert.is(codeOf(await stopping.originate()), 'EDGE_STOPPING')
  assert.is(stopping.asked.length, 0)
  const late = new OriginateBench()
  const asked = late.originate()
  late.stopping = true
  assert.is(codeOf(await asked), 'EDGE_STOPPING')
  assert.is(late.released.length, 1)
  const full = new OriginateBench({ maxCalls: 1 })
  const [first, second] = await Promise.all([full.originate(), full.originate()])
  assert.ok(first.call)
  assert.is(codeOf(second), 'EDGE_FULL')
  assert.is(codeOf(await full.originate()), 'EDGE_FULL')
  assert.is(full.server.out.length, 1)
})

Asked('is refused when the agent or the trunk has all the calls it may have', async () => {
  const bench = new OriginateBench({ agent: { channel_limit: 1 } })
  const [first, second] = await Promise.all([bench.originate(), bench.originate()])
  assert.ok(first.call)
  assert.is(codeOf(second), 'AGENT_CHANNELS_FULL')
  assert.is(bench.released.length, 1)
  await bench.calls.hangUp(first.call!.call_id)
  assert.ok((await bench.originate()).call)
  for (const [limit, code] of [
    ['channel_limit', 'TRUNK_CHANNELS_FULL'],
    ['cps_limit', 'TRUNK_RATE_LIMITED'],
    ['outbound_minutes_per_day', 'TRUNK_MINUTES_SPENT'],
  ] as const) {
    const met = { of: 'trunk', id: 'pbx-1', limit } as const
    assert.is(codeOf(await new OriginateBench({ met, trunk: { [limit]: 1 } }).originate()), code)
  }
})

Placed.run()
Asked.run()
