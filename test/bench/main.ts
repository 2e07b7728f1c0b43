/**
 * What `npm run bench` runs: this edge, Kamailio and a drachtio-server under the same load, one after the other. Tables, or JSON, go
 * to standard output, the progress to standard error, `bench.json` and `p99.svg` into a folder.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { processIo, type Io } from '../../src/cli/io.js'
import { freePort } from '../support/free-port.js'
import { scenarioFolder } from '../support/sipp.js'
import { p99Chart } from './chart.js'
import { floodRun } from './flood.js'
import { AGENT } from './load.js'
import { describeMachine } from './machine.js'
import { heldSeconds, measureRates, measureSystem, parts, startSeconds, type Plan, type Tools } from './measure.js'
import { parseOptions, type BenchOptions } from './options.js'
import { Progress, type Part } from './progress.js'
import { cleanSteps, halfOf, type Results, type Soak, type SystemName, type SystemResult } from './results.js'
import { Interrupted } from './sleep.js'
import { AFTERMATH_MS, soak } from './soak.js'
import type { System } from './system.js'
import { direct } from './systems/direct.js'
import { drachtio } from './systems/drachtio.js'
import { kamailio } from './systems/kamailio.js'
import { signalbox } from './systems/signalbox.js'
import { report } from './table.js'
import { judge, judgeSoak } from './verdicts.js'

const root = join(scenarioFolder, '..')
/** Until the heap has grown as far as it does: what is compared begins then. */
const SOAK_WARM_UP_S = 150
const systems: readonly System[] = [signalbox, kamailio, drachtio, direct]

/** Runs of a rate each system will come to, about. */
const EXPECTED_RUNS: Readonly<Record<SystemName, number>> = { signalbox: 12, kamailio: 15, drachtio: 9, direct: 9 }

function expectedParts(names: readonly SystemName[], { plan, ratesGiven }: BenchOptions): Part[] {
  return names.flatMap((name) => {
    const runs = ratesGiven ? plan.rates.length : EXPECTED_RUNS[name]
    const ramp = startSeconds(plan) + runs * (plan.stepS + plan.callMs / 1_000 + 2)
    return [
      { name: parts.ramp(name), seconds: ramp },
      ...(name === 'direct' ? [] : [{ name: parts.held(name), seconds: heldSeconds(plan) }]),
    ]
  })
}

/** Rates at which calls without a system between are compared: those of the others that were clean, and half of every knee. */
function directRates(measured: readonly SystemResult[], plan: Plan): readonly number[] {
  if (measured.length === 0) return plan.rates.filter((rate) => rate <= 600)
  // Kamailio goes on long after the others: nothing is compared up there.
  const ours = measured.filter(({ name }) => name !== 'kamailio')
  const clean = ours.flatMap((system) => [...cleanSteps(system).keys()]).filter((rate) => plan.rates.includes(rate))
  const halves = measured.flatMap(({ knee }) => (knee.clean === null || plan.halfS === 0 ? [] : [halfOf(knee.clean)]))
  return [...new Set([...clean, ...halves])].sort((a, b) => a - b)
}

async function measureAll(options: BenchOptions, tools: Tools): Promise<SystemResult[]> {
  const results: SystemResult[] = []
  for (const system of systems.filter(({ name }) => options.systems.includes(name))) {
    const problem = tools.signal.aborted ? 'interrupted' : system.missing()
    if (problem !== undefined) {
      const nothing = { steps: [], knee: { clean: null, troubled: null }, held: null }
      results.push({ name: system.name, version: 'not measured', problem, ...nothing })
      if (!tools.signal.aborted) tools.progress.line(`${system.name.padEnd(9)}  ${problem}`)
    } else if (system.name === 'direct') {
      const others = results.filter(({ steps }) => steps.length > 0)
      results.push(await measureRates(system, directRates(others, options.plan), options.plan, tools))
    } else results.push(await measureSystem(system, options.plan, tools))
  }
  return results
}

/** The knee of the last run, as its file has it. */
function lastKnee(folder: string): number | undefined {
  try {
    const { systems } = JSON.parse(readFileSync(join(folder, 'bench.json'), 'utf8')) as Results
    return systems.find(({ name }) => name === 'signalbox')?.knee.clean ?? undefined
  } catch {
    return undefined
  }
}

async function soakRate(options: BenchOptions, tools: Tools): Promise<number> {
  const given = options.soak?.rate
  if (given !== undefined) return given
  let knee = lastKnee(resolve(root, options.out))
  if (knee === undefined) {
    tools.progress.line('no run to take the knee from: looking for it')
    const measured = await measureSystem(signalbox, { ...options.plan, held: 0, halfS: 0 }, tools)
    knee = measured.knee.clean ?? undefined
  }
  if (knee === undefined) throw new Error('the edge has trouble at every rate: give one with --rate')
  return halfOf(knee)
}

async function runSoak(options: BenchOptions, minutes: number, tools: Tools): Promise<Soak> {
  const rate = await soakRate(options, tools)
  const seconds = minutes * 60
  const plan = { rate, seconds, callMs: options.plan.callMs, warmUpS: SOAK_WARM_UP_S, aftermathMs: AFTERMATH_MS }
  return soak(signalbox, plan, tools)
}

function write(io: Io, options: BenchOptions, results: Results): void {
  const folder = resolve(root, options.out)
  mkdirSync(folder, { recursive: true })
  const files = [[results.soak === null ? 'bench.json' : 'soak.json', `${JSON.stringify(results, null, 2)}\n`]]
  const { cpu, cores, node } = results.machine
  const where = `${cpu}, ${cores} cores shared with SIPp, Node ${node}, ${results.started_at.slice(0, 10)}`
  if (results.systems.some(({ steps }) => steps.length > 0)) files.push(['p99.svg', p99Chart(results.systems, where)])
  for (const [name = '', text = ''] of files) writeFileSync(join(folder, name), text)
  io.err(`written to ${folder}: ${files.map(([name]) => name).join(', ')}`)
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2), 'dist/bench')
  const io = processIo()
  if (options.flood !== undefined) {
    await floodRun(options.flood, (line) => io.out(line))
    return 0
  }
  const stop = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(name, () => {
      if (stop.signal.aborted) process.exit(130)
      stop.abort()
    })
  const started = new Date()
  const present = options.systems.filter((name) => systems.find((s) => s.name === name)?.missing() === undefined)
  const work: Part[] =
    options.soak === undefined
      ? expectedParts(present, options)
      : [
          { name: 'warm-up', seconds: SOAK_WARM_UP_S },
          { name: 'soak', seconds: options.soak.minutes * 60 },
          { name: 'aftermath', seconds: AFTERMATH_MS / 1_000 },
        ]
  const progress = new Progress(io, work)
  const agent = { address: AGENT, port: await freePort(AGENT) }
  const tools = { progress, signal: stop.signal, agent }
  const soaked = options.soak === undefined ? null : await runSoak(options, options.soak.minutes, tools)
  const measured = soaked === null ? await measureAll(options, tools) : []
  progress.done()
  const results: Results = {
    started_at: started.toISOString(),
    seconds: Math.round((Date.now() - started.getTime()) / 1_000),
    machine: describeMachine(),
    systems: measured,
    soak: soaked,
    verdicts: soaked === null ? judge(measured) : judgeSoak(soaked),
  }
  io.out(options.json ? JSON.stringify(results) : report(results))
  write(io, options, results)
  if (stop.signal.aborted) io.err('interrupted')
  return stop.signal.aborted ? 130 : 0
}

try {
  process.exitCode = await main()
} catch (error) {
  if (error instanceof Interrupted) process.exitCode = 130
  else {
    console.error(`signalbox: ${error instanceof Error ? error.message : String(error)}`)
    process.exitCode = 1
  }
}
