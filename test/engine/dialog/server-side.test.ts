import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CoreHarness, nothingLeft, sentOf } from '../../support/core-harness.js'

const ServerSide = suite('ServerSide')

const SDP = ['v=0', 'o=- 1 1 IN IP4 198.51.100.7', 's=-', 'c=IN IP4 198.51.100.7', 't=0 0', 'm=audio 4000 RTP/AVP 0']

interface Parts {
  readonly cseq?: number
  readonly branch?: string
  readonly toTag?: string
  readonly more?: readonly string[]
  readonly body?: readonly string[]
}

function request(method: string, parts: Parts = {}): string[] {
  const { cseq = 1, toTag = '', more = [], body = [] } = parts
  const branch = parts.branch ?? `z9hG4bK${method}${cseq}`
  return [
    `${method} sip:4155550100@192.0.2.1 SIP/2.0`,
    `Via: SIP/2.0/UDP 198.51.100.7:5060;branch=${branch}`,
    'Max-Forwards: 70',
    'From: "Ann" <sip:ann@198.51.100.7>;tag=a1',
    `To: <sip:4155550100@192.0.2.1>${toTag && `;tag=${toTag}`}`,
    'Call-ID: call-1',
    `CSeq: ${cseq} ${method}`,
    'Contact: <sip:ann@198.51.100.7:5060>',
    ...more,
    ...(body.length > 0 ? ['Content-Type: application/sdp', '', ...body] : []),
  ]
}

/** An INVITE that the application has answered with 200. */
function answered(harness = new CoreHarness(), invite = request('INVITE', { body: SDP })) {
  harness.receive(invite)
  const { txnId } = harness.app.last()
  const outcome = sentOf(harness.respond(txnId, 200, ['Content-Type: application/sdp'], 'v=0\r\n'))
  return { harness, txnId, dialogId: outcome.dialogId, toTag: outcome.sent.toTag }
}

ServerSide('answers 100 at once and hands a new INVITE to an application, with where it came in', () => {
  const harness = new CoreHarness()
  harness.receive(request('INVITE', { body: SDP }))
  assert.is(harness.sentResponses(100).length, 1)
  const { message, origin, dialogId, receivedOn } = harness.app.last()
  assert.is(message.kind === 'request' && message.method, 'INVITE')
  assert.equal([origin.source, origin.address, origin.port], ['network', '198.51.100.7', 5060])
  assert.is(dialogId, '')
  assert.equal(receivedOn, { address: '192.0.2.1', port: 5060 })
})

ServerSide('tells an application that has answered where its response went', () => {
  const harness = new CoreHarness()
  harness.receive(request('OPTIONS'))
  const { origin } = sentOf(harness.respond(harness.app.last().txnId, 200))
  assert.equal(origin, { source: 'application', protocol: 'udp', address: '198.51.100.7', port: 5060 })
})

ServerSide('answers 503 when no application takes the method', () => {
  const harness = new CoreHarness()
  harness.appAvailable = false
  harness.receive(request('INVITE'))
  assert.is(harness.sentResponses(503).length, 1)
})

ServerSide('[10.3/5] absorbs a repeated INVITE and sends its last response again', () => {
  const harness = new CoreHarness()
  harness.receive(request('INVITE'))
  harness.respond(harness.app.last().txnId, 180)
  harness.receive(request('INVITE'))
  assert.is(harness.app.requests('INVITE').length, 1)
  assert.is(harness.sentResponses(180).length, 2)
})

ServerSide('answers a merged request 482 (RFC 3261 8.2.2.2)', () => {
  const harness = new CoreHarness()
  harness.receive(request('INVITE'))
  harness.receive(request('INVITE', { branch: 'z9hG4bKother' }))
  assert.is(harness.sentResponses(482).length, 1)
  assert.is(harness.app.requests('INVITE').length, 1)
})

ServerSide('answers an unknown method 501, an unknown scheme 416 and a To tag it does not know 481', () => {
  const harness = new CoreHarness()
  harness.receive(request('FROBNICATE'))
  assert.is(harness.lastSent().kind === 'response' && (harness.lastSent() as { status: number }).status, 501)
  harness.receive(
    request('OPTIONS', { cseq: 2 }).map((line) => line.replace('sip:4155550100@192.0.2.1 SIP', 'soap.beep://x SIP')),
  )
  assert.is(harness.sentResponses(416).length, 1)
  harness.receive(request('BYE', { cseq: 3, toTag: 'nobody' }))
  harness.receive(request('INVITE', { cseq: 4, toTag: 'nobody' }))
  assert.is(harness.sentResponses(481).length, 2)
  harness.receive(request('ACK', { cseq: 9, toTag: 'nobody' }))
  assert.is(harness.app.delivered.length, 0)
})

ServerSide('gives one To tag to all responses, our Contact and the Record-Route to the 200', () => {
  const harness = new CoreHarness()
  harness.receive(
    request('INVITE', { more: ['Record-Route: <sip:p1.example;lr>', 'Record-Route: <sip:p2.example;lr>'] }),
  )
  const { txnId } = harness.app.last()
  const ringing = sentOf(harness.respond(txnId, 180))
  const ok = sentOf(harness.respond(txnId, 200))
  assert.is(ringing.sent.toTag, ok.sent.toTag)
  assert.ok(ok.sent.toTag.length >= 8)
  assert.is(ok.dialogId, 'call-1;from-tag=a1')
  assert.is(ringing.dialogId, 'call-1;from-tag=a1')
  assert.is(ok.sent.headers.get('contact'), '<sip:192.0.2.1:5060>')
  assert.is(ringing.sent.headers.get('contact'), undefined)
  assert.equal(ok.sent.headers.getAll('record-route'), ['<sip:p1.example;lr>', '<sip:p2.example;lr>'])
})

ServerSide('takes the To tag and the reason phrase that the application chooses, and fills in localhost', () => {
  const harness = new CoreHarness()
  harness.receive(request('INVITE'))
  const { txnId } = harness.app.last()
  const outcome = sentOf(
    harness.respond(txnId, 200, [
      'to: <sip:4155550100@192.0.2.1>;tag=mine',
      'Contact: sip:agent@localhost',
      'X-Any: kept',
    ]),
  )
  assert.is(outcome.sent.toTag, 'mine')
  assert.is(outcome.sent.headers.get('contact'), '<sip:agent@192.0.2.1:5060>')
  assert.is(outcome.sent.headers.get('x-any'), 'kept')
})

ServerSide(
  '[10.3/3] repeats the 200 after 0.5, 1.5, 3.5, 7.5 s ... until the ACK, which goes to the application',
  () => {
    const { harness, txnId, dialogId, toTag } = answered()
    harness.clock.advance(3_500)
    assert.is(harness.sentResponses(200).length, 4)
    harness.receive(request('ACK', { branch: 'z9hG4bKack', toTag, body: SDP }))
    const ack = harness.app.requests('ACK')
    assert.is(ack.length, 1)
    assert.equal([ack[0]?.txnId, ack[0]?.dialogId], [txnId, dialogId])
    assert.ok(ack[0]?.message.body.startsWith('v=0'))
    harness.receive(request('ACK', { branch: 'z9hG4bKack2', toTag }))
    assert.is(harness.app.requests('ACK').length, 1, 'a repeated ACK is not handed up')
    harness.clock.advance(60_000)
    assert.is(harness.sentResponses(200).length, 4)
  },
)

ServerSide(
  '[10.3/2] without an ACK for 64*T1 sends BYE with the reason, tells the application and forgets the dialog',
  () => {
    const { harness, dialogId } = answered()
    harness.clock.advance(31_999)
    assert.is(harness.sentRequests('BYE').length, 0)
    harness.clock.advance(1)
    const [bye] = harness.sentRequests('BYE')
    assert.is(bye?.headers.get('reason'), 'SIP ;cause=200 ;text="ACK timeout"')
    assert.is(bye?.uri, 'sip:ann@198.51.100.7:5060')
    assert.is(bye?.cseq.number, 2)
    const told = harness.app.last()
    assert.ok(told.unsolicited)
    assert.is(told.dialogId, dialogId)
    harness.clock.advance(64_000)
    assert.equal(harness.leftovers(), nothingLeft)
  },
)

ServerSide('hands a BYE to the application that owns the dialog; the dialog is gone at once', () => {
  const { harness, dialogId, toTag } = answered()
  harness.receive(request('ACK', { branch: 'z9hG4bKack', toTag }))
  harness.receive(request('BYE', { cseq: 2, toTag }))
  const bye = harness.app.last()
  assert.is(bye.dialogId, dialogId)
  assert.is(harness.dialogs.count, 0)
  harness.respond(bye.txnId, 200)
  assert.is(harness.sentResponses(200).filter((ok) => ok.cseq.method === 'BYE').length, 1)
  harness.clock.advance(64_000)
  assert.equal(harness.leftovers(), nothingLeft)
})

ServerSide(
  'a CANCEL before the answer gets 200, the INVITE 487, the application is told once, and its own 487 is refused',
  () => {
    const harness = new CoreHarness()
    harness.receive(request('INVITE'))
    const { txnId } = harness.app.last()
    harness.respond(txnId, 180)
    harness.receive(request('CANCEL', { branch: 'z9hG4bKINVITE1' }))
    assert.is(harness.sentResponses(200).filter((ok) => ok.cseq.method === 'CANCEL').length, 1)
    assert.is(harness.sentResponses(487).length, 1)
    assert.is(harness.app.last().txnId, txnId)
    const late = harness.respond(txnId, 487)
    assert.not(late.ok)
    assert.match(late.ok ? '' : late.reason, /unknown transaction/)
    harness.receive(request('ACK', { branch: 'z9hG4bKINVITE1', toTag: harness.sentResponses(487)[0]!.toTag }))
    harness.clock.advance(64_000)
    assert.equal(harness.leftovers(), nothingLeft)
  },
)

ServerSide('a CANCEL before the application has said anything still gets a 487 with a To tag', () => {
  const harness = new CoreHarness()
  harness.receive(request('INVITE'))
  harness.receive(request('CANCEL', { branch: 'z9hG4bKINVITE1' }))
  assert.ok(harness.sentResponses(487)[0]!.toTag !== '')
  assert.is(harness.sentResponses(200)[0]!.toTag, harness.sentResponses(487)[0]!.toTag)
})

ServerSide(
  'refuses a second dialog of one Call-ID and From tag with 491, and an INVITE into one that still rings with 500',
  () => {
    const { harness, toTag } = answered()
    harness.receive(request('ACK', { branch: 'z9hG4bKack', toTag }))
    harness.receive(request('INVITE', { cseq: 2 }))
    assert.is(harness.sentResponses(491).length, 1)
    const ringing = new CoreHarness()
    ringing.receive(request('INVITE'))
    const { sent } = sentOf(ringing.respond(ringing.app.last().txnId, 180))
    ringing.receive(request('INVITE', { cseq: 2, toTag: sent.toTag }))
    assert.ok(ringing.sentResponses(500)[0]!.headers.has('retry-after'))
  },
)

ServerSide('[10.3/4] a CANCEL that matches nothing, or comes after the 200, gets 481', () => {
  const { harness } = answered()
  harness.receive(request('CANCEL', { branch: 'z9hG4bKINVITE1' }))
  harness.receive(request('CANCEL', { cseq: 7, branch: 'z9hG4bKnone' }))
  assert.is(harness.sentResponses(481).length, 2)
  assert.is(harness.sentResponses(487).length, 0)
})

ServerSide('in a dialog: a lower CSeq gets 500, an overlapping INVITE 500 with Retry-After, glare 491', () => {
  const { harness, toTag, dialogId } = answered()
  harness.receive(request('ACK', { branch: 'z9hG4bKack', toTag }))
  harness.receive(request('INFO', { cseq: 5, toTag }))
  harness.receive(request('INFO', { cseq: 4, branch: 'z9hG4bKlow', toTag }))
  assert.is(harness.sentResponses(500).length, 1)
  harness.receive(request('INVITE', { cseq: 6, toTag }))
  harness.receive(request('INVITE', { cseq: 7, toTag }))
  assert.is(harness.sentResponses(500).length, 2)
  assert.ok(harness.sentResponses(500)[1]!.headers.has('retry-after'))
  harness.respond(harness.app.last().txnId, 488)
  harness.requestInDialog(dialogId, 'INVITE', [], 'v=0\r\n')
  harness.receive(request('INVITE', { cseq: 8, toTag }))
  assert.is(harness.sentResponses(491).length, 1)
})

ServerSide('a re-INVITE refreshes the target of what we send; its ACK has a transaction id of its own', () => {
  const { harness, txnId, toTag, dialogId } = answered()
  harness.receive(request('ACK', { branch: 'z9hG4bKack', toTag }))
  harness.receive(
    request('INVITE', { cseq: 2, toTag, body: SDP }).map((line) =>
      line.replace('Contact: <sip:ann@', 'Contact: <sip:moved@'),
    ),
  )
  const again = harness.app.last()
  assert.is(again.dialogId, dialogId)
  sentOf(harness.respond(again.txnId, 200, [], 'v=0\r\n'))
  harness.receive(request('ACK', { cseq: 2, branch: 'z9hG4bKack2', toTag }))
  assert.is(harness.app.requests('ACK').length, 2)
  assert.is.not(harness.app.last().txnId, txnId)
  sentOf(harness.requestInDialog(dialogId, 'BYE'))
  assert.is(harness.sentRequests('BYE')[0]?.uri, 'sip:moved@198.51.100.7:5060')
})

ServerSide("an application's BYE waits for the ACK of our 200 (RFC 3261 15)", () => {
  const { harness, toTag, dialogId } = answered()
  sentOf(harness.requestInDialog(dialogId, 'BYE'))
  assert.is(harness.sentRequests('BYE').length, 0)
  harness.receive(request('ACK', { branch: 'z9hG4bKack', toTag }))
  assert.is(harness.sentRequests('BYE').length, 1)
})

ServerSide('a BYE of the peer overtakes one of ours that waits: ours is answered here, and nothing is left', () => {
  const { harness, toTag, dialogId } = answered()
  const held = sentOf(harness.requestInDialog(dialogId, 'BYE'))
  harness.receive(request('BYE', { cseq: 2, toTag }))
  harness.clock.advance(10)
  const mine = harness.app.delivered.find(({ txnId }) => txnId === held.txnId)
  assert.is(mine?.message.kind === 'response' && mine.message.status, 481)
  const theirs = harness.app.requests('BYE')[0]!
  harness.respond(theirs.txnId, 200)
  harness.clock.advance(64_000)
  assert.equal(harness.leftovers(), nothingLeft)
})

ServerSide('routes requests of the dialog by Record-Route, loose and strict (RFC 3261 12.2.1.1)', () => {
  const loose = answered(
    new CoreHarness(),
    request('INVITE', { more: ['Record-Route: <sip:198.51.100.20;lr>, <sip:198.51.100.21;lr>'] }),
  )
  loose.harness.receive(request('ACK', { branch: 'z9hG4bKack', toTag: loose.toTag }))
  sentOf(loose.harness.requestInDialog(loose.dialogId, 'BYE'))
  const [bye] = loose.harness.sentRequests('BYE')
  assert.is(bye?.uri, 'sip:ann@198.51.100.7:5060')
  assert.equal(bye?.headers.getAll('route'), ['<sip:198.51.100.20;lr>', '<sip:198.51.100.21;lr>'])
  assert.is(loose.harness.sent.at(-1)?.to, 'udp:198.51.100.20:5060')

  const strict = answered(
    new CoreHarness(),
    request('INVITE', { more: ['Record-Route: <sip:198.51.100.20;method=X>', 'Record-Route: <sip:198.51.100.21>'] }),
  )
  strict.harness.receive(request('ACK', { branch: 'z9hG4bKack', toTag: strict.toTag }))
  sentOf(strict.harness.requestInDialog(strict.dialogId, 'BYE'))
  const [strictBye] = strict.harness.sentRequests('BYE')
  assert.is(strictBye?.uri, 'sip:198.51.100.20')
  assert.equal(strictBye?.headers.getAll('route'), ['<sip:198.51.100.21>', '<sip:ann@198.51.100.7:5060>'])
  assert.is(strict.harness.sent.at(-1)?.to, 'udp:198.51.100.20:5060')
})

ServerSide('a caller behind NAT is reached at the address its INVITE came from', () => {
  const { harness, dialogId, toTag } = answered(
    new CoreHarness(),
    request('INVITE').map((line) => line.replace('<sip:ann@198.51.100.7:5060>', '<sip:ann@10.0.0.9:5062>')),
  )
  harness.receive(request('ACK', { branch: 'z9hG4bKack', toTag }))
  sentOf(harness.requestInDialog(dialogId, 'BYE'))
  assert.is(harness.sentRequests('BYE')[0]?.uri, 'sip:ann@10.0.0.9:5062')
  assert.is(harness.sent.at(-1)?.to, 'udp:198.51.100.7:5060')
})

ServerSide('a dialog over TCP stays on its connection while that is open', () => {
  const harness = new CoreHarness()
  const connection = harness.flow('tcp', '198.51.100.7', 40_000)
  harness.receive(
    request('INVITE').map((line) => line.replace('/UDP', '/TCP')),
    connection,
  )
  const { dialogId, sent } = sentOf(harness.respond(harness.app.last().txnId, 200))
  harness.receive(request('ACK', { branch: 'z9hG4bKack', toTag: sent.toTag }), connection)
  sentOf(harness.requestInDialog(dialogId, 'INFO'))
  assert.is(harness.sent.at(-1)?.to, 'tcp:198.51.100.7:40000')
  connection.open = false
  sentOf(harness.requestInDialog(dialogId, 'INFO'))
  assert.is(harness.sent.at(-1)?.to, 'udp:198.51.100.7:5060')
})

ServerSide('when its application goes, an open INVITE is answered 503; in a dialog the peer gets 481', () => {
  const harness = new CoreHarness()
  harness.receive(request('INVITE'))
  harness.app.open = false
  harness.core.appGone(harness.app)
  assert.is(harness.sentResponses(503).length, 1)

  const confirmed = answered()
  confirmed.harness.receive(request('ACK', { branch: 'z9hG4bKack', toTag: confirmed.toTag }))
  confirmed.harness.app.open = false
  confirmed.harness.core.appGone(confirmed.harness.app)
  confirmed.harness.receive(request('BYE', { cseq: 2, toTag: confirmed.toTag }))
  assert.is(confirmed.harness.sentResponses(481).length, 1)
  assert.is(confirmed.harness.dialogs.count, 0)
})

ServerSide('an application that never answers: 500 after 64 s for INVITE, and nothing is left', () => {
  const harness = new CoreHarness()
  harness.receive(request('INVITE'))
  harness.clock.advance(64_000)
  assert.is(harness.sentResponses(500).length, 1)
  assert.not(harness.respond(harness.app.last().txnId, 200).ok)
  harness.clock.advance(64_000)
  assert.equal(harness.leftovers(), nothingLeft)
})

ServerSide('a reliable 183 is numbered, repeated until its PRACK, and the 200 waits for it (RFC 3262)', async () => {
  const harness = new CoreHarness()
  harness.receive(request('INVITE', { more: ['Supported: 100rel'] }))
  const { txnId } = harness.app.last()
  const progress = sentOf(harness.respond(txnId, 183, ['Require: 100rel', 'RSeq: 77'], 'v=0\r\n'))
  assert.is(progress.sent.headers.get('rseq'), '1')
  harness.clock.advance(500)
  assert.is(harness.sentResponses(183).length, 2)
  const answer = harness.respondInTime(txnId, 200, [], 'v=0\r\n')
  assert.is(harness.sentResponses(200).length, 0)
  harness.receive(request('PRACK', { cseq: 2, toTag: progress.sent.toTag, more: ['RAck: 2 1 INVITE'] }))
  assert.is(harness.sentResponses(481).length, 1, 'a PRACK for nothing that was sent')
  harness.receive(request('PRACK', { cseq: 3, toTag: progress.sent.toTag, more: ['RAck: 1 1 INVITE'] }))
  assert.is(harness.sentResponses(200).length, 1)
  assert.is(sentOf(await answer).txnId, txnId, 'the application hears of it now')
  const prack = harness.app.requests('PRACK')[0]!
  assert.is(prack.dialogId, 'call-1;from-tag=a1')
  sentOf(harness.respond(prack.txnId, 200))
  harness.receive(request('ACK', { branch: 'z9hG4bKack', toTag: progress.sent.toTag }))
  assert.is(harness.app.requests('ACK').length, 1)
})

ServerSide(
  'a reliable response is refused when the peer does not know 100rel, and one without PRACK ends the call with 503',
  () => {
    const plain = new CoreHarness()
    plain.receive(request('INVITE'))
    assert.equal(plain.respond(plain.app.last().txnId, 183, ['Require: 100rel']), {
      ok: false,
      reason: 'Remote endpoint does not support 100rel',
    })

    const silent = new CoreHarness()
    silent.receive(request('INVITE', { more: ['Require: 100rel'] }))
    silent.respond(silent.app.last().txnId, 183, ['Require: 100rel'])
    silent.clock.advance(32_000)
    assert.is(silent.sentResponses(503).length, 1)
    silent.clock.advance(64_000)
    assert.equal(silent.leftovers(), nothingLeft)
  },
)

ServerSide('a request that cannot be used is answered without keeping anything', () => {
  const harness = new CoreHarness()
  harness.receive(request('OPTIONS').map((line) => line.replace('CSeq: 1 OPTIONS', 'CSeq: 1 INVITE')))
  assert.is(harness.sentResponses(400).length, 1)
  assert.equal(harness.leftovers(), nothingLeft)
})

ServerSide('holds messages back for the gap after an echo, in order', () => {
  const { harness, toTag } = answered(new CoreHarness({ echoGapMs: 3 }))
  harness.receive(request('ACK', { branch: 'z9hG4bKack', toTag }))
  harness.receive(request('BYE', { cseq: 2, toTag }))
  assert.is(harness.app.requests('ACK').length, 0)
  harness.clock.advance(3)
  assert.equal(
    harness.app.delivered.slice(1).map(({ message }) => message.kind === 'request' && message.method),
    ['ACK', 'BYE'],
  )
})

ServerSide.run()
