import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { startApi } from '../support/api-fakes.js'

const Bans = suite('Bans over the API')

Bans('are listed and lifted; another address has none', async () => {
  const { ask, services } = startApi()
  for (const address of ['198.51.100.66', '2001:db8::7']) while (services.bans.charge(address)) continue
  const { status, body } = await ask('GET', '/v1/bans')
  assert.is(status, 200)
  const items = body['items'] as Record<string, unknown>[]
  assert.equal(
    items.map(({ address }) => address),
    ['2001:db8::/64', '198.51.100.66'],
  )
  assert.equal(items[1], {
    address: '198.51.100.66',
    reason: 'rate',
    since: '2026-01-01T00:00:00.000Z',
    until: '2026-01-01T00:00:10.000Z',
    seconds: 10,
    offences: 1,
    dropped: 0,
  })
  assert.is((await ask('DELETE', '/v1/bans/198.51.100.67')).body['code'], 'BAN_NOT_FOUND')
  assert.is((await ask('DELETE', '/v1/bans/198.51.100.66')).body['address'], '198.51.100.66')
  assert.is((await ask('DELETE', `/v1/bans/${encodeURIComponent('2001:db8::/64')}`)).status, 200)
  assert.equal((await ask('GET', '/v1/bans')).body['items'], [])
})

Bans.run()
