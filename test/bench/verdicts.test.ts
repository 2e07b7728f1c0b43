import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { SystemResult, Verdict } from './results.js'
import { heldOf, soakOf, stepOf, systemOf } from './samples.js'
import { addedAtHalfKnee, judge, judgeSoak } from './verdicts.js'

const Verdicts = suite('Verdicts of the benchmark')

const of = (verdicts: Verdict[], words: string): Verdict => {
  const found = verdicts.filter(({ bar }) => bar.includes(words))
  assert.is(found.length, 1, `${words}: ${JSON.stringify(verdicts)}`)
  return found[0]!
}
const ours = (more: Partial<SystemResult> = {}): SystemResult =>
  systemOf('signalbox', [stepOf(100, { cpu_ms_per_call: 3 }), stepOf(200, { cpu_ms_per_call: 1.5 }), stepOf(300)], more)

Verdicts('CPU is compared at the rates clean for both, from 200 calls/s on, and judged where it is worst', () => {
  const drachtio = systemOf('drachtio', [
    stepOf(100, { cpu_ms_per_call: 3 }),
    stepOf(200, { cpu_ms_per_call: 3.2 }),
    stepOf(300, { cpu_ms_per_call: 3.8 }),
    stepOf(300, { cpu_ms_per_call: 0.1, clean: false, failed: 1 }),
  ])
  const met = of(judge([ours(), drachtio]), 'drachtio')
  assert.is(met.result, 'met')
  assert.match(met.detail, '0.47 times, 1.50 ms against 3.20 ms, at 200 calls/s')
  const cheaper = systemOf('drachtio', [stepOf(200, { cpu_ms_per_call: 2.9 })])
  assert.is(of(judge([ours(), cheaper]), 'drachtio').result, 'not met')
})

Verdicts('with common rates below 200 calls/s only, those count', () => {
  const kamailio = systemOf('kamailio', [stepOf(100, { cpu_ms_per_call: 1.2 })])
  const { result, detail } = of(judge([ours(), kamailio]), 'Kamailio')
  assert.equal([result, detail.includes('at 100 calls/s')], ['met', true])
  const cheaper = systemOf('kamailio', [stepOf(100, { cpu_ms_per_call: 1.19 })])
  assert.is(of(judge([ours(), cheaper]), 'Kamailio').result, 'not met')
})

Verdicts('a system that is not there leaves its bar unmeasured and says why', () => {
  const missing = systemOf('kamailio', [], { problem: 'not installed: apt-get install kamailio' })
  const verdicts = judge([ours(), missing])
  assert.equal(of(verdicts, 'Kamailio').result, 'not measured')
  assert.match(of(verdicts, 'Kamailio').detail, 'not installed')
  assert.equal(of(verdicts, 'drachtio').result, 'not measured')
  assert.equal(judge([missing]), [])
})

Verdicts('held calls are judged by their memory and by what a new call costs beside them', () => {
  const judged = (held: SystemResult['held']): Verdict['result'][] => {
    const verdicts = judge([ours({ held })])
    return [of(verdicts, 'holds a call').result, of(verdicts, 'many held').result]
  }
  assert.equal(judged(heldOf()), ['met', 'met'])
  assert.equal(judged(heldOf({ kb_per_call: 20.1 })), ['not met', 'met'])
  assert.equal(judged(heldOf({ cpu_ms_many: 1.7 })), ['met', 'not met'])
  assert.equal(judged(heldOf({ failed: 3 })), ['not met', 'not met'])
  assert.equal(judged(null), ['not measured', 'not measured'])
})

Verdicts('what is added at p99 is taken at the common rate nearest to half the knee', () => {
  const direct = systemOf('direct', [stepOf(200, { p99_ms: 1 }), stepOf(300, { p99_ms: 1.25 })])
  const edge = ours({ steps: [stepOf(200), stepOf(300, { p99_ms: 6.25 }), stepOf(600, { p99_ms: 90 })] })
  assert.equal(addedAtHalfKnee(edge, direct), { rate: 300, p99Ms: 6.25, directMs: 1.25, addedMs: 5 })
  assert.is(of(judge([edge, direct]), 'adds less').result, 'not met')
  const quicker = ours({ steps: [stepOf(300, { p99_ms: 6.2 })] })
  assert.is(of(judge([quicker, direct]), 'adds less').result, 'met')
  assert.is(of(judge([quicker]), 'adds less').result, 'not measured')
})

Verdicts('the knee is the last clean rate; one that was not reached is not known', () => {
  const judged = (clean: number | null, troubled: number | null): Verdict['result'] =>
    of(judge([ours({ knee: { clean, troubled } })]), 'knee at or above').result
  assert.is(judged(600, 625), 'met')
  assert.is(judged(800, null), 'met')
  assert.is(judged(575, 600), 'not met')
  assert.is(judged(null, 50), 'not met')
  assert.is(judged(200, null), 'not measured')
})

Verdicts('a soak is judged by failures, growth of the edge and gauges that stay', () => {
  const results = (soak: Parameters<typeof soakOf>[0]): string =>
    judgeSoak(soakOf(soak))
      .map(({ result }) => result)
      .join()
  assert.is(results({}), 'met,met,met')
  assert.is(results({ repeated: 1 }), 'not met,met,met')
  assert.is(results({ second_half_kb: 102_001 }), 'met,not met,met')
  assert.is(results({ left: { signalbox_engine_timers: 2 } }), 'met,met,not met')
  assert.match(judgeSoak(soakOf({ left: { signalbox_engine_timers: 2 } }))[2]!.detail, 'signalbox_engine_timers 2')
})

Verdicts.run()
