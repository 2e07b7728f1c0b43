// time limit: 180 s
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { RedisServer, RedisServerError } from '../../src/store/redis-server.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const root = temporaryFolder()
const started: RedisServer[] = []
const helpers: ChildProcess[] = []
let folders = 0

function dataFolder(): string {
  const folder = join(root, String(++folders))
  mkdirSync(folder)
  return folder
}

async function start(
  dataDir: string,
  program?: string,
): Promise<{ server: RedisServer; url: string; warnings: object[] }> {
  const warnings: object[] = []
  const logger = { info: () => {}, warn: (fields: object) => void warnings.push(fields) }
  const server = new RedisServer({ dataDir, logger, ...(program === undefined ? {} : { program }) })
  started.push(server)
  return { server, url: await server.start(), warnings }
}

async function ask<T>(url: string, question: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(url, { retryStrategy: () => null, lazyConnect: true })
  client.on('error', () => {})
  try {
    await client.connect()
    return await question(client)
  } finally {
    client.disconnect()
  }
}

const pidOf = (url: string): Promise<number> =>
  ask(url, async (client) => Number(/process_id:(\d+)/.exec(await client.info('server'))?.[1]))

/** Waits until something holds, at most 10 s. */
async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!(await holds().catch(() => false))) {
    if (performance.now() > deadline) throw new Error(`not within 10 s: ${what}`)
    await sleep(20)
  }
}

const answers = (url: string): Promise<boolean> =>
  ask(url, async (client) => (await client.ping()) === 'PONG').catch(() => false)

/** A Signalbox of its own that has started Redis on a data folder; its URL. `then` is what it does next. */
async function otherProcess(dataDir: string, then = ''): Promise<{ child: ChildProcess; url: string }> {
  const module = new URL('../../src/store/redis-server.js', import.meta.url).href
  const script = `import { RedisServer } from '${module}'
    const server = new RedisServer({ dataDir: ${JSON.stringify(dataDir)}, logger: { info() {}, warn() {} } })
    console.log(await server.start())
    ${then}
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  helpers.push(child)
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout?.once('data', (text: Buffer) => resolve(text.toString().trim()))
    child.once('exit', () => reject(new Error('the other process ended')))
  })
  return { child, url }
}

const killed = (child: ChildProcess): Promise<unknown> => {
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  return gone
}

/** Whether a process is gone, or has ended and waits for a parent that does not look (as the first process of a container may not). */
function hasEnded(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return spawnSync('ps', ['-o', 'state=', '-p', String(pid)], { encoding: 'utf8' })
      .stdout.trim()
      .startsWith('Z')
  } catch {
    return true
  }
}

async function rejection(work: Promise<unknown>): Promise<Error> {
  try {
    await work
  } catch (error) {
    return error as Error
  }
  return assert.unreachable('it did not fail') as never
}

const Server = suite('RedisServer')

Server.after(async () => {
  for (const helper of helpers) helper.kill('SIGKILL')
  await Promise.all(started.map((server) => server.stop()))
})

Server('listens on loopback only, append-only, without dumps, in the data folder, out of Ctrl-C’s reach', async () => {
  const dataDir = dataFolder()
  const { server, url } = await start(dataDir)
  assert.match(url, /^redis:\/\/127\.0\.0\.1:\d+$/)
  const setting = (name: string) => ask(url, async (client) => ((await client.config('GET', name)) as string[])[1])
  assert.is(await setting('bind'), '127.0.0.1')
  assert.is(await setting('appendonly'), 'yes')
  assert.is(await setting('save'), '')
  assert.is(await setting('protected-mode'), 'yes')
  assert.is(await setting('dir'), join(dataDir, 'redis'))
  assert.is(statSync(join(dataDir, 'redis')).mode & 0o777, 0o700)
  // Only the leader of a process group can be named so.
  assert.ok(process.kill(-(await pidOf(url)), 0))
  await server.stop()
  assert.not(await answers(url))
  await server.stop()
})

Server('keeps its data and its port over a restart', async () => {
  const dataDir = dataFolder()
  const first = await start(dataDir)
  await ask(first.url, (client) => client.set('a', '1'))
  await first.server.stop()
  const second = await start(dataDir)
  assert.is(second.url, first.url)
  assert.is(await ask(second.url, (client) => client.get('a')), '1')
  await second.server.stop()
})

Server('takes another port when the one of last time is not free', async () => {
  const dataDir = dataFolder()
  const { server, url } = await start(dataDir)
  await server.stop()
  const squatter = createServer().listen(Number(new URL(url).port), '127.0.0.1')
  await new Promise((resolve) => squatter.once('listening', resolve))
  try {
    const second = await start(dataDir)
    assert.is.not(second.url, url)
    await second.server.stop()
  } finally {
    squatter.close()
  }
})

Server('when it dies it is started again on the same port, and one line says so', async () => {
  const { server, url, warnings } = await start(dataFolder())
  await ask(url, (client) => client.set('a', '1'))
  const pid = await pidOf(url)
  process.kill(pid, 'SIGKILL')
  await until('it is back', async () => (await pidOf(url)) !== pid)
  assert.is(await ask(url, (client) => client.get('a')), '1')
  assert.is(warnings.length, 1)
  assert.is((warnings[0] as { signal: string }).signal, 'SIGKILL')
  await server.stop()
})

Server('does not come back after stop, even when it had just died', async () => {
  const { server, url } = await start(dataFolder())
  process.kill(await pidOf(url), 'SIGKILL')
  await until('it is gone', async () => !(await answers(url)))
  await server.stop()
  await sleep(400)
  assert.not(await answers(url))
})

Server('one that a killed Signalbox left behind is ended first, and its data taken over', async () => {
  const dataDir = dataFolder()
  const { child, url } = await otherProcess(dataDir)
  await ask(url, (client) => client.set('a', '1'))
  const pid = await pidOf(url)
  await killed(child)
  assert.ok(await answers(url), 'nothing is left to be tested')
  const { server, url: own } = await start(dataDir)
  assert.is(own, url)
  assert.is.not(await pidOf(url), pid)
  assert.ok(hasEnded(pid))
  assert.is(await ask(url, (client) => client.get('a')), '1')
  await server.stop()
})

Server('one left behind that hangs is killed', async () => {
  const dataDir = dataFolder()
  const { child, url } = await otherProcess(dataDir)
  const pid = await pidOf(url)
  await killed(child)
  process.kill(pid, 'SIGSTOP')
  const { server } = await start(dataDir)
  assert.ok(hasEnded(pid))
  await server.stop()
})

Server('the one of a Signalbox that runs is left alone, and the error names that process', async () => {
  const dataDir = dataFolder()
  const { child, url } = await otherProcess(dataDir)
  const error = await rejection(start(dataDir))
  assert.instance(error, RedisServerError)
  assert.ok(error.message.includes(`in use by another Signalbox (process ${child.pid})`), error.message)
  assert.ok(await answers(url))
  const pid = await pidOf(url)
  await killed(child)
  process.kill(pid, 'SIGKILL')
})

Server('ends with our process, however that exits', async () => {
  const { child, url } = await otherProcess(dataFolder(), 'process.exit(0)')
  if (child.exitCode === null) await new Promise((resolve) => child.once('exit', resolve))
  await until('it is gone', async () => !(await answers(url)))
})

Server('a missing program, and one that does not start, are one line with what to do or what it said', async () => {
  const missing = await rejection(start(dataFolder(), 'no-such-redis-server'))
  assert.instance(missing, RedisServerError)
  assert.match(missing.message, /^no-such-redis-server not found: install it .*REDIS_URL[^\n]*$/)
  const broken = join(root, 'broken')
  writeFileSync(broken, '#!/bin/sh\necho "Fatal: bad moon" >&2\nexit 1\n')
  chmodSync(broken, 0o755)
  const refused = await rejection(start(dataFolder(), broken))
  assert.instance(refused, RedisServerError)
  assert.is(refused.message, `${broken} did not start: Fatal: bad moon`)
})

Server('a damaged memory of the last start does not hinder this one', async () => {
  const dataDir = dataFolder()
  writeFileSync(join(dataDir, 'redis-server.json'), '{"port":')
  const { server, url } = await start(dataDir)
  const { port } = JSON.parse(readFileSync(join(dataDir, 'redis-server.json'), 'utf8')) as { port: number }
  assert.is(url, `redis://127.0.0.1:${port}`)
  await server.stop()
})

Server('does not keep our process alive by itself', async () => {
  const module = new URL('../../src/store/redis-server.js', import.meta.url).href
  const script = `import { RedisServer } from '${module}'
    await new RedisServer({ dataDir: ${JSON.stringify(dataFolder())}, logger: { info() {}, warn() {} } }).start()`
  const { status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { timeout: 10_000 })
  assert.is(status, 0)
})

Server.run()
