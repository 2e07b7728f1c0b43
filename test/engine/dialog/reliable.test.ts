import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Outcome } from '../../../src/engine/dialog/app.js'
import { CoreHarness, nothingLeft, sentOf } from '../../support/core-harness.js'
import {
  incomingCall,
  PEER,
  PEER_CONTACT,
  peerRequest,
  peerResponse,
  SDP,
  statusesOf,
} from '../../support/dialog-bench.js'

const Reliable = suite('Reliable provisional responses (RFC 3262)')

const SUPPORTED = { more: ['Supported: timer, 100REL'] }

/** An INVITE of the peer that the application has answered with a reliable 183 with SDP. */
function progressing() {
  const harness = new CoreHarness()
  harness.receive(peerRequest('INVITE', SUPPORTED))
  const { txnId } = harness.app.last()
  const { sent } = sentOf(harness.respond(txnId, 183, ['Require: 100rel'], SDP))
  return { harness, txnId, toTag: sent.toTag }
}

const prack = (toTag: string, rack: string, cseq = 2): string[] =>
  peerRequest('PRACK', { cseq, toTag, more: [`RAck: ${rack}`] })

/** What became of a response, once it is known. */
async function settled(outcome: Outcome | Promise<Outcome>): Promise<string> {
  const known = await outcome
  return known.ok ? 'sent' : known.reason
}

Reliable('a 4xx does not wait for a PRACK', () => {
  const { harness, txnId } = progressing()
  sentOf(harness.respond(txnId, 486))
  assert.is(harness.sentResponses(486).length, 1)
})

Reliable('a PRACK that comes after the final response is still taken (3)', () => {
  const harness = new CoreHarness()
  harness.receive(peerRequest('INVITE', SUPPORTED))
  const { txnId } = harness.app.last()
  const { sent } = sentOf(harness.respond(txnId, 180, ['Require: 100rel']))
  sentOf(harness.respond(txnId, 200, [], SDP))
  assert.is(harness.sentResponses(200).length, 1, 'a 180 without a body delays nothing')
  harness.receive(prack(sent.toTag, '1 1 INVITE'))
  assert.is(harness.sentResponses(200).at(-1)?.cseq.method, 'PRACK')
  assert.is(harness.app.requests('PRACK').length, 0, 'an application would take it for the ACK')
  harness.clock.advance(10_000)
  assert.is(harness.sentResponses(180).length, 1, 'it is not repeated after the final response')
})

Reliable('a caller that requires 100rel gets every 101-199 reliably', () => {
  const harness = new CoreHarness()
  harness.receive(peerRequest('INVITE', { more: ['Require: 100rel'] }))
  const { txnId } = harness.app.last()
  const { sent } = sentOf(harness.respond(txnId, 180))
  assert.equal([sent.headers.get('require'), sent.headers.get('rseq')], ['100rel', '1'])
  harness.receive(prack(sent.toTag, '1 1 INVITE'))
  assert.is(harness.sentResponses(200).at(-1)?.cseq.method, 'PRACK')
  assert.is(harness.app.requests('PRACK').length, 0, 'the application has not asked for it')
  harness.clock.advance(10_000)
  assert.is(harness.sentResponses(180).length, 1)
})

Reliable('the PRACK reaches the application before the 200 that waits for it is said to be sent', async () => {
  const { harness, txnId, toTag } = progressing()
  const heard: string[] = []
  const answer = Promise.resolve(harness.respondInTime(txnId, 200, [], SDP)).then(() => heard.push('200 sent'))
  harness.receive(prack(toTag, '1 1 INVITE'))
  heard.push(...harness.app.requests('PRACK').map(() => 'PRACK'))
  await answer
  assert.equal(heard, ['PRACK', '200 sent'])
})

Reliable('and a 200 at once if that is what the application answers', () => {
  const { harness, ok } = incomingCall({ invite: peerRequest('INVITE', { more: ['Require: 100rel'] }) })
  assert.not(ok.headers.has('rseq'))
  assert.is(harness.app.requests('ACK').length, 1)
})

Reliable('other option tags that the application requires stay', () => {
  const harness = new CoreHarness()
  harness.receive(peerRequest('INVITE', SUPPORTED))
  const { sent } = sentOf(harness.respond(harness.app.last().txnId, 183, ['Require: 100rel, precondition'], SDP))
  assert.equal(sent.headers.getAll('require'), ['100rel, precondition'])
})

Reliable('a delayed 200 counts as sent once it is; a CANCEL before that says it was too late', async () => {
  const answered = progressing()
  const sent = answered.harness.respondInTime(answered.txnId, 200, [], SDP)
  assert.ok(sent instanceof Promise)
  answered.harness.receive(prack(answered.toTag, '1 1 INVITE'))
  assert.is(await settled(sent), 'sent')
  assert.is(answered.harness.sentResponses(200).filter(({ cseq }) => cseq.method === 'INVITE').length, 1)

  const cancelled = progressing()
  const tooLate = cancelled.harness.respondInTime(cancelled.txnId, 200, [], SDP)
  cancelled.harness.receive(peerRequest('CANCEL', { branch: 'z9hG4bKINVITE1call-1' }))
  assert.match(await settled(tooLate), /unknown transaction/)
  assert.is(cancelled.harness.sentResponses(487).length, 1)
  cancelled.harness.clock.advance(64_000)
  assert.equal(cancelled.harness.leftovers(), nothingLeft)
})

Reliable('nor is it sent when the PRACK never comes: 503, and the application hears so', async () => {
  const { harness, txnId } = progressing()
  const answer = harness.respondInTime(txnId, 200, [], SDP)
  harness.clock.advance(32_000)
  assert.is(harness.sentResponses(503).length, 1)
  assert.match(await settled(answer), /unknown transaction/)
  harness.clock.advance(64_000)
  assert.equal(harness.leftovers(), nothingLeft)
})

Reliable('and without an answer under way the application hears so too: for it that is a CANCEL', () => {
  const { harness, txnId } = progressing()
  harness.clock.advance(32_000)
  const { message, txnId: cancelled } = harness.app.last()
  assert.ok(message.kind === 'request' && message.method === 'CANCEL')
  assert.equal([cancelled, message.headers.get('reason')], [txnId, 'SIP ;cause=503 ;text="Reliable Response Time-Out"'])
  assert.not(harness.respond(txnId, 487).ok)
  harness.clock.advance(64_000)
  assert.equal(harness.leftovers(), nothingLeft)
})

Reliable('further reliable responses wait for the PRACK of the one before, in their order (3)', () => {
  const { harness, txnId, toTag } = progressing()
  for (const status of [180, 182]) sentOf(harness.respond(txnId, status, ['Require: 100rel']))
  for (const [n, status] of [183, 180, 182].entries()) {
    assert.is(harness.sentResponses(status).at(-1)?.headers.get('rseq'), String(n + 1))
    assert.is(harness.sentResponses([180, 182, 199][n]!).length, 0)
    harness.receive(prack(toTag, `${n + 1} 1 INVITE`, n + 2))
    sentOf(harness.respond(harness.app.last().txnId, 200))
  }
  harness.receive(prack(toTag, '3 1 INVITE', 9))
  assert.is(harness.sentResponses(481).length, 1, 'nothing waits for that one any more')
})

Reliable('an application that gives up a delayed 200 may refuse instead', async () => {
  const { harness, txnId } = progressing()
  const answer = harness.respondInTime(txnId, 200, [], SDP)
  assert.not((await harness.respondInTime(txnId, 200, [], SDP)).ok, 'one 200 is enough')
  sentOf(harness.respond(txnId, 480))
  assert.match(await settled(answer), /unknown transaction/)
})

Reliable('as caller: a repeat and one before its turn are not handed on (4)', () => {
  const harness = new CoreHarness()
  sentOf(harness.request('INVITE', PEER, ['Supported: 100rel'], SDP))
  const invite = harness.sentRequests('INVITE')[0]!
  const reliable = (status: number, rseq: number, tag = 'b1'): string[] =>
    peerResponse(invite, status, [PEER_CONTACT, 'Require: 100rel', `RSeq: ${rseq}`], tag)
  harness.receive(reliable(183, 7))
  harness.receive(reliable(183, 7))
  harness.receive(reliable(181, 9))
  assert.equal(statusesOf(harness), [183])
  harness.receive(reliable(180, 8))
  harness.receive(reliable(181, 9))
  harness.receive(reliable(182, 1, 'b2'))
  harness.receive(peerResponse(invite, 180, [PEER_CONTACT]))
  assert.equal(statusesOf(harness), [183, 180, 181, 182, 180], 'each fork counts its own, unreliable ones do not count')
})

Reliable('as caller: the PRACK goes to the fork whose response it acknowledges', () => {
  const harness = new CoreHarness()
  const { dialogId } = sentOf(harness.request('INVITE', PEER, ['Supported: 100rel'], SDP))
  const invite = harness.sentRequests('INVITE')[0]!
  const contact = (host: number): string => `Contact: <sip:bob@198.51.100.${host}:5060>`
  harness.receive(peerResponse(invite, 183, [contact(1), 'Require: 100rel', 'RSeq: 5'], 'b1'))
  harness.receive(peerResponse(invite, 180, [contact(2)], 'b2'))
  sentOf(harness.requestInDialog(dialogId, 'PRACK', [`RAck: 5 ${invite.cseq.number} INVITE`]))
  assert.equal([harness.sentRequests('PRACK')[0]?.toTag, harness.sent.at(-1)?.to], ['b1', 'udp:198.51.100.1:5060'])
})

Reliable('as caller in a dialog: the same for a re-INVITE', () => {
  const { harness, dialogId } = incomingCall()
  sentOf(harness.requestInDialog(dialogId, 'INVITE', ['Supported: 100rel'], SDP))
  const [reInvite] = harness.sentRequests('INVITE')
  const progress = peerResponse(reInvite!, 183, [PEER_CONTACT, 'Require: 100rel', 'RSeq: 3'])
  harness.receive(progress)
  harness.receive(progress)
  assert.equal(statusesOf(harness), [183])
})

Reliable.run()
