import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { serialise } from '../../../src/engine/message/message.js'
import { CoreHarness, nothingLeft, sentOf } from '../../support/core-harness.js'
import { PEER, PEER_CONTACT, peerResponse, SDP, statusesOf } from '../../support/dialog-bench.js'

const Challenged = suite('Requests that are challenged, and registrations')

/** What an application repeats, with the next CSeq, to answer a challenge. */
const own = (cseq: number): string[] => [
  'From: "Us" <sip:us@carrier.example>;tag=ourtag',
  'To: <sip:us@carrier.example>',
  'Call-ID: our-call-id@edge',
  `CSeq: ${cseq} ANY`,
]

Challenged('the repeat keeps Call-ID and From tag, counts one up in CSeq, and has a branch of its own', () => {
  for (const method of ['INVITE', 'REGISTER', 'OPTIONS', 'SUBSCRIBE'])
    for (const status of [401, 407])
      for (const rings of [false, true]) {
        const harness = new CoreHarness()
        const body = method === 'INVITE' ? SDP : ''
        const name = status === 401 ? 'WWW-Authenticate' : 'Proxy-Authenticate'
        const challenges = [`${name}: Digest realm="a", nonce="1"`, `${name}: Digest realm="b, c", nonce="2"`]
        sentOf(harness.request(method, PEER, own(7), body))
        const [first] = harness.sentRequests(method)
        if (rings && method === 'INVITE') harness.receive(peerResponse(first!, 183, [PEER_CONTACT]))
        harness.receive(peerResponse(first!, status, challenges))
        assert.equal(harness.app.last().message.headers.getAll(name.toLowerCase() as 'www-authenticate').length, 2)

        const again = sentOf(harness.request(method, PEER, [...own(8), 'Authorization: Digest x="1"'], body))
        const second = harness.sentRequests(method).at(-1)!
        assert.equal(
          [second.callId, second.fromTag, second.cseq.number, second.cseq.method],
          ['our-call-id@edge', 'ourtag', 8, method],
        )
        assert.is(second.headers.get('authorization'), 'Digest x="1"')
        assert.is.not(second.topVia.params.get('branch'), first?.topVia.params.get('branch'))
        harness.receive(peerResponse(second, 200, [PEER_CONTACT], 'b2'))
        assert.equal([harness.app.last().txnId, statusesOf(harness).at(-1)], [again.txnId, 200], method)
        if (method === 'INVITE') {
          sentOf(harness.requestInDialog(again.dialogId, 'ACK'))
          sentOf(harness.requestInDialog(again.dialogId, 'BYE'))
          const bye = harness.sentRequests('BYE').at(-1)!
          assert.equal([bye.cseq.number, bye.toTag, bye.fromTag], [9, 'b2', 'ourtag'])
          harness.receive(peerResponse(bye, 200))
          harness.clock.advance(64_000)
          assert.equal(harness.leftovers(), nothingLeft)
        }
      }
})

Challenged('an INVITE that is under way or answered keeps its Call-ID and From tag to itself', () => {
  const harness = new CoreHarness()
  sentOf(harness.request('INVITE', PEER, own(1), SDP))
  assert.not(harness.request('INVITE', PEER, own(2), SDP).ok)
  harness.receive(peerResponse(harness.sentRequests('INVITE')[0]!, 200, [PEER_CONTACT]))
  assert.equal(harness.request('INVITE', PEER, own(2), SDP), {
    ok: false,
    reason: 'dialog already exists, rejecting this request',
  })
})

Challenged('a retry after a 423 or a 408 may keep them too', () => {
  for (const method of ['REGISTER', 'INVITE']) {
    const harness = new CoreHarness()
    sentOf(harness.request(method, PEER, own(1), ''))
    harness.clock.advance(32_001)
    assert.equal(statusesOf(harness), [408])
    sentOf(harness.request(method, PEER, own(2), ''))
    harness.receive(peerResponse(harness.sentRequests(method).at(-1)!, 423, ['Min-Expires: 1800']))
    assert.is(harness.app.last().message.headers.get('min-expires'), '1800')
    sentOf(harness.request(method, PEER, own(3), ''))
    assert.is(harness.sentRequests(method).at(-1)?.cseq.number, 3)
  }
})

Challenged('the Contact of a REGISTER gets our address, port and transport, and keeps its parameters', () => {
  for (const [proxy, ours] of [
    ['', '192.0.2.1:5060'],
    ['sip:198.51.100.9:5065;transport=tcp', '192.0.2.1:5060;transport=tcp'],
  ] as const)
    for (const [given, expected] of [
      ['<sip:x@localhost;p=v>;expires=300', `<sip:x@${ours};p=v>;expires=300`],
      [
        '<sip:x@localhost:5099;p=v;q>;expires=300;+sip.instance="<urn:uuid:1>"',
        `<sip:x@${ours};p=v;q>;expires=300;+sip.instance="<urn:uuid:1>"`,
      ],
      ['"A, b" <sip:x@localhost>;q=0.5, <sip:y@localhost;ob>', `"A, b" <sip:x@${ours}>;q=0.5, <sip:y@${ours};ob>`],
      ['<sip:x@203.0.113.1>;expires=0', '<sip:x@203.0.113.1>;expires=0'],
      ['*', '*'],
    ] as const) {
      const harness = new CoreHarness()
      sentOf(harness.request('REGISTER', 'sip:carrier.example', [...own(1), `Contact: ${given}`], '', proxy || PEER))
      const [register] = harness.sentRequests('REGISTER')
      assert.equal(register?.headers.getAll('contact'), [expected])
      assert.is(register?.uri, 'sip:carrier.example')
    }
})

Challenged('a transport that the Contact names already stays as it is', () => {
  const harness = new CoreHarness()
  const contact = 'Contact: <sip:x@localhost;transport=tcp>'
  sentOf(harness.request('REGISTER', 'sip:carrier.example', [...own(1), contact], '', `${PEER};transport=tcp`))
  assert.is(harness.sentRequests('REGISTER')[0]?.headers.get('contact'), '<sip:x@192.0.2.1:5060;transport=tcp>')
})

Challenged('a REGISTER without Contact asks for the bindings, and gets none of ours', () => {
  const harness = new CoreHarness()
  sentOf(harness.request('REGISTER', PEER, own(1)))
  assert.not(harness.sentRequests('REGISTER')[0]?.headers.has('contact'))
})

Challenged('the answer to a REGISTER comes whole: every Contact, Service-Route and Path, in order', () => {
  const harness = new CoreHarness()
  sentOf(harness.request('REGISTER', PEER, own(1)))
  const lines = [
    'Contact: <sip:x@192.0.2.1:5060>;expires=120, <sip:y@203.0.113.9>;expires=3600',
    'Contact: "Z, z" <sip:z@203.0.113.8>',
    'Service-Route: <sip:sr1.example;lr>, <sip:sr2.example;lr>',
    'Service-Route: <sip:sr3.example;lr>',
    'Path: <sip:p1.example;lr>',
    'Path: <sip:p2.example;lr;ob>',
    'Expires: 600',
  ]
  harness.receive(peerResponse(harness.sentRequests('REGISTER')[0]!, 200, lines))
  const { message } = harness.app.last()
  const text = serialise(message).toLowerCase()
  for (const line of lines) assert.ok(text.includes(`\r\n${line.toLowerCase()}\r\n`), line)
  assert.is(message.headers.getAll('contact').length, 2)
  assert.is(message.headers.getAll('service-route').length, 2)
  assert.is(message.headers.getAll('path').length, 2)
})

Challenged.run()
