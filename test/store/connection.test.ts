import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { StoreError } from '../../src/store/errors.js'
import { eventually } from '../support/eventually.js'
import { freePort } from '../support/free-port.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { newNumber, rejection, StoreBench } from '../support/store-bench.js'

const A = '+14155550100'

const OneConnection = suite('The connection to Redis')
let redis: TestRedis
let bench: StoreBench

OneConnection.before(async () => {
  redis = await startRedis({ args: ['--enable-debug-command', 'local'] })
})
OneConnection.before.each(async () => {
  bench = await StoreBench.ready(redis.url)
  await redis.cli('FLUSHALL')
})
OneConnection.after.each(() => bench.stop())
OneConnection.after(() => redis.stop())

OneConnection('measures what is asked and says that it is up', async () => {
  assert.is(await bench.connection.ask('test', (client) => client.ping()), 'PONG')
  assert.is(bench.metrics.asked.get('test'), 1)
  assert.is(bench.metrics.up, 1)
  assert.is(bench.connection.problem, undefined)
})

OneConnection('fails what Redis refuses, and stays up', async () => {
  await redis.cli('SET', 'x', '1')
  const error = await rejection(bench.connection.ask('test', (client) => client.hget('x', 'y')))
  assert.instance(error, StoreError)
  assert.is(error.code, 'INVALID')
  const other = await rejection(bench.connection.ask('test', (client) => client.call('NOSUCH')))
  assert.is(other.code, 'UNAVAILABLE')
  assert.is(bench.metrics.errors.get('test'), 2)
  assert.is(bench.connection.up, true)
})

OneConnection('passes on what the question itself throws', async () => {
  const thrown = new StoreError('NOT_FOUND', 'nothing there')
  assert.is(await rejection(bench.connection.ask('test', () => Promise.reject(thrown))), thrown)
  assert.is(
    await rejection(
      bench.connection.ask('test', () => {
        throw thrown
      }),
    ),
    thrown,
  )
})

OneConnection('fails at once when nobody listens, and tries for ever', async () => {
  const lonely = new StoreBench(`redis://127.0.0.1:${await freePort()}`)
  try {
    assert.is(await lonely.connection.ready(300), false)
    const startMs = performance.now()
    const error = await rejection(lonely.numbers.get(A))
    assert.is(error.code, 'UNAVAILABLE')
    assert.match(error.message, 'ECONNREFUSED')
    assert.ok(performance.now() - startMs < 50)
    assert.is(lonely.metrics.up, 0)
  } finally {
    await lonely.stop()
  }
})

OneConnection('never shows the password of its URL', async () => {
  const guarded = new StoreBench(`redis://user:hunter2@127.0.0.1:${redis.port}`)
  try {
    assert.is(await guarded.connection.ready(500), false)
    const error = await rejection(guarded.numbers.get(A))
    assert.not.match(`${error.message} ${guarded.connection.problem} ${JSON.stringify(guarded.log.lines)}`, 'hunter2')
  } finally {
    await guarded.stop()
  }
})

OneConnection('logs once that Redis is away, and once that it is back', async () => {
  const changes: boolean[] = []
  bench.connection.onChange((up) => changes.push(up))
  await redis.kill()
  await eventually('away', () => !bench.connection.up)
  for (let i = 0; i < 20; i++) await rejection(bench.numbers.get(A))
  await redis.restart()
  await eventually('back', () => bench.connection.up, 10_000)
  assert.equal(changes, [false, true])
  assert.is(bench.log.matching('warn', 'Redis is away').length, 1)
})

OneConnection('does not repeat a write whose answer was lost', async () => {
  redis.hang()
  const lost = rejection(bench.connection.ask('test', (client) => client.incr('n')))
  assert.is((await lost).code, 'UNAVAILABLE')
  // The connection is cut with the command under way, and made anew.
  await redis.kill()
  await redis.restart()
  await eventually('back', () => bench.connection.up, 10_000)
  await bench.connection.ask('test', (client) => client.ping())
  assert.is(await redis.cli('EXISTS', 'n'), '0')
})

OneConnection('keeps working when a slow answer comes late', async () => {
  const late = rejection(bench.connection.ask('test', (client) => client.call('DEBUG', 'SLEEP', '0.4')))
  assert.is((await late).code, 'UNAVAILABLE')
  assert.is(bench.connection.up, false)
  await eventually('back', () => bench.connection.up, 2_000)
  assert.is(await bench.connection.ask('test', (client) => client.ping()), 'PONG')
})

OneConnection('goes on writing after a fail-over within seconds', async () => {
  const second = await startRedis()
  const name = new StoreBench(redis.url)
  try {
    await name.connection.ready(2_000)
    await name.numbers.create(newNumber(A))
    // The primary becomes a replica; writes are refused.
    await redis.cli('REPLICAOF', '127.0.0.1', String(second.port))
    const error = await rejection(name.numbers.create(newNumber('+14155550101')))
    assert.is(error.code, 'UNAVAILABLE')
    assert.match(error.message, 'READONLY')
    await redis.cli('REPLICAOF', 'NO', 'ONE')
    const startMs = performance.now()
    await eventually(
      'writes succeed',
      async () => name.numbers.create(newNumber('+14155550102')).catch(() => undefined),
      5_000,
    )
    assert.ok(performance.now() - startMs < 5_000)
  } finally {
    await name.stop()
    await second.stop()
  }
})

OneConnection('ends promptly, with commands under way, also while Redis hangs', async () => {
  redis.hang()
  const asking = rejection(bench.connection.ask('test', (client) => client.ping()))
  const startMs = performance.now()
  await bench.connection.stop()
  await asking
  assert.ok(performance.now() - startMs < 2_000)
  redis.resume()
})

OneConnection.run()
