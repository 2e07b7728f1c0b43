import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Call, type Ending } from '../../src/edge/call.js'
import { Calls } from '../../src/edge/calls.js'
import type { Cdr } from '../../src/model/call.js'
import { ManualClock } from '../support/manual-clock.js'

const CallSuite = suite('The one door through which a call ends')

function open() {
  const cdrs: Cdr[] = []
  const results: string[] = []
  const errors: string[] = []
  let active = 0
  const quiet = (): void => {}
  const calls = new Calls({ maxCalls: 10 })
  const call = new Call(
    {
      calls,
      cdrs: { append: (cdr) => void cdrs.push(cdr) },
      metrics: {
        callsTotal: { inc: ({ result }) => void results.push(result) },
        callsActive: { inc: () => void (active += 1), dec: () => void (active -= 1) },
        inviteRelaySeconds: { observe: quiet },
        setupSeconds: { observe: quiet },
      },
      logger: { debug: quiet, info: quiet, warn: quiet, error: (_fields, message) => void errors.push(message) },
      clock: new ManualClock(),
    },
    { direction: 'inbound', from: 'a', to: 'b', sourceAddress: '127.0.0.1', legACallId: 'x' },
  )
  return { call, calls, cdrs, results, errors, active: () => active }
}

const busy: Ending = { result: 'AGENT_BUSY', by: 'leg_b', detail: 'busy' }

CallSuite('opens once: the first ending counts, whoever comes later', () => {
  const { call, calls, cdrs, results, active } = open()
  assert.ok(call.begin())
  let released = 0
  call.onEnd(() => {
    released += 1
    call.end({ ...busy, result: 'INTERNAL_ERROR' })
  })
  call.end(busy)
  call.end({ ...busy, result: 'CALLER_GONE' })
  call.hangUp('AGENT_NO_ANSWER', 'late')
  call.failed(new Error('late'))
  assert.is(released, 1)
  assert.equal(results, ['agent_busy'])
  assert.equal(
    cdrs.map(({ result, ended_by }) => [result, ended_by]),
    [['agent_busy', 'leg_b']],
  )
  assert.is(active(), 0)
  assert.is(calls.size, 0)
})

CallSuite('lets every leg go although letting one go fails', () => {
  const { call, cdrs, errors } = open()
  call.begin()
  let released = false
  call.onEnd(() => {
    throw new Error('stuck')
  })
  call.onEnd(() => (released = true))
  call.end(busy)
  assert.ok(released)
  assert.is(cdrs.length, 1)
  assert.equal(errors, ['In a call: release failed'])
})

CallSuite('lets a leg go at once that comes when the call is over', () => {
  const { call } = open()
  call.end(busy)
  const heard: string[] = []
  call.onEnd(({ result }) => void heard.push(result))
  assert.equal(heard, ['AGENT_BUSY'])
})

CallSuite('does not count a call out that was never counted in', () => {
  const { call, active, cdrs } = open()
  call.end({ ...busy, result: 'EDGE_FULL' })
  assert.is(active(), 0)
  assert.is(cdrs[0]?.result, 'edge_full')
})

CallSuite('is where an exception of an event handler ends up', () => {
  const { call, cdrs } = open()
  call.begin()
  call.run(() => {
    throw new Error('a bug')
  })
  assert.equal([cdrs[0]?.result, cdrs[0]?.end_reason], ['internal_error', 'error: a bug'])
})

CallSuite.run()
