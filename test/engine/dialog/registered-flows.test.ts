import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Flow } from '../../../src/engine/transport/transport.js'
import { CoreHarness, nothingLeft, sentOf } from '../../support/core-harness.js'
import { outgoingCall, peerRequest, peerResponse, SDP } from '../../support/dialog-bench.js'

const Registered = suite('Peers that registered over a connection')

const CONTACT = 'sip:ann@10.0.0.9:5062'

let harness: CoreHarness
let branches = 0

Registered.before.each(() => {
  harness = new CoreHarness()
})

function register(
  flow: Flow,
  { contact = `<${CONTACT}>`, expires = '300', more = [] as string[], method = 'REGISTER' } = {},
): void {
  const n = ++branches
  const lines = [
    `${method} sip:192.0.2.1 SIP/2.0`,
    `Via: SIP/2.0/${flow.protocol.toUpperCase()} 10.0.0.9:5062;branch=z9hG4bKreg${n}`,
    'Max-Forwards: 70',
    'From: <sip:ann@example.com>;tag=r',
    'To: <sip:ann@example.com>',
    `Call-ID: reg-${n}`,
    `CSeq: ${n} ${method}`,
    `Contact: ${contact}`,
    `Expires: ${expires}`,
    ...more,
  ]
  harness.receive(lines, flow)
}

/** A registration that the application accepts; `granted` are header lines of its answer. */
function accepted(flow: Flow, fields: Parameters<typeof register>[1] = {}, granted: readonly string[] = []): void {
  register(flow, fields)
  sentOf(harness.respond(harness.app.last().txnId, 200, granted))
}

/** Where a request of the application goes. */
function sentTo(method: string, uri: string, proxy = ''): string | undefined {
  sentOf(harness.request(method, uri, [], '', proxy))
  return harness.sent.at(-1)?.to
}

const open = (port = 40_000) => harness.flow('tcp', '198.51.100.7', port)
const THERE = 'tcp:198.51.100.7:40000'
const ELSEWHERE = 'udp:10.0.0.9:5062'

Registered(
  '[10.3/10] INVITE, OPTIONS, NOTIFY and MESSAGE to their Contact go on that connection, whatever the port',
  () => {
    accepted(open())
    for (const method of ['INVITE', 'OPTIONS', 'NOTIFY', 'MESSAGE']) assert.is(sentTo(method, CONTACT), THERE, method)
    assert.is(sentTo('OPTIONS', 'sip:ann@10.0.0.9'), THERE)
    assert.is(harness.sentRequests('INVITE')[0]?.headers.get('contact'), '<sip:192.0.2.1:5060;transport=tcp>')
  },
)

Registered('others go where their URI or their proxy says', () => {
  accepted(open())
  assert.is(sentTo('INFO', CONTACT), ELSEWHERE)
  assert.is(sentTo('INVITE', 'sip:bob@10.0.0.9:5062'), ELSEWHERE)
  assert.is(sentTo('INVITE', 'sip:ann@10.0.0.10:5062'), 'udp:10.0.0.10:5062')
  assert.is(sentTo('INVITE', CONTACT, 'sip:203.0.113.7'), 'udp:203.0.113.7:5060')
})

Registered('as long as the binding lasts: by its Contact, its Expires, or as asked for', () => {
  for (const [granted, seconds] of [
    [[`Contact: <${CONTACT}>;expires=60`, 'Expires: 500'], 60],
    [['Expires: 120'], 120],
    [[], 300],
  ] as const) {
    harness = new CoreHarness()
    accepted(open(), {}, granted)
    harness.clock.advance(seconds * 1_000 - 1)
    assert.is(sentTo('OPTIONS', CONTACT), THERE)
    harness.clock.advance(1)
    assert.is(sentTo('OPTIONS', CONTACT), ELSEWHERE)
  }
})

Registered('not after it was taken back, one by one or with *, nor once its connection is closed', () => {
  accepted(open())
  accepted(open(), { expires: '0' })
  assert.is(sentTo('OPTIONS', CONTACT), ELSEWHERE)
  accepted(open())
  accepted(open(), { contact: '*', expires: '0' })
  assert.is(sentTo('OPTIONS', CONTACT), ELSEWHERE)
  accepted(open())
  harness.close(open())
  assert.is(sentTo('OPTIONS', CONTACT), ELSEWHERE)
})

Registered('not when the application refused it, nor over UDP', () => {
  register(open())
  sentOf(harness.respond(harness.app.last().txnId, 403))
  assert.is(sentTo('OPTIONS', CONTACT), ELSEWHERE)
  accepted(harness.flow('udp', '198.51.100.7', 40_000))
  assert.is(sentTo('OPTIONS', CONTACT), ELSEWHERE)
})

Registered('each registration refreshes it, and the newest connection counts', () => {
  accepted(open())
  harness.clock.advance(299_000)
  accepted(open())
  harness.clock.advance(299_000)
  assert.is(sentTo('OPTIONS', CONTACT), THERE)
  accepted(open(40_001))
  assert.is(sentTo('OPTIONS', CONTACT), 'tcp:198.51.100.7:40001')
  harness.close(open())
  assert.is(sentTo('OPTIONS', CONTACT), 'tcp:198.51.100.7:40001')
})

Registered('a call to one goes on where it registers anew, though its old connection still looks open', () => {
  accepted(open())
  const { dialogId } = outgoingCall({ harness, uri: CONTACT, more: [`Contact: <${CONTACT}>`] })
  assert.is(harness.sent.at(-1)?.to, THERE, 'the ACK')
  accepted(open(40_002))
  sentOf(harness.requestInDialog(dialogId, 'INFO'))
  assert.is(harness.sent.at(-1)?.to, 'tcp:198.51.100.7:40002')
})

Registered(
  'a call to one stays on its connection, whatever Contact it answers with, but follows a Record-Route',
  () => {
    const router = harness.flow('tcp', '10.0.0.1', 40_000)
    accepted(router)
    const contact = 'Contact: <sip:x7@10.0.0.9:5066;transport=tcp>'
    outgoingCall({ harness, uri: CONTACT, more: [contact] })
    assert.is(harness.sent.at(-1)?.to, 'tcp:10.0.0.1:40000', 'the ACK')
    assert.is(harness.sentRequests('ACK').at(-1)?.uri, 'sip:x7@10.0.0.9:5066;transport=tcp')
    outgoingCall({ harness, uri: CONTACT, more: [contact, 'Record-Route: <sip:10.0.0.8;lr>'] })
    assert.is(harness.sent.at(-1)?.to, 'udp:10.0.0.8:5060', 'the ACK')
  },
)

Registered('a peer of another user at the same address does not take a call over', () => {
  accepted(open())
  const { dialogId } = outgoingCall({ harness, uri: CONTACT, more: [`Contact: <${CONTACT}>`] })
  accepted(open(40_003), { contact: '<sip:eve@10.0.0.9:5062>' })
  sentOf(harness.requestInDialog(dialogId, 'INFO'))
  assert.is(harness.sent.at(-1)?.to, THERE)
})

Registered('one that asks for it is kept alive (RFC 5626)', () => {
  let asked = 0
  const kept = Object.assign(open(), { keepAlive: () => void asked++ })
  accepted(kept)
  assert.is(asked, 0)
  accepted(kept, { contact: `<${CONTACT}>;reg-id=1` })
  accepted(kept, { more: ['Supported: path, outbound'] })
  assert.is(asked, 2)
})

Registered(
  '[10.2/18] REGISTER with Contact: * and Expires: 0 over TCP reaches the application, and its 200 the peer',
  () => {
    accepted(open(), { contact: '*', expires: '0' })
    assert.is(harness.app.requests('REGISTER')[0]?.message.headers.get('contact'), '*')
    assert.equal([harness.sent.at(-1)?.to, harness.sentResponses(200).length], [THERE, 1])
  },
)

Registered('a hundred thousand are remembered, no more, and none leaves a timer', () => {
  for (let n = 0; n < 20; n++)
    accepted(open(), { contact: Array.from({ length: 10 }, (_, i) => `<sip:u${n}-${i}@h>`).join() })
  harness.close(open())
  harness.clock.advance(64_000)
  assert.equal(harness.leftovers(), nothingLeft)
})

Registered('[10.2/19] ACK and BYE of a UAC leave by the TCP connection of its INVITE', () => {
  const tcp = 'sip:bob@198.51.100.7;transport=tcp'
  const { dialogId, flow } = outgoingCall({ harness, uri: tcp, more: [`Contact: <${tcp}>`] })
  sentOf(harness.requestInDialog(dialogId, 'BYE'))
  const sent = harness.sent.map(({ to, message }) => `${to} ${message.kind === 'request' ? message.method : ''}`)
  assert.equal(
    sent,
    ['INVITE', 'ACK', 'BYE'].map((method) => `tcp:198.51.100.7:5060 ${method}`),
  )
  assert.ok(flow.open)
})

Registered(
  '[10.2/22] BYE and then a reset connection: the late 200 finds no way, a repeat of it is refused, nothing leaks',
  () => {
    const from = open(40_010)
    const invite = peerRequest('INVITE', { transport: 'TCP' })
    harness.receive(invite, from)
    sentOf(harness.respond(harness.app.last().txnId, 200, [], SDP))
    const toTag = harness.sentResponses(200)[0]!.toTag
    harness.receive(peerRequest('ACK', { toTag, transport: 'TCP', branch: 'z9hG4bKa' }), from)
    harness.receive(peerRequest('BYE', { toTag, cseq: 2, transport: 'TCP', branch: 'z9hG4bKb' }), from)
    const { txnId } = harness.app.last()
    harness.close(from)
    harness.unreachable.add('tcp:198.51.100.7:40010')
    void harness.respond(txnId, 200)
    harness.clock.advance(100)
    assert.not(harness.respond(txnId, 200).ok)
    harness.clock.advance(64_000)
    assert.equal(harness.leftovers(), nothingLeft)
  },
)

Registered(
  'several requests in a row without an answer are told to their connection, and one that is answered is not',
  () => {
    let timeouts = 0
    const flow = Object.assign(harness.flow('tcp', '198.51.100.7', 5060), { requestTimedOut: () => void timeouts++ })
    const uri = 'sip:bob@198.51.100.7;transport=tcp'
    sentOf(harness.request('OPTIONS', uri))
    harness.receive(peerResponse(harness.sentRequests('OPTIONS')[0]!, 200), flow)
    harness.clock.advance(32_000)
    assert.is(timeouts, 0)
    sentOf(harness.request('OPTIONS', uri))
    sentOf(harness.request('INVITE', uri, [], SDP))
    harness.clock.advance(32_000)
    assert.is(timeouts, 2)
  },
)

Registered.run()
