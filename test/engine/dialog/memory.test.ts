import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CoreHarness, sentOf } from '../../support/core-harness.js'
import { peerRequest, peerResponse, SDP, SDP_LINES } from '../../support/dialog-bench.js'

const Memory = suite('What calls keep in memory')

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const CALLS = 400
/** So that what holds on to a message shows. */
const BALLAST = `X-Ballast: ${'b'.repeat(6_000)}`
const CONTACT = 'Contact: <sip:bob@198.51.100.7:5060>'

const heapKb = (): number => {
  collect()
  return process.memoryUsage().heapUsed / 1024
}

/** A call through us: both dialogs are up and acknowledged. Ids differ as those of real calls do. */
function call(harness: CoreHarness, name: string, more: string[] = []): { hangUp: () => void } {
  const callId = `caller-of-${name}@198.51.100.7`
  const ids = { callId, fromTag: `from-tag-of-${name}`, branch: `z9hG4bK-of-${name}` }
  harness.receive(peerRequest('INVITE', { ...ids, more: [BALLAST, ...more], body: SDP_LINES }))
  const { txnId } = harness.app.last()
  const uri = `sip:agent-${name}@198.51.100.9`
  const { dialogId } = sentOf(harness.request('INVITE', uri, [`Call-ID: agent-of-${name}`, BALLAST], SDP))
  const [invite] = harness.sentRequests('INVITE')
  harness.receive(peerResponse(invite!, 180, [BALLAST], `tag-of-${name}`))
  harness.receive(peerResponse(invite!, 200, [CONTACT, BALLAST, ...more], `tag-of-${name}`))
  sentOf(harness.requestInDialog(dialogId, 'ACK'))
  const answer = sentOf(harness.respond(txnId, 200, [BALLAST], SDP))
  const toTag = harness.sentResponses(200)[0]!.toTag
  harness.receive(peerRequest('ACK', { ...ids, toTag, more: [BALLAST] }))
  assert.is(harness.core.transactionCount > 0, true)
  forgetWritten(harness)
  return {
    hangUp: () => {
      harness.receive(peerRequest('BYE', { ...ids, toTag, cseq: 2, more: [BALLAST] }))
      sentOf(harness.respond(harness.app.last().txnId, 200))
      sentOf(harness.requestInDialog(dialogId, 'BYE', [BALLAST]))
      harness.receive(peerResponse(harness.sentRequests('BYE')[0]!, 200, [BALLAST]))
      forgetWritten(harness)
      assert.ok(answer)
    },
  }
}

/** The bench writes everything down. */
function forgetWritten(harness: CoreHarness): void {
  harness.sent.length = 0
  harness.app.delivered.length = 0
}

Memory('a held call keeps none of its messages, neither while its transactions linger nor after', () => {
  const harness = new CoreHarness()
  call(harness, 'warm-up').hangUp()
  const before = heapKb()
  for (let i = 0; i < CALLS; i++) call(harness, `number-${i}-of-many`)
  const lingering = (heapKb() - before) / CALLS
  harness.clock.advance(64_000)
  assert.is(harness.core.transactionCount, 0)
  const held = (heapKb() - before) / CALLS
  assert.is(harness.dialogs.count, 2 * CALLS)
  assert.ok(lingering < 11, `${lingering.toFixed(1)} kB a call while its transactions linger`)
  assert.ok(held < 6, `${held.toFixed(1)} kB a held call`)
})

Memory('nor do its session timers, which know the descriptions in them', () => {
  const harness = new CoreHarness()
  const timed = ['Supported: timer', 'Session-Expires: 1800;refresher=uac']
  call(harness, 'warm-up', timed).hangUp()
  const before = heapKb()
  for (let i = 0; i < CALLS; i++) call(harness, `number-${i}-of-many`, timed)
  harness.clock.advance(64_000)
  const held = (heapKb() - before) / CALLS
  const timers = [...harness.dialogs.all()].filter(({ session }) => session !== undefined)
  assert.is(timers.length, 2 * CALLS)
  assert.ok(held < 7, `${held.toFixed(1)} kB a held call`)
})

Memory('a call that has ended leaves little to absorb repeats with', () => {
  const harness = new CoreHarness()
  call(harness, 'warm-up').hangUp()
  harness.clock.advance(64_000)
  const before = heapKb()
  for (let i = 0; i < CALLS; i++) call(harness, `number-${i}-of-many`).hangUp()
  assert.is(harness.dialogs.count, 0)
  const left = (heapKb() - before) / CALLS
  assert.ok(left < 11, `${left.toFixed(1)} kB a call`)
  harness.clock.advance(64_000)
  assert.is(harness.core.transactionCount, 0)
  assert.ok((heapKb() - before) / CALLS < 2.5)
})

Memory.run()
