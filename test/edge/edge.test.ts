import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Bench, turn } from './bench.js'

const EdgeSuite = suite('The edge')

EdgeSuite('refuses calls while it stops, lets those that go on end, and is done when the last one has', async () => {
  const bench = new Bench()
  const { a } = await bench.answered()
  let stopped = false
  const done = bench.edge.stop(60_000).then(() => (stopped = true))
  await turn()
  const second = await bench.call()
  assert.is(second.final?.status, 503)
  assert.is(second.final?.headers['Retry-After'], '10')
  assert.is(bench.cdr.result, 'edge_stopping')
  bench.clock.advance(30_000)
  await turn()
  assert.not(stopped)
  a.hangUp()
  await done
  assert.is(bench.clock.pending, 0)
  assert.is(bench.cdrs.length, 2)
})

EdgeSuite('hangs up what is left after the grace', async () => {
  const bench = new Bench()
  const { a, b } = await bench.answered()
  const ringing = await bench.call()
  const done = bench.edge.stop(5_000)
  bench.clock.advance(5_000)
  await turn()
  bench.clock.advance(500)
  await done
  assert.is(a.byes.length, 1)
  assert.is(b.byes.length, 1)
  assert.is(ringing.final?.status, 503)
  assert.ok(bench.server.last.cancelled)
  assert.equal(bench.cdrs.map(({ result }) => result).sort(), ['answered', 'edge_stopping'])
  assert.ok(bench.cdrs.every((cdr) => cdr.ended_by === 'edge'))
  assert.is(bench.leaks, '')
})

EdgeSuite('stops at once when there is nothing to wait for', async () => {
  const bench = new Bench()
  await bench.edge.stop(60_000)
  assert.is(bench.clock.pending, 0)
})

EdgeSuite('ends every call when the SIP server is lost', async () => {
  const bench = new Bench()
  const { a, b } = await bench.answered()
  await bench.call()
  bench.server.lose()
  assert.equal(
    bench.cdrs.map(({ result, end_reason }) => [result, end_reason]),
    [
      ['internal_error', 'connection to the SIP server lost'],
      ['internal_error', 'connection to the SIP server lost'],
    ],
  )
  assert.equal([a.byes.length, b.byes.length], [1, 1])
  assert.is(bench.leaks, '')
})

EdgeSuite('answers an INVITE it stumbles over', async () => {
  const bench = new Bench()
  const invite = Bench.invite()
  invite.onCancel = () => {
    throw new Error('stumble')
  }
  await bench.call(invite)
  assert.is(invite.final?.status, 500)
})

const CallsSuite = suite('Live calls')

CallsSuite('are listed with what is known of them, and counted by direction and agent', async () => {
  const bench = new Bench()
  await bench.call()
  bench.server.last.ring()
  const [live] = bench.calls.list()
  assert.is(live?.state, 'ringing')
  assert.is(live?.agent_id, 'front')
  assert.is(live?.leg_b_call_id, 'leg-b-1')
  assert.equal(bench.calls.get(live!.call_id), live)
  assert.is(bench.calls.get('nobody'), undefined)
  assert.is(bench.calls.count('inbound'), 1)
  assert.is(bench.calls.count('outbound'), 0)
})

CallsSuite('are hung up by id, answered or not', async () => {
  const bench = new Bench()
  assert.not(await bench.calls.hangUp('nobody'))
  const { a, b } = await bench.answered()
  const { call_id } = bench.calls.list()[0]!
  assert.ok(await bench.calls.hangUp(call_id))
  assert.not(await bench.calls.hangUp(call_id))
  assert.equal([a.byes.length, b.byes.length], [1, 1])
  assert.equal([bench.cdr.result, bench.cdr.ended_by], ['answered', 'edge'])
  const ringing = await bench.call()
  await bench.calls.hangUp(bench.calls.list()[0]!.call_id)
  assert.is(ringing.final?.status, 480)
  assert.ok(bench.server.last.cancelled)
  assert.is(bench.cdrs[1]?.result, 'operator_hung_up')
  assert.is(bench.leaks, '')
})

CallsSuite('show that a call is being wound up', async () => {
  const bench = new Bench()
  const invite = await bench.call()
  invite.cancel()
  assert.is(bench.calls.list()[0]?.state, 'ending')
})

EdgeSuite.run()
CallsSuite.run()
