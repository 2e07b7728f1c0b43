import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { StoreError } from '../../src/store/errors.js'
import { inject, startApi } from '../support/api-fakes.js'

const SecretKeyApi = suite('SecretKeyApi')

SecretKeyApi('a rotation is started with 202, followed by its id, and names what could not be read', async () => {
  const { ask, services } = startApi()
  services.rotation = {
    ...services.rotation,
    unreadable: [{ record: 'agent', id: 'front', secret: 'password', why: 'secret: is malformed' }],
    unreadable_count: 1,
  }
  const started = await ask('POST', '/v1/secret-key/rotations', {})
  assert.is(started.status, 202, started.text)
  assert.is(started.body.state, 'running')
  assert.is(started.headers['location'], '/v1/secret-key/rotations/rotation-1')
  assert.is((await ask('POST', '/v1/secret-key/rotations')).status, 202, 'a body is not needed')
  const now = await ask('GET', '/v1/secret-key/rotations/rotation-1')
  assert.is(now.body.state, 'done')
  assert.equal(now.body.unreadable, services.rotation.unreadable)
  const other = await ask('GET', '/v1/secret-key/rotations/rotation-2')
  assert.is(other.status, 404)
  assert.is(other.body.code, 'ROTATION_NOT_FOUND')
})

SecretKeyApi('a second rotation at the same time is refused with 409; without Redis it is 503', async () => {
  const { ask, services } = startApi()
  services.nextError = new StoreError('EXISTS', 'a rotation is under way already')
  const second = await ask('POST', '/v1/secret-key/rotations', {})
  assert.is(second.status, 409)
  assert.is(second.body.code, 'ROTATION_UNDER_WAY')
  services.away = true
  assert.is((await ask('POST', '/v1/secret-key/rotations', {})).body.code, 'STORE_UNAVAILABLE')
})

SecretKeyApi('a key is not made while other edges would not know it, unless they share the data folder', async () => {
  const { ask, services } = startApi()
  services.edgesAlive = 1
  const refused = await ask('POST', '/v1/secret-key/rotations', {})
  assert.is(refused.status, 409)
  assert.is(refused.body.code, 'OTHER_EDGES_ALIVE')
  assert.match(String(refused.body.detail), 'SIGNALBOX__FORMER_SECRET_KEYS')
  assert.is((await ask('POST', '/v1/secret-key/rotations', { shared_data_folder: true })).status, 202)
  services.rotation = { ...services.rotation, made_key: false }
  assert.is((await ask('POST', '/v1/secret-key/rotations', {})).status, 202, 'a configured key is on every edge')
})

SecretKeyApi('is for those with a token, and takes no fields', async () => {
  const { api, ask } = startApi()
  assert.is((await inject(api, 'POST', '/v1/secret-key/rotations', {}, {})).status, 401)
  assert.is((await inject(api, 'GET', '/v1/secret-key')).status, 401)
  const answer = await ask('POST', '/v1/secret-key/rotations', { key: 'x' })
  assert.is(answer.status, 400)
  assert.is(answer.body.errors?.[0]?.field, 'key')
  assert.equal((await ask('GET', '/v1/secret-key')).body, {
    makes_keys: true,
    key_id: '0123456789ab',
    former_key_ids: [],
  })
})

SecretKeyApi.run()
