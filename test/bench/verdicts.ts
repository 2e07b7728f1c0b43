import { figure } from './figures.js'
import {
  cleanSteps,
  halfOf,
  type SystemName,
  type SystemResult,
  type Soak,
  type Step,
  type Verdict,
} from './results.js'

export const MOST_OF_DRACHTIO = 0.5
export const MOST_OF_KAMAILIO = 2.5
export const MOST_KB_PER_CALL = 20
export const MOST_ADDED_MS = 5
export const LEAST_KNEE = 600
/** How much dearer a new call may be with many held before it is more than the noise of the measurement. */
export const MOST_FLAT = 1.1
export const MOST_GROWTH = 1.02
/** Below this rate what a system does without calls weighs more than the calls. */
const COMPARED_FROM = 200

const verdict = (bar: string, met: boolean, detail: string): Verdict => ({
  bar,
  result: met ? 'met' : 'not met',
  detail,
})
const unmeasured = (bar: string, detail: string): Verdict => ({ bar, result: 'not measured', detail })

/** Clean runs of both at the same rate. */
function common(one: SystemResult, other: SystemResult): [Step, Step][] {
  const others = cleanSteps(other)
  return [...cleanSteps(one).values()].flatMap((step): [Step, Step][] => {
    const match = others.get(step.rate)
    return match === undefined ? [] : [[step, match]]
  })
}

/** Compared at the common rates from 200 calls a second on, or at all when there are none, and judged by the worst. */
function cpuVerdict(bar: string, ours: SystemResult, other: SystemResult | undefined, most: number): Verdict {
  const pairs = other === undefined ? [] : common(ours, other)
  const fast = pairs.filter(([{ rate }]) => rate >= COMPARED_FROM)
  const ratio = ([a, b]: [Step, Step]): number => a.cpu_ms_per_call / b.cpu_ms_per_call
  const [worst] = (fast.length > 0 ? fast : pairs).sort((a, b) => ratio(b) - ratio(a))
  if (worst === undefined) return unmeasured(bar, other?.problem ?? 'no rate was clean for both')
  const [{ rate, cpu_ms_per_call: a }, { cpu_ms_per_call: b }] = worst
  return verdict(
    bar,
    ratio(worst) <= most,
    `${figure(ratio(worst))} times, ${figure(a)} ms against ${figure(b)} ms, at ${rate} calls/s, where it is worst`,
  )
}

/** What a system adds at p99 to calls without it, at the rate clean for both that is nearest to half its knee. */
export function addedAtHalfKnee(
  system: SystemResult,
  direct: SystemResult | undefined,
): { readonly rate: number; readonly p99Ms: number; readonly directMs: number; readonly addedMs: number } | undefined {
  const { clean } = system.knee
  if (clean === null || direct === undefined) return undefined
  const away = ([{ rate }]: [Step, Step]): number => Math.abs(rate - halfOf(clean))
  const [nearest] = common(system, direct).sort((a, b) => away(a) - away(b) || b[0].rate - a[0].rate)
  if (nearest === undefined) return undefined
  const [{ rate, p99_ms: p99Ms }, { p99_ms: directMs }] = nearest
  return { rate, p99Ms, directMs, addedMs: p99Ms - directMs }
}

function addedVerdict(ours: SystemResult, direct: SystemResult | undefined): Verdict {
  const bar = `adds less than ${MOST_ADDED_MS} ms at p99 at half the knee`
  const added = addedAtHalfKnee(ours, direct)
  if (added === undefined) return unmeasured(bar, 'needs a clean rate of ours and the same rate measured direct')
  const { rate, p99Ms, directMs, addedMs } = added
  const detail = `${figure(addedMs)} ms at ${rate} calls/s: ${figure(p99Ms)} ms against ${figure(directMs)} ms direct`
  return verdict(bar, addedMs < MOST_ADDED_MS, detail)
}

function kneeVerdict({ knee, steps }: SystemResult): Verdict {
  const bar = `knee at or above ${LEAST_KNEE} calls/s`
  if (steps.length === 0) return unmeasured(bar, 'no rate was run')
  const troubled = knee.troubled === null ? 'no trouble at any rate that was run' : `trouble at ${knee.troubled}`
  const clean = knee.clean ?? 0
  const detail = `clean up to ${clean} calls/s, ${troubled}`
  // Not pushed far enough to know.
  if (clean < LEAST_KNEE && knee.troubled === null) return unmeasured(bar, detail)
  return verdict(bar, clean >= LEAST_KNEE, detail)
}

function heldVerdicts({ held }: SystemResult): Verdict[] {
  const memory = `holds a call at ${MOST_KB_PER_CALL} kB or less`
  const flat = 'a new call costs no more CPU with many held than with few'
  if (held === null) return [unmeasured(memory, 'no calls were held'), unmeasured(flat, 'no calls were held')]
  const { few, many, failed, kb_per_call, cpu_ms_few, cpu_ms_many } = held
  const failures = failed === 0 ? '' : `, ${failed} calls failed`
  return [
    verdict(
      memory,
      kb_per_call <= MOST_KB_PER_CALL && failed === 0,
      `${figure(kb_per_call)} kB with ${many} held${failures}`,
    ),
    verdict(
      flat,
      cpu_ms_many <= cpu_ms_few * MOST_FLAT && failed === 0,
      `${figure(cpu_ms_many)} ms with ${many} held, ${figure(cpu_ms_few)} ms with ${few} (within ${Math.round((MOST_FLAT - 1) * 100)} % is noise)${failures}`,
    ),
  ]
}

/** What the measurements say of this edge, one line a bar. */
export function judge(systems: readonly SystemResult[]): Verdict[] {
  const of = (name: SystemName): SystemResult | undefined => systems.find((system) => system.name === name)
  const ours = of('signalbox')
  if (ours === undefined) return []
  return [
    cpuVerdict('at most half of drachtio-server’s CPU a call', ours, of('drachtio'), MOST_OF_DRACHTIO),
    cpuVerdict(`at most ${MOST_OF_KAMAILIO} times Kamailio’s CPU a call`, ours, of('kamailio'), MOST_OF_KAMAILIO),
    ...heldVerdicts(ours),
    addedVerdict(ours, of('direct')),
    kneeVerdict(ours),
  ]
}

export function judgeSoak(soak: Soak): Verdict[] {
  const { first_half_kb: first, second_half_kb: second, left } = soak
  const growth = `${figure((second / first - 1) * 100)} %: ${figure(first / 1_024)} MB, then ${figure(second / 1_024)} MB`
  const names = Object.entries(left).map(([name, value]) => `${name} ${value}`)
  return [
    verdict(
      'no call failed, nothing was repeated',
      soak.failed + soak.repeated === 0,
      `${soak.failed} failed and ${soak.repeated} repeated of ${soak.calls} calls`,
    ),
    verdict('memory of the second half at most 2 % above the first', second <= first * MOST_GROWTH, growth),
    verdict(
      'gauges at zero 40 s after the last call',
      names.length === 0,
      names.length === 0 ? 'all' : names.join(', '),
    ),
  ]
}
