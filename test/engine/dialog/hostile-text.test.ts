import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readAppText } from '../../../src/engine/dialog/app-text.js'
import type { Outcome } from '../../../src/engine/dialog/app.js'
import { CoreHarness, nothingLeft, sentOf } from '../../support/core-harness.js'
import { incomingCall, PEER, peerRequest, peerResponse, SDP } from '../../support/dialog-bench.js'
import { hostileValues } from '../../support/hostile-values.js'

const HostileText = suite('Hostile text')

const reasonOf = (outcome: Outcome): string => (outcome.ok ? '' : outcome.reason)

HostileText('a To tag that is no token harms nobody: the answer carries it back as it came', () => {
  for (const tag of ['[x]', '"quoted"', 'a/b', '::']) {
    const harness = new CoreHarness()
    harness.receive(peerRequest('OPTIONS', { toTag: tag }))
    const { txnId } = harness.app.last()
    sentOf(harness.respond(txnId, 100))
    const { sent } = sentOf(harness.respond(txnId, 200))
    assert.is(sent.toTag, tag)
    harness.clock.advance(64_000)
    assert.equal(harness.leftovers(), nothingLeft)
  }
})

HostileText('nor does it when the application goes instead of answering', () => {
  const harness = new CoreHarness()
  harness.receive(peerRequest('OPTIONS', { toTag: '[x]' }))
  sentOf(harness.respond(harness.app.last().txnId, 183))
  harness.app.open = false
  harness.core.appGone(harness.app)
  assert.is(harness.sentResponses(503).length, 1)
  assert.equal(harness.errors, [])
})

HostileText('a reason phrase with control characters goes out with spaces in their place', () => {
  const harness = new CoreHarness()
  harness.receive(peerRequest('INVITE'))
  const text = readAppText('SIP/2.0 486 x\r\n\r\n')
  const outcome = harness.core.respond(harness.app.last().txnId, 486, 'Busy\x01\x7f\tHere', text) as Outcome
  assert.is((sentOf(outcome).sent as { reason: string }).reason, 'Busy  \tHere')
  assert.is(harness.sentResponses(486).length, 1)
})

HostileText('a display name without quotes gets them, so that peers can read our From and To', () => {
  const harness = new CoreHarness()
  for (const name of ["Bob's (work)", 'José "Pepe" Núñez', '[Sales] @ example.com', '"open']) {
    const latin1 = Buffer.from(name, 'utf8').toString('latin1')
    const { sent, dialogId } = sentOf(
      harness.request(
        'INVITE',
        PEER,
        [`From: ${latin1} <sip:100@localhost>`, `To: ${latin1} <sip:bob@example.com>`],
        SDP,
      ),
    )
    assert.is(sent.from.displayName, latin1)
    assert.is(sent.from.uri, 'sip:100@192.0.2.1:5060')
    assert.is(dialogId, `${sent.callId};from-tag=${sent.fromTag}`)
    assert.ok(sent.fromTag !== '')
    assert.is(sent.to.displayName, latin1)
  }
})

HostileText('headers no peer could read, or no answer be matched by, are refused by name', () => {
  const harness = new CoreHarness()
  for (const [header, name] of [
    ['From: nonsense', 'From'],
    ['From: <sip:a@b', 'From'],
    ['To: <sip:a@b>;tag=a;tag=b', 'To'],
    ['Call-ID: two words', 'Call-ID'],
    ['Call-ID: a|b', 'Call-ID'],
    ['Contact: <sip:a b@c>', 'Contact'],
  ] as const)
    assert.is(reasonOf(harness.request('INVITE', PEER, [header], SDP)), `invalid ${name} header`, header)
  assert.match(reasonOf(harness.request('INVITE', `${PEER}?Route=%3Csip:x%3E`, [], SDP)), /^invalid request-uri/)
  assert.is(harness.sent.length, 0)
  assert.equal(harness.leftovers(), nothingLeft)
})

HostileText('a Max-Forwards that is no number is not passed on; an empty From tag gets a value', () => {
  const harness = new CoreHarness()
  const { sent } = sentOf(harness.request('OPTIONS', PEER, ['Max-Forwards: many', 'From: <sip:a@b>;tag']))
  assert.is(sent.headers.get('max-forwards'), '70')
  assert.ok(sent.fromTag.length > 8)
})

HostileText('B12: whatever values an application hands on, what is sent parses, or it is refused', async () => {
  const names = [
    'From',
    'To',
    'Contact',
    'Call-ID',
    'CSeq',
    'Max-Forwards',
    'Subject',
    'P-Asserted-Identity',
    'Require',
  ]
  const values = hostileValues.map((value) => Buffer.from(value.slice(0, 1_000), 'utf8').toString('latin1'))
  for (const name of names)
    for (const value of [...values, ...values.map((v) => `"${v}" <sip:${v}@localhost>;tag=${v}`)]) {
      const header = [`${name}: ${value}`]
      const outgoing = new CoreHarness()
      // The harness parses all that is sent, and fails when it cannot be.
      outgoing.request('INVITE', PEER, header, SDP)
      const empty = readAppText('OPTIONS sip:x SIP/2.0\r\n\r\n')
      await outgoing.core.sendRequest(outgoing.app, 'OPTIONS', value, empty, '')
      await outgoing.core.sendRequest(outgoing.app, 'OPTIONS', PEER, empty, value)
      const { harness, dialogId, toTag } = incomingCall()
      harness.requestInDialog(dialogId, 'INVITE', header, SDP)
      harness.requestInDialog(dialogId, 'INFO', header)
      harness.receive(peerRequest('INFO', { cseq: 2, toTag }))
      harness.respond(harness.app.last().txnId, 200, header)
      harness.receive(peerRequest('INVITE', { callId: 'second' }))
      harness.respond(harness.app.last().txnId, 302, header)
      assert.equal([...outgoing.errors, ...harness.errors], [], `${name}: ${value.slice(0, 60)}`)
    }
})

HostileText('a Contact with headers or a method does not become a Request-URI with them (RFC 3261 19.1.1)', () => {
  const { harness, dialogId } = incomingCall({
    invite: peerRequest('INVITE', { contact: '<sip:ann@198.51.100.7;method=BYE?Route=%3Csip:x%3E>' }),
  })
  sentOf(harness.requestInDialog(dialogId, 'INFO'))
  assert.is(harness.sentRequests('INFO')[0]?.uri, 'sip:ann@198.51.100.7')
})

HostileText('a From tag with a | makes a dialog id that applications can give back', () => {
  const harness = new CoreHarness()
  harness.receive(peerRequest('INVITE', { fromTag: '"a|b"' }))
  const { dialogId, sent } = sentOf(harness.respond(harness.app.last().txnId, 200, [], SDP))
  assert.not(dialogId.includes('|'))
  harness.receive(peerRequest('ACK', { fromTag: '"a|b"', toTag: sent.toTag }))
  sentOf(harness.requestInDialog(dialogId, 'BYE'))
  assert.match(harness.sentRequests('BYE')[0]?.headers.get('to') ?? '', /;tag="a\|b"$/)
})

HostileText("a peer's highest CSeq number leaves room for ours", () => {
  const { harness, dialogId } = incomingCall({
    invite: peerRequest('INVITE', { cseq: 2_147_483_647 }),
    ack: false,
  })
  harness.receive(peerRequest('ACK', { cseq: 2_147_483_647, toTag: harness.sentResponses(200)[0]!.toTag }))
  sentOf(harness.requestInDialog(dialogId, 'INFO'))
  assert.ok(harness.sentRequests('INFO')[0]!.cseq.number < 2 ** 31)
})

HostileText("an INVITE that carries our own Call-ID and From tag cannot take our dialog's place", () => {
  const harness = new CoreHarness()
  const { dialogId } = sentOf(harness.request('INVITE', PEER, [], SDP))
  const mine = harness.sentRequests('INVITE')[0]!
  const theirs = (cseq: number): string[] => peerRequest('INVITE', { callId: mine.callId, fromTag: mine.fromTag, cseq })
  harness.receive(theirs(1))
  assert.is(harness.sentResponses(482).length, 1, 'while ours is under way')
  harness.receive(peerResponse(mine, 200, ['Contact: <sip:bob@198.51.100.7:5060>']))
  sentOf(harness.requestInDialog(dialogId, 'ACK'))
  harness.receive(theirs(2))
  assert.is(harness.sentResponses(482).length, 2, 'and while our dialog lives')
  sentOf(harness.requestInDialog(dialogId, 'BYE'))
  assert.is(harness.sentRequests('BYE')[0]?.toTag, 'b1')
  harness.receive(peerResponse(harness.sentRequests('BYE')[0]!, 200))
  harness.clock.advance(64_000)
  assert.equal(harness.leftovers(), nothingLeft)
  harness.receive(theirs(3))
  assert.is(harness.app.requests('INVITE').length, 1, 'nothing is remembered longer')
})

HostileText('of two open INVITEs with one Call-ID and From tag only one becomes a dialog', () => {
  const harness = new CoreHarness()
  harness.receive(peerRequest('INVITE', { cseq: 1 }))
  harness.receive(peerRequest('INVITE', { cseq: 2 }))
  const [first, second] = harness.app.requests('INVITE')
  const { dialogId, sent } = sentOf(harness.respond(first!.txnId, 200, [], SDP))
  assert.is(reasonOf(harness.respond(second!.txnId, 180)), 'dialog already exists, rejecting this request')
  assert.is(harness.sentResponses(480).length, 1)
  harness.receive(peerRequest('ACK', { branch: 'z9hG4bKack', toTag: sent.toTag }))
  sentOf(harness.requestInDialog(dialogId, 'BYE'))
  assert.is(harness.sentRequests('BYE').length, 1)
})

HostileText("only the application chooses our To tag, not what the peer's To URI says", () => {
  const tagFor = (to: string): string => {
    const harness = new CoreHarness()
    harness.receive(peerRequest('INVITE'))
    return sentOf(harness.respond(harness.app.last().txnId, 180, [`to: ${to}`])).sent.toTag
  }
  assert.match(tagFor('<sip:bob@192.0.2.1;tag=peer>'), /^[0-9a-f]{16}$/)
  assert.match(tagFor('"tag=x" <sip:bob@192.0.2.1>'), /^[0-9a-f]{16}$/)
  assert.is(tagFor('<sip:bob@192.0.2.1;tag=peer>;tag=mine'), 'mine')
  assert.is(tagFor('tag=xyz'), 'xyz')
})

HostileText('a SUBSCRIBE that claims to belong to our INVITE makes no dialog in its name', () => {
  const harness = new CoreHarness()
  sentOf(harness.request('INVITE', PEER, [], SDP))
  const mine = harness.sentRequests('INVITE')[0]!
  harness.receive(peerRequest('SUBSCRIBE', { callId: mine.callId, fromTag: 'b2', toTag: mine.fromTag }))
  assert.is(harness.sentResponses(481).length, 1)
  assert.is(harness.app.delivered.length, 0)
})

HostileText(
  'an application cannot have two INVITEs under one Call-ID and From tag, but may try again after a challenge',
  () => {
    const harness = new CoreHarness()
    const headers = ['Call-ID: mine', 'From: <sip:me@here>;tag=t1']
    sentOf(harness.request('INVITE', PEER, [...headers, 'CSeq: 1 INVITE'], SDP))
    assert.match(reasonOf(harness.request('INVITE', PEER, headers, SDP)), /already exists/)
    harness.receive(
      peerResponse(harness.sentRequests('INVITE')[0]!, 401, ['WWW-Authenticate: Digest realm="x", nonce="y"']),
    )
    sentOf(harness.request('INVITE', PEER, [...headers, 'CSeq: 2 INVITE'], SDP))
    harness.receive(peerResponse(harness.sentRequests('INVITE').at(-1)!, 200))
    assert.match(reasonOf(harness.request('INVITE', PEER, headers, SDP)), /already exists/)
    assert.is(harness.sentRequests('INVITE').length, 2)
  },
)

HostileText.run()
