import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { StoreError } from '../../src/store/errors.js'
import { TrunkCredentials } from '../../src/trunks/trunk-credentials.js'
import { rejection } from '../support/store-bench.js'
import { trunkOf } from '../support/trunk-bench.js'

/** Passwords that tests change; `away` while Redis is. */
class ScriptedPasswords {
  password: string | undefined = 'first'
  away = false
  asked = 0

  get(): Promise<string | undefined> {
    this.asked += 1
    return this.away
      ? Promise.reject(new StoreError('UNAVAILABLE', 'Redis is away: not connected'))
      : Promise.resolve(this.password)
  }
}

function start(max?: number) {
  const passwords = new ScriptedPasswords()
  const credentials = new TrunkCredentials({ passwords, ...(max === undefined ? {} : { max }) })
  return { passwords, credentials, credentialsOf: credentials.credentialsOf }
}

const trunk = trunkOf('pbx-1', { username: 'line' })
const touched = { ...trunk, updated_at: '2026-01-02T00:00:00.000Z' }

const Credentials = suite('TrunkCredentials')

Credentials('are of auth_username, else of username, and there are none without a user or a password', async () => {
  const { passwords, credentialsOf } = start()
  assert.equal(await credentialsOf(trunk), { username: 'line', password: 'first' })
  assert.equal(await credentialsOf({ ...trunk, auth_username: 'auth' }), { username: 'auth', password: 'first' })
  assert.is(await credentialsOf({ ...trunk, username: null }), undefined)
  passwords.password = undefined
  assert.is(await credentialsOf(touched), undefined)
})

Credentials('are read once, and again when the record has been touched', async () => {
  const { passwords, credentialsOf } = start()
  await Promise.all([credentialsOf(trunk), credentialsOf(trunk)])
  passwords.password = 'second'
  assert.is((await credentialsOf(trunk))?.password, 'first')
  assert.is(passwords.asked, 1)
  assert.is((await credentialsOf(touched))?.password, 'second')
})

Credentials('that are missing are asked for again', async () => {
  const { passwords, credentialsOf } = start()
  passwords.password = undefined
  assert.is(await credentialsOf(trunk), undefined)
  passwords.password = 'late'
  assert.is((await credentialsOf(trunk))?.password, 'late')
})

Credentials('in memory serve while Redis is away; else the error says what cannot be read', async () => {
  const { passwords, credentialsOf } = start()
  await credentialsOf(trunk)
  passwords.away = true
  assert.is((await credentialsOf(trunk))?.password, 'first')
  const error = await rejection(credentialsOf(touched))
  assert.equal(
    [error.code, error.message],
    ['UNAVAILABLE', 'the password of trunk pbx-1 cannot be read: Redis is away: not connected'],
  )
  passwords.away = false
  assert.is((await credentialsOf(touched))?.password, 'first')
})

Credentials('that are forgotten are read anew', async () => {
  const { passwords, credentials, credentialsOf } = start()
  await credentialsOf(trunk)
  passwords.password = 'second'
  credentials.forget('pbx-1')
  assert.is((await credentialsOf(trunk))?.password, 'second')
})

Credentials('are kept for so many trunks and no more', async () => {
  const { passwords, credentialsOf } = start(2)
  for (const id of ['a', 'b', 'c', 'a']) await credentialsOf({ ...trunk, id })
  assert.is(passwords.asked, 4)
})

Credentials.run()
