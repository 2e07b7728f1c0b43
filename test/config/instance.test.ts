import { existsSync, readFileSync, statSync, writeFileSync, chmodSync, mkdirSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  adminToken,
  ConfigError,
  forgetInstance,
  readAdminToken,
  readInstance,
  secretKey,
  writeInstance,
} from '../../src/config/index.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const root = temporaryFolder()
let count = 0

const fresh = (settings: { admin_token?: string; secret_key?: string } = {}) => ({
  data: { dir: join(root, String(++count), 'data') },
  admin_token: null,
  secret_key: null,
  ...settings,
})

const modeOf = (path: string): number => statSync(path).mode & 0o777

const instance = {
  pid: process.pid,
  http_url: 'http://127.0.0.1:8080',
  redis_url: 'redis://127.0.0.1:1',
  sip: ['udp/127.0.0.1:5060'],
}

const Instance = suite('Instance')

Instance('the admin token is made at the first start and is the same ever after, for the owner’s eyes only', () => {
  const config = fresh()
  const token = adminToken(config)
  assert.match(token, /^[A-Za-z0-9_-]{32}$/)
  assert.is(adminToken(config), token)
  assert.is(readAdminToken(config), token)
  assert.is(modeOf(config.data.dir), 0o700)
  assert.is(modeOf(join(config.data.dir, 'admin-token')), 0o600)
  assert.is.not(adminToken(fresh()), token)
})

Instance('a configured token is used and nothing is written', () => {
  const config = fresh({ admin_token: 'given' })
  assert.is(adminToken(config), 'given')
  assert.is(readAdminToken(config), 'given')
  assert.not(existsSync(config.data.dir))
})

Instance('reading the token makes none', () => {
  const config = fresh()
  assert.is(readAdminToken(config), undefined)
  assert.not(existsSync(config.data.dir))
})

Instance(
  'a token file that its group can read is closed to it; one that everybody can is refused: they may have',
  () => {
    const config = fresh()
    adminToken(config)
    const file = join(config.data.dir, 'admin-token')
    chmodSync(file, 0o640)
    adminToken(config)
    assert.is(modeOf(file), 0o600)
    chmodSync(file, 0o644)
    assert.throws(
      () => adminToken(config),
      (error: Error) => error instanceof ConfigError && /everybody on this machine.*chmod/.test(error.message),
    )
  },
)

Instance('an empty token file is refused: it would let everybody in', () => {
  const config = fresh()
  mkdirSync(config.data.dir, { recursive: true })
  writeFileSync(join(config.data.dir, 'admin-token'), '\n')
  assert.throws(
    () => adminToken(config),
    (error: Error) => error instanceof ConfigError && error.message.includes('admin-token'),
  )
})

Instance('the secret key is 32 bytes, kept like the token', () => {
  const config = fresh()
  const key = secretKey(config)
  assert.is(key.length, 32)
  assert.equal(secretKey(config), key)
  assert.is(modeOf(join(config.data.dir, 'secret-key')), 0o600)
  const given = 'ab'.repeat(32)
  assert.equal(secretKey(fresh({ secret_key: given })), Buffer.from(given, 'hex'))
  writeFileSync(join(config.data.dir, 'secret-key'), 'short')
  assert.throws(
    () => secretKey(config),
    (error: Error) => error instanceof ConfigError && !error.message.includes('short'),
  )
})

Instance('a data folder that cannot be used is a problem of the configuration', () => {
  const config = fresh()
  mkdirSync(join(config.data.dir, '..'), { recursive: true })
  writeFileSync(config.data.dir, 'a file')
  for (const use of [() => adminToken(config), () => secretKey(config), () => writeInstance(config, instance)])
    assert.throws(use, (error: Error) => error instanceof ConfigError && error.message.startsWith('data.dir: '))
})

Instance('the running instance can be found, until it forgets itself', () => {
  const config = fresh()
  assert.is(readInstance(config), undefined)
  writeInstance(config, instance)
  assert.equal(readInstance(config), instance)
  assert.is(modeOf(join(config.data.dir, 'instance.json')), 0o600)
  forgetInstance(config)
  assert.is(readInstance(config), undefined)
})

Instance('an instance that was killed is not found, and one that took its place is not forgotten', () => {
  const config = fresh()
  const gone = spawnSync(process.execPath, ['-e', '']).pid
  writeInstance(config, { ...instance, pid: gone })
  assert.is(readInstance(config), undefined)
  writeInstance(config, { ...instance, pid: process.ppid })
  forgetInstance(config)
  assert.is(readInstance(config)?.pid, process.ppid)
})

Instance('a damaged entry means that nobody is found', () => {
  const config = fresh()
  writeInstance(config, instance)
  const file = join(config.data.dir, 'instance.json')
  for (const text of [readFileSync(file, 'utf8').slice(0, 20), '{}', 'null', '']) {
    writeFileSync(file, text)
    assert.is(readInstance(config), undefined)
  }
})

Instance.run()
