import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Bench } from './bench.js'
import { ANSWER, type Dialog, SDP } from './scripted-server.js'

const BridgeSuite = suite('An answered call')

const HOLD = SDP.replace('m=audio', 'a=sendonly\r\nm=audio')

for (const [from, to] of [
  ['a', 'b'],
  ['b', 'a'],
] as const) {
  const start = async (): Promise<{ bench: Bench; near: Dialog; far: Dialog }> => {
    const bench = new Bench()
    const call = await bench.answered()
    return { bench, near: call[from], far: call[to] }
  }

  BridgeSuite(`takes a re-INVITE of ${from} to ${to} and the answer back, bodies untouched`, async () => {
    const { near, far, bench } = await start()
    const request = near.receive(
      'INVITE',
      {
        'Content-Type': 'application/sdp',
        'X-Why': 'hold',
        Contact: '<sip:n@10.0.0.1>',
        'Session-Expires': '90',
      },
      HOLD,
    )
    assert.equal(far.sent[0]?.request, {
      method: 'INVITE',
      headers: { 'Content-Type': 'application/sdp', 'X-Why': 'hold' },
      body: HOLD,
    })
    far.sent[0]?.respond(200, 'OK', { 'Content-Type': 'application/sdp', Contact: '<sip:f@10.0.0.2>' }, ANSWER)
    assert.equal(request.given, [
      { status: 200, reason: 'OK', headers: { 'Content-Type': 'application/sdp' }, body: ANSWER },
    ])
    near.hangUp()
    assert.is(bench.leaks, '')
  })

  BridgeSuite(`takes the answer to an offer of ${to}'s 200 from ${from}'s ACK`, async () => {
    const { near, far, bench } = await start()
    const request = near.receive('INVITE', { CSeq: '5 INVITE' })
    far.sent[0]?.respond(200, 'OK', {}, ANSWER)
    assert.is(request.final?.body, ANSWER)
    assert.is(far.sent[0]?.ack, undefined)
    near.acknowledge('other', { CSeq: '4 ACK' })
    assert.is(far.sent[0]?.ack, undefined)
    near.acknowledge(SDP, { CSeq: '5 ACK', 'Content-Type': 'application/sdp' })
    assert.is(far.sent[0]?.ack, SDP)
    near.hangUp()
    assert.is(bench.leaks, '')
  })

  BridgeSuite(`passes a refusal of ${to} back to ${from} as it is`, async () => {
    const { near, far } = await start()
    for (const [status, lines] of [
      [491, {}],
      [488, { Warning: '304 10.0.0.9 "Media type"' }],
      [469, { 'Recv-Info': 'a' }],
      [500, { 'Retry-After': '4' }],
    ] as const) {
      const request = near.receive('INVITE', {}, HOLD)
      far.sent.at(-1)?.respond(status, 'Words', lines)
      assert.is(request.final?.status, status)
      assert.is(request.final?.reason, 'Words')
      assert.not(JSON.stringify(request.given).includes('10.0.0.9'))
    }
  })

  for (const [method, lines, body, crossing] of [
    [
      'INFO',
      { 'Content-Type': 'application/dtmf-relay', 'Info-Package': 'dtmf' },
      'Signal=5',
      ['Content-Type', 'Info-Package'],
    ],
    ['MESSAGE', { 'Content-Type': 'text/plain' }, 'hello', ['Content-Type']],
    ['UPDATE', { 'Content-Type': 'application/sdp' }, HOLD, ['Content-Type']],
    [
      'NOTIFY',
      { Event: 'refer', 'Subscription-State': 'active', 'Content-Type': 'message/sipfrag' },
      'SIP/2.0 100',
      ['Content-Type', 'Event', 'Subscription-State'],
    ],
    ['REFER', { 'Refer-To': '<sip:c@h>', 'Referred-By': '<sip:n@h>' }, '', ['Refer-To', 'Referred-By']],
  ] as const)
    BridgeSuite(
      `relays ${method} of ${from}${body === '' ? ' without body' : ''} to ${to} with what belongs to it`,
      async () => {
        const { near, far } = await start()
        const request = near.receive(method, { ...lines, Via: 'v', Route: 'r', Authorization: 'x' }, body)
        const sent = far.sent[0]?.request
        assert.is(sent?.method, method)
        assert.is(sent?.body, body)
        assert.equal(Object.keys(sent?.headers ?? {}).sort(), [...crossing].sort())
        far.sent[0]?.respond(202, 'Accepted', { 'X-Back': '1' }, '')
        assert.is(request.final?.status, 202)
        assert.is(request.final?.headers['X-Back'], '1')
      },
    )

  BridgeSuite(`answers 491 when both re-INVITE at once, ${from} first (RFC 3261 14.2)`, async () => {
    const { near, far } = await start()
    const mine = near.receive('INVITE', {}, HOLD)
    const theirs = far.receive('INVITE', {}, HOLD)
    assert.is(theirs.final?.status, 491)
    assert.is(near.sent.length, 0)
    far.sent[0]?.respond(491, 'Request Pending')
    assert.is(mine.final?.status, 491)
    far.receive('INVITE', {}, HOLD)
    assert.is(near.sent.length, 1)
  })

  BridgeSuite(`answers a second offer of ${from} before the first is settled 500 with Retry-After`, async () => {
    const { near, far } = await start()
    near.receive('INVITE', {}, HOLD)
    const second = near.receive('UPDATE', {}, HOLD)
    assert.is(second.final?.status, 500)
    assert.ok(second.final?.headers['Retry-After'])
    const refresh = near.receive('UPDATE')
    assert.is(refresh.final?.status, 200)
    assert.is(far.sent.length, 1)
  })

  BridgeSuite(`answers UPDATE of ${from} without body itself: it refreshes that leg alone (RFC 4028)`, async () => {
    const { near, far } = await start()
    const refresh = near.receive('UPDATE', { 'Session-Expires': '90;refresher=uac', Supported: 'timer' })
    assert.is(refresh.final?.status, 200)
    assert.is(far.sent.length, 0)
  })

  BridgeSuite(`answers 481 and ends when the server knows no dialog of ${to}`, async () => {
    const { bench, near, far } = await start()
    const request = near.receive('INFO')
    far.sent[0]?.fail({ dialogGone: true, message: 'unable to find dialog' })
    assert.is(request.final?.status, 481)
    assert.is(bench.cdr.ended_by, to === 'a' ? 'leg_a' : 'leg_b')
    assert.is(near.byes.length, 1)
    assert.is(bench.leaks, '')
  })

  BridgeSuite(`ends when ${to} has forgotten its dialog`, async () => {
    for (const status of [481, 408]) {
      const { bench, near, far } = await start()
      const request = near.receive('INVITE', {}, HOLD)
      far.sent[0]?.respond(status, 'Gone')
      assert.is(request.final?.status, status)
      assert.is(near.byes.length, 1)
      assert.is(bench.leaks, '')
    }
  })

  BridgeSuite(`answers 500 when a request of ${from} cannot be sent, and goes on`, async () => {
    const { bench, near, far } = await start()
    const request = near.receive('INFO')
    far.sent[0]?.fail({ dialogGone: false, message: 'no connection could be opened' })
    assert.is(request.final?.status, 500)
    assert.is(bench.calls.size, 1)
  })

  BridgeSuite(`answers 487 what ${from} has open when ${to} hangs up`, async () => {
    const { bench, near, far } = await start()
    const open = near.receive('INVITE', {}, HOLD)
    const delayed = near.receive('INFO')
    far.hangUp()
    assert.is(open.final?.status, 487)
    assert.is(delayed.final?.status, 487)
    far.sent[0]?.respond(200, 'OK', {}, ANSWER)
    assert.equal(open.statuses, [487])
    assert.is(near.receive('INFO').final?.status, 481)
    assert.is(bench.leaks, '')
  })

  BridgeSuite(`acknowledges ${to}'s 200 when ${from} hangs up in place of its ACK`, async () => {
    const { bench, near, far } = await start()
    near.receive('INVITE', { CSeq: '5 INVITE' })
    far.sent[0]?.respond(200, 'OK', {}, ANSWER)
    near.hangUp()
    assert.is(far.sent[0]?.ack, '')
    assert.is(far.byes.length, 1)
    assert.is(bench.leaks, '')
  })

  BridgeSuite(`answers OPTIONS of ${from} itself and takes no SUBSCRIBE or PUBLISH`, async () => {
    const { near, far } = await start()
    const options = near.receive('OPTIONS')
    assert.is(options.final?.status, 200)
    assert.ok(options.final?.headers['Allow'])
    assert.is(near.receive('SUBSCRIBE').final?.status, 489)
    assert.is(near.receive('PUBLISH').final?.status, 405)
    const required = near.receive('INVITE', { Require: '100rel, foo' }, HOLD)
    assert.is(required.final?.status, 420)
    assert.is(required.final?.headers['Unsupported'], 'foo')
    assert.is(far.sent.length, 0)
  })

  BridgeSuite(`never answers a request of ${from} that is no INVITE with 408 (RFC 4320)`, async () => {
    const { near, far } = await start()
    const request = near.receive('INFO')
    far.sent[0]?.respond(408, 'Request Timeout')
    assert.is(request.final?.status, 504)
  })
}

BridgeSuite('holds what the agent sends before the caller’s ACK, in order, and lets it go then', async () => {
  const bench = new Bench()
  await bench.call()
  const b = bench.server.last.answer()
  const a = bench.server.callerDialogs[0]!
  const first = b.receive('INVITE', {}, HOLD)
  const second = b.receive('INFO', {}, '1')
  assert.is(a.sent.length, 0)
  assert.is(first.given.length + second.given.length, 0)
  a.acknowledge()
  assert.equal(
    a.sent.map(({ request }) => request.method),
    ['INVITE', 'INFO'],
  )
  a.hangUp()
  assert.is(bench.leaks, '')
})

BridgeSuite('holds no more than it must, and answers what it holds when the call ends', async () => {
  const bench = new Bench()
  await bench.call()
  const b = bench.server.last.answer()
  const held = Array.from({ length: 20 }, () => b.receive('INFO'))
  assert.is(held.filter(({ final }) => final?.status === 500).length, 4)
  b.hangUp()
  assert.is(held.filter(({ final }) => final?.status === 481).length, 16)
  bench.server.callerDialogs[0]!.acknowledge()
  assert.is(bench.leaks, '')
})

BridgeSuite.run()
