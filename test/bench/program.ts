import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { guard, unguard } from './guardian.js'
import { ProcessTree } from './process-tree.js'

const running = new Set<Program>()

process.on('exit', () => {
  for (const program of running) program.tree.kill()
})

/**
 * A program under measurement or one that measures, in a session of its own: Ctrl-C reaches the benchmark, which ends it. What it
 * prints goes into a file. It ends with this process at the latest, whatever way
 * that ends.
 */
export class Program {
  readonly tree: ProcessTree
  readonly pid: number
  /** Resolves to the exit code, or null when a signal ended it. */
  readonly exited: Promise<number | null>
  #ended = false

  constructor(
    readonly name: string,
    command: string,
    args: readonly string[],
    options: { readonly logFile: string; readonly cwd?: string; readonly env?: NodeJS.ProcessEnv },
  ) {
    this.logFile = options.logFile
    const log = openSync(options.logFile, 'a')
    const { cwd, env = process.env } = options
    const child = spawn(command, args, { stdio: ['ignore', log, log], detached: true, env, ...(cwd && { cwd }) })
    closeSync(log)
    this.pid = child.pid ?? -1
    this.tree = new ProcessTree(this.pid)
    if (child.pid !== undefined) {
      running.add(this)
      guard(child.pid)
    }
    this.exited = new Promise((resolve) => {
      const end = (code: number | null): void => {
        this.#ended = true
        if (this.pid > 0) unguard(this.pid)
        resolve(code)
      }
      child.on('error', () => end(-1))
      child.on('exit', end)
    })
  }

  private readonly logFile: string

  get ended(): boolean {
    return this.#ended
  }

  /** The last it printed. */
  get lastWords(): string {
    try {
      return readFileSync(this.logFile, 'utf8').slice(-1_500).trim()
    } catch {
      return ''
    }
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.#ended && this.pid > 0) process.kill(this.pid, signal)
  }

  /** Asks it to end; what is left of it and its descendants after `graceMs` is killed. Idempotent. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', graceMs = 5_000): Promise<void> {
    if (!running.has(this)) return
    // Seen while they still have their parent: what outlives it is known by then.
    this.tree.cpuMs()
    this.signal(signal)
    const timer = setTimeout(() => this.tree.kill(), graceMs)
    await this.exited
    clearTimeout(timer)
    this.discard()
  }

  /** Kills it and what is left of its descendants at once. */
  discard(): void {
    this.tree.kill()
    running.delete(this)
  }
}
