// time limit: 180 s
// alone
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { AGENT, CALLER, TestEdge } from '../support/edge.js'
import { eventually } from '../support/eventually.js'
import { Sipp } from '../support/sipp.js'

const Load = suite('Load')

const RATE = 50
const SECONDS = 10
const CALLS = RATE * SECONDS
/** Calls before those that are timed. */
const WARM_UP = RATE
const MAX_P99_MS = 50
const NUMBER = '+14155550100'

let edge: TestEdge
/** Calls placed so far. */
let calls = 0

// Everything at its default, T1 too: a repeat would be one at 500 ms.
Load.before(async () => {
  edge = await TestEdge.start()
})

Load.after(async () => {
  await edge.stop()
})

/** The value below which the share `p` of `values` lies. */
function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * p) - 1)] ?? Number.NaN
}

async function run(calls: number): Promise<{ p50: number; p99: number }> {
  const shared = { calls, timeoutS: SECONDS + 20, trace: false }
  const uas = await Sipp.start({ scenario: 'uas-load', address: AGENT, ...shared })
  await edge.must('PUT', '/v1/agents/load', { name: 'load', sip_uri: `sip:agent@${AGENT}:${uas.port}` })
  const uac = await Sipp.start({
    ...{ scenario: 'uac-load', address: CALLER, target: edge.sip, service: NUMBER },
    ...{ ...shared, rate: RATE, holdMs: 2_000, responseTimes: true },
  })
  const caller = await uac.finished
  const agent = await uas.finished
  for (const [side, result] of [
    ['caller', caller],
    ['agent', agent],
  ] as const) {
    assert.is(result.exitCode, 0, `${side}: ${result.errors.slice(0, 2_000)}`)
    assert.is(result.stats.get('SuccessfulCall(C)'), calls, side)
    assert.is(result.stats.get('FailedCall(C)'), 0, side)
    assert.is(result.stats.get('Retransmissions(C)'), 0, `${side}: retransmissions`)
    assert.is(result.stats.get('OutOfCallMsgs(C)'), 0, side)
  }
  assert.is(caller.responseTimesMs.length, calls)
  return { p50: percentile(caller.responseTimesMs, 0.5), p99: percentile(caller.responseTimesMs, 0.99) }
}

Load(
  `${RATE} calls a second for ${SECONDS} s: none fails, nothing is repeated, p99 of INVITE to 200 is below ${MAX_P99_MS} ms`,
  async () => {
    await edge.addNumber(NUMBER, 'load', [`sip:agent@${AGENT}:5090`])
    // The first calls find nothing compiled yet: a second's worth of 60, which in 10 would outweigh the percentile.
    await run(WARM_UP)
    calls = WARM_UP
    // Failures and repeats count every time; a slow percentile may be the machine's, and is the edge's when it is there again.
    let best = Number.POSITIVE_INFINITY
    for (let i = 0; i < 4 && best >= MAX_P99_MS; i++) {
      const { p50, p99 } = await run(CALLS)
      calls += CALLS
      console.log(`INVITE to 200: p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`)
      best = Math.min(best, p99)
    }
    assert.ok(best < MAX_P99_MS, `p99 is ${best} ms`)
    const samples = await edge.metrics()
    assert.is(samples.count('signalbox_calls_total', { direction: 'inbound', result: 'answered' }), calls)
    assert.is(samples.count('signalbox_calls_total'), calls)
  },
)

Load('routes known numbers from memory', async () => {
  const samples = await edge.metrics()
  const lookups = samples.count('signalbox_route_lookups_total')
  const fromMemory = samples.count('signalbox_route_lookups_total', { result: 'memory' })
  assert.ok(fromMemory >= calls - 20, `${fromMemory} of ${lookups} from memory`)
})

Load('every call has its record, and no two records are of one call', async () => {
  const records = await eventually('all records', async () => {
    const found = await edge.allCdrs()
    return found.length >= calls && found
  })
  assert.is(records.length, calls)
  assert.is(new Set(records.map(({ call_id }) => call_id)).size, calls)
  assert.ok(records.every(({ result }) => result === 'answered'))
})

Load('40 s after the last call the gauges of calls, dialogs, transactions and timers are zero', async () => {
  assert.equal(await edge.settle(40_000), {})
})

Load.run()
