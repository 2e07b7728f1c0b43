import { mkdtempSync, rmSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../../support/eventually.js'
import type { Address } from '../load.js'
import type { Program } from '../program.js'
import type { RunningSystem } from '../system.js'

export const EDGE = '127.0.0.1'
const START_MS = 30_000

/** A folder of one run of a system. */
export const systemFolder = (): string => mkdtempSync(join(tmpdir(), 'signalbox-bench-'))

/** The first line a command prints that matches; '' when it prints none or is not there. */
export function firstLine(command: string, args: readonly string[], pattern: RegExp): string {
  const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', timeout: 10_000 })
  return pattern.exec(`${stdout ?? ''}\n${stderr ?? ''}`)?.[0].trim() ?? ''
}

/** Waits for a program; tells its last words when it ends instead. */
export async function ready(program: Program, look: () => boolean | Promise<boolean>): Promise<void> {
  await eventually(
    `${program.name} is ready`,
    async () => {
      if (program.ended) throw new Error(`${program.name} ended while starting: ${program.lastWords}`)
      return look()
    },
    START_MS,
  )
}

const kilobytes = (some: readonly { readonly kb: number }[]): number => some.reduce((sum, { kb }) => sum + kb, 0)

/** What several programs together are; the last one is stopped first. */
export function systemOf(
  programs: readonly Program[],
  target: Address,
  folder: string,
  more: Partial<RunningSystem> = {},
): RunningSystem {
  return {
    target,
    listens: [target],
    cpu: () => {
      const times: Record<string, number> = {}
      for (const { tree } of programs)
        for (const [name, ms] of Object.entries(tree.cpuByProgram())) times[name] = (times[name] ?? 0) + ms
      return times
    },
    memory: () => {
      const each = programs.flatMap(({ tree }) => tree.memory())
      const redisKb = kilobytes(each.filter(({ name }) => name.startsWith('redis-server')))
      return { allKb: kilobytes(each), redisKb }
    },
    fallen: () => {
      const fallen = programs.find(({ ended }) => ended)
      return fallen && `${fallen.name} ended: ${fallen.lastWords.slice(-300)}`
    },
    loopDelayMs: () => Promise.resolve(null),
    gauges: () => Promise.resolve({}),
    stop: async () => {
      for (const program of [...programs].reverse()) await program.stop()
      rmSync(folder, { recursive: true, force: true })
    },
    ...more,
  }
}

/** Starts programs one after the other; when one does not start those before it are ended. */
export async function startAll(
  folder: string,
  start: (started: Program[]) => Promise<RunningSystem>,
): Promise<RunningSystem> {
  const started: Program[] = []
  try {
    return await start(started)
  } catch (error) {
    for (const program of started.reverse()) await program.stop()
    rmSync(folder, { recursive: true, force: true })
    throw error
  }
}
