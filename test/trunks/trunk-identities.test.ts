import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { trunkFields, type Trunk } from '../../src/model/trunk.js'
import { DigestSessions } from '../../src/trunks/digest/session.js'
import { TrunkIdentities } from '../../src/trunks/trunk-identities.js'

const Identity = suite('Who we are to a trunk')

const trunk: Trunk = {
  ...trunkFields.parse({ sip_domain: 'pbx.example.com', username: 'u' }),
  id: 'pbx-1',
  account_id: 'default',
  created_at: '2026-01-01T00:00:00.000Z',
  updated_at: '2026-01-01T00:00:00.000Z',
}

const identities = (password: () => Promise<string>) =>
  new TrunkIdentities({
    credentials: {
      credentialsOf: async () => ({ username: 'u', password: await password() }),
      forget: () => undefined,
    },
    sessions: new DigestSessions(),
    paths: { of: () => Promise.reject(new Error('no server')) },
  })

Identity('has the credentials, and no problem', async () => {
  const identity = await identities(async () => 'secret').of(trunk)
  assert.equal(identity.credentials, { username: 'u', password: 'secret' })
  assert.is(identity.problem, undefined)
})

Identity('says why credentials cannot be read now, instead of passing for one without any', async () => {
  const identity = await identities(() => Promise.reject(new Error('Redis is away'))).of(trunk)
  assert.is(identity.credentials, undefined)
  assert.is(identity.problem, 'Redis is away')
})

Identity.run()
