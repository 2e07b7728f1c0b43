import * as assert from 'uvu/assert'
import { suite } from 'uvu'
import { keepsBytes, TransactionBench } from '../../support/transaction-bench.js'

const NonInviteClient = suite('NonInviteClient')

NonInviteClient(
  'over UDP, resends at 0.5, 1.5, 3.5 and then every 4 s until it gives up (timers E and F, RFC 3261 17.1.2.2)',
  () => {
    const bench = new TransactionBench()
    const { tx, user } = bench.open('OPTIONS')
    assert.equal(bench.sendTimes(40_000), [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500])
    assert.is(new Set(bench.flow.sent).size, 1)
    assert.equal(user.heard, ['timedOut', 'ended'])
    assert.is(tx.state, 'terminated')
    assert.ok(bench.idle)
  },
)

NonInviteClient('gives up exactly 32 s after it was sent, over a stream too (timer F)', () => {
  for (const protocol of ['udp', 'tcp'] as const) {
    const bench = new TransactionBench(protocol)
    const { user } = bench.open('OPTIONS')
    bench.clock.advance(31_999)
    assert.equal(user.heard, [])
    bench.clock.advance(1)
    assert.equal(user.heard, ['timedOut', 'ended'])
    assert.ok(bench.idle)
  }
})

NonInviteClient('over a stream, does not resend (timer E is off)', () => {
  const bench = new TransactionBench('tcp')
  bench.open('OPTIONS')
  assert.equal(bench.sendTimes(31_000), [])
})

NonInviteClient('takes T1, T2 and 64*T1 from its settings', () => {
  const bench = new TransactionBench('udp', { t1Ms: 100, t2Ms: 300, t1x64Ms: 1_500 })
  const { user } = bench.open('OPTIONS')
  assert.equal(bench.sendTimes(5_000), [100, 300, 600, 900, 1_200])
  assert.equal(user.heard, ['timedOut', 'ended'])
})

NonInviteClient('after a 1xx, resends every 4 s (timer E is T2), timer F running on', () => {
  const bench = new TransactionBench()
  const { tx, user } = bench.open('INFO')
  bench.clock.advance(100)
  bench.answer(tx, 100)
  assert.is(tx.state, 'proceeding')
  // The interval that had begun runs out first.
  assert.equal(bench.sendTimes(31_800), [400, 4_400, 8_400, 12_400, 16_400, 20_400, 24_400, 28_400])
  assert.equal(user.heard, [100])
  bench.clock.advance(100)
  assert.equal(user.heard, [100, 'timedOut', 'ended'])
  assert.ok(bench.idle)
})

NonInviteClient('over a stream, waits for the rest of 32 s after a 1xx', () => {
  const bench = new TransactionBench('tcp')
  const { tx, user } = bench.open('INFO')
  bench.clock.advance(20_000)
  bench.answer(tx, 100)
  assert.equal(bench.sendTimes(11_900), [])
  bench.clock.advance(100)
  assert.equal(user.heard, [100, 'timedOut', 'ended'])
})

for (const status of [200, 302, 404, 500, 603]) {
  NonInviteClient(`over UDP, passes a ${status} up once and absorbs its repeats for 5 s (timer K)`, () => {
    const bench = new TransactionBench()
    const { tx, user } = bench.open('BYE')
    bench.answer(tx, status)
    assert.is(tx.state, 'completed')
    bench.clock.advance(4_999)
    bench.answer(tx, status)
    bench.answer(tx, 100)
    assert.equal(user.heard, [status])
    assert.equal(bench.flow.kinds, ['BYE'])
    bench.clock.advance(1)
    assert.equal(user.heard, [status, 'ended'])
    assert.ok(bench.idle)
    assert.equal(bench.strays, [])
    bench.answer(tx, status)
    assert.is(bench.strays.length, 1)
  })
}

NonInviteClient('over a stream, ends with the final response (timer K is zero)', () => {
  const bench = new TransactionBench('tcp')
  const { tx, user } = bench.open('BYE')
  bench.answer(tx, 200)
  assert.equal(user.heard, [200, 'ended'])
  assert.ok(bench.idle)
})

NonInviteClient('passes a final response after 1xx up', () => {
  const bench = new TransactionBench()
  const { tx, user } = bench.open('REGISTER')
  for (const status of [100, 100, 200]) bench.answer(tx, status)
  assert.equal(user.heard, [100, 100, 200])
})

NonInviteClient('tells when the request could not be sent, before and after a 1xx', () => {
  for (const statuses of [[], [100]]) {
    const bench = new TransactionBench('tcp')
    const { tx, user } = bench.open('OPTIONS')
    for (const status of statuses) bench.answer(tx, status)
    bench.flow.fail()
    assert.equal(user.heard, [...statuses, 'transportFailed', 'ended'])
    assert.ok(bench.idle)
  }
})

NonInviteClient('does not mind that a resend failed once it has the final response', () => {
  const bench = new TransactionBench()
  const { tx, user } = bench.open('OPTIONS')
  bench.clock.advance(500)
  bench.answer(tx, 200)
  bench.flow.fail()
  assert.equal(user.heard, [200])
})

NonInviteClient('cannot be cancelled (RFC 3261 9.1)', () => {
  const bench = new TransactionBench()
  const { tx } = bench.open('OPTIONS')
  bench.answer(tx, 100)
  assert.not(tx.cancel())
  assert.equal(bench.flow.kinds, ['OPTIONS'])
})

NonInviteClient('abandoned before any response, is over at once and tells nothing', () => {
  const bench = new TransactionBench()
  const { tx, user } = bench.open('BYE')
  tx.abandon(() => assert.unreachable())
  assert.ok(bench.idle)
  bench.clock.advance(32_000)
  bench.answer(tx, 200)
  assert.equal(user.heard, [])
  assert.equal(bench.flow.kinds, ['BYE'])
})

NonInviteClient('is not abandoned once a response has come', () => {
  const bench = new TransactionBench()
  const { tx, user } = bench.open('BYE')
  bench.answer(tx, 100)
  tx.abandon(() => assert.unreachable())
  bench.answer(tx, 200)
  assert.equal(user.heard, [100, 200])
})

NonInviteClient('keeps the bytes of the request until its final response or its end', () => {
  const bench = new TransactionBench()
  const { tx } = bench.open('INFO')
  bench.answer(tx, 100)
  assert.ok(keepsBytes(tx))
  bench.answer(tx, 200)
  assert.not(keepsBytes(tx))
  const unanswered = bench.open('INFO').tx
  bench.clock.advance(32_000)
  assert.not(keepsBytes(unanswered))
})

NonInviteClient.run()
