import { readdirSync, readFileSync } from 'node:fs'

/** One line of `/proc/<pid>/stat`, as far as it is read here. */
export interface ProcessStat {
  readonly pid: number
  /** Name of the program, at most 15 characters. */
  readonly name: string
  readonly parent: number
  /** Processor time in ticks of 10 ms: its own, of all its threads, and of the children it has waited for. */
  readonly ticks: number
  /** When it started, in ticks since the machine did: tells a process from a later one with its number. */
  readonly started: number
}

/** Linux shows user space a hundred ticks a second, whatever the kernel's own rate. */
const TICK_MS = 10

/** Reads a line of `/proc/<pid>/stat`; undefined when it is none. The name in brackets may hold anything, brackets too. */
export function parseStat(line: string): ProcessStat | undefined {
  const pid = Number.parseInt(line, 10)
  const rest = line.slice(line.lastIndexOf(')') + 2).split(' ')
  // Numbered as proc(5) does, from 1: 4 ppid, 14 utime, 15 stime, 16 cutime, 17 cstime, 22 starttime.
  const field = (number: number): number => Number(rest[number - 3])
  const numbers = { pid, parent: field(4), ticks: field(14) + field(15) + field(16) + field(17), started: field(22) }
  if (!Object.values(numbers).every(Number.isFinite)) return undefined
  return { ...numbers, name: line.slice(line.indexOf('(') + 1, line.lastIndexOf(')')) }
}

/** Those of `all` that are one of `roots` or descend from one. */
export function treeOf(roots: readonly number[], all: readonly ProcessStat[]): ProcessStat[] {
  const children = new Map<number, ProcessStat[]>()
  for (const stat of all) children.set(stat.parent, [...(children.get(stat.parent) ?? []), stat])
  const found = new Map<number, ProcessStat>()
  const add = (stat: ProcessStat): void => {
    if (found.has(stat.pid)) return
    found.set(stat.pid, stat)
    for (const child of children.get(stat.pid) ?? []) add(child)
  }
  for (const stat of all) if (roots.includes(stat.pid)) add(stat)
  return [...found.values()]
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    // It has ended since it was listed.
    return ''
  }
}

function allProcesses(): ProcessStat[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .flatMap((pid) => parseStat(read(`/proc/${pid}/stat`)) ?? [])
}

/** Kilobytes of one process: what it shares with others counts by its share, where the kernel tells (Pss), else in full (Rss). */
function memoryKb(pid: number): number {
  const pss = /^Pss:\s+(\d+) kB/m.exec(read(`/proc/${pid}/smaps_rollup`))
  const kb = pss ?? /^VmRSS:\s+(\d+) kB/m.exec(read(`/proc/${pid}/status`))
  return Number(kb?.[1] ?? 0)
}

/** A program with all that descends from it, also what has become an orphan since it was first seen. */
export class ProcessTree {
  /** Number and start of each process seen. */
  readonly #known = new Map<number, number>()

  /** @param root a process that runs */
  constructor(root: number) {
    const stat = parseStat(read(`/proc/${root}/stat`))
    if (stat !== undefined) this.#known.set(stat.pid, stat.started)
  }

  #look(): ProcessStat[] {
    const all = allProcesses()
    const known = all.filter(({ pid, started }) => this.#known.get(pid) === started)
    const roots = known.map(({ pid }) => pid)
    const tree = treeOf(roots, all)
    for (const { pid, started } of tree) this.#known.set(pid, started)
    return tree
  }

  /** Processor time (ms) it has used since its start. */
  cpuMs(): number {
    return this.#look().reduce((sum, { ticks }) => sum + ticks * TICK_MS, 0)
  }

  /** Processor time (ms) since their start, by the name of the program. */
  cpuByProgram(): Record<string, number> {
    const times: Record<string, number> = {}
    for (const { name, ticks } of this.#look()) times[name] = (times[name] ?? 0) + ticks * TICK_MS
    return times
  }

  /** Memory (kB) of each process. */
  memory(): { readonly name: string; readonly kb: number }[] {
    return this.#look().map(({ pid, name }) => ({ name, kb: memoryKb(pid) }))
  }

  /** Kills all of it. */
  kill(): void {
    for (const { pid } of this.#look())
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has just ended.
      }
  }
}
