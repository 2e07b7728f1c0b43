import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Blacklist } from '../../src/store/blacklist.js'
import { eventually } from '../support/eventually.js'
import { startRedis, type TestRedis } from '../support/redis.js'

const Suite = suite('Blacklist')

let redis: TestRedis
let blacklist: Blacklist | undefined
const logged: string[] = []
const log = (_fields: object, message: string): void => void logged.push(message)

async function start(): Promise<Blacklist> {
  blacklist = new Blacklist({
    redis: { host: '127.0.0.1', port: redis.port },
    key: 'bad',
    refreshMs: 20,
    logger: { debug: log, info: log, warn: log, error: log },
  })
  await blacklist.start()
  return blacklist
}

Suite.before(async () => {
  redis = await startRedis()
})
Suite.after.each(() => {
  blacklist?.stop()
  logged.length = 0
})
Suite.after(() => redis.stop())

Suite('holds the addresses of a set from the start, IPv6 however it is spelled, and follows its changes', async () => {
  await redis.cli('SADD', 'bad', '198.51.100.7', '2001:DB8:0::7')
  const list = await start()
  assert.ok(list.has('198.51.100.7') && list.has('2001:db8::7'))
  assert.not(list.has('198.51.100.8'))
  await redis.cli('SREM', 'bad', '198.51.100.7')
  await redis.cli('SADD', 'bad', '198.51.100.8')
  await eventually('the change', () => list.has('198.51.100.8') && !list.has('198.51.100.7'))
})

Suite('a Redis that is away, or a key that is no set, leaves it as it was, with one line in the log', async () => {
  const list = await start()
  const { size } = list
  assert.ok(size > 0)
  await redis.cli('SET', 'bad', 'no set')
  await eventually('the line', () => logged.length > 0)
  assert.is(list.size, size)
  await redis.cli('DEL', 'bad')
  await redis.cli('SADD', 'bad', '198.51.100.9')
  await eventually('the second line', () => logged.length > 1)
  assert.equal(logged, ['Blacklist cannot be read', 'Blacklist is read again'])
  await eventually('the set', () => list.has('198.51.100.9'))
})

Suite('does not keep the start waiting for a Redis that is not there', async () => {
  await redis.stop()
  const list = await start()
  assert.equal([list.size, logged], [0, ['Blacklist cannot be read']])
  await redis.restart()
  await eventually('the set', () => list.size === 1)
})

Suite.run()
