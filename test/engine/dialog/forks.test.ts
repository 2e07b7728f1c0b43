import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CoreHarness, nothingLeft, sentOf } from '../../support/core-harness.js'
import { PEER, peerRequest, peerResponse, SDP, SDP_LINES, statusesOf } from '../../support/dialog-bench.js'

const Forks = suite('Forked INVITEs (RFC 3261 12.1.2, 13.2.2.4)')

const contact = (host: number): string => `Contact: <sip:bob@198.51.100.${host}:5060>`

/** An INVITE of ours that three forks have answered with a 183, the first two reliably. */
function forked() {
  const harness = new CoreHarness()
  const { dialogId, txnId } = sentOf(harness.request('INVITE', PEER, ['Supported: 100rel'], SDP))
  const invite = harness.sentRequests('INVITE')[0]!
  const respond = (status: number, fork: number, more: readonly string[] = []) =>
    harness.receive(peerResponse(invite, status, [contact(fork), ...more], `b${fork}`))
  respond(183, 1, ['Require: 100rel', 'RSeq: 1'])
  respond(183, 2, ['Require: 100rel', 'RSeq: 8'])
  respond(180, 3)
  const theirs = (method: string, fork: number, cseq: number, body: readonly string[] = []) =>
    harness.receive(
      peerRequest(method, { cseq, callId: invite.callId, fromTag: `b${fork}`, toTag: invite.fromTag, body }),
    )
  const done = () => {
    for (const bye of harness.sentRequests('BYE')) harness.receive(peerResponse(bye, 200))
    harness.clock.advance(64_000)
    assert.equal(harness.leftovers(), nothingLeft)
  }
  return { harness, dialogId, txnId, invite, respond, theirs, done }
}

Forks('each early dialog has its own remote tag and target; towards the application there is one id', () => {
  const { harness, dialogId } = forked()
  assert.is(harness.dialogs.count, 3)
  assert.equal([...new Set(harness.app.delivered.map(({ dialogId: id }) => id))], [dialogId])
})

Forks('PRACK goes to the fork whose response it acknowledges, UPDATE to the one acknowledged last', () => {
  const { harness, dialogId, invite } = forked()
  sentOf(harness.requestInDialog(dialogId, 'PRACK', [`RAck: 8 ${invite.cseq.number} INVITE`]))
  sentOf(harness.requestInDialog(dialogId, 'UPDATE', [], SDP))
  sentOf(harness.requestInDialog(dialogId, 'PRACK', [`RAck: 1 ${invite.cseq.number} INVITE`]))
  assert.equal(
    harness.sent.slice(-3).map(({ to, message }) => [message.cseq.method, message.toTag, to]),
    [
      ['PRACK', 'b2', 'udp:198.51.100.2:5060'],
      ['UPDATE', 'b2', 'udp:198.51.100.2:5060'],
      ['PRACK', 'b1', 'udp:198.51.100.1:5060'],
    ],
  )
})

Forks('requests of any fork reach the application; those of one that lost get 481', () => {
  const { harness, dialogId, respond, theirs, done } = forked()
  theirs('INFO', 1, 1)
  sentOf(harness.respond(harness.app.last().txnId, 200))
  theirs('INFO', 2, 5)
  sentOf(harness.respond(harness.app.last().txnId, 200))
  assert.equal(
    harness.app.requests('INFO').map(({ dialogId: id }) => id),
    [dialogId, dialogId],
  )
  respond(200, 2)
  sentOf(harness.requestInDialog(dialogId, 'ACK'))
  assert.is(harness.dialogs.count, 1)
  theirs('UPDATE', 1, 2)
  theirs('BYE', 3, 1)
  assert.is(harness.sentResponses(481).length, 2)
  theirs('INFO', 2, 6)
  assert.is(harness.app.last().dialogId, dialogId)
  sentOf(harness.respond(harness.app.last().txnId, 200))
  sentOf(harness.requestInDialog(dialogId, 'BYE'))
  done()
})

Forks('a second 200 is acknowledged and hung up, the first stays; so up to 64*T1, repeats included', () => {
  const { harness, dialogId, respond, done } = forked()
  respond(200, 2)
  sentOf(harness.requestInDialog(dialogId, 'ACK'))
  respond(200, 1)
  harness.receive(peerResponse(harness.sentRequests('BYE')[0]!, 200))
  harness.clock.advance(31_000)
  respond(200, 3)
  respond(200, 1)
  assert.equal(
    harness.sent.slice(-5).map(({ to, message }) => [message.cseq.method, message.toTag, to]),
    [
      ['ACK', 'b1', 'udp:198.51.100.1:5060'],
      ['BYE', 'b1', 'udp:198.51.100.1:5060'],
      ['ACK', 'b3', 'udp:198.51.100.3:5060'],
      ['BYE', 'b3', 'udp:198.51.100.3:5060'],
      ['ACK', 'b1', 'udp:198.51.100.1:5060'],
    ],
  )
  assert.equal(statusesOf(harness), [183, 183, 180, 200], 'the application hears of the one that was taken')
  assert.is(harness.dialogs.count, 1)
  sentOf(harness.requestInDialog(dialogId, 'INFO'))
  assert.is(harness.sent.at(-1)?.message.toTag, 'b2')
  harness.receive(peerResponse(harness.sentRequests('INFO')[0]!, 200))
  sentOf(harness.requestInDialog(dialogId, 'BYE'))
  done()
})

Forks('after 64*T1 a 200 of another fork finds nobody', () => {
  const { harness, dialogId, respond } = forked()
  respond(200, 2)
  sentOf(harness.requestInDialog(dialogId, 'ACK'))
  harness.clock.advance(32_001)
  const before = harness.sent.length
  respond(200, 1)
  assert.is(harness.sent.length, before)
})

Forks('a fork that the application hangs up leaves the others where they are', () => {
  const { harness, dialogId, txnId, invite, respond, done } = forked()
  sentOf(harness.requestInDialog(dialogId, 'BYE'))
  const [bye] = harness.sentRequests('BYE')
  harness.receive(peerResponse(bye!, 200))
  assert.is(harness.dialogs.count, 2)
  sentOf(harness.requestInDialog(dialogId, 'PRACK', [`RAck: 1 ${invite.cseq.number} INVITE`]))
  assert.is(harness.sent.at(-1)?.message.toTag, 'b1')
  harness.receive(peerResponse(harness.sentRequests('PRACK')[0]!, 200))
  sentOf(harness.cancel(txnId))
  harness.receive(peerResponse(harness.sentRequests('CANCEL')[0]!, 200))
  respond(487, 1)
  done()
})

Forks('[10.3/16] a 200 that comes again gets its ACK again, with the SDP in it', () => {
  const harness = new CoreHarness()
  const { dialogId } = sentOf(harness.request('INVITE', PEER))
  const invite = harness.sentRequests('INVITE')[0]!
  const ok = peerResponse(invite, 200, [contact(1), '', ...SDP_LINES])
  harness.receive(ok)
  harness.receive(ok)
  assert.is(harness.sentRequests('ACK').length, 0, 'none before the application has said what it answers')
  sentOf(harness.requestInDialog(dialogId, 'ACK', [], SDP))
  for (let n = 0; n < 3; n++) harness.receive(ok)
  assert.equal(
    harness.sentRequests('ACK').map(({ body }) => body),
    [SDP, SDP, SDP, SDP],
  )
  assert.equal(statusesOf(harness), [200])
})

Forks.run()
