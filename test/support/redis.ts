import { once } from 'node:events'
import { createConnection } from 'node:net'
import { Child } from './children.js'
import { eventually } from './eventually.js'
import { freePort } from './free-port.js'
import { temporaryFolder } from './temporary-folder.js'

/** A redis-server of a test's own, on a free port of 127.0.0.1. It keeps what is written (append-only) over `restart`. */
export interface TestRedis {
  /** `redis://127.0.0.1:<port>` */
  readonly url: string
  readonly port: number
  /** Where it keeps its data. */
  readonly folder: string
  readonly pid: number
  /** Ends it; idempotent. */
  stop(): Promise<void>
  /** Ends it as a crash does: connections are cut, nothing more is written. */
  kill(): Promise<void>
  /** Starts it again after `stop` or `kill` (or ends it first), on the same port, with what it had. */
  restart(): Promise<void>
  /** Stops the process without ending it: it accepts connections and answers nothing. */
  hang(): void
  resume(): void
  /** Runs redis-cli against it, with these arguments; its output without the last line break. */
  cli(...args: string[]): Promise<string>
}

export interface RedisOptions {
  /** More of redis-server's options, such as `['--cluster-enabled', 'yes']`. */
  readonly args?: readonly string[]
}

/** Starts a redis-server; it is ended with the test process at the latest. */
export async function startRedis({ args = [] }: RedisOptions = {}): Promise<TestRedis> {
  const port = await freePort('127.0.0.1')
  const folder = temporaryFolder()
  let child = await launch(port, folder, args)
  const pidOf = (): number => {
    if (child.pid === undefined) throw new Error('redis-server did not start')
    return child.pid
  }
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exit !== undefined) return
    // One that hangs does not hear SIGTERM.
    if (signal !== 'SIGKILL') child.kill('SIGCONT')
    await child.stop(signal)
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    folder,
    get pid() {
      return pidOf()
    },
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    restart: async () => {
      await end('SIGTERM')
      child = await launch(port, folder, args)
    },
    hang: () => child.kill('SIGSTOP'),
    resume: () => child.kill('SIGCONT'),
    cli: (...command) => runCli(port, command),
  }
}

async function launch(port: number, folder: string, args: readonly string[]): Promise<Child> {
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder]
  const child = new Child('redis-server', [...settings, '--save', '', '--appendonly', 'yes', ...args])
  await eventually('redis-server answers', async () => {
    if (child.exit !== undefined) throw new Error(`redis-server ended: ${child.output.slice(-2_000)}`)
    return (await answers(port)) || undefined
  })
  return child
}

/** Whether PING is answered by PONG, and not by LOADING. */
async function answers(port: number): Promise<boolean> {
  const socket = createConnection({ port, host: '127.0.0.1' })
  try {
    await once(socket, 'connect')
    socket.write('PING\r\n')
    const [answer] = (await once(socket, 'data')) as [Buffer]
    return answer.toString().startsWith('+PONG')
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

async function runCli(port: number, command: readonly string[]): Promise<string> {
  const child = new Child('redis-cli', ['-p', String(port), ...command])
  const code = await child.exited
  if (code !== 0) throw new Error(`redis-cli ${command.join(' ')}: ${child.output}`)
  return child.output.replace(/\n$/, '')
}
