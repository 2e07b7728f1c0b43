import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { SipRequest } from '../../../src/engine/message/message.js'
import { CoreHarness, nothingLeft, RecordingApp, sentOf } from '../../support/core-harness.js'
import { incomingCall, PEER, PEER_CONTACT, peerRequest, peerResponse, statusesOf } from '../../support/dialog-bench.js'

const Subscriptions = suite('Subscriptions and what belongs to no dialog (RFC 6665, RFC 3515)')

const ACTIVE = 'Subscription-State: active;expires=600'
const TERMINATED = 'Subscription-State: terminated;reason=noresource'

/** A SUBSCRIBE of ours, not answered yet. */
function subscribing() {
  const harness = new CoreHarness()
  const { dialogId, txnId } = sentOf(harness.request('SUBSCRIBE', PEER, ['Event: presence', 'Expires: 600']))
  const subscribe = harness.sentRequests('SUBSCRIBE')[0]!
  const notify = (cseq: number, state: string, tag = 'n1') =>
    harness.receive(
      peerRequest('NOTIFY', {
        cseq,
        callId: subscribe.callId,
        fromTag: tag,
        toTag: subscribe.fromTag,
        more: ['Event: presence', state],
      }),
    )
  const accept = (status = 202, tag = 'n1') =>
    harness.receive(peerResponse(subscribe, status, [PEER_CONTACT, 'Expires: 600'], tag))
  return { harness, dialogId, txnId, subscribe, notify, accept }
}

/** A SUBSCRIBE of the peer that the application has accepted. */
function subscribed(status = 202) {
  const harness = new CoreHarness()
  harness.receive(peerRequest('SUBSCRIBE', { more: ['Event: presence', 'Expires: 600'] }))
  const { dialogId, sent } = sentOf(harness.respond(harness.app.last().txnId, status, ['Expires: 600']))
  return { harness, dialogId, toTag: sent.toTag, ok: sent }
}

const answer = (harness: CoreHarness, status = 200): void =>
  void sentOf(harness.respond(harness.app.last().txnId, status))

const over = (harness: CoreHarness): void => {
  harness.clock.advance(64_000)
  assert.equal(harness.leftovers(), nothingLeft)
}

for (const status of [200, 202])
  Subscriptions(
    `[10.4/25] a ${status} of the application makes the dialog; its terminating NOTIFY ends that on its response`,
    () => {
      const { harness, dialogId, ok, toTag } = subscribed(status)
      assert.ok(ok.headers.get('contact'))
      for (const state of [ACTIVE, TERMINATED]) {
        sentOf(harness.requestInDialog(dialogId, 'NOTIFY', ['Event: presence', state]))
        assert.is(harness.dialogs.count, 1)
        const notify = harness.sentRequests('NOTIFY').at(-1)!
        assert.equal([notify.fromTag, notify.headers.get('contact')], [toTag, '<sip:192.0.2.1:5060>'])
        harness.receive(peerResponse(notify, 200))
      }
      assert.is(harness.dialogs.count, 0)
      over(harness)
    },
  )

Subscriptions('a SUBSCRIBE of the peer that comes again is one in the dialog', () => {
  const { harness, dialogId, toTag } = subscribed()
  harness.receive(peerRequest('SUBSCRIBE', { cseq: 2, toTag, more: ['Event: presence', 'Expires: 0'] }))
  assert.is(harness.app.last().dialogId, dialogId)
  answer(harness)
  sentOf(harness.requestInDialog(dialogId, 'NOTIFY', ['Event: presence', TERMINATED]))
  harness.receive(peerResponse(harness.sentRequests('NOTIFY')[0]!, 200))
  over(harness)
})

Subscriptions('as subscriber: NOTIFYs come in the dialog, and the terminating one ends it', () => {
  const { harness, dialogId, notify, accept } = subscribing()
  accept()
  notify(1, ACTIVE)
  assert.is(harness.app.last().dialogId, dialogId)
  answer(harness)
  notify(2, TERMINATED)
  assert.is(harness.app.last().dialogId, dialogId)
  answer(harness)
  assert.is(harness.dialogs.count, 0)
  over(harness)
})

Subscriptions(
  'a NOTIFY before the answer to the SUBSCRIBE makes the dialog, for the application that subscribed',
  () => {
    const { harness, dialogId, notify, accept } = subscribing()
    const subscriber = harness.app
    harness.app = new RecordingApp()
    notify(1, ACTIVE)
    assert.is(harness.app.delivered.length, 0)
    assert.is(subscriber.last().dialogId, dialogId)
    sentOf(harness.respond(subscriber.last().txnId, 200))
    accept()
    assert.is(harness.dialogs.count, 1)
    notify(2, TERMINATED)
    sentOf(harness.respond(subscriber.last().txnId, 200))
    over(harness)
  },
)

Subscriptions('one that ends the subscription at once leaves nothing; that of another fork gets 481', () => {
  const { harness, notify, accept } = subscribing()
  notify(1, TERMINATED)
  answer(harness)
  notify(7, ACTIVE, 'n2')
  assert.is(harness.sentResponses(481).length, 1)
  accept()
  assert.equal(statusesOf(harness), [202])
  assert.is(harness.dialogs.count, 0)
  over(harness)
})

Subscriptions('a SUBSCRIBE that is refused takes the dialog of an early NOTIFY with it', () => {
  const { harness, subscribe, notify } = subscribing()
  notify(1, ACTIVE)
  answer(harness)
  harness.receive(peerResponse(subscribe, 489))
  assert.is(harness.dialogs.count, 0)
  over(harness)
})

Subscriptions('one that nobody ends or refreshes is forgotten 64*T1 after its time', () => {
  for (const { harness } of [
    subscribed(),
    (() => {
      const ours = subscribing()
      ours.accept()
      return ours
    })(),
  ]) {
    harness.clock.advance(600_000)
    assert.is(harness.dialogs.count, 1)
    harness.clock.advance(32_000)
    assert.equal(harness.leftovers(), nothingLeft)
  }
})

Subscriptions('NOTIFYs and refreshes say anew how long it lasts', () => {
  const { harness, dialogId, notify, accept } = subscribing()
  accept()
  harness.clock.advance(500_000)
  notify(1, 'Subscription-State: active;expires=900')
  answer(harness)
  harness.clock.advance(900_000)
  assert.is(harness.dialogs.count, 1)
  sentOf(harness.requestInDialog(dialogId, 'SUBSCRIBE', ['Event: presence', 'Expires: 300']))
  harness.receive(peerResponse(harness.sentRequests('SUBSCRIBE').at(-1)!, 200, [PEER_CONTACT, 'Expires: 300']))
  harness.clock.advance(331_000)
  assert.is(harness.dialogs.count, 1)
  harness.clock.advance(1_000)
  assert.is(harness.dialogs.count, 0)
})

Subscriptions('a subscription that the peer knows nothing of is over: 481 to its NOTIFY or SUBSCRIBE', () => {
  const notifier = subscribed()
  sentOf(notifier.harness.requestInDialog(notifier.dialogId, 'NOTIFY', ['Event: presence', ACTIVE]))
  notifier.harness.receive(peerResponse(notifier.harness.sentRequests('NOTIFY')[0]!, 481))
  const subscriber = subscribing()
  subscriber.accept()
  sentOf(subscriber.harness.requestInDialog(subscriber.dialogId, 'SUBSCRIBE', ['Event: presence']))
  subscriber.harness.receive(peerResponse(subscriber.harness.sentRequests('SUBSCRIBE').at(-1)!, 481))
  for (const { harness } of [notifier, subscriber]) {
    assert.is(harness.dialogs.count, 0)
    over(harness)
  }
})

Subscriptions(
  '[10.3/11] SUBSCRIBE and PUBLISH that overlap are handed on each by itself; NOTIFY goes by dialog id',
  () => {
    const harness = new CoreHarness()
    harness.receive(peerRequest('SUBSCRIBE', { callId: 's', more: ['Event: presence', 'Expires: 600'] }))
    const subscribe = harness.app.last()
    harness.receive(peerRequest('PUBLISH', { callId: 'p', more: ['Event: presence'] }))
    const publish = harness.app.last()
    const { dialogId } = sentOf(harness.respond(subscribe.txnId, 202, ['Expires: 600']))
    assert.is(dialogId, 's;from-tag=a1')
    assert.is(sentOf(harness.respond(publish.txnId, 200, ['SIP-ETag: x'])).dialogId, '')
    sentOf(harness.requestInDialog(dialogId, 'NOTIFY', ['Event: presence', TERMINATED]))
    harness.receive(peerResponse(harness.sentRequests('NOTIFY')[0]!, 200))
    over(harness)
  },
)

Subscriptions('[10.3/6] a NOTIFY between 100 and 200 of a call reaches the application that rings', () => {
  const harness = new CoreHarness()
  harness.receive(peerRequest('INVITE'))
  const invite = harness.app.last().txnId
  const { toTag } = sentOf(harness.respond(invite, 180)).sent
  for (const [cseq, tag] of [
    [2, toTag],
    [3, ''],
  ] as const) {
    harness.receive(peerRequest('NOTIFY', { cseq, toTag: tag, more: ['Event: x', TERMINATED] }))
    assert.is(harness.app.last().dialogId, tag === '' ? '' : 'call-1;from-tag=a1')
    answer(harness)
  }
  sentOf(harness.respond(invite, 200))
  assert.is(harness.sentResponses(200).at(-1)?.cseq.method, 'INVITE')
})

Subscriptions('in a call, REFER is answered 202 and NOTIFYs go both ways; none of them ends it', () => {
  const { harness, dialogId, toTag } = incomingCall()
  harness.receive(peerRequest('REFER', { cseq: 2, toTag, more: ['Refer-To: <sip:carol@198.51.100.9>'] }))
  answer(harness, 202)
  sentOf(harness.requestInDialog(dialogId, 'NOTIFY', ['Event: refer', TERMINATED]))
  harness.receive(peerResponse(harness.sentRequests('NOTIFY')[0]!, 200))
  harness.receive(peerRequest('NOTIFY', { cseq: 3, toTag, more: ['Event: refer', TERMINATED] }))
  answer(harness)
  assert.is(harness.dialogs.count, 1)
  sentOf(harness.requestInDialog(dialogId, 'REFER', ['Refer-To: <sip:carol@198.51.100.9>']))
  assert.ok(harness.sentRequests('REFER')[0]?.headers.get('contact'))
})

Subscriptions('REFER, MESSAGE, INFO, OPTIONS and PUBLISH outside dialogs pass in both directions', () => {
  const harness = new CoreHarness()
  for (const method of ['REFER', 'MESSAGE', 'INFO', 'OPTIONS', 'PUBLISH', 'NOTIFY', 'REGISTER']) {
    harness.receive(peerRequest(method, { callId: method }))
    const { message, dialogId } = harness.app.last()
    assert.equal([(message as SipRequest).method, dialogId], [method, ''])
    answer(harness)
    sentOf(harness.request(method, PEER))
    harness.receive(peerResponse(harness.sentRequests(method).at(-1)!, 200))
  }
  assert.equal(
    statusesOf(harness),
    Array.from({ length: 7 }, () => 200),
  )
  over(harness)
})

Subscriptions.run()
