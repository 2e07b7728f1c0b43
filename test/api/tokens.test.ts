import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeServices, inject, startApi, TOKEN } from '../support/api-fakes.js'

const Tokens = suite('Tokens')

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

Tokens('a token is shown once, when it is made, and lists show it without its text', async () => {
  const { ask, services } = startApi()
  const made = await ask('POST', '/v1/tokens', { name: 'NOC', role: 'viewer' })
  assert.is(made.status, 201)
  assert.match(String(made.body['token']), /^sbx_[a-z0-9]{12}_[A-Za-z0-9_-]{43}$/)
  assert.is(String(made.body['token']).split('_')[1], made.body['id'])
  assert.is(made.headers['location'], `/v1/tokens/${String(made.body['id'])}`)
  const { token: _text, ...shown } = made.body
  assert.equal((await ask('GET', '/v1/tokens')).body.items, [shown])
  assert.equal(shown, {
    id: shown['id'],
    name: 'NOC',
    role: 'viewer',
    account_id: null,
    created_at: '2026-01-01T00:00:00.000Z',
    created_by: 'admin',
    expires_at: null,
    last_used_at: null,
  })
  assert.not.match(JSON.stringify([...services.tokenRecords.values()]), String(made.body['token']).slice(17))
})

Tokens('a token opens the API until it is revoked', async () => {
  const { api, ask, services } = startApi()
  const token = await services.tokenOf('viewer')
  assert.is((await inject(api, 'GET', '/v1/agents', bearer(token))).status, 200)
  const id = token.split('_')[1]!
  assert.equal(services.tokensUsed, [id])
  assert.is((await ask('DELETE', `/v1/tokens/${id}`)).status, 204)
  const refused = await inject(api, 'GET', '/v1/agents', bearer(token))
  assert.is(refused.status, 401)
  assert.match(String(refused.headers['www-authenticate']), 'error="invalid_token"')
  assert.is((await ask('DELETE', `/v1/tokens/${id}`)).body.code, 'TOKEN_NOT_FOUND')
})

Tokens('a token with one character changed, cut short or longer opens nothing', async () => {
  const { api, services } = startApi()
  const token = await services.tokenOf('admin')
  const other = (text: string) => (text === 'A' ? 'B' : 'A')
  for (const wrong of [
    token.slice(0, 20) + other(token[20]!) + token.slice(21),
    token.slice(0, -1),
    `${token}A`,
    token.replace('sbx_', 'SBX_'),
    token.replace('token0000001', 'token0000002'),
    `sbx_${token.split('_')[1]!}_`,
  ])
    assert.is((await inject(api, 'GET', '/v1/agents', bearer(wrong))).status, 401, wrong.slice(0, 17))
})

Tokens('a token is refused from the instant it expires, and that says so', async () => {
  const { api, services } = startApi()
  const token = await services.tokenOf('viewer', null, '2026-01-01T00:01:00.000Z')
  services.clock.advance(59_999)
  assert.is((await inject(api, 'GET', '/v1/agents', bearer(token))).status, 200)
  services.clock.advance(1)
  const refused = await inject(api, 'GET', '/v1/agents', bearer(token))
  assert.is(refused.status, 401)
  assert.match(String(refused.body['detail']), 'expired')
  assert.equal(services.tokenFailures, [])
})

Tokens(
  'while Redis is away a token that is not known is 503, and the admin token of the configuration opens the API',
  async () => {
    const { api, services, ask } = startApi()
    const token = await services.tokenOf('viewer')
    services.away = true
    assert.is((await inject(api, 'GET', '/v1/calls', bearer(token))).status, 503)
    assert.is((await ask('GET', '/v1/calls')).status, 200)
  },
)

Tokens('a token bound to an account makes tokens of that account only, and sees and revokes no others', async () => {
  const { api, ask, services } = startApi()
  const acme = bearer(await services.tokenOf('admin', 'acme'))
  const post = (body: object) => inject(api, 'POST', '/v1/tokens', acme, body)
  const own = await post({ name: 'own', role: 'admin' })
  assert.is(own.status, 201)
  assert.is(own.body['account_id'], 'acme')
  for (const account_id of [null, 'other']) {
    const refused = await post({ name: 'above', role: 'viewer', account_id })
    assert.is(refused.status, 403)
    assert.is(refused.body.code, 'TOKEN_ABOVE_OWN')
  }
  const others = await ask('POST', '/v1/tokens', { name: 'all', role: 'viewer' })
  const seen = (await inject(api, 'GET', '/v1/tokens', acme)).body.items!
  assert.equal([...new Set(seen.map((one) => one['account_id']))], ['acme'])
  assert.is((await inject(api, 'DELETE', `/v1/tokens/${String(others.body['id'])}`, acme)).status, 404)
  assert.is((await inject(api, 'DELETE', `/v1/tokens/${String(own.body['id'])}`, acme)).status, 204)
})

Tokens('a token that expires makes none that outlives it', async () => {
  const { api, services } = startApi()
  const brief = bearer(await services.tokenOf('admin', null, '2026-01-02T00:00:00.000Z'))
  const post = (expires_at?: string) =>
    inject(api, 'POST', '/v1/tokens', brief, { name: 'x', role: 'viewer', ...(expires_at && { expires_at }) })
  assert.is((await post()).body.code, 'TOKEN_ABOVE_OWN')
  assert.is((await post('2026-01-02T00:00:00.001Z')).body.code, 'TOKEN_ABOVE_OWN')
  assert.is((await post('2026-01-01T23:00:00.000Z')).status, 201)
  assert.is((await post('2026-01-01T00:00:00.000Z')).body.code, 'VALIDATION_FAILED')
})

Tokens('fields that cannot be are refused by name', async () => {
  const { ask } = startApi()
  const bad: [object, string][] = [
    [{ role: 'viewer' }, 'name'],
    [{ name: '', role: 'viewer' }, 'name'],
    [{ name: 'a\r\nb', role: 'viewer' }, 'name'],
    [{ name: 'x', role: 'root' }, 'role'],
    [{ name: 'x', role: 'viewer', account_id: 'a:b' }, 'account_id'],
    [{ name: 'x', role: 'viewer', expires_at: 'soon' }, 'expires_at'],
    [{ name: 'x', role: 'viewer', secret: 'mine' }, 'secret'],
  ]
  for (const [body, field] of bad) {
    const answer = await ask('POST', '/v1/tokens', body)
    assert.is(answer.status, 400, field)
    assert.is(answer.body.errors?.[0]?.field, field)
  }
  for (const id of ['x1', 'admin', '*', 'UPPERCASE123'])
    assert.is((await ask('DELETE', `/v1/tokens/${id}`)).status, 400, id)
})

Tokens('guesses from one address are told to wait; a valid token from it is let in all the same', async () => {
  const services = new FakeServices()
  const { api, ask } = startApi(services, { tokenFailuresPerMinute: 3 })
  const guess = () => inject(api, 'GET', '/v1/agents', bearer('guess'))
  for (let i = 0; i < 3; i++) assert.is((await guess()).status, 401)
  const limited = await guess()
  assert.is(limited.status, 429)
  assert.is(limited.headers['retry-after'], '20')
  assert.is(limited.body.code, 'TOO_MANY_TOKEN_FAILURES')
  assert.is((await ask('GET', '/v1/agents')).status, 200)
  assert.is((await inject(api, 'GET', '/v1/agents', bearer(await services.tokenOf('viewer')))).status, 200)
  // Without a token nothing is guessed.
  assert.is((await inject(api, 'GET', '/v1/agents')).status, 401)
  services.clock.advance(20_000)
  assert.is((await guess()).status, 401)
  assert.is((await guess()).status, 429)
  assert.equal(services.tokenFailures, ['refused', 'refused', 'refused', 'limited', 'refused', 'limited'])
})

Tokens(
  '[A15] an admin token so short that it might be guessed is refused like the guesses that were too many, until the next is free',
  async () => {
    const services = new FakeServices()
    const { api } = startApi(services, { tokenFailuresPerMinute: 3, adminToken: 'summer-2026' })
    const ask = (token: string) => inject(api, 'GET', '/v1/agents', bearer(token))
    for (let i = 0; i < 2; i++) assert.is((await ask('guess')).status, 401)
    assert.is((await ask('summer-2026')).status, 200)
    assert.is((await ask('guess')).status, 401)
    const [wrong, right] = [await ask('guess'), await ask('summer-2026')]
    assert.equal([right.status, right.body.detail], [429, wrong.body.detail])
    assert.is(right.headers['retry-after'], wrong.headers['retry-after'])
    assert.is((await ask(await services.tokenOf('viewer'))).status, 200)
    services.clock.advance(20_000)
    assert.is((await ask('summer-2026')).status, 200)
  },
)

Tokens('failed tokens are written in a line in ten seconds at most, without them', async () => {
  const services = new FakeServices()
  const { api } = startApi(services)
  for (let i = 0; i < 5; i++) await inject(api, 'GET', '/v1/agents', bearer(`sbx_guess-${i}`))
  services.clock.advance(10_000)
  await inject(api, 'GET', '/v1/agents', bearer('sbx_guess-6'))
  const lines = services.logged.filter(({ message }) => message.includes('token'))
  assert.equal(
    lines.map(({ fields }) => fields),
    [
      { sourceAddress: '127.0.0.1', unsaid: 0 },
      { sourceAddress: '127.0.0.1', unsaid: 4 },
    ],
  )
  assert.not.match(JSON.stringify(services.logged), /guess|test-token/)
  assert.not.match(JSON.stringify(services.logged), TOKEN)
})

const proxied: [what: string, trustProxy: boolean | string[], forwarded: string | undefined, source: string][] = [
  ['without a proxy nothing is believed', false, '203.0.113.7', '127.0.0.1'],
  ['behind one proxy its word counts', true, '203.0.113.7', '203.0.113.7'],
  ['what the client wrote itself stands left of it', true, '198.51.100.1, 203.0.113.7', '203.0.113.7'],
  [
    'the proxies of the list are passed over',
    ['127.0.0.0/8', '10.0.0.0/8'],
    '1.2.3.4, 203.0.113.7, 10.1.2.3',
    '203.0.113.7',
  ],
  ['who is no proxy of the list is the source', ['10.0.0.0/8'], '203.0.113.7', '127.0.0.1'],
  ['what is no address is not believed', true, 'evil<script>', '127.0.0.1'],
  ['without the header the proxy is the source', true, undefined, '127.0.0.1'],
]

for (const [what, trustProxy, forwarded, source] of proxied)
  Tokens(`the source of a failed token: ${what}`, async () => {
    const services = new FakeServices()
    const { api } = startApi(services, { trustProxy })
    const header = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded }
    await inject(api, 'GET', '/v1/agents', { ...bearer('guess'), ...header })
    assert.is((services.logged[0]?.fields as { sourceAddress: string }).sourceAddress, source)
  })

Tokens('all of an IPv6 /64 is one source', async () => {
  const services = new FakeServices()
  const { api } = startApi(services, { trustProxy: true, tokenFailuresPerMinute: 1 })
  const from = async (address: string) =>
    (await inject(api, 'GET', '/v1/agents', { ...bearer('guess'), 'x-forwarded-for': address })).status
  assert.is(await from('2001:db8:0:1::1'), 401)
  assert.is(await from('2001:db8:0:1:ffff::2'), 429)
  assert.is(await from('2001:db8:0:2::1'), 401)
})

Tokens.run()
