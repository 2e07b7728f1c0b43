import { spawn, type ChildProcess } from 'node:child_process'
import { hasTotals, type Ending } from './test-outcome.js'

/** After the totals a process has this long to end: what is still open by then is a leak. */
const GRACE_AFTER_TOTALS_S = 10
/** Between being asked to end and being killed: time to stop what it started. */
const GRACE_TO_STOP_MS = 5_000
/** Characters of output kept; the end counts most. */
const KEPT_OUTPUT = 400_000

const running = new Set<ChildProcess>()

export interface ProcessOptions {
  readonly limitS: number
  readonly cwd: string
  readonly env: NodeJS.ProcessEnv
  readonly graceAfterTotalsS?: number
}

/**
 * Runs a program to its end, output collected. Past its time limit, or when it stays after uvu's totals, it is stopped; whatever
 * is left of its process group goes with it.
 */
export function runProcess(command: string, args: readonly string[], options: ProcessOptions): Promise<Ending> {
  return new Promise((resolve) => {
    // A group of its own, so that everything it started can be ended with it.
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    running.add(child)
    let output = ''
    let stopped: string | undefined
    let killTimer: NodeJS.Timeout | undefined
    let graceTimer: NodeJS.Timeout | undefined
    const stop = (why: string): void => {
      stopped ??= why
      signalGroup(child, 'SIGTERM')
      killTimer ??= setTimeout(() => signalGroup(child, 'SIGKILL'), GRACE_TO_STOP_MS)
    }
    const limitTimer = setTimeout(
      () => stop(`did not end within its time limit of ${options.limitS} s`),
      options.limitS * 1_000,
    )
    const collect = (chunk: string): void => {
      output = (output + chunk).slice(-KEPT_OUTPUT)
      const graceS = options.graceAfterTotalsS ?? GRACE_AFTER_TOTALS_S
      if (graceTimer === undefined && chunk.includes('Duration:') && hasTotals(output))
        graceTimer = setTimeout(
          () => stop(`did not end within ${graceS} s of its last test: something is still open`),
          graceS * 1_000,
        )
    }
    child.stdout.setEncoding('utf8').on('data', collect)
    child.stderr.setEncoding('utf8').on('data', collect)
    const end = (exitCode: number | null): void => {
      for (const timer of [limitTimer, killTimer, graceTimer]) clearTimeout(timer)
      running.delete(child)
      resolve({ output, exitCode, ...(stopped === undefined ? {} : { stopped }) })
    }
    child.on('error', (error) => {
      output += `${error.message}\n`
      end(1)
    })
    // What it left running may hold the pipes open: it ends with the group.
    child.on('exit', () => signalGroup(child, 'SIGKILL'))
    child.on('close', end)
  })
}

/** Asks everything that runs to end, for Ctrl-C. */
export function stopAllProcesses(): void {
  for (const child of running) signalGroup(child, 'SIGTERM')
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // Nobody is left in the group.
  }
}
