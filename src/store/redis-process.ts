import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'

/** The only address a Redis of ours listens on. */
export const HOST = '127.0.0.1'

const ANSWER_WITHIN_MS = 1_000
const END_WITHIN_MS = 5_000
const POLL_MS = 25

/** What a Redis at a port of loopback says of itself. */
export type Answer = { state: 'ready'; pid: number; folder: string } | { state: 'loading' } | { state: 'none' }

export async function askServer(port: number): Promise<Answer> {
  const client = new Redis({
    host: HOST,
    port,
    lazyConnect: true,
    enableReadyCheck: false,
    retryStrategy: () => null,
    connectTimeout: ANSWER_WITHIN_MS,
    commandTimeout: ANSWER_WITHIN_MS,
  })
  // Told by the promises as well.
  client.on('error', () => {})
  try {
    await client.connect()
    const info = await client.info('server')
    const folder = (await client.config('GET', 'dir')) as string[]
    return { state: 'ready', pid: Number(/^process_id:(\d+)/m.exec(info)?.[1]), folder: folder[1] ?? '' }
  } catch (error) {
    return { state: (error as Error).message.startsWith('LOADING') ? 'loading' : 'none' }
  } finally {
    client.disconnect()
  }
}

/**
 * Ends the Redis that a Signalbox which was killed has left behind on our data: two at once would ruin it.
 * @returns `in use` when the Signalbox that started it still runs, and nothing was done
 */
export async function endLeftover(last: {
  port: number
  pid: number
  owner: number
  folder: string
}): Promise<'none' | 'ended' | 'in use'> {
  const answer = await askServer(last.port)
  if (answer.state === 'ready' && answer.folder !== last.folder) return 'none'
  // One that hangs or loads does not answer: then its title, which names the port, must do.
  const pid = answer.state === 'ready' ? answer.pid : isRedisAt(last.pid, last.port) ? last.pid : undefined
  if (pid === undefined) return 'none'
  // Once its parent has died, a process has another: this one says that the parent lives.
  if (last.owner !== process.pid && parentOf(pid) === last.owner) return 'in use'
  await endProcess(pid)
  return 'ended'
}

/** Asks a process to end, kills it when it has not after 5 s, and waits until it is gone. */
export async function endProcess(pid: number): Promise<void> {
  for (const name of ['SIGTERM', 'SIGKILL'] as const) {
    if (!signal(pid, name)) return
    const deadline = performance.now() + END_WITHIN_MS
    while (performance.now() < deadline) {
      if (!isRunning(pid)) return
      await sleep(POLL_MS)
    }
  }
}

/** Sends a signal; 0 only asks. False when there is no such process, or none of ours. */
function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name)
  } catch {
    return false
  }
}

/** Whether a process runs; one that has ended and only waits for its parent to take note does not. */
function isRunning(pid: number): boolean {
  return signal(pid, 0) && statusOf(pid)?.state !== 'Z'
}

const parentOf = (pid: number): number | undefined => statusOf(pid)?.parent

/** State letter and parent of a process, from Linux' /proc or else from `ps`. */
function statusOf(pid: number): { state: string; parent: number } | undefined {
  const text = ask(pid, 'stat', 'state=,ppid=')
  if (text === undefined) return undefined
  // The name of the program comes first on Linux, in brackets, and may hold anything.
  const [state, parent] = text
    .slice(text.lastIndexOf(')') + 1)
    .trim()
    .split(/\s+/)
  return state === undefined ? undefined : { state: state.slice(0, 1), parent: Number(parent) }
}

function isRedisAt(pid: number, port: number): boolean {
  const title = ask(pid, 'cmdline', 'command=') ?? ''
  return title.includes('redis-server') && title.includes(`:${port}`)
}

function ask(pid: number, file: string, format: string): string | undefined {
  try {
    if (process.platform === 'linux') return readFileSync(`/proc/${pid}/${file}`, 'latin1')
    return execFileSync('ps', ['-o', format, '-p', String(pid)], {
      encoding: 'latin1',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
  } catch {
    // There is no such process.
    return undefined
  }
}
