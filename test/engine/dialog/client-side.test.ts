import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readAppText } from '../../../src/engine/dialog/app-text.js'
import type { SipMessage, SipRequest } from '../../../src/engine/message/message.js'
import { CoreHarness, nothingLeft, sentOf } from '../../support/core-harness.js'

const ClientSide = suite('ClientSide')

const PEER = 'sip:bob@198.51.100.7:5060'
const SDP = 'v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n'
const INVITE_TEXT = `INVITE sip:bob@carrier.example SIP/2.0\r\n\r\n${SDP}`

/** The peer's answer to a request of ours. */
function answer(request: SipRequest, status: number, more: readonly string[] = [], toTag = 'b1'): string[] {
  return [
    `SIP/2.0 ${status} Whatever`,
    ...request.headers.getAll('via').map((via) => `Via: ${via}`),
    `From: ${request.headers.get('from')}`,
    `To: ${request.headers.get('to')}${request.toTag === '' && toTag !== '' ? `;tag=${toTag}` : ''}`,
    `Call-ID: ${request.callId}`,
    `CSeq: ${request.headers.get('cseq')}`,
    ...more,
  ]
}

const CONTACT = 'Contact: <sip:bob@198.51.100.7:5060>'

/** An INVITE of the application that is on the wire. */
function invited(harness = new CoreHarness(), headers: string[] = [], body = SDP) {
  const outcome = sentOf(harness.request('INVITE', PEER, headers, body))
  return { harness, outcome, invite: harness.sentRequests('INVITE').at(-1)! }
}

/** A call that the peer answered and the application acknowledged. */
function established(more: readonly string[] = [CONTACT]) {
  const { harness, outcome, invite } = invited()
  harness.receive(answer(invite, 200, more))
  sentOf(harness.requestInDialog(outcome.dialogId, 'ACK'))
  return { harness, outcome, invite, dialogId: outcome.dialogId }
}

const statuses = (harness: CoreHarness): number[] =>
  harness.app.delivered.flatMap(({ message }) => (message.kind === 'response' ? [message.status] : []))
const sentMethods = (harness: CoreHarness): string[] =>
  harness.sent.flatMap(({ message }: { message: SipMessage }) => (message.kind === 'request' ? [message.method] : []))

ClientSide('fills in what the application leaves out, and nothing else', () => {
  const { outcome, invite } = invited(new CoreHarness(), [
    'from: "Ann" <sip:100@localhost>',
    'contact: sip:100@localhost',
    'X-Keep-CASE: 1',
    'subject: hello',
    'via: never',
    'Route: <sip:never;lr>',
  ])
  assert.match(invite.headers.get('from') ?? '', /^"?Ann"? <sip:100@192\.0\.2\.1:5060>;tag=[0-9a-f]+$/)
  assert.is(invite.headers.get('contact'), '<sip:100@192.0.2.1:5060>')
  assert.is(invite.headers.get('to'), `<${PEER}>`)
  assert.is(invite.headers.get('max-forwards'), '70')
  assert.is(invite.headers.get('content-type'), 'application/sdp')
  assert.is(invite.headers.getAll('via').length, 1)
  assert.not(invite.headers.has('route'))
  assert.not(invite.headers.has('user-agent'))
  const spellings: string[] = []
  invite.headers.forEach((_name, _value, spelling) => spellings.push(spelling))
  assert.ok(spellings.includes('X-Keep-CASE'))
  assert.ok(spellings.includes('Subject'))
  assert.is(outcome.dialogId, `${invite.callId};from-tag=${invite.fromTag}`)
  assert.is(outcome.sent.headers.get('via'), invite.headers.get('via'))
})

ClientSide('keeps the Call-ID, From tag and CSeq of the application (a digest retry depends on them)', () => {
  const { invite } = invited(new CoreHarness(), ['call-id: same', 'From: <sip:a@b>;tag=t9', 'CSeq: 42 INVITE'])
  assert.equal([invite.callId, invite.fromTag, invite.cseq.number], ['same', 't9', 42])
})

ClientSide('says why a request cannot be sent', () => {
  const harness = new CoreHarness()
  const reasonOf = (outcome: ReturnType<CoreHarness['request']>): string => (outcome.ok ? '' : outcome.reason)
  assert.match(reasonOf(harness.request('INVITE', 'sip:a b@c')), /^invalid request-uri/)
  assert.match(reasonOf(harness.request('INVITE', 'tel:+14155550100')), /^invalid request-uri/)
  assert.is(reasonOf(harness.request('INVITE', 'sip:x@192.0.2.1')), 'can not send request to myself')
  assert.is(reasonOf(harness.request('MESSAGE', PEER, [], 'hello')), 'missing content-type')
  harness.protocols.delete('tcp')
  assert.is(reasonOf(harness.request('OPTIONS', `${PEER};transport=tcp`)), 'requested protocol/transport not available')
  assert.not(harness.cancel('nothing').ok)
  assert.is(harness.sent.length, 0)
})

ClientSide('sends to the proxy, with the Request-URI as it is; a bare host and port will do', () => {
  const harness = new CoreHarness()
  sentOf(harness.request('OPTIONS', 'sip:example.com', [], '', 'sip:198.51.100.9:5065;transport=tcp'))
  assert.is(harness.sent[0]?.to, 'tcp:198.51.100.9:5065')
  assert.is(harness.sentRequests('OPTIONS')[0]?.uri, 'sip:example.com')
  sentOf(harness.request('OPTIONS', 'tel:+14155550100', [], '', '198.51.100.9:5070'))
  assert.is(harness.sent[1]?.to, 'udp:198.51.100.9:5070')
})

ClientSide("reports every provisional response but 100, then the answer; the ACK is the application's to send", () => {
  const { harness, outcome, invite } = invited()
  harness.receive(answer(invite, 100, [], ''))
  harness.receive(answer(invite, 180))
  harness.receive(answer(invite, 183))
  harness.receive(answer(invite, 200, [CONTACT]))
  assert.equal(statuses(harness), [180, 183, 200])
  assert.ok(
    harness.app.delivered.every(({ txnId, dialogId }) => txnId === outcome.txnId && dialogId === outcome.dialogId),
  )
  assert.equal(sentMethods(harness), ['INVITE'])
  harness.receive(answer(invite, 200, [CONTACT]))
  assert.equal(statuses(harness), [180, 183, 200])
  assert.equal(sentMethods(harness), ['INVITE'], 'a repeated 200 waits for the ACK too')
  sentOf(harness.requestInDialog(outcome.dialogId, 'ACK', [], SDP))
  const [ack] = harness.sentRequests('ACK')
  assert.equal([ack?.uri, ack?.cseq.number, ack?.body], ['sip:bob@198.51.100.7:5060', invite.cseq.number, SDP])
  harness.receive(answer(invite, 200, [CONTACT]))
  assert.is(harness.sentRequests('ACK').length, 2, 'the stored ACK answers repeats')
})

ClientSide("acknowledges a refusal itself; the application's ACK to it is refused", () => {
  const { harness, outcome, invite } = invited()
  harness.receive(answer(invite, 486))
  assert.equal(sentMethods(harness), ['INVITE', 'ACK'])
  const ack = harness.requestInDialog(outcome.dialogId, 'ACK')
  assert.match(ack.ok ? '' : ack.reason, /^Server error: ACK for non-success/)
  harness.clock.advance(64_000)
  assert.equal(harness.leftovers(), nothingLeft)
})

ClientSide('without any response: INVITE sent seven times, then a 408 made here', () => {
  const { harness } = invited()
  harness.clock.advance(32_000)
  assert.is(harness.sentRequests('INVITE').length, 7)
  harness.clock.advance(100)
  assert.equal(statuses(harness), [408])
  assert.is(harness.app.last().origin.source, 'network')
  harness.clock.advance(64_000)
  assert.equal(harness.leftovers(), nothingLeft)
})

ClientSide('nothing can be sent: a 503 made here, after the echo', () => {
  const harness = new CoreHarness()
  harness.unreachable.add('udp:198.51.100.7:5060')
  sentOf(harness.request('INVITE', PEER, [], SDP))
  assert.equal(statuses(harness), [])
  harness.clock.advance(10)
  assert.equal(statuses(harness), [503])
})

ClientSide('a request over 1300 bytes goes by TCP, and by UDP when that is refused (RFC 3261 18.1.1)', () => {
  const harness = new CoreHarness()
  const large = `v=0\r\n${'a=x\r\n'.repeat(300)}`
  sentOf(harness.request('INVITE', PEER, [], large))
  assert.is(harness.sent[0]?.to, 'tcp:198.51.100.7:5060')
  assert.match(harness.sentRequests('INVITE')[0]?.headers.get('via') ?? '', /^SIP\/2\.0\/TCP/)
  const refusing = new CoreHarness()
  refusing.unreachable.add('tcp:198.51.100.7:5060')
  sentOf(refusing.request('INVITE', PEER, [], large))
  refusing.clock.advance(1)
  assert.is(refusing.sent[0]?.to, 'udp:198.51.100.7:5060')
  sentOf(refusing.request('INVITE', `${PEER};transport=udp`, [], large))
  assert.is(refusing.sent[1]?.to, 'udp:198.51.100.7:5060')
})

ClientSide('holds a CANCEL until a 1xx has come, reports the 487, and leaves nothing', () => {
  const { harness, outcome, invite } = invited()
  sentOf(harness.cancel(outcome.txnId, ['Reason: SIP;cause=200', 'contact: <sip:never@here>']))
  assert.equal(sentMethods(harness), ['INVITE'])
  harness.receive(answer(invite, 180))
  const [cancel] = harness.sentRequests('CANCEL')
  assert.equal(
    [cancel?.uri, cancel?.cseq.number, cancel?.headers.get('reason')],
    [invite.uri, invite.cseq.number, 'SIP;cause=200'],
  )
  assert.is(cancel?.headers.get('via'), invite.headers.get('via'))
  assert.not(cancel?.headers.has('contact'))
  harness.receive(answer(cancel!, 200))
  harness.receive(answer(invite, 487))
  assert.equal(statuses(harness), [180, 487])
  harness.clock.advance(64_000)
  assert.equal(harness.leftovers(), nothingLeft)
})

ClientSide("a 200 that crosses our CANCEL: the application's ACK is followed by a BYE, and it is told", () => {
  const { harness, outcome, invite } = invited()
  harness.receive(answer(invite, 180))
  sentOf(harness.cancel(outcome.txnId))
  harness.receive(answer(invite, 200, [CONTACT]))
  sentOf(harness.requestInDialog(outcome.dialogId, 'ACK'))
  assert.equal(sentMethods(harness), ['INVITE', 'CANCEL', 'ACK', 'BYE'])
  const told = harness.app.last()
  assert.ok(told.unsolicited)
  assert.match(told.message.headers.get('reason') ?? '', /ACK-BYE due to cancel race condition/)
})

ClientSide(
  'the answer of another fork is acknowledged and hung up, without a word to the application (RFC 3261 13.2.2.4)',
  () => {
    const { harness, outcome, invite } = invited()
    harness.receive(answer(invite, 180, [CONTACT], 'b1'))
    harness.receive(answer(invite, 180, [CONTACT], 'b2'))
    harness.receive(answer(invite, 200, [CONTACT], 'b2'))
    sentOf(harness.requestInDialog(outcome.dialogId, 'ACK'))
    assert.is(harness.sentRequests('ACK')[0]?.toTag, 'b2')
    harness.receive(answer(invite, 200, [CONTACT], 'b3'))
    assert.equal(statuses(harness), [180, 180, 200])
    assert.equal(sentMethods(harness).slice(-2), ['ACK', 'BYE'])
    assert.is(harness.sentRequests('BYE')[0]?.toTag, 'b3')
    assert.is(harness.dialogs.count, 1)
  },
)

ClientSide('the application is gone: its INVITE is withdrawn, and an answer to it is acknowledged and hung up', () => {
  const { harness, invite } = invited()
  harness.receive(answer(invite, 180))
  harness.app.open = false
  harness.core.appGone(harness.app)
  assert.equal(sentMethods(harness), ['INVITE', 'CANCEL'])
  harness.receive(answer(invite, 200, [CONTACT]))
  assert.equal(sentMethods(harness).slice(-2), ['ACK', 'BYE'])
  assert.is(harness.dialogs.count, 0)
})

ClientSide('follows the reversed Record-Route and the Contact of the 200 in the dialog', () => {
  const { harness, dialogId } = established([CONTACT, 'Record-Route: <sip:198.51.100.30;lr>, <sip:198.51.100.31;lr>'])
  sentOf(harness.requestInDialog(dialogId, 'INFO', ['Content-Type: text/plain'], 'x'))
  const [info] = harness.sentRequests('INFO')
  assert.equal(info?.headers.getAll('route'), ['<sip:198.51.100.31;lr>', '<sip:198.51.100.30;lr>'])
  assert.is(harness.sent.at(-1)?.to, 'udp:198.51.100.31:5060')
})

ClientSide('counts CSeq up in the dialog and acknowledges a re-INVITE with its own number', () => {
  const { harness, dialogId, invite, outcome } = established()
  sentOf(harness.requestInDialog(dialogId, 'INFO'))
  const reInvite = sentOf(harness.requestInDialog(dialogId, 'INVITE', [], SDP))
  sentOf(harness.requestInDialog(dialogId, 'OPTIONS'))
  const second = harness.sentRequests('INVITE').at(-1)!
  assert.is(second.cseq.number, invite.cseq.number + 2)
  assert.is(second.headers.get('contact'), outcome.sent.headers.get('contact'))
  harness.receive(answer(second, 180))
  harness.receive(answer(second, 200, ['Contact: <sip:bob@198.51.100.8:5060>']))
  assert.equal(harness.app.delivered.filter(({ txnId }) => txnId === reInvite.txnId).length, 2)
  sentOf(harness.requestInDialog(dialogId, 'ACK'))
  assert.is(harness.sentRequests('ACK').at(-1)?.cseq.number, second.cseq.number)
  assert.is(harness.sent.at(-1)?.to, 'udp:198.51.100.8:5060', 'the target was refreshed')
})

ClientSide('a BYE ends the dialog on any answer but a challenge', () => {
  const { harness, dialogId } = established()
  sentOf(harness.requestInDialog(dialogId, 'BYE'))
  harness.receive(answer(harness.sentRequests('BYE')[0]!, 407, ['Proxy-Authenticate: Digest realm="x", nonce="y"']))
  assert.is(harness.dialogs.count, 1)
  const retry = sentOf(harness.requestInDialog(dialogId, 'BYE', ['Proxy-Authorization: Digest username="u"']))
  harness.receive(answer(harness.sentRequests('BYE')[1]!, 200))
  assert.is(harness.app.last().txnId, retry.txnId)
  assert.is(harness.dialogs.count, 0)
  const gone = harness.requestInDialog(dialogId, 'INFO')
  assert.match(gone.ok ? '' : gone.reason, /unable to find dialog for dialog id provided/)
  harness.clock.advance(64_000)
  assert.equal(harness.leftovers(), nothingLeft)
})

ClientSide("another request that fails leaves the dialog: its BYE is the application's to send", () => {
  const { harness, dialogId } = established()
  sentOf(harness.requestInDialog(dialogId, 'INFO'))
  harness.clock.advance(33_000)
  assert.is(statuses(harness).at(-1), 408)
  sentOf(harness.requestInDialog(dialogId, 'BYE'))
  assert.is(harness.sentRequests('BYE').length, 1)
})

ClientSide('a BYE of the application withdraws its open re-INVITE first', () => {
  const { harness, dialogId } = established()
  sentOf(harness.requestInDialog(dialogId, 'INVITE', [], SDP))
  harness.receive(answer(harness.sentRequests('INVITE').at(-1)!, 180))
  sentOf(harness.requestInDialog(dialogId, 'BYE'))
  assert.equal(sentMethods(harness).slice(-2), ['CANCEL', 'BYE'])
})

ClientSide('[10.3/17] a reliable 183 makes the early dialog in which its PRACK is sent', () => {
  const { harness, outcome, invite } = invited()
  harness.receive(answer(invite, 183, [CONTACT, 'Require: 100rel', 'RSeq: 9']))
  sentOf(harness.requestInDialog(outcome.dialogId, 'PRACK', [`RAck: 9 ${invite.cseq.number} INVITE`]))
  const [prack] = harness.sentRequests('PRACK')
  assert.equal(
    [prack?.uri, prack?.toTag, prack?.headers.get('rack')],
    ['sip:bob@198.51.100.7:5060', 'b1', `9 ${invite.cseq.number} INVITE`],
  )
})

ClientSide('an unreachable name is answered 503 DNS Error, not refused', async () => {
  const harness = new CoreHarness()
  const outcome = sentOf(
    await harness.core.sendRequest(
      harness.app,
      'OPTIONS',
      'sip:nowhere.invalid',
      readAppText('OPTIONS sip:nowhere.invalid SIP/2.0\r\n\r\n'),
      '',
    ),
  )
  harness.clock.advance(10)
  const { message, txnId } = harness.app.last()
  assert.is(txnId, outcome.txnId)
  assert.is(message.kind === 'response' && `${message.status} ${message.reason.slice(0, 9)}`, '503 DNS Error')
  assert.equal(harness.leftovers(), nothingLeft)
})

ClientSide(
  'tries the next address on a timeout, a transport failure or a 503, each with its own branch (RFC 3263 4.3)',
  async () => {
    const harness = new CoreHarness()
    harness.targets = [1, 2, 3, 4].map((host) => ({ protocol: 'udp', address: `198.51.100.${host}`, port: 5060 }))
    harness.unreachable.add('udp:198.51.100.2:5060')
    const outcome = sentOf(
      await harness.core.sendRequest(harness.app, 'INVITE', 'sip:bob@carrier.example', readAppText(INVITE_TEXT), ''),
    )
    harness.clock.advance(32_001)
    const toThird = harness.sentRequests('INVITE').at(-1)!
    assert.is(harness.sent.at(-1)?.to, 'udp:198.51.100.3:5060')
    harness.receive(answer(toThird, 503))
    const toFourth = harness.sentRequests('INVITE').at(-1)!
    assert.is(harness.sent.at(-1)?.to, 'udp:198.51.100.4:5060')
    assert.is(new Set(harness.sentRequests('INVITE').map(({ topVia }) => topVia.params.get('branch'))).size, 3)
    assert.equal(statuses(harness), [], 'the application hears nothing of the tries')
    harness.receive(answer(toFourth, 486))
    assert.equal(statuses(harness), [486])
    assert.is(harness.app.last().txnId, outcome.txnId)
    harness.clock.advance(64_000)
    assert.equal(harness.leftovers(), nothingLeft)
  },
)

ClientSide('tries no further address once a 1xx has come, or a definitive answer', async () => {
  const harness = new CoreHarness()
  harness.targets = [1, 2].map((host) => ({ protocol: 'udp', address: `198.51.100.${host}`, port: 5060 }))
  sentOf(await harness.core.sendRequest(harness.app, 'INVITE', 'sip:bob@carrier.example', readAppText(INVITE_TEXT), ''))
  harness.receive(answer(harness.sentRequests('INVITE')[0]!, 180))
  harness.receive(answer(harness.sentRequests('INVITE')[0]!, 503))
  assert.equal(statuses(harness), [180, 503])
  assert.is(harness.sentRequests('INVITE').length, 1)
})

ClientSide.run()
