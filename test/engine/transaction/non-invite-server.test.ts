import * as assert from 'uvu/assert'
import { suite } from 'uvu'
import { createResponse } from '../../../src/engine/message/message.js'
import { TransactionBench } from '../../support/transaction-bench.js'

const NonInviteServer = suite('NonInviteServer')

NonInviteServer(
  'gives the core a request once and absorbs its repeats while nothing is answered (RFC 3261 17.2.2)',
  () => {
    const bench = new TransactionBench()
    const { tx, user } = bench.accept('OPTIONS')
    assert.is(tx.state, 'trying')
    assert.not(tx.invite)
    assert.not(tx.finalSent)
    bench.receive('OPTIONS')
    bench.clock.advance(100_000)
    assert.equal(bench.flow.sent, [])
    assert.is(bench.requests.length, 1)
    assert.equal(user.heard, ['retransmission'])
  },
)

NonInviteServer('answers repeats with the last 1xx while proceeding', () => {
  const bench = new TransactionBench()
  const { tx } = bench.accept('INFO')
  assert.ok(bench.respond(tx, 100))
  assert.is(tx.state, 'proceeding')
  assert.ok(bench.respond(tx, 182))
  bench.receive('INFO')
  assert.equal(bench.flow.kinds, ['100', '182', '182'])
})

for (const status of [200, 302, 404, 500, 603]) {
  NonInviteServer(`over UDP, answers repeats with the ${status} for 32 s and never by itself (timer J)`, () => {
    const bench = new TransactionBench()
    const { tx, user } = bench.accept('OPTIONS')
    assert.ok(bench.respond(tx, status))
    assert.is(tx.state, 'completed')
    assert.ok(tx.finalSent)
    assert.equal(bench.sendTimes(31_900), [])
    bench.receive('OPTIONS')
    assert.equal(bench.flow.kinds, [`${status}`, `${status}`])
    assert.is(bench.flow.sent[0], bench.flow.sent[1])
    bench.clock.advance(100)
    assert.equal(user.heard, ['retransmission', 'ended'])
    assert.ok(bench.idle)
    bench.receive('OPTIONS')
    assert.is(bench.requests.length, 2)
  })
}

NonInviteServer('over a stream, ends with the final response (timer J is zero)', () => {
  const bench = new TransactionBench('tcp')
  const { tx, user } = bench.accept('OPTIONS')
  assert.ok(bench.respond(tx, 200))
  assert.equal(bench.flow.kinds, ['200'])
  assert.equal(user.heard, ['ended'])
  assert.ok(bench.idle)
})

NonInviteServer('may be answered by the core while the core is given it', () => {
  const bench = new TransactionBench('tcp')
  bench.onRequest = (tx) => void bench.respond(tx, 405)
  bench.receive('PUBLISH')
  assert.equal(bench.flow.kinds, ['405'])
  assert.ok(bench.idle)
})

NonInviteServer('refuses any response after the final one, and a 2xx to repeat', () => {
  const bench = new TransactionBench()
  const { tx } = bench.accept('OPTIONS')
  bench.respond(tx, 200)
  for (const status of [100, 200, 500]) assert.not(bench.respond(tx, status))
  assert.not(tx.retransmit2xx(createResponse(tx.request, 200)))
  assert.equal(bench.flow.kinds, ['200'])
})

NonInviteServer('stays where it is when a response cannot be sent, and says so (RFC 6026 8.8)', () => {
  for (const [status, state] of [
    [100, 'proceeding'],
    [200, 'completed'],
  ] as const) {
    const bench = new TransactionBench()
    const { tx, user } = bench.accept('OPTIONS')
    bench.respond(tx, status)
    bench.flow.fail()
    assert.equal(user.heard, ['transportFailed'])
    assert.is(tx.state, state)
  }
})

NonInviteServer('may be abandoned without an answer', () => {
  const bench = new TransactionBench()
  const { tx, user } = bench.accept('OPTIONS')
  tx.abandon()
  assert.equal(user.heard, ['ended'])
  assert.ok(bench.idle)
})

NonInviteServer('over UDP, asks for the way back once: it stays the same', () => {
  const bench = new TransactionBench()
  let asked = 0
  bench.onWay = () => void (asked += 1)
  const { tx } = bench.accept('INFO')
  bench.respond(tx, 100)
  bench.respond(tx, 200)
  bench.receive('INFO')
  assert.is(asked, 1)
  assert.equal(bench.flow.kinds, ['100', '200', '200'])
})

NonInviteServer.run()
