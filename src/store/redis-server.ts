import { spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, readFileSync, realpathSync, renameSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import type { Log } from './observe.js'
import { askServer, endProcess, endLeftover, HOST } from './redis-process.js'

const STARTS_TRIED = 3
const READY_POLL_MS = 25
const READY_WITHIN_MS = 10_000
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5_000
/** A server that ran this long was well: the next restart pauses as briefly as the first. */
const WELL_AFTER_MS = 10_000
const LINES_KEPT = 20

/** redis-server cannot be had; the message is one line for the operator. */
export class RedisServerError extends Error {
  override readonly name = 'RedisServerError'
}

/** What is remembered between starts, in `redis-server.json` of the data folder. */
const stateSchema = z.object({ port: z.number().int(), pid: z.number().int(), owner: z.number().int() })
type State = z.output<typeof stateSchema>

export interface RedisServerOptions {
  /** The data folder of this instance; Redis keeps its own in `redis` below it. */
  readonly dataDir: string
  readonly logger: Pick<Log, 'info' | 'warn'>
  /** The program to run. Default `redis-server`, found through PATH. */
  readonly program?: string
}

/**
 * The Redis that `signalbox serve` starts when none is given: on loopback, append-only, with its data in the data folder. It is
 * started again when it dies, is out of Ctrl-C's reach, and ends with `stop` or with our process.
 */
export class RedisServer {
  private readonly folder: string
  private readonly stateFile: string
  private child: ChildProcess | undefined
  private port = 0
  private stopping = false
  private lines: string[] = []
  private restart: NodeJS.Timeout | undefined
  private pauseMs = FIRST_PAUSE_MS

  constructor(private readonly options: RedisServerOptions) {
    this.folder = join(options.dataDir, 'redis')
    this.stateFile = join(options.dataDir, 'redis-server.json')
  }

  /** Where it is: `redis://127.0.0.1:<port>`. Known once started. */
  get url(): string {
    return `redis://${HOST}:${this.port}`
  }

  /**
   * Starts it, on the port of last time when that is free, and waits until it answers; its URL. One that an earlier, killed
   * Signalbox left behind on the same data is ended first.
   * @throws {RedisServerError} when the program is missing or does not start, or another Signalbox uses the data folder
   */
  async start(): Promise<string> {
    mkdirSync(this.folder, { recursive: true, mode: 0o700 })
    const state = this.readState()
    if (state !== undefined) await this.clearLeftover(state)
    let preferred = state?.port
    for (let tried = 1; ; tried++) {
      this.port = await freePort(preferred)
      try {
        await this.launch()
        break
      } catch (error) {
        // Between our look and its own somebody else may have taken the port.
        if (tried === STARTS_TRIED || !this.lines.some((line) => line.includes('in use'))) throw error
        preferred = undefined
      }
    }
    process.once('exit', this.endWithUs)
    this.watch()
    return this.url
  }

  /** Ends it after its data is on disk; killed when that takes more than 5 s. Idempotent. */
  async stop(): Promise<void> {
    this.stopping = true
    clearTimeout(this.restart)
    process.off('exit', this.endWithUs)
    const pid = this.child?.pid
    if (pid !== undefined) await endProcess(pid)
  }

  private readonly endWithUs = (): void => {
    this.child?.kill('SIGTERM')
  }

  private async clearLeftover(state: State): Promise<void> {
    const left = await endLeftover({ ...state, folder: realpathSync(this.folder) })
    if (left === 'in use')
      throw new RedisServerError(
        `the data folder ${this.options.dataDir} is in use by another Signalbox (process ${state.owner}): give this one its own with SIGNALBOX_DATA_DIR`,
      )
    if (left === 'ended') this.options.logger.info({}, 'ended the redis-server of an earlier start')
  }

  /** Runs the program and waits until it answers. */
  private async launch(): Promise<void> {
    const child = this.spawn()
    let failure: Error | undefined
    child.once('error', (error) => (failure = error))
    const deadline = performance.now() + READY_WITHIN_MS
    for (;;) {
      if (failure !== undefined || child.exitCode !== null || child.signalCode !== null) throw this.startError(failure)
      const answer = await askServer(this.port)
      if (answer.state === 'ready' && answer.pid === child.pid) return
      // Loading a large log may take its time.
      if (answer.state !== 'loading' && performance.now() > deadline) {
        child.kill('SIGKILL')
        throw this.startError(new Error('no answer'))
      }
      await sleep(READY_POLL_MS)
    }
  }

  private startError(failure: (Error & { code?: string }) | undefined): RedisServerError {
    const program = this.options.program ?? 'redis-server'
    if (failure?.code === 'ENOENT')
      return new RedisServerError(
        `${program} not found: install it (apt-get install redis-server) or set REDIS_URL to a Redis that runs`,
      )
    return new RedisServerError(
      `${program} did not start: ${failure?.message ?? this.lines.at(-1) ?? 'it ended at once'}`,
    )
  }

  private spawn(): ChildProcess {
    const settings = {
      bind: HOST,
      port: String(this.port),
      dir: this.folder,
      daemonize: 'no',
      'protected-mode': 'yes',
      appendonly: 'yes',
      // The append-only file holds everything: no dumps beside it.
      save: '',
    }
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
    // A process group of its own, so that Ctrl-C in the terminal reaches us alone: calls end before their store does.
    const child = spawn(this.options.program ?? 'redis-server', args, {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.lines = []
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => this.keepLines(text))
      // It must not keep our process alive.
      if ('unref' in stream && typeof stream.unref === 'function') stream.unref()
    }
    child.unref()
    this.child = child
    if (child.pid !== undefined) this.writeState({ port: this.port, pid: child.pid, owner: process.pid })
    return child
  }

  private keepLines(text: string): void {
    const lines = text.split('\n').filter((line) => line.trim() !== '')
    this.lines = [...this.lines, ...lines].slice(-LINES_KEPT)
  }

  /** Starts it again when it dies, after a pause that grows while it keeps dying. */
  private watch(): void {
    const { child } = this
    const startedMs = performance.now()
    const died = (why: object): void => {
      if (this.stopping || this.child !== child) return
      this.child = undefined
      if (performance.now() - startedMs > WELL_AFTER_MS) this.pauseMs = FIRST_PAUSE_MS
      this.options.logger.warn(
        { ...why, last_line: this.lines.at(-1)?.slice(0, 200), again_in_ms: this.pauseMs },
        'redis-server died; starting it again',
      )
      this.restart = setTimeout(() => {
        this.spawn()
        this.watch()
      }, this.pauseMs)
      this.restart.unref()
      this.pauseMs = Math.min(this.pauseMs * 2, LONGEST_PAUSE_MS)
    }
    child?.once('exit', (exit_code, signal) => died({ exit_code, signal }))
    child?.once('error', (error) => died({ error: error.message }))
    if (typeof child?.exitCode === 'number' || typeof child?.signalCode === 'string') died({})
  }

  private readState(): State | undefined {
    try {
      return stateSchema.parse(JSON.parse(readFileSync(this.stateFile, 'utf8')))
    } catch {
      // The first start here, or a file cut short: any port will do.
      return undefined
    }
  }

  private writeState(state: State): void {
    writeFileSync(`${this.stateFile}.new`, `${JSON.stringify(state)}\n`, { mode: 0o600 })
    renameSync(`${this.stateFile}.new`, this.stateFile)
  }
}

/** A port of loopback that is free: the preferred one when it is. */
async function freePort(preferred: number | undefined): Promise<number> {
  if (preferred !== undefined && (await canListen(preferred)) !== undefined) return preferred
  const port = await canListen(0)
  if (port === undefined) throw new RedisServerError(`no port of ${HOST} is free for redis-server`)
  return port
}

function canListen(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(undefined))
    server.listen(port, HOST, () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' ? address?.port : undefined))
    })
  })
}
