import { figure } from './figures.js'
import { findKnee } from './knee.js'
import { Agent, callAgent, HeldCalls, placeCalls, type Address } from './load.js'
import type { Progress } from './progress.js'
import { halfOf, type Held, type Step, type SystemName, type SystemResult } from './results.js'
import { Interrupted, sleep } from './sleep.js'
import type { RunningSystem, System } from './system.js'

/** What is measured, and for how long. */
export interface Plan {
  /** Calls a second that are tried, rising. */
  readonly rates: readonly number[]
  /** Calls a second to which the knee is narrowed down; 0: it is not. */
  readonly resolution: number
  /** Times a rate is run before it counts as troubled. */
  readonly tries: number
  /** Seconds each rate is run. */
  readonly stepS: number
  /** Seconds half the knee is run; 0: it is not, and the nearest rate stands for it. */
  readonly halfS: number
  /** Milliseconds each call lasts. */
  readonly callMs: number
  /** What a system that has just started is warmed up with. */
  readonly warmUp: readonly { readonly rate: number; readonly seconds: number }[]
  /** Calls held; 0: none. */
  readonly held: number
  /** Calls held that count as few. */
  readonly few: number
  /** Calls a second while they are placed, and beside them. */
  readonly heldRate: number
  readonly heldS: number
  /** Until transactions are forgotten and memory is tidy. */
  readonly settleMs: number
}

export interface Tools {
  readonly progress: Progress
  readonly signal: AbortSignal
  readonly agent: Address
}

/** Names of the parts of the progress display. */
export const parts = {
  ramp: (system: SystemName) => `${system}: rates`,
  held: (system: SystemName) => `${system}: held calls`,
}

/** Seconds of a new system's warm-up with its start. */
export const startSeconds = (plan: Plan): number => plan.warmUp.reduce((sum, { seconds }) => sum + seconds + 3, 3)
/** Seconds of the held calls of one system, about. */
export const heldSeconds = (plan: Plan): number =>
  plan.held === 0 ? 0 : startSeconds(plan) + plan.held / plan.heldRate + 2 * (plan.heldS + plan.settleMs / 1_000 + 5)

/** `300 calls/s: clean, 1.61 ms CPU a call, p50 1.42 ms, p99 3.10 ms` */
export function describeStep(step: Step): string {
  const { dropped, unread_kb: unread, loop_delay_ms: delay } = step
  const why = [
    step.failed > 0 ? `${step.failed} failed` : '',
    step.repeated > 0 ? `${step.repeated} repeated` : '',
    step.failed + step.repeated === 0 && !step.clean ? `only ${figure(step.reached_rate)} calls/s reached` : '',
    ...Object.entries(dropped).map(([who, count]) => (count > 0 ? `${count} datagrams dropped at ${who}` : '')),
    ...Object.entries(step.clean ? {} : unread).map(([who, kb]) => (kb > 0 ? `${kb} kB unread at ${who}` : '')),
    !step.clean && delay !== null ? `event loop late by ${figure(delay)} ms` : '',
  ].filter((text) => text !== '')
  return [
    `${step.rate} calls/s: ${why.length === 0 ? 'clean' : why.join(', ')}`,
    ...(step.cpu_ms_per_call > 0 ? [`${figure(step.cpu_ms_per_call)} ms CPU a call${byProgram(step)}`] : []),
    `p50 ${figure(step.p50_ms)} ms`,
    `p99 ${figure(step.p99_ms)} ms`,
    ...(step.clean || step.first_error === null ? [] : [step.first_error]),
  ].join(', ')
}

/** ` (node 1.52, redis-server 0.09)`; nothing where there is one program only. */
function byProgram({ cpu_ms_by_program: each }: Step): string {
  const names = Object.entries(each).filter(([, ms]) => ms > 0)
  return names.length < 2 ? '' : ` (${names.map(([name, ms]) => `${name} ${figure(ms)}`).join(', ')})`
}

/** One system under measurement, started anew whenever it has been overloaded. */
class Bench {
  #running: RunningSystem | undefined

  constructor(
    private readonly system: System,
    private readonly plan: Plan,
    private readonly tools: Tools,
  ) {}

  /** The system, warm. */
  async warm(): Promise<RunningSystem> {
    if (this.#running !== undefined) return this.#running
    const { progress, agent } = this.tools
    progress.tell(`${this.system.name}: starting`)
    this.#running = await this.system.start(agent)
    if (this.system.name !== 'direct')
      for (const { rate, seconds } of this.plan.warmUp)
        await this.#place(this.#running, rate, seconds, 'warming up').catch(rethrowInterrupted)
    return this.#running
  }

  #place(running: RunningSystem, rate: number, seconds: number, what: string): Promise<Step> {
    return placeCalls(this.tools.agent, this.placing(running, rate, seconds, what))
  }

  placing(running: RunningSystem, rate: number, seconds: number, what: string) {
    const { progress, signal } = this.tools
    const { name } = this.system
    return {
      ...{ target: running.target, rate, seconds, holdMs: this.plan.callMs, system: running, signal },
      onTick: ({ second, failed, repeated }: { second: number; failed: number; repeated: number }) =>
        progress.tell(
          `${name}, ${what}: ${rate} calls/s, ${Math.floor(second)} of ${seconds} s` +
            (failed + repeated > 0 ? `, ${failed} failed, ${repeated} repeated` : ''),
        ),
    }
  }

  /** Runs a rate. A system that had trouble is started anew for the next one. */
  async step(rate: number, seconds: number): Promise<Step> {
    const running = await this.warm()
    await running.loopDelayMs()
    const step = await this.#place(running, rate, seconds, 'load')
    const measured = { ...step, loop_delay_ms: await running.loopDelayMs() }
    this.tools.progress.line(`${this.system.name.padEnd(9)}  ${describeStep(measured)}`)
    const fallen = running.fallen()
    if (fallen !== undefined) this.tools.progress.line(`${this.system.name.padEnd(9)}  ${fallen}`)
    if (!step.clean || fallen !== undefined) await this.stop()
    return measured
  }

  async stop(): Promise<void> {
    const running = this.#running
    this.#running = undefined
    await running?.stop()
  }
}

function rethrowInterrupted(error: unknown): void {
  if (error instanceof Interrupted) throw error
}

/** Least memory of three looks a second apart: what is about to be collected is not held. */
async function restingMemoryKb(running: RunningSystem, signal: AbortSignal): Promise<number> {
  const seen: number[] = []
  for (let i = 0; i < 3; i++) {
    seen.push(running.memory().allKb)
    await sleep(1_000, signal)
  }
  return Math.min(...seen)
}

async function measureHeld(bench: Bench, system: System, plan: Plan, tools: Tools): Promise<Held> {
  const { progress, signal } = tools
  const few = Math.min(plan.few, Math.floor(plan.held / 2))
  // A fresh one: memory that an overload has left behind would hide what calls take.
  await bench.stop()
  const running = await bench.warm()
  const holders: HeldCalls[] = []
  const agent = await Agent.start(tools.agent)
  const hold = async (calls: number): Promise<void> => {
    const onTick = (placed: number): void => progress.tell(`${system.name}: ${placed} of ${calls} calls are up`)
    holders.push(await HeldCalls.place({ target: running.target, calls, rate: plan.heldRate, signal, onTick }))
  }
  const settle = async (): Promise<number> => {
    progress.tell(`${system.name}: waiting until transactions are forgotten`)
    await sleep(plan.settleMs, signal)
    return restingMemoryKb(running, signal)
  }
  const costOfNew = async (what: string): Promise<Step> => {
    const placing = (seconds: number) => ({ ...bench.placing(running, plan.heldRate, seconds, what), endure: true })
    await callAgent(agent, placing(3))
    return callAgent(agent, placing(plan.heldS))
  }
  try {
    await hold(few)
    const stepFew = await costOfNew(`${few} held`)
    const memoryFewKb = await settle()
    await hold(plan.held - few)
    const memoryManyKb = await settle()
    const stepMany = await costOfNew(`${plan.held} held`)
    const held = holders.reduce((sum, holder) => sum + holder.held, 0)
    const failed = holders.reduce((sum, holder) => sum + holder.failed, 0) + stepFew.failed + stepMany.failed
    return {
      ...{ few, many: held, failed, memory_few_kb: memoryFewKb, memory_many_kb: memoryManyKb },
      kb_per_call: (memoryManyKb - memoryFewKb) / Math.max(1, held - few),
      rate: plan.heldRate,
      cpu_ms_few: stepFew.cpu_ms_per_call,
      cpu_ms_many: stepMany.cpu_ms_per_call,
    }
  } finally {
    for (const holder of holders) holder.discard()
    await agent.stop()
  }
}

/** Measures one system: the knee, half of it, held calls. What goes wrong on the way, or an interruption, stands in the result. */
export async function measureSystem(system: System, plan: Plan, tools: Tools): Promise<SystemResult> {
  const { progress } = tools
  const steps: Step[] = []
  const result = { name: system.name, version: system.version(), steps }
  const bench = new Bench(system, plan, tools)
  let knee: SystemResult['knee'] = { clean: null, troubled: null }
  let held: Held | null = null
  const run = async (rate: number, seconds: number): Promise<boolean> => {
    const step = await bench.step(rate, seconds)
    steps.push(step)
    return step.clean
  }
  try {
    progress.begin(parts.ramp(system.name))
    const { rates, resolution, tries } = plan
    knee = await findKnee({ rates, resolution, tries, isClean: (rate) => run(rate, plan.stepS) })
    if (knee.clean !== null && plan.halfS > 0) await run(halfOf(knee.clean), plan.halfS)
    if (plan.held > 0) {
      progress.begin(parts.held(system.name))
      held = await measureHeld(bench, system, plan, tools)
      progress.line(`${system.name.padEnd(9)}  ${figure(held.kb_per_call)} kB a held call (${held.many} held)`)
    }
    return { ...result, problem: null, knee, held }
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    if (!(error instanceof Interrupted)) progress.line(`${system.name.padEnd(9)}  ${problem}`)
    return { ...result, problem, knee, held }
  } finally {
    await bench.stop()
  }
}

/** Runs a system at given rates, once each. As above, what goes wrong stands in the result. */
export async function measureRates(
  system: System,
  rates: readonly number[],
  plan: Plan,
  tools: Tools,
): Promise<SystemResult> {
  const bench = new Bench(system, plan, tools)
  const steps: Step[] = []
  let problem: string | null = null
  tools.progress.begin(parts.ramp(system.name))
  try {
    for (const rate of rates) steps.push(await bench.step(rate, plan.stepS))
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error)
  } finally {
    await bench.stop()
  }
  return {
    ...{ name: system.name, version: system.version(), problem, steps },
    ...{ knee: { clean: null, troubled: null }, held: null },
  }
}
