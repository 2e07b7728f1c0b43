import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { SipRequest } from '../../../src/engine/message/message.js'
import { CoreHarness, nothingLeft, sentOf } from '../../support/core-harness.js'
import {
  incomingCall,
  methodsOf,
  outgoingCall,
  PEER_CONTACT,
  peerRequest,
  peerResponse,
  SDP,
  SDP_LINES,
  statusesOf,
} from '../../support/dialog-bench.js'

const Timers = suite('Session timers (RFC 4028)')

type Settings = ConstructorParameters<typeof CoreHarness>[0]

/** A call of the peer with these headers in its INVITE, answered with these in the 200. */
function called(asks: readonly string[], options: Settings = {}, answers: readonly string[] = []) {
  const harness = new CoreHarness(options)
  harness.receive(peerRequest('INVITE', { body: SDP_LINES, more: asks }))
  const { dialogId, sent } = sentOf(harness.respond(harness.app.last().txnId, 200, answers, SDP))
  harness.receive(peerRequest('ACK', { branch: 'z9hG4bKack', toTag: sent.toTag }))
  return { harness, dialogId, ok: sent, toTag: sent.toTag }
}

/** A call of ours with a 200 that has these headers. */
const calling = (answers: readonly string[], asks: string[] = ['Supported: timer']) =>
  outgoingCall({ headers: asks, more: [PEER_CONTACT, ...answers] })

const last = (harness: CoreHarness, method: string): SipRequest => {
  const request = harness.sentRequests(method).at(-1)
  assert.ok(request, `a ${method} was sent`)
  return request
}

/** What ends a call whose time is up. */
function endsInTime(harness: CoreHarness, dialogId: string): void {
  const bye = last(harness, 'BYE')
  assert.is(bye.headers.get('reason'), 'SIP ;cause=200 ;text="Session timer expired"')
  const told = harness.app.last()
  assert.equal(
    [told.unsolicited, told.dialogId, told.message.headers.get('reason')],
    [true, dialogId, bye.headers.get('reason')],
  )
  harness.receive(peerResponse(bye, 200))
  harness.clock.advance(64_000)
  assert.equal(harness.leftovers(), nothingLeft)
}

Timers(
  '[10.1/20] [10.2/13] a caller that says it refreshes and does not is hung up on before the interval ends (10)',
  () => {
    const { harness, dialogId, ok } = called(['Session-Expires: 90; refresher=uac'])
    assert.is(ok.headers.get('session-expires'), '90;refresher=uac')
    assert.not(ok.headers.has('require'), 'a caller that does not say that it knows timers is not required to')
    harness.clock.advance(59_999)
    assert.is(harness.sentRequests('BYE').length, 0)
    harness.clock.advance(1)
    endsInTime(harness, dialogId)
  },
)

Timers('the interval ends 32 s early at most', () => {
  const { harness, dialogId } = called(['Session-Expires: 1800;refresher=uac', 'Supported: timer'])
  harness.clock.advance(1_767_999)
  assert.is(harness.sentRequests('BYE').length, 0)
  harness.clock.advance(1)
  endsInTime(harness, dialogId)
})

Timers('[10.2/14] default refresher uac: the 200 says so and requires timer of a caller that knows it', () => {
  const asks = ['Session-Expires: 90', 'Supported: timer']
  const { harness, dialogId, ok } = called(asks, { sessionTimers: { defaultRefresher: 'uac' } })
  assert.equal([ok.headers.get('session-expires'), ok.headers.get('require')], ['90;refresher=uac', 'timer'])
  harness.clock.advance(60_000)
  endsInTime(harness, dialogId)
})

Timers('[10.2/15] no refresher named and none by default: no timer', () => {
  const { harness, ok, toTag } = called(['Session-Expires: 90', 'Supported: timer'])
  assert.not(ok.headers.has('session-expires'))
  harness.clock.advance(3_600_000)
  assert.is(harness.sentRequests('BYE').length, 0)
  harness.receive(peerRequest('BYE', { cseq: 2, toTag }))
  sentOf(harness.respond(harness.app.last().txnId, 200))
  harness.clock.advance(64_000)
  assert.equal(harness.leftovers(), nothingLeft)
})

const table: ReadonlyArray<
  readonly [asks: string[], byDefault: 'none' | 'uac' | 'uas', app: string[], expected: string[]]
> = [
  [['Session-Expires: 200'], 'uac', [], ['200;refresher=uas']],
  [['Session-Expires: 200', 'Supported: timer'], 'uas', [], ['200;refresher=uas', 'timer']],
  [['Session-Expires: 200;refresher=uas', 'Supported: timer'], 'uac', [], ['200;refresher=uas', 'timer']],
  [['Session-Expires: 200;refresher=uac', 'Supported: timer'], 'uas', [], ['200;refresher=uac', 'timer']],
  [['Supported: timer'], 'none', ['Session-Expires: 120'], ['120;refresher=uac', 'timer']],
  [['Supported: timer'], 'none', ['Session-Expires: 30;refresher=uas'], ['90;refresher=uas', 'timer']],
  [[], 'none', ['Session-Expires: 120;refresher=uac'], ['120;refresher=uas']],
  [['x: 200', 'k: timer'], 'none', ['Session-Expires: 3600;refresher=uas'], ['200;refresher=uas', 'timer']],
  [
    ['Session-Expires: 200;refresher=uas', 'k: timer', 'Min-SE: 150'],
    'none',
    ['Session-Expires: 100'],
    ['150;refresher=uas', 'timer'],
  ],
  [
    ['Session-Expires: 200;refresher=uac', 'Require: timer'],
    'none',
    ['Require: timer'],
    ['200;refresher=uac', 'timer'],
  ],
  [['Session-Expires: none;refresher=uac', 'Supported: timer'], 'uac', [], []],
  [['Session-Expires: 0;refresher=uac', 'Supported: timer'], 'uac', ['Session-Expires: soon'], []],
  [['Session-Expires: 4294967295;refresher=uas', 'Supported: timer'], 'none', [], ['1000000;refresher=uas', 'timer']],
]

for (const [asks, defaultRefresher, app, expected] of table)
  Timers(
    `[${asks.join(', ')}], default ${defaultRefresher}, [${app.join()}] in the answer: ${expected.join(', ') || 'no timer'} (table 2)`,
    () => {
      const { ok } = called(asks, { sessionTimers: { defaultRefresher } }, app)
      assert.equal([...ok.headers.getAll('session-expires'), ...ok.headers.getAll('require')], expected)
    },
  )

Timers('an interval below 90 s is answered 422 with Min-SE, the application is not told (9)', () => {
  const harness = new CoreHarness()
  harness.receive(
    peerRequest('INVITE', { body: SDP_LINES, more: ['Session-Expires: 89;refresher=uac', 'Supported: timer'] }),
  )
  const [refusal] = harness.sentResponses(422)
  assert.is(refusal?.headers.get('min-se'), '90')
  assert.is(harness.app.delivered.length, 0)
  harness.receive(peerRequest('ACK', { branch: 'z9hG4bKINVITE1call-1', toTag: refusal?.toTag ?? '' }))
  const { ok } = called(['Session-Expires: 60;refresher=uac'])
  assert.is(ok.headers.get('session-expires'), '90;refresher=uac', 'who knows no 422 gets the shortest there is')
})

for (const method of ['INVITE', 'UPDATE'] as const)
  Timers(
    `[10.3/9] a refresh by ${method} of the caller begins the interval anew; one that is too short gets 422`,
    () => {
      const { harness, dialogId, toTag } = called(['Session-Expires: 90;refresher=uac', 'Supported: timer'])
      harness.clock.advance(50_000)
      const refresh = (cseq: number, seconds: number) =>
        peerRequest(method, {
          cseq,
          toTag,
          more: [`Session-Expires: ${seconds};refresher=uac`, 'Supported: timer'],
          body: method === 'INVITE' ? SDP_LINES : [],
        })
      harness.receive(refresh(2, 45))
      assert.is(harness.sentResponses(422).length, 1)
      harness.receive(peerRequest('ACK', { cseq: 2, toTag, branch: `z9hG4bK${method}2call-1` }))
      assert.is(harness.app.requests(method).length, method === 'INVITE' ? 1 : 0)
      harness.receive(refresh(3, 90))
      const { sent } = sentOf(harness.respond(harness.app.last().txnId, 200, [], method === 'INVITE' ? SDP : ''))
      assert.equal([sent.headers.get('session-expires'), sent.headers.get('require')], ['90;refresher=uac', 'timer'])
      if (method === 'INVITE') harness.receive(peerRequest('ACK', { cseq: 3, toTag, branch: 'z9hG4bKack3' }))
      harness.clock.advance(59_999)
      assert.is(harness.sentRequests('BYE').length, 0)
      harness.clock.advance(1)
      endsInTime(harness, dialogId)
    },
  )

Timers('a re-INVITE without Session-Expires keeps the timer as it is; the 200 says so', () => {
  const { harness, toTag } = called(['Session-Expires: 90;refresher=uac', 'Supported: timer'])
  harness.clock.advance(50_000)
  harness.receive(peerRequest('INVITE', { cseq: 2, toTag, body: SDP_LINES }))
  const { sent } = sentOf(harness.respond(harness.app.last().txnId, 200, [], SDP))
  assert.is(sent.headers.get('session-expires'), '90;refresher=uac')
  harness.receive(peerRequest('ACK', { cseq: 2, toTag, branch: 'z9hG4bKack2' }))
  harness.clock.advance(59_000)
  assert.is(harness.sentRequests('BYE').length, 0)
})

Timers(
  'as callee we refresh by UPDATE without a body where the caller allows it, and the application is not told',
  () => {
    const { harness } = called(['Session-Expires: 90;refresher=uas', 'Supported: timer', 'Allow: INVITE, update'])
    const before = harness.app.delivered.length
    for (let n = 1; n <= 3; n++) {
      harness.clock.advance(45_000)
      const update = last(harness, 'UPDATE')
      assert.is(harness.sentRequests('UPDATE').length, n)
      assert.equal(
        ['session-expires', 'min-se', 'supported', 'contact'].map((name) => update.headers.get(name)),
        ['90;refresher=uac', '90', 'timer', '<sip:192.0.2.1:5060>'],
      )
      assert.is(update.body, '')
      harness.receive(peerResponse(update, 200, [PEER_CONTACT, 'Session-Expires: 90;refresher=uac', 'Require: timer']))
    }
    assert.is(harness.app.delivered.length, before)
  },
)

Timers(
  'as caller we refresh by re-INVITE with the SDP the peer has, and acknowledge its 200, also when that is repeated',
  () => {
    const { harness } = calling(['Session-Expires: 100;refresher=uac', 'Require: timer'])
    const before = harness.app.delivered.length
    harness.clock.advance(50_000)
    const reInvite = last(harness, 'INVITE')
    assert.equal([reInvite.toTag, reInvite.body, reInvite.headers.get('content-type')], ['b1', SDP, 'application/sdp'])
    const ok = peerResponse(reInvite, 200, [PEER_CONTACT, 'Session-Expires: 100;refresher=uac'])
    harness.receive(ok)
    harness.receive(ok)
    const acks = harness.sentRequests('ACK').filter(({ cseq }) => cseq.number === reInvite.cseq.number)
    assert.is(acks.length, 2)
    harness.clock.advance(50_000)
    assert.is(harness.sentRequests('INVITE').length, 3, 'and again')
    assert.is(harness.app.delivered.length, before)
  },
)

Timers('the SDP of the last re-INVITE is the one that is refreshed with, the answer of the ACK too', () => {
  const { harness, dialogId } = calling(['Session-Expires: 100;refresher=uac'])
  const held = `${SDP}a=sendonly\r\n`
  sentOf(harness.requestInDialog(dialogId, 'INVITE', [], held))
  const ours = last(harness, 'INVITE')
  assert.is(ours.headers.get('session-expires'), '100;refresher=uac', 'it keeps the timer going')
  harness.receive(peerResponse(ours, 200, [PEER_CONTACT, 'Session-Expires: 100;refresher=uac']))
  sentOf(harness.requestInDialog(dialogId, 'ACK'))
  harness.clock.advance(50_000)
  assert.is(last(harness, 'INVITE').body, held)

  const late = new CoreHarness()
  const call = sentOf(late.request('INVITE', 'sip:bob@198.51.100.7:5060', ['Session-Expires: 90']))
  late.receive(peerResponse(last(late, 'INVITE'), 200, [PEER_CONTACT, 'Session-Expires: 90;refresher=uac']))
  sentOf(late.requestInDialog(call.dialogId, 'ACK', [], SDP))
  late.clock.advance(45_000)
  assert.is(last(late, 'INVITE').body, SDP)
})

Timers('as caller: a peer that refreshes and does not is hung up on', () => {
  const { harness, dialogId } = calling(['Session-Expires: 90;refresher=uas', 'Require: timer'])
  harness.clock.advance(60_000)
  endsInTime(harness, dialogId)
})

Timers(
  'as caller that refreshes: a peer without timers is refreshed all the same; without that, there is no timer (7.2)',
  () => {
    const { harness } = calling([], ['Session-Expires: 120;refresher=uac', 'Supported: timer'])
    harness.clock.advance(60_000)
    harness.receive(peerResponse(last(harness, 'INVITE'), 200, [PEER_CONTACT]))
    harness.clock.advance(60_000)
    assert.is(harness.sentRequests('INVITE').length, 3)
    const without = calling([], ['Session-Expires: 120', 'Supported: timer'])
    without.harness.clock.advance(600_000)
    assert.equal(methodsOf(without.harness), ['INVITE', 'ACK'])
  },
)

Timers('a 422 to an INVITE of ours reaches the application', () => {
  const harness = new CoreHarness()
  sentOf(harness.request('INVITE', 'sip:bob@198.51.100.7:5060', ['Session-Expires: 90'], SDP))
  harness.receive(peerResponse(last(harness, 'INVITE'), 422, ['Min-SE: 300']))
  assert.equal(statusesOf(harness), [422])
  assert.is(harness.app.last().message.headers.get('min-se'), '300')
})

for (const status of [408, 481])
  Timers(`a refresh that is answered ${status} ends the call (10)`, () => {
    const { harness, dialogId } = calling(['Session-Expires: 100;refresher=uac'])
    harness.clock.advance(50_000)
    harness.receive(peerResponse(last(harness, 'INVITE'), status))
    endsInTime(harness, dialogId)
  })

Timers('a refresh that nobody answers ends the call', () => {
  const { harness, dialogId } = calling(['Session-Expires: 1800;refresher=uac', 'Allow: UPDATE'])
  harness.clock.advance(900_000 + 32_000)
  endsInTime(harness, dialogId)
})

Timers('one that meets a closed connection is sent to where the Contact says; if that fails too, the call ends', () => {
  const harness = new CoreHarness()
  const { dialogId, flow } = outgoingCall({
    harness,
    uri: 'sip:bob@198.51.100.7:5060;transport=tcp',
    more: ['Contact: <sip:bob@198.51.100.7:5060;transport=tcp>', 'Session-Expires: 100;refresher=uac'],
  })
  harness.unreachable.add('tcp:198.51.100.7:5060')
  harness.clock.advance(50_000)
  harness.close(flow)
  harness.clock.advance(1)
  assert.is(harness.app.last().unsolicited, true)
  assert.is(harness.app.last().dialogId, dialogId)
  harness.clock.advance(64_000)
  assert.equal(harness.leftovers(), nothingLeft)
})

Timers(
  'a 491 is tried again after 2.1 to 4 s by whoever made the Call-ID, after 0 to 2 s by the other (RFC 3261 14.1)',
  () => {
    for (const [role, from, to] of [
      ['caller', 2_100, 4_000],
      ['callee', 0, 2_000],
    ] as const) {
      const { harness } =
        role === 'caller'
          ? calling(['Session-Expires: 100;refresher=uac'])
          : called(['Session-Expires: 100;refresher=uas', 'Supported: timer'])
      harness.clock.advance(50_000)
      const first = last(harness, 'INVITE')
      harness.receive(peerResponse(first, 491))
      if (from > 0) harness.clock.advance(from - 1)
      assert.is(last(harness, 'INVITE').cseq.number, first.cseq.number, 'not before')
      harness.clock.advance(to - from + 1)
      assert.is(last(harness, 'INVITE').cseq.number, first.cseq.number + 1, 'not after')
    }
  },
)

Timers(
  'a peer that refuses UPDATE is refreshed by re-INVITE from then on; its 422 is obeyed, its Retry-After too',
  () => {
    const { harness } = calling(['Session-Expires: 100;refresher=uac', 'Allow: UPDATE'])
    harness.clock.advance(50_000)
    harness.receive(peerResponse(last(harness, 'UPDATE'), 405))
    harness.receive(peerResponse(last(harness, 'INVITE'), 422, ['Min-SE: 400']))
    assert.is(last(harness, 'INVITE').headers.get('session-expires'), '400;refresher=uac')
    harness.receive(peerResponse(last(harness, 'INVITE'), 500, ['Retry-After: 7']))
    const count = harness.sentRequests('INVITE').length
    harness.clock.advance(6_999)
    assert.is(harness.sentRequests('INVITE').length, count)
    harness.clock.advance(1)
    harness.receive(peerResponse(last(harness, 'INVITE'), 200, [PEER_CONTACT, 'Session-Expires: 400;refresher=uac']))
    harness.clock.advance(200_000)
    assert.equal([harness.sentRequests('INVITE').length, harness.sentRequests('UPDATE').length], [count + 2, 1])
  },
)

Timers('a peer that refuses every refresh is hung up on when its time is up', () => {
  const { harness, dialogId } = calling(['Session-Expires: 100;refresher=uac'])
  const answered = new Set<SipRequest>()
  for (let ms = 0; ms < 68_000; ms += 500) {
    harness.clock.advance(500)
    for (const invite of harness.sentRequests('INVITE').slice(1)) {
      if (answered.has(invite)) continue
      answered.add(invite)
      harness.receive(peerResponse(invite, 407, ['Proxy-Authenticate: Digest realm="x", nonce="y"']))
    }
  }
  assert.ok(answered.size > 1 && answered.size <= 5, `${answered.size} tries`)
  endsInTime(harness, dialogId)
})

Timers("the application's re-INVITE waits for a refresh that is under way", async () => {
  const { harness, dialogId } = calling(['Session-Expires: 100;refresher=uac'])
  harness.clock.advance(50_000)
  const refresh = last(harness, 'INVITE')
  const text = { startLine: '', headers: [], body: SDP }
  const waiting = harness.core.requestInDialog(harness.app, dialogId, 'INVITE', text)
  assert.ok(waiting instanceof Promise)
  assert.is(last(harness, 'INVITE').cseq.number, refresh.cseq.number)
  harness.receive(peerResponse(refresh, 200, [PEER_CONTACT, 'Session-Expires: 100;refresher=uac']))
  assert.ok((await waiting).ok)
  assert.is(last(harness, 'INVITE').cseq.number, refresh.cseq.number + 1)
})

Timers('no refresh while something else is under way: it is one itself', () => {
  const { harness, toTag } = called(['Session-Expires: 100;refresher=uas', 'Supported: timer'])
  harness.clock.advance(49_000)
  harness.receive(peerRequest('INVITE', { cseq: 2, toTag, body: SDP_LINES, more: ['Supported: timer'] }))
  harness.clock.advance(10_000)
  assert.is(harness.sentRequests('INVITE').length, 0)
  sentOf(harness.respond(harness.app.last().txnId, 488))
  harness.receive(peerRequest('ACK', { cseq: 2, toTag, branch: 'z9hG4bKINVITE2call-1' }))
  harness.clock.advance(1_000)
  assert.is(harness.sentRequests('INVITE').length, 1)
})

Timers('a re-INVITE of the peer that meets our refresh gets 491', () => {
  const { harness, toTag } = called(['Session-Expires: 100;refresher=uas', 'Supported: timer'])
  harness.clock.advance(50_000)
  harness.receive(peerRequest('INVITE', { cseq: 2, toTag, body: SDP_LINES }))
  assert.is(harness.sentResponses(491).length, 1)
})

Timers('a BYE withdraws the refresh, from either side, and nothing is left', () => {
  for (const ours of [true, false]) {
    const { harness, dialogId, toTag } = called(['Session-Expires: 100;refresher=uas', 'Supported: timer'])
    harness.clock.advance(50_000)
    const refresh = last(harness, 'INVITE')
    harness.receive(peerResponse(refresh, 100))
    if (ours) sentOf(harness.requestInDialog(dialogId, 'BYE'))
    else {
      harness.receive(peerRequest('BYE', { cseq: 2, toTag }))
      sentOf(harness.respond(harness.app.last().txnId, 200))
    }
    const cancel = last(harness, 'CANCEL')
    harness.receive(peerResponse(cancel, 200))
    harness.receive(peerResponse(refresh, 487))
    if (ours) harness.receive(peerResponse(last(harness, 'BYE'), 200))
    harness.clock.advance(64_000)
    assert.equal(harness.leftovers(), nothingLeft)
  }
})

Timers('a peer that answers a refresh without Session-Expires has no timer any more, unless we refresh', () => {
  const { harness, dialogId } = calling(['Session-Expires: 100;refresher=uas'])
  sentOf(harness.requestInDialog(dialogId, 'UPDATE'))
  assert.is(last(harness, 'UPDATE').headers.get('session-expires'), '100;refresher=uas')
  harness.receive(peerResponse(last(harness, 'UPDATE'), 200, [PEER_CONTACT]))
  harness.clock.advance(600_000)
  assert.is(harness.sentRequests('BYE').length, 0)
})

Timers('a call without Session-Expires has no timer', () => {
  const { harness } = incomingCall()
  harness.clock.advance(64_000)
  assert.is(harness.clock.pending, 0)
})

Timers('an UPDATE before the answer sets no timer: a call that is not answered has no session that could end', () => {
  const harness = new CoreHarness()
  harness.receive(peerRequest('INVITE', { body: SDP_LINES, more: ['Supported: 100rel'] }))
  const { txnId } = harness.app.last()
  const { sent } = sentOf(harness.respond(txnId, 183, ['Require: 100rel'], SDP))
  harness.receive(peerRequest('PRACK', { cseq: 2, toTag: sent.toTag, more: ['RAck: 1 1 INVITE'] }))
  sentOf(harness.respond(harness.app.last().txnId, 200))
  const asks = ['Session-Expires: 90;refresher=uac', 'Supported: timer']
  harness.receive(peerRequest('UPDATE', { cseq: 3, toTag: sent.toTag, more: asks }))
  sentOf(harness.respond(harness.app.last().txnId, 200))
  harness.clock.advance(90_000)
  assert.equal([harness.sentRequests('BYE').length, harness.sentResponses(487).length], [0, 0])
  sentOf(harness.respond(txnId, 486))
  harness.receive(peerRequest('ACK', { branch: 'z9hG4bKINVITE1call-1', toTag: sent.toTag }))
  harness.clock.advance(64_000)
  assert.equal(harness.leftovers(), nothingLeft)
})

Timers.run()
