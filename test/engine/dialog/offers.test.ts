import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CoreHarness, nothingLeft, sentOf } from '../../support/core-harness.js'
import {
  incomingCall,
  outgoingCall,
  PEER,
  PEER_CONTACT,
  peerRequest,
  peerResponse,
  SDP,
  SDP_LINES,
  statusesOf,
} from '../../support/dialog-bench.js'

const Offers = suite('One offer at a time (RFC 3261 14, RFC 3311 5)')

const update = (toTag: string, cseq: number, body: readonly string[] = SDP_LINES) =>
  peerRequest('UPDATE', { cseq, toTag, body })

/** Answers the newest request the application was given. */
const answer = (harness: CoreHarness, status: number, body = ''): void => {
  sentOf(harness.respond(harness.app.last().txnId, status, [], body))
}

/** Responses to requests of that method that were sent, by status. */
const answersTo = (harness: CoreHarness, method: string): number[] =>
  harness.sent.flatMap(({ message }) =>
    message.kind === 'response' && message.cseq.method === method ? [message.status] : [],
  )

/** An INVITE of ours that rings; the peer's UPDATE in that early dialog. */
function ringing(progress: { body?: readonly string[]; tag?: string } = {}) {
  const harness = new CoreHarness()
  const { dialogId, txnId } = sentOf(harness.request('INVITE', PEER, [], SDP))
  const invite = harness.sentRequests('INVITE')[0]!
  const { body = [], tag = 'b1' } = progress
  harness.receive(peerResponse(invite, 183, [PEER_CONTACT, ...(body.length > 0 ? ['', ...body] : [])], tag))
  const theirs = (method: string, cseq: number, from = tag, offer: readonly string[] = SDP_LINES) =>
    peerRequest(method, { cseq, callId: invite.callId, fromTag: from, toTag: invite.fromTag, body: offer })
  return { harness, dialogId, txnId, invite, theirs }
}

Offers(
  '[10.3/14] [10.2/21] an UPDATE before the 200, as callee: 500 while its INVITE has no answer, then handed on',
  () => {
    const harness = new CoreHarness()
    harness.receive(peerRequest('INVITE', { body: SDP_LINES }))
    const invite = harness.app.last().txnId
    const { toTag } = sentOf(harness.respond(invite, 180)).sent
    harness.receive(update(toTag, 2))
    const [early] = harness.sentResponses(500)
    assert.match(early?.headers.get('retry-after') ?? '', /^([0-9]|10)$/)
    harness.receive(update(toTag, 3, []))
    answer(harness, 200)
    sentOf(harness.respond(invite, 183, [], SDP))
    harness.receive(update(toTag, 4))
    answer(harness, 200, SDP)
    assert.equal(answersTo(harness, 'UPDATE'), [500, 200, 200])
    assert.equal(
      harness.app.requests('UPDATE').map(({ message }) => message.cseq.number),
      [3, 4],
    )
  },
)

Offers('[10.3/14] as caller: 491 while the offer of our INVITE has no answer in that early dialog', () => {
  const { harness, theirs } = ringing()
  harness.receive(theirs('UPDATE', 1))
  assert.equal(answersTo(harness, 'UPDATE'), [491])
  harness.receive(theirs('UPDATE', 2, 'b1', []))
  answer(harness, 200)
  const answered = ringing({ body: SDP_LINES })
  answered.harness.receive(answered.theirs('UPDATE', 1))
  answer(answered.harness, 200, SDP)
  assert.equal([answersTo(harness, 'UPDATE'), answersTo(answered.harness, 'UPDATE')], [[491, 200], [200]])
})

Offers('in a call: 491 to an UPDATE with an offer while ours is open, 500 while another of the peer is', () => {
  const { harness, dialogId, toTag } = incomingCall()
  sentOf(harness.requestInDialog(dialogId, 'UPDATE', [], SDP))
  harness.receive(update(toTag, 2))
  harness.receive(peerRequest('INVITE', { cseq: 3, toTag, body: SDP_LINES }))
  assert.equal([answersTo(harness, 'UPDATE'), harness.sentResponses(491).length], [[491], 2])
  harness.receive(peerResponse(harness.sentRequests('UPDATE')[0]!, 200, [PEER_CONTACT]))
  harness.receive(update(toTag, 4))
  harness.receive(update(toTag, 5))
  harness.receive(peerRequest('INVITE', { cseq: 6, toTag, body: SDP_LINES }))
  assert.is(harness.sentResponses(500).length, 2)
  assert.equal(
    harness.app.requests('UPDATE').map(({ message }) => message.cseq.number),
    [4],
  )
})

Offers(
  'an UPDATE without an offer passes beside our re-INVITE; one with an offer does once that has its answer',
  () => {
    const { harness, dialogId, toTag } = incomingCall()
    sentOf(harness.requestInDialog(dialogId, 'INVITE', [], SDP))
    const [reInvite] = harness.sentRequests('INVITE')
    harness.receive(update(toTag, 2, []))
    answer(harness, 200)
    harness.receive(update(toTag, 3))
    harness.receive(peerResponse(reInvite!, 183, [PEER_CONTACT, '', ...SDP_LINES]))
    harness.receive(update(toTag, 4))
    answer(harness, 200, SDP)
    assert.equal(answersTo(harness, 'UPDATE'), [200, 491, 200])
  },
)

Offers('[10.4/11] a re-INVITE of the application before the ACK of our 200 waits for that', () => {
  const { harness, dialogId, toTag } = incomingCall({ ack: false })
  const { sent } = sentOf(harness.requestInDialog(dialogId, 'INVITE', [], SDP))
  assert.is(sent.cseq.number, 2)
  assert.is(harness.sentRequests('INVITE').length, 0)
  sentOf(harness.requestInDialog(dialogId, 'INFO'))
  harness.receive(peerRequest('ACK', { branch: 'z9hG4bKack', toTag }))
  const [reInvite] = harness.sentRequests('INVITE')
  assert.ok(reInvite)
  const [info] = harness.sentRequests('INFO')
  assert.equal([info?.cseq.number, reInvite.cseq.number], [3, 4], 'a lower number would be refused (12.2.2)')
  harness.receive(peerResponse(reInvite, 200, [PEER_CONTACT]))
  sentOf(harness.requestInDialog(dialogId, 'ACK'))
  assert.is(harness.sentRequests('ACK')[0]?.cseq.number, 4)
  assert.equal(statusesOf(harness), [200])
})

Offers('one that waits is answered 487 when a BYE of the application overtakes it, or the dialog ends', () => {
  for (const bye of [true, false]) {
    const { harness, dialogId, toTag } = incomingCall({ ack: false })
    sentOf(harness.requestInDialog(dialogId, 'INVITE', [], SDP))
    if (bye) {
      sentOf(harness.requestInDialog(dialogId, 'BYE'))
      harness.receive(peerRequest('ACK', { branch: 'z9hG4bKack', toTag }))
      harness.receive(peerResponse(harness.sentRequests('BYE')[0]!, 200))
    } else {
      harness.receive(peerRequest('BYE', { cseq: 2, toTag }))
      answer(harness, 200)
    }
    harness.clock.advance(64_000)
    assert.equal(harness.sentRequests('INVITE'), [])
    assert.ok(statusesOf(harness).includes(487))
    assert.is(harness.sentRequests('BYE').length, bye ? 1 : 0)
    assert.equal(harness.leftovers(), nothingLeft)
  }
})

Offers('a re-INVITE of the application while the peer has one open is answered 491 here', () => {
  const { harness, dialogId, toTag } = incomingCall()
  harness.receive(peerRequest('INVITE', { cseq: 2, toTag, body: SDP_LINES }))
  const theirs = harness.app.last().txnId
  sentOf(harness.requestInDialog(dialogId, 'INVITE', [], SDP))
  harness.clock.advance(1)
  assert.equal([statusesOf(harness), harness.sentRequests('INVITE').length], [[491], 0])
  sentOf(harness.respond(theirs, 200, [], SDP))
  harness.receive(peerRequest('ACK', { cseq: 2, toTag, branch: 'z9hG4bKack2' }))
  sentOf(harness.requestInDialog(dialogId, 'INVITE', [], SDP))
  assert.is(harness.sentRequests('INVITE').length, 1)
})

Offers('[10.3/7] a re-INVITE while one of the peer is open gets 500 with Retry-After, however many come', () => {
  const { harness, toTag } = incomingCall()
  for (const cseq of [2, 3, 4]) harness.receive(peerRequest('INVITE', { cseq, toTag, body: SDP_LINES }))
  const refusals = harness.sentResponses(500)
  assert.equal(
    refusals.map(({ cseq }) => cseq.number),
    [3, 4],
  )
  for (const refusal of refusals) assert.match(refusal.headers.get('retry-after') ?? '', /^([0-9]|10)$/)
  assert.equal(
    harness.app.requests('INVITE').map(({ message }) => message.cseq.number),
    [1, 2],
  )
})

Offers('the application withdraws its re-INVITE: CANCEL with its Reason, the 487 is reported, the call stands', () => {
  const { harness, dialogId } = outgoingCall()
  const { txnId } = sentOf(harness.requestInDialog(dialogId, 'INVITE', [], SDP))
  const reInvite = harness.sentRequests('INVITE').at(-1)!
  harness.receive(peerResponse(reInvite, 180, [PEER_CONTACT]))
  sentOf(harness.cancel(txnId, ['Reason: SIP;cause=487']))
  const [cancel] = harness.sentRequests('CANCEL')
  assert.equal(
    [cancel?.cseq.number, cancel?.toTag, cancel?.headers.get('reason')],
    [reInvite.cseq.number, 'b1', 'SIP;cause=487'],
  )
  harness.receive(peerResponse(cancel!, 200))
  harness.receive(peerResponse(reInvite, 487))
  assert.equal(statusesOf(harness), [200, 180, 487])
  sentOf(harness.requestInDialog(dialogId, 'BYE'))
  harness.receive(peerResponse(harness.sentRequests('BYE')[0]!, 200))
  harness.clock.advance(64_000)
  assert.equal(harness.leftovers(), nothingLeft)
})

Offers('a 200 that crosses the CANCEL of a re-INVITE is acknowledged by the application, and the call stands', () => {
  const { harness, dialogId } = outgoingCall()
  const { txnId } = sentOf(harness.requestInDialog(dialogId, 'INVITE', [], SDP))
  const reInvite = harness.sentRequests('INVITE').at(-1)!
  harness.receive(peerResponse(reInvite, 100))
  sentOf(harness.cancel(txnId))
  harness.receive(peerResponse(reInvite, 200, [PEER_CONTACT]))
  sentOf(harness.requestInDialog(dialogId, 'ACK'))
  assert.is(harness.sentRequests('BYE').length, 0)
  assert.is(harness.dialogs.count, 1)
})

const lost: ReadonlyArray<readonly [string, (harness: CoreHarness) => void, string]> = [
  ['nobody answers', (harness) => harness.clock.advance(32_000), 'not answered'],
  [
    '481',
    (harness) => harness.receive(peerResponse(harness.sentRequests('INVITE').at(-1)!, 481)),
    'unknown to the peer',
  ],
  ['408', (harness) => harness.receive(peerResponse(harness.sentRequests('INVITE').at(-1)!, 408)), 'not answered'],
]
for (const [how, happen, why] of lost)
  Offers(
    `a re-INVITE that is lost ends the dialog: ${how}; the application hears the answer, then of our BYE (12.2.1.2)`,
    () => {
      const { harness, dialogId } = incomingCall()
      sentOf(harness.requestInDialog(dialogId, 'INVITE', [], SDP))
      happen(harness)
      harness.clock.advance(1)
      const [answered, bye] = harness.app.delivered.slice(-2)
      assert.ok(answered?.message.kind === 'response' && [408, 481].includes(answered.message.status))
      assert.is(bye?.unsolicited, true)
      assert.is(bye?.message.headers.get('reason'), `SIP ;cause=200 ;text="INVITE in dialog ${why}"`)
      harness.receive(peerResponse(harness.sentRequests('BYE')[0]!, 481))
      harness.clock.advance(64_000)
      assert.equal(harness.leftovers(), nothingLeft)
    },
  )

Offers('a 481 to an INFO ends nothing: its application may know better', () => {
  const { harness, dialogId } = incomingCall()
  sentOf(harness.requestInDialog(dialogId, 'INFO'))
  harness.receive(peerResponse(harness.sentRequests('INFO')[0]!, 481))
  harness.clock.advance(64_000)
  assert.equal([harness.sentRequests('BYE').length, harness.dialogs.count], [0, 1])
})

Offers('1xx to requests in a dialog and to those that are no INVITE pass, and the final response after them', () => {
  const { harness, dialogId, toTag } = incomingCall()
  for (const method of ['INVITE', 'INFO']) {
    sentOf(harness.requestInDialog(dialogId, method, ['Content-Type: text/plain'], method === 'INVITE' ? SDP : 'x'))
    const request = harness.sentRequests(method).at(-1)!
    for (const status of [180, 183, 200]) harness.receive(peerResponse(request, status, [PEER_CONTACT]))
    if (method === 'INVITE') sentOf(harness.requestInDialog(dialogId, 'ACK'))
  }
  assert.equal(statusesOf(harness), [180, 183, 200, 180, 183, 200])
  for (const [cseq, method] of [
    [2, 'INVITE'],
    [3, 'REFER'],
  ] as const) {
    harness.receive(peerRequest(method, { cseq, toTag, body: SDP_LINES }))
    const { txnId } = harness.app.last()
    for (const status of [180, 183, 200]) sentOf(harness.respond(txnId, status, [], status === 200 ? SDP : ''))
    if (method === 'INVITE') harness.receive(peerRequest('ACK', { cseq, toTag, branch: 'z9hG4bKack2' }))
    assert.equal(answersTo(harness, method).slice(-3), [180, 183, 200])
  }
})

Offers.run()
