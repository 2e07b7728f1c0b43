import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeServices, inject, sampleCall, sampleCdr, startApi } from '../support/api-fakes.js'

const Accounts = suite('Accounts')

const NUMBER = { phone_number: '+14155550100', allowed_addresses: ['127.0.0.1/32'], inbound_agent_id: 'front' }
const AGENT = { sip_uri: 'sip:agent@127.0.0.1' }

/** An API with a token bound to `acme`, and the admin token. */
async function start() {
  const services = new FakeServices()
  const { api, ask } = startApi(services)
  const authorization = `Bearer ${await services.tokenOf('admin', 'acme')}`
  const bound = (method: string, url: string, body?: unknown) => inject(api, method, url, { authorization }, body)
  return { services, ask, bound }
}

Accounts('records are made in the account of the token, and in the one that an unbound token names', async () => {
  const { services, ask, bound } = await start()
  assert.is((await bound('PUT', '/v1/agents/front', AGENT)).body['account_id'], 'acme')
  assert.is((await ask('PUT', '/v1/agents/front', AGENT)).body['account_id'], 'default')
  assert.is((await ask('PUT', '/v1/agents/front?account_id=other', AGENT)).body['account_id'], 'other')
  assert.is((await ask('PUT', '/v1/agents/front', { ...AGENT, account_id: 'third' })).body['account_id'], 'third')
  assert.equal([...services.agentRecords.keys()], ['acme/front', 'front', 'other/front', 'third/front'])
  const imported = await bound('POST', '/v1/numbers', NUMBER)
  assert.is(imported.status, 201)
  const trunk = imported.body['trunk'] as { id: string; account_id: string }
  assert.equal([trunk.account_id, imported.body['inbound_agent_id']], ['acme', 'front'])
  assert.is(imported.body['trunk_id'], trunk.id)
  assert.ok(services.trunkRecords.has(`acme/${trunk.id}`))
  const list = await ask('GET', '/v1/agents')
  assert.equal(
    (list.body['items'] as { id: string; account_id: string }[]).map(({ id, account_id }) => `${account_id} ${id}`),
    ['acme front', 'default front', 'other front', 'third front'],
  )
  assert.is(((await ask('GET', '/v1/agents?account_id=other')).body['items'] as unknown[]).length, 1)
  assert.equal((await ask('GET', '/v1/accounts')).body['items'], [
    { account_id: 'acme' },
    { account_id: 'default' },
    { account_id: 'other' },
    { account_id: 'third' },
  ])
})

Accounts('a bound token may name its own account alone, whether another exists or not', async () => {
  const { ask, bound } = await start()
  await ask('PUT', '/v1/agents/front?account_id=other', AGENT)
  assert.is((await bound('GET', '/v1/agents?account_id=acme')).status, 200)
  const details = new Set<unknown>()
  for (const account of ['default', 'other', 'nobody'])
    for (const [method, url, body] of [
      ['GET', `/v1/agents?account_id=${account}`],
      ['GET', `/v1/agents/front?account_id=${account}`],
      ['GET', `/v1/calls/x1?account_id=${account}`],
      ['PUT', '/v1/agents/front', { ...AGENT, account_id: account }],
      ['POST', '/v1/numbers', { ...NUMBER, account_id: account }],
    ] as const) {
      const answer = await bound(method, url, body)
      assert.equal([answer.status, answer.body.code], [403, 'ACCOUNT_NOT_ALLOWED'], `${method} ${url}`)
      details.add(answer.body.detail)
    }
  assert.equal([...details], ['account_id: the token "a admin" is bound to the account "acme"'])
  const twice = await ask('PUT', '/v1/agents/front?account_id=other', { ...AGENT, account_id: 'acme' })
  assert.equal([twice.status, twice.body.detail], [400, 'account_id: is another in the query than in the body'])
})

Accounts('ids with a slash, which stand for records of another account inside, are no ids of the API', async () => {
  const { bound, ask } = await start()
  await bound('PUT', '/v1/agents/front', AGENT)
  for (const id of ['acme%2Ffront', 'default%2Ffront']) {
    assert.is((await ask('GET', `/v1/agents/${id}`)).status, 400)
    assert.is((await ask('PUT', `/v1/agents/${id}`, AGENT)).status, 400)
  }
  const named = await ask('POST', '/v1/numbers', { ...NUMBER, inbound_agent_id: 'acme/front' })
  assert.match(String(named.body.detail), /^inbound_agent_id: must be 1 to 64/)
})

Accounts('a number that another account has is taken, and nothing more is said of it', async () => {
  const { services, ask, bound } = await start()
  await ask('PUT', '/v1/agents/secret-name', AGENT)
  await ask('POST', '/v1/numbers', { ...NUMBER, inbound_agent_id: 'secret-name' })
  for (const replace of [false, true]) {
    const answer = await bound('POST', '/v1/numbers', { ...NUMBER, inbound_agent_id: null, replace })
    assert.equal(
      [answer.status, answer.body.code, answer.body.detail],
      [409, 'NUMBER_TAKEN', '+14155550100 exists already'],
    )
    assert.not.match(answer.text, /secret-name|trunk-/)
  }
  assert.is(services.numberRecords.get('+14155550100')?.account_id, 'default')
  for (const method of ['GET', 'DELETE', 'PATCH']) {
    const theirs = await bound(method, '/v1/numbers/+14155550100', method === 'PATCH' ? { label: 'x' } : undefined)
    const none = await bound(method, '/v1/numbers/+14155550101', method === 'PATCH' ? { label: 'x' } : undefined)
    assert.equal([theirs.status, none.status], [404, 404])
    assert.is(String(theirs.body.detail).replace('0100', '0101'), none.body.detail)
  }
})

Accounts('calls, their records and the use of an Idempotency-Key are of one account', async () => {
  const { services, ask, bound } = await start()
  services.liveCalls.set('x1', sampleCall('x1'))
  services.cdrRecords.set('x2', sampleCdr('x2'))
  services.cdrRecords.set('x3', { ...sampleCdr('x3'), account_id: null })
  services.cdrRecords.set('x4', { ...sampleCdr('x4'), account_id: 'acme' })
  for (const id of ['x1', 'x2', 'x3', 'none'])
    for (const method of ['GET', 'DELETE']) {
      const answer = await bound(method, `/v1/calls/${id}`)
      assert.equal([answer.status, answer.body.detail], [404, `there is no call "${id}"`])
    }
  assert.ok(services.liveCalls.has('x1'))
  assert.equal((await bound('GET', '/v1/calls')).body['items'], [])
  const ids = (answer: { body: Record<string, unknown> }) =>
    (answer.body['items'] as { call_id: string }[]).map(({ call_id }) => call_id)
  assert.equal(ids(await bound('GET', '/v1/cdrs')), ['x4'])
  assert.equal(ids(await ask('GET', '/v1/cdrs')), ['x2', 'x3', 'x4'])
  assert.equal(ids(await ask('GET', '/v1/cdrs?account_id=default')), ['x2'])
  assert.is((await ask('DELETE', '/v1/calls/x1')).status, 204)
})

Accounts('a route test of a bound token is of its account', async () => {
  const { services, ask, bound } = await start()
  const test = { to: '+14155550100', source_address: '127.0.0.1' }
  await bound('POST', '/v1/route-tests', test)
  await ask('POST', '/v1/route-tests', test)
  await ask('POST', '/v1/route-tests', { ...test, account_id: 'other' })
  assert.equal(
    services.decided.map(({ accountId }) => accountId),
    ['acme', undefined, 'other'],
  )
})

Accounts(
  '[A11] a number that would be dialled like one of another account is refused without its addresses, and no change of a trunk gets round that',
  async () => {
    const { ask, bound } = await start()
    const secret = '192.0.2.77'
    const theirs = { phone_number: '+14155550177', allowed_addresses: [secret], country: 'US', account_id: 'other' }
    assert.is((await ask('POST', '/v1/numbers', theirs)).status, 201)
    const mine = { phone_number: '4155550177', kind: 'extension', country: 'US', from_user: 'mine' }
    const refused = await bound('POST', '/v1/numbers', { ...mine, allowed_addresses: ['192.0.2.0/24'] })
    assert.equal([refused.status, refused.body.code], [409, 'NUMBER_AMBIGUOUS'])
    assert.not.match(refused.text, secret)
    const made = await bound('POST', '/v1/numbers', { ...mine, allowed_addresses: ['198.51.100.7'] })
    assert.is(made.status, 201, made.text)
    const at = `/v1/trunks/${String(made.body['trunk_id'])}`
    const moved = await bound('PATCH', at, { allowed_addresses: ['198.51.100.7', '192.0.2.0/24'] })
    assert.equal([moved.status, moved.body.code], [409, 'NUMBER_AMBIGUOUS'], moved.text)
    assert.not.match(moved.text, secret)
    assert.is((await bound('PATCH', at, { label: 'x', allowed_addresses: ['198.51.100.8'] })).status, 200)
  },
)

Accounts.run()
