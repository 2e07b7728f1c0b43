import * as assert from 'uvu/assert'
import { suite } from 'uvu'
import { createResponse } from '../../../src/engine/message/message.js'
import { RecordingFlow } from '../../support/recording-flow.js'
import { keepsBytes, TransactionBench } from '../../support/transaction-bench.js'

const InviteServer = suite('InviteServer')

InviteServer('gives the core an INVITE once and sends nothing by itself', () => {
  const bench = new TransactionBench()
  const { tx } = bench.accept('INVITE')
  assert.is(tx.state, 'proceeding')
  assert.ok(tx.invite)
  assert.not(tx.finalSent)
  assert.is(tx.flow, bench.flow)
  assert.is(tx.request.method, 'INVITE')
  bench.clock.advance(200_000)
  assert.equal(bench.flow.sent, [])
  assert.is(bench.requests.length, 1)
})

InviteServer('absorbs repeats of an INVITE nobody has answered, and says so to its user', () => {
  const bench = new TransactionBench()
  const { user } = bench.accept('INVITE')
  bench.receive('INVITE')
  assert.is(bench.requests.length, 1)
  assert.equal(bench.flow.sent, [])
  assert.equal(user.heard, ['retransmission'])
})

InviteServer('answers a repeat of the INVITE with the last 1xx (RFC 3261 17.2.1)', () => {
  const bench = new TransactionBench()
  const { tx } = bench.accept('INVITE')
  for (const status of [100, 180, 183]) assert.ok(bench.respond(tx, status))
  bench.receive('INVITE')
  assert.equal(bench.flow.kinds, ['100', '180', '183', '183'])
  assert.is(bench.flow.sent[3], bench.flow.sent[2])
})

InviteServer(
  'over UDP, repeats a 3xx-6xx after 0.5, 1.5, 3.5 s and then every 4 s until it gives up at 32 s (timers G and H)',
  () => {
    const bench = new TransactionBench()
    const { tx, user } = bench.accept('INVITE')
    bench.respond(tx, 486)
    assert.is(tx.state, 'completed')
    assert.ok(tx.finalSent)
    assert.equal(bench.sendTimes(31_900), [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500])
    assert.is(new Set(bench.flow.sent).size, 1)
    assert.equal(user.heard, [])
    bench.clock.advance(100)
    assert.equal(user.heard, ['timedOut', 'ended'])
    assert.ok(bench.idle)
  },
)

InviteServer('takes T1, T2 and 64*T1 from its settings', () => {
  const bench = new TransactionBench('udp', { t1Ms: 100, t2Ms: 200, t1x64Ms: 1_000 })
  const { tx, user } = bench.accept('INVITE')
  bench.respond(tx, 486)
  assert.equal(bench.sendTimes(5_000), [100, 300, 500, 700, 900])
  assert.equal(user.heard, ['timedOut', 'ended'])
})

InviteServer(
  'over a stream, sends a 3xx-6xx once and still waits 32 s for the ACK (timer G is off, timer H is not)',
  () => {
    const bench = new TransactionBench('tcp')
    const { tx, user } = bench.accept('INVITE')
    bench.respond(tx, 486)
    assert.equal(bench.sendTimes(31_900), [])
    assert.equal(user.heard, [])
    bench.clock.advance(100)
    assert.equal(user.heard, ['timedOut', 'ended'])
    assert.ok(bench.idle)
  },
)

InviteServer('answers a repeat of the INVITE with the 3xx-6xx, without disturbing its own repeats', () => {
  const bench = new TransactionBench()
  const { tx } = bench.accept('INVITE')
  bench.respond(tx, 486)
  bench.receive('INVITE')
  bench.receive('INVITE')
  assert.equal(bench.flow.kinds, ['486', '486', '486'])
  assert.equal(bench.sendTimes(4_000), [500, 1_500, 3_500])
})

InviteServer('stops repeating with the ACK, and absorbs what still comes for 5 s (timer I)', () => {
  const bench = new TransactionBench()
  const { tx, user } = bench.accept('INVITE')
  bench.respond(tx, 486)
  bench.clock.advance(600)
  bench.receive('ACK')
  assert.is(tx.state, 'confirmed')
  assert.equal(bench.flow.kinds, ['486', '486'])
  bench.clock.advance(4_999)
  bench.receive('ACK')
  bench.receive('INVITE')
  assert.equal(bench.flow.kinds, ['486', '486'])
  assert.equal(bench.acks, [])
  assert.equal(user.heard, [])
  bench.clock.advance(1)
  assert.equal(user.heard, ['ended'])
  assert.ok(bench.idle)
})

InviteServer('over a stream, ends with the ACK (timer I is zero)', () => {
  const bench = new TransactionBench('tcp')
  const { tx, user } = bench.accept('INVITE')
  bench.respond(tx, 486)
  bench.receive('ACK')
  assert.equal(user.heard, ['ended'])
  assert.equal(bench.acks, [])
  assert.ok(bench.idle)
})

for (const protocol of ['udp', 'tcp'] as const) {
  InviteServer(
    `over ${protocol}, lives on 32 s after a 2xx and absorbs repeats of the INVITE (RFC 6026 7.1, timer L)`,
    () => {
      const bench = new TransactionBench(protocol)
      const { tx, user } = bench.accept('INVITE')
      bench.respond(tx, 180)
      bench.respond(tx, 200)
      assert.is(tx.state, 'accepted')
      assert.ok(tx.finalSent)
      assert.equal(bench.sendTimes(31_900), [])
      bench.receive('INVITE')
      assert.equal(bench.flow.kinds, ['180', '200'])
      assert.is(bench.requests.length, 1)
      assert.equal(user.heard, ['retransmission'])
      bench.clock.advance(100)
      assert.equal(user.heard, ['retransmission', 'ended'])
      assert.ok(bench.idle)
    },
  )
}

InviteServer('sends the 2xx once more when the core says so, as long as it is accepted', () => {
  const bench = new TransactionBench()
  const { tx } = bench.accept('INVITE')
  const ok = createResponse(tx.request, 200, undefined, 'to1')
  assert.not(tx.retransmit2xx(ok))
  tx.respond(ok)
  bench.clock.advance(500)
  assert.ok(tx.retransmit2xx(ok))
  assert.equal(bench.flow.kinds, ['200', '200'])
  bench.clock.advance(31_500)
  assert.not(tx.retransmit2xx(ok))
  assert.equal(bench.flow.kinds, ['200', '200'])
})

InviteServer('gives the core an ACK to a 2xx, even one that bears the branch of the INVITE', () => {
  const bench = new TransactionBench()
  const { tx } = bench.accept('INVITE')
  bench.respond(tx, 200)
  bench.receive('ACK')
  bench.receive('ACK', { via: 'SIP/2.0/UDP 192.0.2.20:5080;branch=z9hG4bKother' })
  assert.is(bench.acks.length, 2)
  assert.is(tx.state, 'accepted')
})

InviteServer('ignores an ACK before there is anything to acknowledge', () => {
  const bench = new TransactionBench()
  const { tx } = bench.accept('INVITE')
  bench.receive('ACK')
  assert.is(tx.state, 'proceeding')
  assert.equal(bench.acks, [])
})

InviteServer('refuses any response after the final one', () => {
  const bench = new TransactionBench()
  for (const [first, branch] of [
    [200, 'z9hG4bKa'],
    [486, 'z9hG4bKb'],
  ] as const) {
    const { tx } = bench.accept('INVITE', { via: `SIP/2.0/UDP 192.0.2.20;branch=${branch}` })
    assert.ok(bench.respond(tx, first))
    const sent = bench.flow.sent.length
    for (const status of [100, 180, 200, 486]) assert.not(bench.respond(tx, status))
    assert.is(bench.flow.sent.length, sent)
  }
  bench.clock.advance(40_000)
  assert.ok(bench.idle)
  for (const tx of bench.requests) assert.not(bench.respond(tx, 500))
})

InviteServer('stays where it is when a response cannot be sent, and says so (RFC 6026 8.8)', () => {
  for (const [status, state] of [
    [180, 'proceeding'],
    [200, 'accepted'],
    [486, 'completed'],
  ] as const) {
    const bench = new TransactionBench()
    const { tx, user } = bench.accept('INVITE')
    bench.respond(tx, status)
    bench.flow.fail()
    assert.equal(user.heard, ['transportFailed'])
    assert.is(tx.state, state)
  }
})

InviteServer('answers once the way back is there again', async () => {
  const bench = new TransactionBench('tcp')
  const { tx, user } = bench.accept('INVITE')
  bench.way = undefined
  assert.ok(bench.respond(tx, 180))
  assert.equal(user.heard, [])
  await Promise.resolve()
  assert.equal(user.heard, ['transportFailed'])
  bench.way = new RecordingFlow('tcp')
  bench.receive('INVITE')
  assert.equal(bench.way.kinds, ['180'])
  assert.equal(bench.flow.kinds, [])
})

InviteServer('sends to where the INVITE came from, whoever sends the repeat', () => {
  const bench = new TransactionBench()
  const { tx } = bench.accept('INVITE')
  bench.respond(tx, 180)
  const other = new RecordingFlow()
  bench.transactions.receive(tx.request, other)
  assert.equal(other.sent, [])
  assert.equal(bench.flow.kinds, ['180', '180'])
})

InviteServer('may be abandoned at any time without an answer; a repeat is a new INVITE then', () => {
  const bench = new TransactionBench()
  const { tx, user } = bench.accept('INVITE')
  tx.abandon()
  tx.abandon()
  assert.equal(user.heard, ['ended'])
  assert.is(tx.state, 'terminated')
  assert.not(bench.respond(tx, 200))
  assert.equal(bench.flow.sent, [])
  assert.ok(bench.idle)
  bench.receive('INVITE')
  assert.is(bench.requests.length, 2)
})

InviteServer('keeps the bytes of a response only while a repeat of the INVITE may want them', () => {
  const bench = new TransactionBench()
  const { tx } = bench.accept('INVITE')
  bench.respond(tx, 180)
  assert.ok(keepsBytes(tx))
  bench.respond(tx, 200)
  assert.not(keepsBytes(tx))
  const refused = bench.accept('INVITE', { via: 'SIP/2.0/UDP 192.0.2.20:5080;branch=z9hG4bKpeer2' }).tx
  bench.respond(refused, 486)
  assert.ok(keepsBytes(refused))
  bench.receive('ACK', { via: 'SIP/2.0/UDP 192.0.2.20:5080;branch=z9hG4bKpeer2' })
  assert.is(refused.state, 'confirmed')
  assert.not(keepsBytes(refused))
})

InviteServer.run()
