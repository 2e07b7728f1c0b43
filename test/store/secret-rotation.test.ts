import { randomBytes } from 'node:crypto'
import { readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { loadConfig, SecretKeyFiles, secretKeys, type Config } from '../../src/config/index.js'
import { SystemClock } from '../../src/engine/index.js'
import type { Connection } from '../../src/store/connection.js'
import { KeyRing, type Keys } from '../../src/store/key-ring.js'
import { createPasswords, type AllPasswords } from '../../src/store/passwords.js'
import { SecretRotation, type KeyKeeper, type Rotation } from '../../src/store/secret-rotation.js'
import { Secrets } from '../../src/store/secrets.js'
import { eventually } from '../support/eventually.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { KeptLog, rejection, StoreBench } from '../support/store-bench.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const RotationOfKeys = suite('Rotation of the secret key')

let redis: TestRedis
let bench: StoreBench

RotationOfKeys.before(async () => {
  redis = await startRedis()
  bench = await StoreBench.ready(redis.url, 2_000)
})
RotationOfKeys.before.each(async () => {
  await redis.cli('FLUSHALL')
})
RotationOfKeys.after(async () => {
  await bench.stop()
  await redis.stop()
})

interface Parts {
  readonly ring: KeyRing
  readonly passwords: AllPasswords
  readonly rotation: SecretRotation
  readonly log: KeptLog
}

/** An edge's secrets with keys that `keeper` keeps. */
function partsOf(keys: Keys, keeper: KeyKeeper, reread?: () => Keys | undefined, connection = bench.connection): Parts {
  const ring = new KeyRing(keys, reread)
  const secrets = new Secrets(ring)
  const log = new KeptLog()
  const rotation = new SecretRotation({ connection, clock: new SystemClock(), ring, secrets, keeper, logger: log })
  return { ring, passwords: createPasswords({ connection, secrets }), rotation, log }
}

/** Keys in memory in place of files. */
function keptKeys(): KeyKeeper & { keys: { present: Uint8Array; former: Uint8Array[] } } {
  const keys = { present: randomBytes(32) as Uint8Array, former: [] as Uint8Array[] }
  return {
    keys,
    makesKeys: true,
    make: () => {
      keys.former = [keys.present, ...keys.former]
      keys.present = randomBytes(32)
      return { present: keys.present, former: keys.former }
    },
    former: () => keys.former,
    drop: (dropped) => (keys.former = keys.former.filter((key) => !dropped.includes(key))),
  }
}

function edgeWith(config: Config): Parts {
  const files = new SecretKeyFiles(config)
  return partsOf(secretKeys(config), files, () => files.changed())
}

async function rotate({ rotation }: Parts): Promise<Rotation> {
  const { id } = await rotation.start()
  return eventually('the rotation has ended', () => {
    const now = rotation.find(id)
    return now?.state === 'running' ? undefined : now
  })
}

const keyIds = async (): Promise<Set<string>> => {
  const names = (await redis.cli('--raw', 'KEYS', 'signalbox:*secret')).split('\n').filter((name) => name !== '')
  return new Set(await Promise.all(names.map(async (name) => (await redis.cli('GET', name)).split('.')[1] ?? '')))
}

RotationOfKeys('seals every secret anew, each kind, and keeps the former key no longer', async () => {
  const keeper = keptKeys()
  const edge = partsOf(keeper.keys, keeper)
  const { trunk, trunkInbound, agent } = edge.passwords
  for (let i = 0; i < 120; i++)
    await Promise.all([trunk, trunkInbound, agent].map((kind) => kind.set(`r${i}`, `pw-${i}`)))
  const before = await keyIds()
  const ended = await rotate(edge)
  assert.is(ended.state, 'done', String(ended.error))
  assert.is(ended.made_key, true)
  assert.is(ended.total, 360)
  assert.is(ended.resealed, 360)
  assert.equal(ended.unneeded_keys, [...before])
  assert.equal(ended.kept_keys, [])
  assert.equal(keeper.keys.former, [])
  assert.equal(await keyIds(), new Set([ended.key_id]))
  const restarted = partsOf(keeper.keys, keeper)
  for (const i of [0, 60, 119])
    for (const kind of ['trunk', 'trunkInbound', 'agent'] as const)
      assert.is(await restarted.passwords[kind].get(`r${i}`), `pw-${i}`)
  assert.is(await redis.cli('EXISTS', 'signalbox:index:secret-rotation'), '0')
})

RotationOfKeys('under load, everything can be read at every moment and no change is lost', async () => {
  const keeper = keptKeys()
  const edge = partsOf(keeper.keys, keeper)
  const { trunk } = edge.passwords
  const expected = new Map<string, string>()
  for (let i = 0; i < 300; i++) {
    expected.set(`t${i}`, 'pw-0')
    await trunk.set(`t${i}`, 'pw-0')
  }
  let rotating = true
  let read = 0
  const load = [0, 1, 2, 3].map(async (worker) => {
    for (let turn = 0; rotating; turn++) {
      const id = `t${(turn * 4 + worker) % 300}`
      assert.is(await trunk.get(id), expected.get(id))
      await trunk.set(id, `pw-${turn}`)
      expected.set(id, `pw-${turn}`)
      const undo = await trunk.replace(id, 'refused')
      await undo()
      read += 1
    }
  })
  for (let round = 0; round < 5; round++) assert.is((await rotate(edge)).state, 'done')
  rotating = false
  await Promise.all(load)
  assert.ok(read > 50, String(read))
  await rotate(edge)
  const restarted = partsOf(keeper.keys, keeper)
  for (const [id, password] of expected) assert.is(await restarted.passwords.trunk.get(id), password)
})

RotationOfKeys('interrupted half-way it leaves everything readable, and run again it completes', async () => {
  const folder = temporaryFolder()
  const config = loadConfig({ env: { SIGNALBOX_DATA_DIR: folder } })
  const keep = edgeWith(config)
  for (let i = 0; i < 50; i++) await keep.passwords.agent.set(`a${i}`, `pw-${i}`)
  // The edge dies after the new key is in the files and some are sealed with it.
  let written = 0
  const dying = new Proxy(bench.connection, {
    get(target, name) {
      if (name !== 'ask') return Reflect.get(target, name) as unknown
      return async (...args: Parameters<Connection['ask']>) => {
        const [operation] = args
        if (operation === 'secret' && ++written > 60) throw new Error('killed')
        return target.ask(...args)
      }
    },
  })
  const files = new SecretKeyFiles(config)
  const edge = partsOf(secretKeys(config), files, () => files.changed(), dying)
  const { state, error } = await rotate(edge)
  assert.is(state, 'failed')
  assert.not.match(String(error), 'killed')
  assert.is((await keyIds()).size, 2, 'some with each key')
  await redis.cli('DEL', 'signalbox:index:secret-rotation')

  const restarted = edgeWith(config)
  for (let i = 0; i < 50; i++) assert.is(await restarted.passwords.agent.get(`a${i}`), `pw-${i}`)
  const again = await rotate(restarted)
  assert.is(again.state, 'done')
  assert.is(again.unneeded_keys.length, 2)
  assert.equal(await keyIds(), new Set([again.key_id]))
  const last = edgeWith(config)
  for (let i = 0; i < 50; i++) assert.is(await last.passwords.agent.get(`a${i}`), `pw-${i}`)
  rmSync(folder, { recursive: true })
})

RotationOfKeys('keys of the data folder are in files that their owner alone reads, at every step', async () => {
  const folder = temporaryFolder()
  const config = loadConfig({ env: { SIGNALBOX_DATA_DIR: folder } })
  const edge = edgeWith(config)
  await edge.passwords.trunk.set('pbx', 'hush-hush')
  const old = readFileSync(join(folder, 'secret-key'), 'utf8')
  const files = new SecretKeyFiles(config)
  files.make()
  assert.is(readFileSync(join(folder, 'former-secret-keys'), 'utf8'), old)
  for (const name of ['secret-key', 'former-secret-keys'])
    assert.is(statSync(join(folder, name)).mode & 0o777, 0o600, name)
  assert.is.not(readFileSync(join(folder, 'secret-key'), 'utf8'), old)
  assert.is(secretKeys(config).former.length, 1)
  rmSync(folder, { recursive: true })
})

RotationOfKeys('another edge on the same data folder follows without a restart', async () => {
  const folder = temporaryFolder()
  const config = loadConfig({ env: { SIGNALBOX_DATA_DIR: folder } })
  const [one, two] = [edgeWith(config), edgeWith(config)]
  await two.passwords.trunk.set('pbx', 'hush-hush')
  const { key_id } = await rotate(one)
  assert.is(await two.passwords.trunk.get('pbx'), 'hush-hush')
  await two.passwords.trunk.set('other', 'hush-hush')
  assert.equal(await keyIds(), new Set([key_id]))
  rmSync(folder, { recursive: true })
})

RotationOfKeys(
  'a password that another edge sealed before a rotation and wrote after it outlives both edges',
  async () => {
    const folder = temporaryFolder()
    const config = loadConfig({ env: { SIGNALBOX_DATA_DIR: folder } })
    const one = edgeWith(config)
    let between: (() => Promise<unknown>) | undefined
    const slow = new Proxy(bench.connection, {
      get(target, name) {
        if (name !== 'ask') return Reflect.get(target, name) as unknown
        return async (...args: Parameters<Connection['ask']>) => {
          const interrupt = between
          between = undefined
          await interrupt?.()
          return target.ask(...args)
        }
      },
    })
    const files = new SecretKeyFiles(config)
    const { passwords } = partsOf(secretKeys(config), files, () => files.changed(), slow)
    between = () => rotate(one)
    await passwords.trunk.set('set', 'pw-1')
    // A change reads first.
    between = async () => void (between = () => rotate(one))
    await passwords.trunk.replace('replaced', 'pw-2')
    await passwords.trunk.set('undone', 'pw-3')
    const undo = await passwords.trunk.replace('undone', 'refused')
    between = () => rotate(one)
    await undo()
    const restarted = edgeWith(config)
    assert.equal(restarted.rotation.keys().former_key_ids, [], 'the former keys are gone')
    assert.is(await restarted.passwords.trunk.get('set'), 'pw-1')
    assert.is(await restarted.passwords.trunk.get('replaced'), 'pw-2')
    assert.is(await restarted.passwords.trunk.get('undone'), 'pw-3')
    rmSync(folder, { recursive: true })
  },
)

RotationOfKeys('keys that could not be read when they changed are read when they can be', async () => {
  const folder = temporaryFolder()
  const config = loadConfig({ env: { SIGNALBOX_DATA_DIR: folder } })
  const [one, two] = [edgeWith(config), edgeWith(config)]
  await one.passwords.trunk.set('pbx', 'hush-hush')
  await rotate(one)
  const file = join(folder, 'secret-key')
  const times = statSync(file)
  const text = readFileSync(file)
  writeFileSync(file, 'not a key')
  utimesSync(file, times.atime, times.mtime)
  assert.is((await rejection(two.passwords.trunk.get('pbx'))).code, 'INVALID')
  writeFileSync(file, text)
  utimesSync(file, times.atime, times.mtime)
  assert.is(await two.passwords.trunk.get('pbx'), 'hush-hush')
  rmSync(folder, { recursive: true })
})

RotationOfKeys(
  'with a configured key, everything under the former keys goes over to it, and no key is made',
  async () => {
    const folder = temporaryFolder()
    const [old, present] = [randomBytes(32).toString('hex'), randomBytes(32).toString('base64')]
    const before = edgeWith(loadConfig({ env: { SIGNALBOX_DATA_DIR: folder, SIGNALBOX_SECRET_KEY: old } }))
    await before.passwords.trunk.set('pbx', 'hush-hush')
    const env = { SIGNALBOX_DATA_DIR: folder, SIGNALBOX_SECRET_KEY: present, SIGNALBOX__FORMER_SECRET_KEYS: old }
    const edge = edgeWith(loadConfig({ env }))
    assert.is(edge.rotation.keys().makes_keys, false)
    const ended = await rotate(edge)
    assert.is(ended.made_key, false)
    assert.is(ended.resealed, 1)
    assert.equal(ended.unneeded_keys, edge.rotation.keys().former_key_ids)
    const after = edgeWith(loadConfig({ env: { SIGNALBOX_DATA_DIR: folder, SIGNALBOX_SECRET_KEY: present } }))
    assert.is(await after.passwords.trunk.get('pbx'), 'hush-hush')
    rmSync(folder, { recursive: true, force: true })
  },
)

RotationOfKeys('a key that is configured in place of the one in the data folder has that one as a former key', () => {
  const folder = temporaryFolder()
  const { present } = secretKeys(loadConfig({ env: { SIGNALBOX_DATA_DIR: folder } }))
  const config = loadConfig({ env: { SIGNALBOX_DATA_DIR: folder, SIGNALBOX_SECRET_KEY: 'ab'.repeat(32) } })
  assert.equal(secretKeys(config), { present: Buffer.from('ab'.repeat(32), 'hex'), former: [present] })
  rmSync(folder, { recursive: true })
})

RotationOfKeys('what does not open is named by its record and left as it is; its key is kept', async () => {
  const keeper = keptKeys()
  const stranger = partsOf({ present: randomBytes(32), former: [] }, keptKeys())
  const edge = partsOf(keeper.keys, keeper)
  await stranger.passwords.agent.set('front', 'hush-hush')
  await edge.passwords.trunk.set('pbx', 'hush-hush')
  const foreign = await redis.cli('GET', 'signalbox:agent:front:secret')
  // Of another record: opens with no key, though its key is known.
  await redis.cli('SET', 'signalbox:trunk:moved:inbound-secret', await redis.cli('GET', 'signalbox:trunk:pbx:secret'))
  await redis.cli('RPUSH', 'signalbox:trunk:list:secret', 'x')
  await redis.cli('SET', 'signalbox:trunk:not a record:secret', 'x')
  const ended = await rotate(edge)
  assert.is(ended.state, 'done')
  assert.is(ended.unreadable_count, 3)
  assert.equal(ended.unreadable.map(({ record, id, secret }) => `${record} ${id} ${secret}`).sort(), [
    'agent front password',
    'trunk list password',
    'trunk moved inbound password',
  ])
  assert.is(ended.kept_keys.length, 1)
  assert.is(ended.kept_keys[0]?.secrets, 1)
  assert.is(keeper.keys.former.length, 1)
  assert.is(await redis.cli('GET', 'signalbox:agent:front:secret'), foreign)
  assert.not.match(JSON.stringify([ended, edge.log.lines]), 'hush-hush')
  assert.not.match(JSON.stringify([ended, edge.log.lines]), foreign)
})

RotationOfKeys('runs once at a time, on one edge and among several', async () => {
  const keeper = keptKeys()
  const edge = partsOf(keeper.keys, keeper)
  await edge.passwords.trunk.set('pbx', 'hush-hush')
  const started = await Promise.allSettled([edge.rotation.start(), edge.rotation.start()])
  assert.is(started.filter(({ status }) => status === 'fulfilled').length, 1)
  await edge.rotation.stop()
  await redis.cli('SET', 'signalbox:index:secret-rotation', 'another edge')
  const other = partsOf(keeper.keys, keeper)
  const before = keeper.keys.present
  assert.is((await rejection(other.rotation.start())).code, 'EXISTS')
  assert.is(keeper.keys.present, before, 'no key is made for it')
})

RotationOfKeys.run()
