/**
 * What `npm run bench -- --flood` runs: known calls at 50 a second beside 5,000 INVITEs a second of unknown sources, first a few that
 * are banned, then so many that each is new; then calls at 150 % of `limits.max_calls`.
 */
import { readFileSync } from 'node:fs'
import { AGENT, CALLER, TestEdge } from '../support/edge.js'
import { wait } from '../support/eventually.js'
import { Flood, loopbackAddresses } from '../support/flood.js'
import { Sipp } from '../support/sipp.js'

const NUMBER = '+14155550100'
const KNOWN_RATE = 50
const FLOOD_RATE = 5_000
const MAX_CALLS = 500

/** @param seconds of each flood */
export async function floodRun(seconds: number, say: (line: string) => void): Promise<void> {
  const env = { SIGNALBOX__ACCESS__UNKNOWN_SOURCE: 'drop', SIGNALBOX__LIMITS__MAX_CALLS: String(MAX_CALLS) }
  const edge = await TestEdge.start({ env })
  try {
    await edge.addNumber(NUMBER, 'load', [`sip:agent@${AGENT}:5090`], { number: { sip_domain: CALLER } })
    await knownCalls(edge, { calls: KNOWN_RATE * 5, rate: KNOWN_RATE, holdMs: 1_000 })
    for (const sources of [4, 1_000]) say(await floodWith(edge, sources, seconds))
    say(await tooManyCalls(edge))
  } finally {
    await edge.stop()
  }
}

async function knownCalls(edge: TestEdge, load: { calls: number; rate: number; holdMs: number }) {
  const shared = { timeoutS: Math.ceil(load.calls / load.rate) + 40, trace: false }
  const uas = await Sipp.start({ scenario: 'uas-load', address: AGENT, calls: load.calls, ...shared })
  await edge.must('PUT', '/v1/agents/load', { name: 'load', sip_uri: `sip:agent@${AGENT}:${uas.port}` })
  const uac = await Sipp.start({
    ...{ scenario: 'uac-load', address: CALLER, target: edge.sip, service: NUMBER, responseTimes: true },
    ...{ ...shared, ...load, args: ['-l', '100000'] },
  })
  const result = await uac.finished
  await uas.stop()
  return result
}

async function floodWith(edge: TestEdge, sources: number, seconds: number): Promise<string> {
  const flood = await Flood.open(loopbackAddresses(sources), edge.sip)
  const before = { cpuS: cpuSeconds(edge), rssMb: rssMb(edge), atMs: performance.now() }
  flood.start(FLOOD_RATE)
  const result = await knownCalls(edge, { calls: KNOWN_RATE * seconds, rate: KNOWN_RATE, holdMs: 1_000 })
  const tookS = (performance.now() - before.atMs) / 1_000
  flood.close()
  const samples = await edge.metrics()
  const times = [...result.responseTimesMs].sort((a, b) => a - b)
  const at = (share: number): number => times[Math.ceil(times.length * share) - 1] ?? Number.NaN
  return [
    `${sources} unknown sources, ${flood.sent} INVITEs in ${tookS.toFixed(0)} s (${(flood.sent / tookS).toFixed(0)}/s), ${flood.received} answers;`,
    `known calls: ${result.stats.get('SuccessfulCall(C)')} of ${KNOWN_RATE * seconds} complete, ${result.stats.get('Retransmissions(C)')} repeats,`,
    `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms;`,
    `CPU ${(((cpuSeconds(edge) - before.cpuS) / tookS) * 100).toFixed(0)} %, memory ${before.rssMb.toFixed(0)} to ${rssMb(edge).toFixed(0)} MB;`,
    `banned ${samples.count('signalbox_bans_active')}, turned away ${samples.count('signalbox_refused_at_door_total')}`,
  ].join(' ')
}

async function tooManyCalls(edge: TestEdge): Promise<string> {
  const calls = MAX_CALLS * 1.5
  const before = (await edge.metrics()).count('signalbox_calls_total', { result: 'answered' })
  const result = await knownCalls(edge, { calls, rate: 250, holdMs: 6_000 })
  const samples = await edge.metrics()
  const shed = samples.count('signalbox_shed_total', { cause: 'max_calls' })
  await wait(1_000)
  const after = await knownCalls(edge, { calls: 100, rate: KNOWN_RATE, holdMs: 500 })
  return [
    `${calls} calls at max_calls ${MAX_CALLS}: ${samples.count('signalbox_calls_total', { result: 'answered' }) - before} answered,`,
    `${shed} refused for want of room, ${result.stats.get('FailedCall(C)')} failed for SIPp;`,
    `afterwards ${after.stats.get('SuccessfulCall(C)')} of 100 complete`,
  ].join(' ')
}

const statOf = (edge: TestEdge): string[] =>
  readFileSync(`/proc/${edge.child.pid}/stat`, 'latin1').split(') ')[1]!.split(' ')
/** User and system time, in seconds. */
const cpuSeconds = (edge: TestEdge): number => (Number(statOf(edge)[11]) + Number(statOf(edge)[12])) / 100
const rssMb = (edge: TestEdge): number => (Number(statOf(edge)[21]) * 4_096) / 1_048_576
