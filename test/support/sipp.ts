import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Child } from './children.js'
import { eventually } from './eventually.js'
import { freePort, isListening } from './free-port.js'
import { parseTrace, type TracedMessage } from './sip-trace.js'

export type Protocol = 'udp' | 'tcp'

const root = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))))
export const scenarioFolder = join(root, 'sipp-scenarios')

export interface SippOptions {
  /** Name of a file in `sipp-scenarios/` without its ending, or an absolute path. */
  readonly scenario: string
  /** Address it sends from and listens at. */
  readonly address: string
  readonly port?: number
  /** Default udp. */
  readonly protocol?: Protocol
  /** Whom it calls; none for one that is called. */
  readonly target?: { readonly address: string; readonly port: number }
  /** `[service]`: the dialled number. */
  readonly service?: string
  /** Calls it makes or takes before it ends; default 1. */
  readonly calls?: number
  /** Calls a second; default 10. */
  readonly rate?: number
  /** Milliseconds of the scenario's pauses without a length. */
  readonly holdMs?: number
  /** Neither sends nor expects repeats by itself; some scenarios ask for it. */
  readonly noRepeats?: boolean
  /** Seconds after which it gives up, exit code not 0; default 20. */
  readonly timeoutS?: number
  /** Whether messages are traced; default true. Off for load. */
  readonly trace?: boolean
  /** Writes each call's response time (`rtd` 1 of the scenario). */
  readonly responseTimes?: boolean
  /** Further arguments. */
  readonly args?: readonly string[]
}

export interface SippResult {
  /** 0: every call went as the scenario says. */
  readonly exitCode: number | null
  /** Last line of the statistics file: `SuccessfulCall(C)`, `FailedCall(C)`, `Retransmissions(C)` and so on. */
  readonly stats: ReadonlyMap<string, number>
  readonly trace: readonly TracedMessage[]
  /** What it says went wrong; '' when nothing did. */
  readonly errors: string
  /** Milliseconds from INVITE to 200, one a call, when asked for. */
  readonly responseTimesMs: readonly number[]
}

/** An address as SIPp and URIs want it. */
const bracketed = (address: string): string => (address.includes(':') ? `[${address}]` : address)

function read(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch {
    // SIPp writes a file only when it has something to write.
    return Buffer.alloc(0)
  }
}

function lastStatistics(csv: string): Map<string, number> {
  const lines = csv.split('\n').filter((line) => line !== '')
  const names = (lines[0] ?? '').split(';')
  const values = (lines.at(-1) ?? '').split(';')
  return new Map(names.map((name, i) => [name, Number(values[i])]))
}

function responseTimes(csv: string): number[] {
  const lines = csv.split('\n').slice(1)
  return lines.filter((line) => line !== '').map((line) => Number(line.split(';')[1]))
}

/** A running SIPp. */
export class Sipp {
  readonly #child: Child
  readonly #folder: string
  readonly finished: Promise<SippResult>

  private constructor(
    private readonly options: SippOptions,
    readonly port: number,
    controlPort: number,
  ) {
    const { scenario, address, target, protocol = 'udp', calls = 1, timeoutS = 20 } = options
    this.#folder = mkdtempSync(join(tmpdir(), 'signalbox-sipp-'))
    const file = isAbsolute(scenario) ? scenario : join(scenarioFolder, `${scenario}.xml`)
    const args = [
      ...['-sf', file, '-t', protocol === 'udp' ? 'u1' : 't1', '-i', bracketed(address), '-mi', address, '-bind_local'],
      ...['-p', String(port), '-ci', '127.0.0.1', '-cp', String(controlPort), '-m', String(calls), '-nostdin'],
      ...['-trace_err', '-error_file', 'errors', '-trace_stat', '-stf', 'stats', '-cid_str', `%u-%p@${scenarioId()}`],
      ...['-timeout', String(timeoutS), '-timeout_error', '-rtcheck', 'full'],
      ...(options.trace === false ? [] : ['-trace_msg', '-message_file', 'messages']),
      ...(options.responseTimes === true ? ['-trace_rtt', '-rtt_freq', '1'] : []),
      ...(options.noRepeats === true ? ['-nr'] : []),
      ...(options.service === undefined ? [] : ['-s', options.service]),
      ...(options.rate === undefined ? [] : ['-r', String(options.rate)]),
      ...(options.holdMs === undefined ? [] : ['-d', String(options.holdMs)]),
      ...(options.args ?? []),
      ...(target === undefined ? [] : [`${bracketed(target.address)}:${target.port}`]),
    ]
    this.#child = new Child('sipp', args, { cwd: this.#folder, env: { ...process.env, TERM: 'xterm' } })
    const limit = setTimeout(() => this.#child.kill('SIGKILL'), (timeoutS + 5) * 1_000)
    this.finished = this.#child.exited.then((exitCode) => {
      clearTimeout(limit)
      return this.#collect(exitCode)
    })
  }

  /** Starts SIPp; one that is called listens when this resolves. */
  static async start(options: SippOptions): Promise<Sipp> {
    const port = options.port ?? (await freePort(options.address))
    const sipp = new Sipp(options, port, await freePort())
    if (options.target === undefined)
      await eventually(
        `SIPp with ${options.scenario} listens`,
        () => sipp.#child.exit !== undefined || isListening(options.address, port, options.protocol ?? 'udp'),
      )
    return sipp
  }

  #collect(exitCode: number | null): SippResult {
    const text = (name: string): string => read(join(this.#folder, name)).toString('latin1')
    const errors = text('errors')
    const result: SippResult = {
      exitCode,
      stats: lastStatistics(text('stats')),
      trace: parseTrace(read(join(this.#folder, 'messages'))),
      // When it does not even start, what is wrong is on the screen.
      errors: errors === '' && exitCode !== 0 ? this.#child.output.slice(-2_000) : errors,
      responseTimesMs: this.options.responseTimes === true ? responseTimes(this.#responseTimeFile()) : [],
    }
    rmSync(this.#folder, { recursive: true, force: true })
    return result
  }

  #responseTimeFile(): string {
    const name = (this.options.scenario.split('/').at(-1) ?? '').replace(/\.xml$/, '')
    return read(join(this.#folder, `${name}_${this.#child.pid}_rtt.csv`)).toString('latin1')
  }

  /** Ends it, whatever it is doing. */
  async stop(): Promise<SippResult> {
    this.#child.kill('SIGKILL')
    return this.finished
  }

  /** Lets the calls that run come to their end and takes no more. */
  async finish(): Promise<SippResult> {
    this.#child.kill('SIGUSR1')
    return this.finished
  }
}

let scenarios = 0

/** Call-IDs name no address: a leak of one leg's Call-ID to the other is told from a leak of its address. */
const scenarioId = (): string => `scenario-${process.pid}-${++scenarios}`

/** Runs SIPp to its end. */
export async function runSipp(options: SippOptions): Promise<SippResult> {
  return (await Sipp.start(options)).finished
}
