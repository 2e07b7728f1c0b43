import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Child } from '../support/children.js'
import { commandEnvironment, commandFile, EDGE, TestEdge } from '../support/edge.js'
import { eventually } from '../support/eventually.js'
import { freePort, isTaken } from '../support/free-port.js'
import { nextMessage, openUdp, optionsPing } from '../support/sip-peer.js'
import { runCommand } from '../support/edge.js'

const FirstStart = suite('The first start')

const folder = mkdtempSync(join(tmpdir(), 'signalbox-first-'))
let sipPort = 0
let httpPort = 0
let child: Child
let environment: Record<string, string>

FirstStart.before(async () => {
  sipPort = await freePort(EDGE)
  httpPort = await freePort(EDGE)
  environment = {
    SIP_CONTACTS: `sip:${EDGE}:${sipPort};transport=udp,tcp`,
    HTTP_LISTEN: `${EDGE}:${httpPort}`,
    SIGNALBOX_DATA_DIR: join(folder, 'data'),
    DRACHTIO_PORT: '0',
  }
  child = new Child(process.execPath, [commandFile, 'serve'], { env: commandEnvironment(environment), cwd: folder })
  await eventually(
    'the edge is ready',
    async () => {
      if (child.exit !== undefined) throw new Error(child.output)
      return (await fetch(`http://${EDGE}:${httpPort}/readyz`).catch(() => undefined))?.status === 200
    },
    30_000,
  )
})

FirstStart.after(async () => {
  await child.stop('SIGINT')
  rmSync(folder, { recursive: true, force: true })
})

/** Processes started by a process, as the system tells. */
function childrenOf(pid: number): number[] {
  const path = `/proc/${pid}/task/${pid}/children`
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split(' ').filter(Boolean).map(Number) : []
}

const commandLine = (pid: number): string =>
  existsSync(`/proc/${pid}/cmdline`) ? readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ') : ''

FirstStart('says in a few lines where SIP and HTTP are, the token, and what to try next', async () => {
  const { output } = child
  assert.match(output, new RegExp(`${EDGE}:${sipPort}`))
  assert.match(output, new RegExp(`http://${EDGE}:${httpPort}`))
  const token = readFileSync(join(folder, 'data', 'admin-token'), 'utf8').trim()
  assert.ok(token.length >= 20, 'a token that cannot be guessed')
  assert.ok(output.includes(token), 'the token is printed')
  assert.match(output, /signalbox demo/)
  const authorised = await fetch(`http://${EDGE}:${httpPort}/v1/agents`, {
    headers: { authorization: `Bearer ${token}` },
  })
  assert.is(authorised.status, 200)
  assert.is((await fetch(`http://${EDGE}:${httpPort}/v1/agents`)).status, 401)
})

FirstStart('keeps its secrets to itself: files 0600 in a folder 0700', () => {
  assert.is(statSync(join(folder, 'data')).mode & 0o777, 0o700)
  assert.is(statSync(join(folder, 'data', 'admin-token')).mode & 0o777, 0o600)
})

FirstStart('starts a Redis of its own, on loopback, append-only, with its data in the data folder', async () => {
  const redis = childrenOf(child.pid ?? 0).filter((pid) => commandLine(pid).includes('redis-server'))
  assert.is(redis.length, 1)
  const listening = commandLine(redis[0] ?? 0)
  assert.not.match(listening, /(\*|0\.0\.0\.0):/)
  await eventually(
    'the append-only file',
    () =>
      existsSync(join(folder, 'data', 'redis', 'appendonlydir')) || existsSync(join(folder, 'data', 'appendonlydir')),
  )
})

FirstStart('answers SIP over UDP and has TCP open', async () => {
  const peer = await openUdp('127.0.0.2', { address: EDGE, port: sipPort })
  // Nobody is known yet: what is asked is answered, and not taken on.
  const { text, callId } = optionsPing(peer.local, { address: EDGE, port: sipPort }, 'udp')
  peer.send(text)
  const answer = await nextMessage(peer, 'the answer', (message) => message.callId === callId)
  peer.close()
  assert.is(answer.status, 403)
  assert.ok(await isTaken(EDGE, sipPort, 'tcp'))
})

/** What a command says to people: its output without the log lines, which are JSON. */
const said = (output: string): string[] =>
  output
    .trim()
    .split('\n')
    .filter((line) => !line.startsWith('{'))

FirstStart('a second start on the same ports says so in one line, and harms nothing', async () => {
  const elsewhere = { ...environment, SIGNALBOX_DATA_DIR: join(folder, 'second') }
  for (const env of [elsewhere, environment]) {
    const second = await runCommand(['serve'], env)
    assert.not.equal(second.exitCode, 0)
    assert.is(said(second.output).length, 1, second.output)
    assert.match(said(second.output)[0] ?? '', new RegExp(`${sipPort}|${httpPort}|data`))
  }
  assert.match(said((await runCommand(['serve'], elsewhere)).output)[0] ?? '', new RegExp(String(sipPort)))
  assert.is((await fetch(`http://${EDGE}:${httpPort}/readyz`)).status, 200)
})

FirstStart('`signalbox demo` prints a completed call and cleans up after itself', async () => {
  const demo = await runCommand(['demo'], { SIGNALBOX_DATA_DIR: environment['SIGNALBOX_DATA_DIR'] ?? '' })
  assert.is(demo.exitCode, 0, demo.output)
  for (const shown of ['INVITE', '180', '200', 'ACK', 'BYE'])
    assert.ok(demo.output.includes(shown), `${shown} in\n${demo.output}`)
  const token = readFileSync(join(folder, 'data', 'admin-token'), 'utf8').trim()
  const get = async (path: string): Promise<{ items: { result?: string }[] }> =>
    (await (
      await fetch(`http://${EDGE}:${httpPort}${path}`, { headers: { authorization: `Bearer ${token}` } })
    ).json()) as { items: { result?: string }[] }
  for (const path of ['/v1/numbers', '/v1/agents', '/v1/calls']) assert.equal((await get(path)).items, [], path)
  const records = (await get('/v1/cdrs')).items
  assert.is(records.length, 1)
  assert.is(records[0]?.result, 'answered')
})

FirstStart('a bad configuration is told completely, with exit code 2', async () => {
  const bad = await runCommand(['serve'], {
    ...environment,
    SIGNALBOX__SIP__T1_MS: 'soon',
    SIGNALBOX__LIMITS__MAX_CALLS: '-1',
    SIGNALBOX__NO__SUCH: '1',
  })
  assert.is(bad.exitCode, 2)
  for (const path of ['sip.t1_ms', 'limits.max_calls', 'no.such'])
    assert.ok(bad.output.includes(path), `${path} in\n${bad.output}`)
})

FirstStart('Ctrl-C ends it and everything it started', async () => {
  const started = childrenOf(child.pid ?? 0)
  assert.ok(started.length > 0)
  assert.is(await child.stop('SIGINT', 15_000), 0, child.output.slice(-2_000))
  for (const pid of started) assert.not.ok(existsSync(`/proc/${pid}`), `process ${pid} is left`)
  assert.not.ok(await isTaken(EDGE, sipPort, 'udp'))
  assert.not.ok(await isTaken(EDGE, httpPort, 'tcp'))
})

FirstStart('the second start finds the numbers and the token of the first', async () => {
  const dataFolder = environment['SIGNALBOX_DATA_DIR'] ?? ''
  const token = readFileSync(join(dataFolder, 'admin-token'), 'utf8').trim()
  const ports = { sipPort, httpPort, dataFolder, redisUrl: null, env: { SIGNALBOX_ADMIN_TOKEN: token } }
  const again = await TestEdge.start(ports)
  await again.addNumber('+14155550100', 'kept', ['sip:agent@127.0.0.3:5090'])
  assert.is(await again.stop(), 0)
  const third = await TestEdge.start(ports)
  assert.is((await third.api('GET', '/v1/numbers/%2B14155550100')).status, 200)
  assert.is(await third.stop(), 0)
})

FirstStart.run()
