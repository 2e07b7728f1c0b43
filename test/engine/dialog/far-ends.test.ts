import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CoreHarness, nothingLeft, sentOf } from '../../support/core-harness.js'
import {
  incomingCall,
  methodsOf,
  outgoingCall,
  PEER,
  PEER_CONTACT,
  peerRequest,
  peerResponse,
  SDP,
  SDP_LINES,
  statusesOf,
} from '../../support/dialog-bench.js'

const FarEnds = suite('Far ends as the scenarios of drachtio-server play them')

const over = (harness: CoreHarness): void => {
  harness.clock.advance(64_000)
  assert.equal(harness.leftovers(), nothingLeft)
}

FarEnds('[10.1/2] [10.2/10] OPTIONS answered after 4 s: repeated until then, the late answer is reported', () => {
  const harness = new CoreHarness()
  const { txnId } = sentOf(harness.request('OPTIONS', PEER))
  assert.is(harness.app.delivered.length, 0, 'the echo comes first')
  harness.clock.advance(4_000)
  const sent = harness.sentRequests('OPTIONS')
  assert.is(sent.length, 4, 'at 0, 0.5, 1.5 and 3.5 s')
  harness.receive(peerResponse(sent[0]!, 200))
  assert.equal([statusesOf(harness), harness.app.last().txnId], [[200], txnId])
  harness.clock.advance(4_000)
  assert.is(harness.sentRequests('OPTIONS').length, 4)
  over(harness)
})

FarEnds(
  '[10.1/3] [10.1/4] [10.2/10] INVITE answered after 4 s without a 100: repeated until then, reported and acknowledged',
  () => {
    const harness = new CoreHarness()
    const { dialogId } = sentOf(harness.request('INVITE', PEER, [], SDP))
    harness.clock.advance(4_000)
    const sent = harness.sentRequests('INVITE')
    assert.is(sent.length, 4)
    harness.receive(peerResponse(sent[0]!, 200, [PEER_CONTACT]))
    sentOf(harness.requestInDialog(dialogId, 'ACK'))
    harness.clock.advance(4_000)
    assert.equal(
      [harness.sentRequests('INVITE').length, harness.sentRequests('ACK').length, statusesOf(harness)],
      [4, 1, [200]],
    )
    sentOf(harness.requestInDialog(dialogId, 'BYE'))
    harness.receive(peerResponse(harness.sentRequests('BYE')[0]!, 200))
    over(harness)
  },
)

FarEnds(
  '[10.1/11] [10.2/12] a refused caller that never acknowledges: the repeats end at timer H, nothing is left',
  () => {
    const harness = new CoreHarness()
    harness.receive(peerRequest('INVITE'))
    sentOf(harness.respond(harness.app.last().txnId, 480))
    harness.clock.advance(32_000)
    const repeats = harness.sentResponses(480).length
    assert.is(repeats, 11, 'at 0, 0.5, 1.5, 3.5, 7.5 s and every 4 s from then on')
    assert.equal(harness.leftovers(), nothingLeft)
    harness.clock.advance(32_000)
    assert.is(harness.sentResponses(480).length, repeats)
    assert.is(harness.app.delivered.length, 1)
  },
)

FarEnds(
  '[10.1/12] [10.2/12] a 200 that crosses our CANCEL is acknowledged and hung up, and the application hears of it',
  () => {
    const harness = new CoreHarness()
    const { txnId, dialogId } = sentOf(harness.request('INVITE', PEER, [], SDP))
    const invite = harness.sentRequests('INVITE')[0]!
    harness.receive(peerResponse(invite, 180, [PEER_CONTACT]))
    sentOf(harness.cancel(txnId))
    harness.receive(peerResponse(invite, 200, [PEER_CONTACT]))
    assert.equal(statusesOf(harness), [180, 200])
    sentOf(harness.requestInDialog(dialogId, 'ACK'))
    assert.equal(methodsOf(harness), ['INVITE', 'CANCEL', 'ACK', 'BYE'])
    const { unsolicited, message } = harness.app.last()
    assert.equal(
      [unsolicited, message.headers.get('reason')],
      [true, 'SIP ;cause=200 ;text="ACK-BYE due to cancel race condition"'],
    )
    const late = harness.requestInDialog(dialogId, 'BYE')
    assert.match(late.ok ? '' : late.reason, /unable to find dialog/)
    for (const method of ['CANCEL', 'BYE']) harness.receive(peerResponse(harness.sentRequests(method)[0]!, 200))
    over(harness)
  },
)

for (const reInvited of [false, true])
  FarEnds(`[10.2/16] hang-up before and after timer D${reInvited ? ', with a re-INVITE between' : ''}`, () => {
    for (const afterMs of [5_000, 40_000]) {
      const { harness, dialogId } = outgoingCall()
      harness.clock.advance(afterMs)
      if (reInvited) {
        sentOf(harness.requestInDialog(dialogId, 'INVITE', [], SDP))
        harness.receive(peerResponse(harness.sentRequests('INVITE').at(-1)!, 200, [PEER_CONTACT]))
        sentOf(harness.requestInDialog(dialogId, 'ACK'))
        harness.clock.advance(afterMs)
      }
      sentOf(harness.requestInDialog(dialogId, 'BYE'))
      const [bye] = harness.sentRequests('BYE')
      assert.is(bye?.toTag, 'b1')
      harness.receive(peerResponse(bye!, 200))
      over(harness)
    }
  })

FarEnds('[10.3/1] a REGISTER with a nonsense Contact is answered 400, and the next one is taken', () => {
  const harness = new CoreHarness()
  harness.receive(peerRequest('REGISTER', { contact: '%' }))
  assert.equal([harness.sentResponses(400).length, harness.app.delivered.length], [1, 0])
  harness.receive(peerRequest('REGISTER', { cseq: 2, callId: 'good' }))
  sentOf(harness.respond(harness.app.last().txnId, 403))
  assert.is(harness.sentResponses(403).length, 1)
  over(harness)
})

FarEnds('[10.3/3] a lost 503 is sent again', () => {
  const harness = new CoreHarness()
  harness.receive(peerRequest('INVITE'))
  sentOf(harness.respond(harness.app.last().txnId, 503))
  harness.clock.advance(500)
  assert.is(harness.sentResponses(503).length, 2)
  harness.receive(peerRequest('ACK', { branch: 'z9hG4bKINVITE1call-1', toTag: harness.sentResponses(503)[0]!.toTag }))
  harness.clock.advance(10_000)
  assert.is(harness.sentResponses(503).length, 2)
  over(harness)
})

FarEnds(
  '[10.3/4] [10.4/30] a CANCEL after a lost 200 gets 481, the 200 comes again, and the BYE that follows is taken',
  () => {
    const { harness, toTag } = incomingCall({ ack: false })
    harness.receive(peerRequest('CANCEL', { branch: 'z9hG4bKINVITE1call-1' }))
    assert.is(harness.sentResponses(481).length, 1)
    assert.is(harness.app.requests('CANCEL').length, 0)
    harness.clock.advance(500)
    assert.is(harness.sentResponses(200).length, 2)
    harness.receive(peerRequest('BYE', { cseq: 2, toTag }))
    sentOf(harness.respond(harness.app.last().txnId, 200))
    over(harness)
  },
)

FarEnds('[10.3/8] an ACK that comes late and twice is harmless, and a re-INVITE of ours goes out after it', () => {
  const { harness, dialogId, toTag } = incomingCall({ ack: false })
  harness.clock.advance(3_000)
  for (let n = 0; n < 2; n++) harness.receive(peerRequest('ACK', { branch: 'z9hG4bKack', toTag }))
  assert.is(harness.app.requests('ACK').length, 1)
  sentOf(harness.requestInDialog(dialogId, 'INVITE', [], SDP))
  const [reInvite] = harness.sentRequests('INVITE')
  harness.receive(peerRequest('ACK', { branch: 'z9hG4bKack', toTag }))
  harness.receive(peerResponse(reInvite!, 200, [PEER_CONTACT]))
  sentOf(harness.requestInDialog(dialogId, 'ACK'))
  assert.equal(methodsOf(harness), ['INVITE', 'ACK'])
})

FarEnds('[10.3/12] a 200 to the re-INVITE of the peer that crosses its BYE: nothing is left', () => {
  const { harness, toTag } = incomingCall()
  harness.receive(peerRequest('INVITE', { cseq: 2, toTag, body: SDP_LINES }))
  sentOf(harness.respond(harness.app.last().txnId, 200, [], SDP))
  harness.receive(peerRequest('BYE', { cseq: 3, toTag }))
  sentOf(harness.respond(harness.app.last().txnId, 200))
  harness.receive(peerRequest('ACK', { cseq: 2, toTag, branch: 'z9hG4bKack2' }))
  over(harness)
})

FarEnds('[10.3/20] refusals and several REGISTERs in a row pass through', () => {
  const harness = new CoreHarness()
  for (let n = 0; n < 5; n++) {
    harness.receive(peerRequest('REGISTER', { cseq: n + 1, callId: 'same' }))
    sentOf(harness.respond(harness.app.last().txnId, 200, ['Contact: <sip:ann@198.51.100.7:5060>;expires=60']))
    sentOf(harness.request('REGISTER', PEER, ['Call-ID: ours', `CSeq: ${n + 1} REGISTER`, 'From: <sip:a@b>;tag=x']))
    harness.receive(peerResponse(harness.sentRequests('REGISTER').at(-1)!, 200))
  }
  assert.equal([harness.sentResponses(200).length, statusesOf(harness)], [5, [200, 200, 200, 200, 200]])
  sentOf(harness.request('INVITE', PEER, [], SDP))
  const invite = harness.sentRequests('INVITE')[0]!
  harness.receive(peerResponse(invite, 480))
  assert.is(statusesOf(harness).at(-1), 480)
  assert.is(harness.sentRequests('ACK').length, 1)
  over(harness)
})

FarEnds.run()
