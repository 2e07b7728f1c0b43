import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'

const running = new Set<ChildProcess>()

process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** A program started for a test; it is killed with the test process at the latest. */
export class Child {
  #output = ''
  #exit: { code: number | null; signal: NodeJS.Signals | null } | undefined
  readonly #process: ChildProcess
  /** Resolves to the exit code, or null when a signal ended it; when what it printed has been read. */
  readonly exited: Promise<number | null>

  constructor(command: string, args: readonly string[], options: SpawnOptions = {}) {
    this.#process = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options })
    running.add(this.#process)
    for (const stream of [this.#process.stdout, this.#process.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text
      })
    this.exited = new Promise((resolve) => {
      this.#process.on('error', (error) => {
        this.#output += `${error.message}\n`
        running.delete(this.#process)
        this.#exit ??= { code: -1, signal: null }
        resolve(-1)
      })
      this.#process.on('exit', (code, signal) => {
        running.delete(this.#process)
        this.#exit = { code, signal }
      })
      this.#process.on('close', (code) => resolve(code))
    })
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  /** Everything it has printed. */
  get output(): string {
    return this.#output
  }

  /** How it ended; undefined while it runs. */
  get exit(): { code: number | null; signal: NodeJS.Signals | null } | undefined {
    return this.#exit
  }

  kill(signal: NodeJS.Signals = 'SIGTERM'): void {
    this.#process.kill(signal)
  }

  /** Asks it to end and waits; after `graceMs` it is killed. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', graceMs = 10_000): Promise<number | null> {
    if (this.#exit === undefined) this.kill(signal)
    const timer = setTimeout(() => this.kill('SIGKILL'), graceMs)
    const code = await this.exited
    clearTimeout(timer)
    return code
  }
}
