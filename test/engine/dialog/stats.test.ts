import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CoreHarness, sentOf } from '../../support/core-harness.js'
import {
  incomingCall,
  outgoingCall,
  PEER,
  PEER_CONTACT,
  peerRequest,
  peerResponse,
  SDP,
} from '../../support/dialog-bench.js'

const Suite = suite('What the core tells of itself')

Suite('calls that are answered, by who placed them', () => {
  const { harness, toTag } = incomingCall()
  outgoingCall({ harness })
  harness.receive(peerRequest('INVITE', { callId: 'call-2' }))
  sentOf(harness.respond(harness.app.last().txnId, 180))
  const calls = () => [harness.core.stats().inboundCalls, harness.core.stats().outboundCalls]
  assert.equal(calls(), [1, 1])
  harness.receive(peerRequest('BYE', { cseq: 2, toTag }))
  assert.equal(calls(), [0, 1])
})

Suite('contacts that were registered over a connection', () => {
  const harness = new CoreHarness()
  const flow = harness.flow('tcp', '198.51.100.7', 40_000)
  harness.receive(peerRequest('REGISTER', { transport: 'TCP', more: ['Expires: 60'] }), flow)
  sentOf(harness.respond(harness.app.last().txnId, 200))
  assert.is(harness.core.stats().registeredContacts, 1)
  harness.close(flow)
  assert.is(harness.core.stats().registeredContacts, 0)
})

Suite('how long calls took to ring and to be answered, each counted once', () => {
  const harness = new CoreHarness()
  harness.receive(peerRequest('INVITE'))
  const { txnId } = harness.app.last()
  harness.clock.advance(1_500)
  sentOf(harness.respond(txnId, 180))
  harness.clock.advance(1_000)
  sentOf(harness.respond(txnId, 183))
  sentOf(harness.respond(txnId, 200, [], SDP))
  sentOf(harness.request('INVITE', PEER, [], SDP))
  const invite = harness.sentRequests('INVITE')[0]!
  harness.receive(peerResponse(invite, 100))
  harness.clock.advance(4_000)
  for (let i = 0; i < 2; i++) harness.receive(peerResponse(invite, 200, [PEER_CONTACT]))
  const { inbound, outbound } = harness.core.stats()
  assert.equal([inbound.alert.sum, inbound.answer.sum, outbound.alert.sum, outbound.answer.sum], [1.5, 2.5, 4, 4])
  const howOften = [inbound.alert, inbound.answer, outbound.alert, outbound.answer].map(({ counts }) =>
    counts.reduce((sum, count) => sum + count),
  )
  assert.equal(howOften, [1, 1, 1, 1])
})

Suite('refusals and re-INVITEs are no answered calls', () => {
  const { harness, toTag } = incomingCall()
  harness.receive(peerRequest('INVITE', { cseq: 2, toTag }))
  sentOf(harness.respond(harness.app.last().txnId, 200, [], SDP))
  harness.receive(peerRequest('INVITE', { callId: 'call-2' }))
  sentOf(harness.respond(harness.app.last().txnId, 486))
  assert.is(
    harness.core.stats().inbound.answer.counts.reduce((sum, count) => sum + count),
    1,
  )
})

Suite('what was sent more than once, and requests that could not be used', () => {
  const harness = new CoreHarness()
  sentOf(harness.request('OPTIONS', PEER))
  harness.clock.advance(1_600)
  incomingCall({ harness, ack: false })
  harness.clock.advance(1_600)
  harness.receive(peerRequest('OPTIONS', { callId: 'bad' }).filter((line) => !line.startsWith('CSeq')))
  const { repeatedRequests, repeatedResponses, badRequests, clientTransactions } = harness.core.stats()
  assert.equal([repeatedRequests >= 2, repeatedResponses, badRequests, clientTransactions], [true, 2, 1, 1])
})

Suite.run()
