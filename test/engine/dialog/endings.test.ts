import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readAppText } from '../../../src/engine/dialog/app-text.js'
import { CoreHarness, nothingLeft, RecordingApp, sentOf } from '../../support/core-harness.js'
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

const Endings = suite('Endings of dialogs')

/** Time enough for whatever runs to run out. */
const settle = (harness: CoreHarness): void => harness.clock.advance(400_000)

const loseApp = (harness: CoreHarness): void => {
  harness.app.open = false
  harness.core.appGone(harness.app)
}

/** BYEs, repeats not counted. */
const byes = (harness: CoreHarness): number =>
  new Set(harness.sentRequests('BYE').map(({ topVia }) => topVia.params.get('branch'))).size

const statusOf = (harness: CoreHarness, txnId: string): number[] =>
  harness.app.delivered.flatMap((one) =>
    one.txnId === txnId && one.message.kind === 'response' ? [one.message.status] : [],
  )

Endings("a caller's BYE before the answer ends the INVITE: 200 and 487, and the application hears a CANCEL", () => {
  const harness = new CoreHarness()
  harness.receive(peerRequest('INVITE'))
  const { txnId } = harness.app.last()
  const { sent } = sentOf(harness.respond(txnId, 180))
  harness.receive(peerRequest('BYE', { cseq: 2, toTag: sent.toTag, more: ['Reason: Q.850;cause=16'] }))
  assert.is(harness.sentResponses(200)[0]?.cseq.method, 'BYE')
  assert.is(harness.sentResponses(487).length, 1)
  const [cancel] = harness.app.requests('CANCEL')
  assert.equal([cancel?.txnId, cancel?.message.cseq.number], [txnId, 1])
  assert.is(cancel?.message.headers.get('reason'), 'Q.850;cause=16')
  settle(harness)
  assert.equal(harness.leftovers(), nothingLeft)
})

Endings(
  '[10.3/15] a callee may not hang up before it answers: its BYE gets 481, and so does an application as callee',
  () => {
    const { harness, invite } = outgoingEarly()
    harness.receive(
      peerRequest('BYE', { callId: invite.callId, fromTag: 'b1', toTag: invite.fromTag, branch: 'z9hG4bKearlybye' }),
    )
    assert.is(harness.sentResponses(481).length, 1)

    const callee = new CoreHarness()
    callee.receive(peerRequest('INVITE'))
    const { dialogId } = sentOf(callee.respond(callee.app.last().txnId, 180))
    const bye = callee.requestInDialog(dialogId, 'BYE')
    assert.match(bye.ok ? '' : bye.reason, /unable to find dialog/)
    assert.is(callee.sentRequests('BYE').length, 0)
  },
)

function outgoingEarly() {
  const harness = new CoreHarness()
  const { txnId, dialogId } = sentOf(harness.request('INVITE', PEER, [], SDP))
  const invite = harness.sentRequests('INVITE')[0]!
  harness.receive(peerResponse(invite, 180, [PEER_CONTACT]))
  return { harness, invite, txnId, dialogId }
}

Endings('[10.3/12] a re-INVITE of the peer is answered 487 when the application hangs up', () => {
  const { harness, toTag, dialogId } = incomingCall()
  harness.receive(peerRequest('INVITE', { cseq: 2, toTag, body: SDP_LINES }))
  const { txnId } = harness.app.last()
  sentOf(harness.requestInDialog(dialogId, 'BYE'))
  harness.receive(peerResponse(harness.sentRequests('BYE')[0]!, 200))
  assert.is(harness.sentResponses(487).length, 1)
  assert.not(harness.respond(txnId, 200).ok)
  settle(harness)
  assert.equal(harness.leftovers(), nothingLeft)
})

Endings('[10.3/12] a re-INVITE of the peer is answered 487 when the peer hangs up', () => {
  const { harness, toTag } = incomingCall()
  harness.receive(peerRequest('INVITE', { cseq: 2, toTag, body: SDP_LINES }))
  harness.receive(peerRequest('BYE', { cseq: 3, toTag }))
  assert.is(harness.sentResponses(487).length, 1)
  harness.respond(harness.app.last().txnId, 200)
  settle(harness)
  assert.equal(harness.leftovers(), nothingLeft)
})

Endings(
  '[10.3/12] a re-INVITE of ours that rings is withdrawn when the peer hangs up; the application hears how it ended',
  () => {
    const { harness, toTag, dialogId } = incomingCall()
    const { txnId } = sentOf(harness.requestInDialog(dialogId, 'INVITE', [], SDP))
    const [reInvite] = harness.sentRequests('INVITE')
    harness.receive(peerResponse(reInvite!, 180))
    harness.receive(peerRequest('BYE', { cseq: 2, toTag }))
    harness.respond(harness.app.last().txnId, 200)
    assert.is(harness.sentRequests('CANCEL').length, 1)
    harness.receive(peerResponse(reInvite!, 487))
    assert.equal(statusOf(harness, txnId), [180, 487])
    settle(harness)
    assert.equal(harness.leftovers(), nothingLeft)
  },
)

Endings('a 200 to our re-INVITE that crosses a BYE, either way, is acknowledged: also its repeats', () => {
  for (const who of ['peer', 'application']) {
    const { harness, toTag, dialogId } = incomingCall()
    sentOf(harness.requestInDialog(dialogId, 'INVITE', [], SDP))
    const [reInvite] = harness.sentRequests('INVITE')
    if (who === 'peer') {
      harness.receive(peerRequest('BYE', { cseq: 2, toTag }))
      harness.respond(harness.app.last().txnId, 200)
    } else {
      sentOf(harness.requestInDialog(dialogId, 'BYE'))
      harness.receive(peerResponse(harness.sentRequests('BYE')[0]!, 200))
    }
    harness.receive(peerResponse(reInvite!, 200, [PEER_CONTACT]))
    harness.receive(peerResponse(reInvite!, 200, [PEER_CONTACT]))
    const acks = harness.sentRequests('ACK')
    assert.equal(
      acks.map(({ cseq }) => cseq.number),
      [reInvite!.cseq.number, reInvite!.cseq.number],
      who,
    )
    settle(harness)
    assert.equal(harness.leftovers(), nothingLeft)
  }
})

Endings('BYEs that cross: each is answered, and nothing is left', () => {
  const { harness, toTag, dialogId } = incomingCall()
  const mine = sentOf(harness.requestInDialog(dialogId, 'BYE'))
  harness.receive(peerRequest('BYE', { cseq: 2, toTag }))
  harness.respond(harness.app.last().txnId, 200)
  harness.receive(peerResponse(harness.sentRequests('BYE')[0]!, 481))
  assert.equal(statusOf(harness, mine.txnId), [481])
  settle(harness)
  assert.equal(harness.leftovers(), nothingLeft)
})

Endings('after its BYE an application can send nothing more in the dialog, not even a second BYE', () => {
  const { harness, dialogId, toTag } = incomingCall({ ack: false })
  sentOf(harness.requestInDialog(dialogId, 'BYE'))
  for (const method of ['BYE', 'INFO']) {
    const late = harness.requestInDialog(dialogId, method)
    assert.match(late.ok ? '' : late.reason, /unable to find dialog/)
  }
  harness.receive(peerRequest('ACK', { toTag }))
  assert.equal(methodsOf(harness), ['BYE'])
})

Endings('a BYE that was challenged and not tried again ends the dialog all the same', () => {
  const { harness, dialogId } = outgoingCall()
  sentOf(harness.requestInDialog(dialogId, 'BYE'))
  harness.receive(
    peerResponse(harness.sentRequests('BYE')[0]!, 407, ['Proxy-Authenticate: Digest realm="x", nonce="y"']),
  )
  harness.clock.advance(31_999)
  assert.is(harness.dialogs.count, 1, 'the application may still answer the challenge')
  settle(harness)
  assert.equal(harness.leftovers(), nothingLeft)
})

Endings('a BYE for which there is no way ends the dialog: for its application the call is over', () => {
  const { harness, dialogId } = outgoingCall({ more: ['Contact: <sip:bob@198.51.100.7;transport=sctp>'], ack: false })
  const bye = harness.requestInDialog(dialogId, 'BYE')
  assert.match(bye.ok ? '' : bye.reason, /requested protocol\/transport not available/)
  settle(harness)
  assert.equal(harness.leftovers(), nothingLeft)
})

Endings('a name that no longer resolves ends the dialog too when it is time for BYE', async () => {
  const { harness, dialogId } = outgoingCall({ more: ['Contact: <sip:bob@gone.example>'], ack: false })
  harness.targets = []
  const outcome = await harness.core.requestInDialog(
    harness.app,
    dialogId,
    'BYE',
    readAppText('BYE sip:x SIP/2.0\r\n\r\n'),
  )
  assert.not(outcome.ok)
  settle(harness)
  assert.equal(harness.leftovers(), nothingLeft)
})

Endings('the application is told that we hung up even when the BYE cannot be sent', () => {
  const { harness } = incomingCall({
    invite: peerRequest('INVITE', {
      contact: '<sip:ann@198.51.100.7;transport=sctp>',
      more: ['Record-Route: <sip:198.51.100.9;lr;transport=sctp>'],
    }),
    ack: false,
  })
  harness.clock.advance(32_000)
  assert.is(harness.sentRequests('BYE').length, 0)
  assert.ok(harness.app.last().unsolicited)
  settle(harness)
  assert.equal(harness.leftovers(), nothingLeft)
})

Endings('an application that sends BYE without the ACK has its ACK sent first', () => {
  const { harness, dialogId } = outgoingCall({ ack: false })
  sentOf(harness.requestInDialog(dialogId, 'BYE'))
  assert.equal(methodsOf(harness), ['INVITE', 'ACK', 'BYE'])
})

Endings('an early dialog that its application hung up is not taken up by a late 200: ACK, then BYE', () => {
  const { harness, invite, dialogId } = outgoingEarly()
  sentOf(harness.requestInDialog(dialogId, 'BYE'))
  harness.receive(peerResponse(harness.sentRequests('BYE')[0]!, 200))
  harness.receive(peerResponse(invite, 200, [PEER_CONTACT]))
  sentOf(harness.requestInDialog(dialogId, 'ACK'))
  assert.equal(methodsOf(harness), ['INVITE', 'BYE', 'ACK', 'BYE'])
  settle(harness)
  assert.equal(harness.leftovers(), nothingLeft)
})

Endings('a 200 that was answered by nobody before the application went is acknowledged and hung up at once', () => {
  const { harness } = outgoingCall({ ack: false })
  loseApp(harness)
  assert.equal(methodsOf(harness), ['INVITE', 'ACK', 'BYE'])
  settle(harness)
  assert.equal(harness.leftovers(), nothingLeft)
})

Endings('dialogs of an application that is gone are hung up when it has not come back in 64*T1', () => {
  for (const call of [incomingCall, outgoingCall]) {
    const { harness } = call()
    loseApp(harness)
    harness.clock.advance(31_999)
    assert.is(harness.sentRequests('BYE').length, 0)
    harness.clock.advance(1)
    assert.is(harness.sentRequests('BYE')[0]?.headers.get('reason'), 'SIP ;cause=200 ;text="Application gone"')
    settle(harness)
    assert.equal(harness.leftovers(), nothingLeft)
  }
})

Endings('one that is back on another connection goes on with its dialogs, and ends them itself', () => {
  const { harness, dialogId, toTag } = incomingCall()
  loseApp(harness)
  const back = new RecordingApp()
  const send = (method: string) =>
    sentOf(
      harness.core.requestInDialog(back, dialogId, method, readAppText(`${method} sip:x SIP/2.0\r\n\r\n`)) as never,
    )
  send('INFO')
  harness.receive(peerResponse(harness.sentRequests('INFO')[0]!, 200))
  harness.clock.advance(60_000)
  assert.is(harness.dialogs.count, 1, 'it has an application')
  harness.receive(peerRequest('INFO', { cseq: 2, toTag }))
  assert.is(back.requests('INFO').length, 1)
  send('BYE')
  harness.receive(peerResponse(harness.sentRequests('BYE')[0]!, 200))
  harness.core.respond(back.requests('INFO')[0]!.txnId, 200, '', readAppText('SIP/2.0 200 OK\r\n\r\n'))
  settle(harness)
  assert.equal(harness.leftovers(), nothingLeft)
})

Endings('an application that goes between its 200 and the ACK: BYE once the caller had its time', () => {
  const { harness, toTag } = incomingCall({ ack: false })
  loseApp(harness)
  harness.receive(peerRequest('ACK', { toTag }))
  settle(harness)
  assert.is(byes(harness), 1)
  assert.equal(harness.leftovers(), nothingLeft)

  const silent = incomingCall({ ack: false }).harness
  loseApp(silent)
  settle(silent)
  assert.is(byes(silent), 1)
  assert.equal(silent.leftovers(), nothingLeft)
})

Endings('a name resolved too late for its application sends nothing', async () => {
  const harness = new CoreHarness()
  harness.targets = [{ protocol: 'udp', address: '198.51.100.7', port: 5060 }]
  const outcome = harness.core.sendRequest(
    harness.app,
    'INVITE',
    'sip:bob@slow.example',
    readAppText(`INVITE sip:bob@slow.example SIP/2.0\r\n\r\n${SDP}`),
    '',
  )
  loseApp(harness)
  assert.not((await outcome).ok)
  assert.is(harness.sent.length, 0)
  assert.equal(harness.leftovers(), nothingLeft)
})

Endings('the last NOTIFY of a subscription ends it even when its application is gone', () => {
  const harness = new CoreHarness()
  sentOf(harness.request('SUBSCRIBE', PEER, ['Event: presence', 'Expires: 600']))
  const subscribe = harness.sentRequests('SUBSCRIBE')[0]!
  harness.receive(peerResponse(subscribe, 200, [PEER_CONTACT]))
  assert.is(harness.dialogs.count, 1)
  loseApp(harness)
  harness.receive(
    peerRequest('NOTIFY', {
      callId: subscribe.callId,
      fromTag: 'b1',
      toTag: subscribe.fromTag,
      more: ['Event: presence', 'Subscription-State: terminated;reason=noresource'],
    }),
  )
  assert.is(harness.sentResponses(481).length, 1)
  assert.is(harness.dialogs.count, 0)
})

Endings('a subscription ends with the last NOTIFY even when there is no way for that', () => {
  const harness = new CoreHarness()
  harness.receive(
    peerRequest('SUBSCRIBE', {
      contact: '<sip:ann@198.51.100.7;transport=sctp>',
      more: ['Record-Route: <sip:198.51.100.9;lr;transport=sctp>'],
    }),
  )
  const { dialogId } = sentOf(harness.respond(harness.app.last().txnId, 202))
  assert.not(harness.requestInDialog(dialogId, 'NOTIFY', ['Subscription-State: active']).ok)
  assert.is(harness.dialogs.count, 1)
  assert.not(harness.requestInDialog(dialogId, 'NOTIFY', ['Subscription-State: terminated']).ok)
  settle(harness)
  assert.equal(harness.leftovers(), nothingLeft)
})

Endings('a subscription that is confirmed after its application went is forgotten', () => {
  const harness = new CoreHarness()
  sentOf(harness.request('SUBSCRIBE', PEER, ['Event: presence']))
  loseApp(harness)
  harness.receive(peerResponse(harness.sentRequests('SUBSCRIBE')[0]!, 200, [PEER_CONTACT]))
  settle(harness)
  assert.equal(harness.leftovers(), nothingLeft)
})

Endings('each fork that answers too is acknowledged and hung up once, however often it repeats its 200', () => {
  const { harness, invite } = outgoingCall()
  for (let i = 0; i < 3; i++) harness.receive(peerResponse(invite, 200, [PEER_CONTACT], 'b2'))
  const forFork = harness.sent.flatMap(({ message }) =>
    message.kind === 'request' && message.toTag === 'b2' ? [message.method] : [],
  )
  assert.equal(forFork, ['ACK', 'BYE', 'ACK', 'ACK'])
  assert.equal(statusesOf(harness), [200])
})

Endings('engine stopped: nothing more is sent, and nothing is left', () => {
  const { harness } = incomingCall()
  harness.request('INVITE', PEER, [], SDP)
  const before = harness.sent.length
  harness.core.stop()
  loseApp(harness)
  harness.clock.advance(100)
  assert.is(harness.sent.length, before)
  assert.equal(harness.leftovers(), nothingLeft)
})

Endings.run()
