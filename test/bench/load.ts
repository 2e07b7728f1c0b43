import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../support/eventually.js'
import { freePort, isListening } from '../support/free-port.js'
import { scenarioFolder } from '../support/sipp.js'
import { percentile } from './figures.js'
import { Program } from './program.js'
import type { Step } from './results.js'
import { sleep } from './sleep.js'
import { readUdpTable, udpSockets, type UdpSockets } from './udp-sockets.js'

export interface Address {
  readonly address: string
  readonly port: number
}

/** Who plays the caller and the agent; an edge knows callers by their address. */
export const CALLER = '127.0.0.2'
export const AGENT = '127.0.0.3'
export const NUMBER = '+14155550100'

/** Calls of the first moment find buffers small and code cold: they are placed, but their times do not count. */
const SETTLING_MS = 1_000
/** How long calls may take to end after the last one should have. */
const ENDING_MS = 5_000
const LONGEST_HOLD_MS = 3_600_000

/** What SIPp's statistics file said last: its columns `SuccessfulCall(C)` and so on. */
function lastStatistics(csv: string): (name: string) => number {
  const lines = csv.split('\n').filter((line) => line !== '')
  const names = (lines[0] ?? '').split(';')
  const values = (lines.length > 1 ? lines.at(-1)! : '').split(';')
  return (name) => Number(values[names.indexOf(name)] ?? 0) || 0
}

/** When calls began, and how long each waited for its 200: lines `seconds microseconds seconds microseconds`. */
export function parseTimes(text: string): { readonly startMs: number; readonly tookMs: number }[] {
  return text
    .split('\n')
    .map((line) => line.split(' ').map(Number))
    .filter((numbers) => numbers.length === 4 && numbers.every(Number.isFinite))
    .map(([s1 = 0, us1 = 0, s2 = 0, us2 = 0]) => ({
      startMs: s1 * 1_000 + us1 / 1_000,
      tookMs: (s2 - s1) * 1_000 + (us2 - us1) / 1_000,
    }))
}

/** What SIPp's error file says first, without when and of which call; null when it says nothing. */
export function firstError(text: string): string | null {
  const line = text.split('\n').find((text) => text.trim() !== '' && !text.startsWith('The following events occurred'))
  return line === undefined
    ? null
    : line
        .replace(/^.*?\d{10}\.\d+: /, '')
        .replace(/ for Call-Id '[^']*'/, '')
        .trim()
        .slice(0, 200)
}

interface SippOptions extends Address {
  readonly scenario: string
  readonly calls?: number
  readonly args: readonly string[]
}

/** One SIPp; its files are in a folder of its own until `discard`. */
class Sipp {
  readonly program: Program
  readonly #folder = mkdtempSync(join(tmpdir(), 'signalbox-bench-sipp-'))

  constructor({ scenario, address, port, calls, args }: SippOptions, controlPort: number) {
    const all = [
      ...['-sf', join(scenarioFolder, `${scenario}.xml`), '-i', address, '-mi', address, '-bind_local', '-t', 'u1'],
      ...['-p', String(port), '-ci', '127.0.0.1', '-cp', String(controlPort), '-nostdin', '-l', '100000'],
      // Steps of 1 ms, buffers that hold a burst, and no end because the machine is slow: what is measured is not SIPp.
      ...['-timer_resol', '1', '-buff_size', '4194304', '-watchdog_interval', '0'],
      ...['-trace_stat', '-stf', 'stats', '-fd', '1', '-trace_err', '-error_file', 'errors'],
      ...(calls === undefined ? [] : ['-m', String(calls)]),
      ...args,
    ]
    const options = { cwd: this.#folder, env: { ...process.env, TERM: 'xterm' }, logFile: '/dev/null' }
    this.program = new Program('sipp', 'sipp', all, options)
  }

  read(name: string): string {
    try {
      return readFileSync(join(this.#folder, name), 'latin1')
    } catch {
      // Written when there is something to write.
      return ''
    }
  }

  get stats(): (name: string) => number {
    return lastStatistics(this.read('stats'))
  }

  /** Lets the calls that run end, takes no more, and ends; killed when that takes longer than `graceMs`. */
  async finish(graceMs: number): Promise<void> {
    await this.program.stop('SIGUSR1', graceMs)
  }

  discard(): void {
    this.program.discard()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** An agent that answers at once, until it is stopped. */
export class Agent {
  private constructor(
    private readonly sipp: Sipp,
    readonly at: Address,
  ) {}

  static async start(at: Address): Promise<Agent> {
    const sipp = new Sipp({ scenario: 'uas-load', ...at, args: [] }, await freePort())
    await eventually('SIPp listens', () => sipp.program.ended || isListening(at.address, at.port, 'udp'), 10_000)
    if (sipp.program.ended) throw new Error(`SIPp did not start as the agent: ${sipp.read('errors').slice(0, 500)}`)
    return new Agent(sipp, at)
  }

  get counts(): { failed: number; repeated: number; ended: number } {
    return countsOf(this.sipp)
  }

  get firstError(): string | null {
    return firstError(this.sipp.read('errors'))
  }

  get cpuMs(): number {
    return this.sipp.program.tree.cpuMs()
  }

  async stop(): Promise<void> {
    await this.sipp.finish(500)
    this.sipp.discard()
  }
}

function countsOf(sipp: Sipp): { failed: number; repeated: number; ended: number; created: number } {
  const { stats } = sipp
  return {
    created: stats('TotalCallCreated'),
    failed: stats('FailedCall(C)'),
    // What comes again for a call that is over counts too.
    repeated: stats('Retransmissions(C)') + stats('OutOfCallMsgs(C)') + stats('DeadCallMsgs(C)'),
    ended: stats('SuccessfulCall(C)') + stats('FailedCall(C)'),
  }
}

/** Figures of the system's sockets, then the caller's and the agent's, as sums of each party. */
function byParty(figures: readonly number[]): { system: number; caller: number; agent: number } {
  const sum = (some: readonly number[]): number => some.reduce((total, one) => total + one, 0)
  return { system: sum(figures.slice(0, -2)), caller: sum(figures.slice(-2, -1)), agent: sum(figures.slice(-1)) }
}

export interface Placing {
  readonly target: Address
  readonly rate: number
  readonly seconds: number
  readonly holdMs: number
  /** The system between caller and agent: its processor time, and sockets whose drops are told. */
  readonly system: { cpu(): Readonly<Record<string, number>>; readonly listens: readonly Address[] }
  readonly signal: AbortSignal
  /** Told every second how it goes. */
  readonly onTick: (state: { readonly second: number; readonly failed: number; readonly repeated: number }) => void
  /** Whether to go on when there is trouble; by default the rest of the run is left out. */
  readonly endure?: boolean
}

/** Places calls through a system at a steady rate, with a caller and an agent of their own, and says what came of them. */
export async function placeCalls(agentAt: Address, options: Placing): Promise<Step> {
  const agent = await Agent.start(agentAt)
  try {
    return await callAgent(agent, options)
  } finally {
    await agent.stop()
  }
}

/** As `placeCalls`, with an agent that is there already. */
export async function callAgent(agent: Agent, options: Placing): Promise<Step> {
  const { target, rate, seconds, holdMs, system, signal, onTick } = options
  const calls = Math.max(1, Math.round(rate * seconds))
  const callerAt = { address: CALLER, port: await freePort(CALLER) }
  const agentBefore = { ...agent.counts, cpuMs: agent.cpuMs }
  const watched = [...system.listens, callerAt, agent.at]
  const look = (): UdpSockets[] => {
    const table = readUdpTable()
    return watched.map(({ address, port }) => udpSockets(table, address, port))
  }
  const socketsBefore = look()
  const cpuBefore = system.cpu()
  const caller = new Sipp(
    {
      ...{ scenario: 'uac-load', ...callerAt, calls },
      args: [
        ...['-r', String(rate), '-d', String(holdMs), '-s', NUMBER, '-trace_logs', '-log_file', 'times'],
        `${target.address}:${target.port}`,
      ],
    },
    await freePort(),
  )
  try {
    const began = performance.now()
    const wholeMs = seconds * 1_000 + holdMs + ENDING_MS
    let callerCpuMs = 0
    let sockets = socketsBefore
    let mostWaiting = watched.map(() => 0)
    const troubles = (): { failed: number; repeated: number } => {
      const [mine, its] = [countsOf(caller), agent.counts]
      return {
        failed: mine.failed + its.failed - agentBefore.failed,
        repeated: mine.repeated + its.repeated - agentBefore.repeated,
      }
    }
    while (!caller.program.ended) {
      await sleep(Math.min(1_000, Math.max(50, began + wholeMs - performance.now())), signal, caller.program.exited)
      if (!caller.program.ended) {
        callerCpuMs = caller.program.tree.cpuMs()
        sockets = look()
        mostWaiting = sockets.map(({ waiting }, i) => Math.max(waiting, mostWaiting[i] ?? 0))
      }
      const { failed, repeated } = troubles()
      const elapsedMs = performance.now() - began
      onTick({ second: elapsedMs / 1_000, failed, repeated })
      const over = elapsedMs > wholeMs || (failed + repeated > 0 && options.endure !== true)
      if (over && !caller.program.ended) await caller.finish(holdMs + ENDING_MS)
    }
    const cpuMs = Object.entries(system.cpu()).map(([name, ms]) => [name, ms - (cpuBefore[name] ?? 0)] as const)
    // The agent's figures are a second old at most.
    await sleep(1_100, signal)
    const { failed, repeated } = troubles()
    const { created } = countsOf(caller)
    const times = parseTimes(caller.read('times'))
    const starts = times.map(({ startMs }) => startMs).sort((a, b) => a - b)
    const [first = 0, last = 0] = [starts[0], starts.at(-1)]
    const settled = times.filter(({ startMs }) => seconds < 2 || startMs >= first + SETTLING_MS)
    const took = settled.map(({ tookMs }) => tookMs)
    const unanswered = Math.max(0, created - times.length)
    const reached = times.length > 1 ? ((times.length - 1) * 1_000) / (last - first) : rate
    const drops = sockets.map((socket, i) => socket.drops - (socketsBefore[i]?.drops ?? 0))
    const lost = Math.max(failed, unanswered)
    const ended = Math.max(created, 1)
    return {
      rate,
      reached_rate: reached,
      seconds: (performance.now() - began) / 1_000,
      calls: created,
      failed: lost,
      repeated,
      clean: lost === 0 && repeated === 0 && created === calls && reached >= rate * 0.97,
      p50_ms: percentile(took, 0.5),
      p99_ms: percentile(took, 0.99),
      max_ms: percentile(took, 1),
      cpu_ms_per_call: cpuMs.reduce((sum, [, ms]) => sum + ms, 0) / ended,
      cpu_ms_by_program: Object.fromEntries(cpuMs.map(([name, ms]) => [name, ms / ended])),
      load_cpu_ms_per_call: (callerCpuMs + agent.cpuMs - agentBefore.cpuMs) / ended,
      dropped: byParty(drops),
      unread_kb: byParty(mostWaiting.map((bytes) => Math.round(bytes / 1_024))),
      loop_delay_ms: null,
      first_error: firstError(caller.read('errors')) ?? agent.firstError,
    }
  } finally {
    caller.discard()
  }
}

/** Calls that are placed and stay. */
export class HeldCalls {
  private constructor(
    private readonly sipp: Sipp,
    /** Those that were answered, and the others. */
    readonly held: number,
    readonly failed: number,
  ) {}

  /** Comes back when every call is answered or has failed. */
  static async place(options: {
    readonly target: Address
    readonly calls: number
    readonly rate: number
    readonly signal: AbortSignal
    readonly onTick: (placed: number) => void
  }): Promise<HeldCalls> {
    const { target, calls, rate, signal, onTick } = options
    const sipp = new Sipp(
      {
        ...{ scenario: 'uac-load', address: CALLER, port: await freePort(CALLER), calls },
        args: [
          ...['-r', String(rate), '-d', String(LONGEST_HOLD_MS), '-s', NUMBER, '-trace_logs', '-log_file', 'times'],
          `${target.address}:${target.port}`,
        ],
      },
      await freePort(),
    )
    try {
      const end = performance.now() + (calls / rate) * 1_000 + 2 * ENDING_MS
      let held = 0
      while (held < calls && performance.now() < end && !sipp.program.ended) {
        await sleep(500, signal)
        held = sipp.read('times').split('\n').length - 1
        onTick(held)
      }
      return new HeldCalls(sipp, held, calls - held)
    } catch (error) {
      sipp.discard()
      throw error
    }
  }

  /** Forgets the calls; the system is not told. */
  discard(): void {
    this.sipp.discard()
  }
}
