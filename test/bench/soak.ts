import { clockTime, figure, mean } from './figures.js'
import { Agent, callAgent, placeCalls } from './load.js'
import type { Tools } from './measure.js'
import type { Soak } from './results.js'
import { sleep } from './sleep.js'
import type { RunningSystem, System } from './system.js'

const SAMPLE_MS = 5_000
/** RFC 3261 keeps transactions for 32 s; what is left after this is left for good. */
export const AFTERMATH_MS = 40_000

export interface SoakPlan {
  readonly rate: number
  readonly seconds: number
  readonly callMs: number
  /** Seconds of the same load before memory counts: transactions of the first calls are forgotten by then. */
  readonly warmUpS: number
  readonly aftermathMs: number
}

type Sample = Soak['samples'][number]

/** Mean of what `of` tells of the samples of each half of the time. */
export function halves(samples: readonly Sample[], of: (sample: Sample) => number): { first: number; second: number } {
  const middle = Math.floor(samples.length / 2)
  return { first: mean(samples.slice(0, middle).map(of)), second: mean(samples.slice(middle).map(of)) }
}

/** Steady load for long: whether memory stays, and whether everything is forgotten afterwards. */
export async function soak(system: System, plan: SoakPlan, tools: Tools): Promise<Soak> {
  const { progress, signal } = tools
  const { rate, seconds } = plan
  const running = await system.start(tools.agent)
  try {
    const placing = { target: running.target, rate, holdMs: plan.callMs, system: running, signal, endure: true }
    progress.begin('warm-up')
    const onTick = (): void => progress.tell(`warming up: ${rate} calls/s`)
    await placeCalls(tools.agent, { ...placing, seconds: plan.warmUpS, onTick })
    progress.begin('soak')
    return await watch(running, { ...placing, seconds }, plan, tools)
  } finally {
    await running.stop()
  }
}

async function watch(
  running: RunningSystem,
  placing: Omit<Parameters<typeof callAgent>[1], 'onTick'>,
  plan: SoakPlan,
  { agent: agentAt, progress, signal }: Tools,
): Promise<Soak> {
  const { rate, seconds } = plan
  const samples: Sample[] = []
  const take = (at_s: number): void => {
    const { allKb, redisKb } = running.memory()
    samples.push({ at_s, edge_kb: allKb - redisKb, redis_kb: redisKb })
  }
  const agent = await Agent.start(agentAt)
  try {
    take(0)
    const step = await callAgent(agent, {
      ...placing,
      onTick: ({ second, failed, repeated }) => {
        const last = samples.at(-1)
        if (second <= seconds && second - (last?.at_s ?? 0) >= SAMPLE_MS / 1_000) take(second)
        const memory = `${figure((last?.edge_kb ?? 0) / 1_024)} MB, Redis ${figure((last?.redis_kb ?? 0) / 1_024)} MB`
        progress.tell(
          `${clockTime(second)} of ${clockTime(seconds)} at ${rate} calls/s: ${memory}, ${failed} failed, ${repeated} repeated`,
        )
      },
    })
    const fallen = running.fallen()
    if (fallen !== undefined) throw new Error(fallen)
    progress.begin('aftermath')
    const gauges = await afterwards(running, plan.aftermathMs, signal, progress)
    const { first, second } = halves(samples, ({ edge_kb }) => edge_kb)
    return {
      ...{ rate, seconds, calls: step.calls, failed: step.failed, repeated: step.repeated },
      ...{ first_half_kb: first, second_half_kb: second },
      ...{ redis_first_kb: samples[0]?.redis_kb ?? 0, redis_last_kb: samples.at(-1)?.redis_kb ?? 0 },
      left: Object.fromEntries(Object.entries(gauges).filter(([, value]) => value !== 0)),
      samples,
    }
  } finally {
    await agent.stop()
  }
}

async function afterwards(
  running: RunningSystem,
  aftermathMs: number,
  signal: AbortSignal,
  progress: Tools['progress'],
): Promise<Readonly<Record<string, number>>> {
  const end = performance.now() + aftermathMs
  while (performance.now() < end) {
    progress.tell(`waiting until everything is forgotten: ${Math.ceil((end - performance.now()) / 1_000)} s`)
    await sleep(Math.min(1_000, Math.max(1, end - performance.now())), signal)
  }
  return running.gauges()
}
