import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { startApi } from '../support/api-fakes.js'
import { StoreError } from '../../src/store/errors.js'

const AgentsApi = suite('AgentsApi')
const front = { name: 'Front desk', sip_uri: 'sip:agent@127.0.0.1:5090' }

AgentsApi('PUT creates with 201 and its address, and replaces with 200', async () => {
  const { ask } = startApi()
  const made = await ask('PUT', '/v1/agents/front', front)
  assert.is(made.status, 201)
  assert.is(made.headers.location, '/v1/agents/front')
  assert.is(made.body.id, 'front')
  assert.is(made.body.account_id, 'default')
  const again = await ask('PUT', '/v1/agents/front', { ...front, name: 'Desk' })
  assert.is(again.status, 200)
  assert.is(again.body.name, 'Desk')
  assert.is((await ask('GET', '/v1/agents/front')).body.name, 'Desk')
})

AgentsApi('lists by cursor, page after page, without repeating or losing any', async () => {
  const { ask } = startApi()
  for (const id of ['a', 'b', 'c', 'd', 'e']) await ask('PUT', `/v1/agents/${id}`, front)
  const seen: unknown[] = []
  let cursor: unknown = undefined
  do {
    const page = await ask('GET', `/v1/agents?limit=2${cursor === undefined ? '' : `&cursor=${String(cursor)}`}`)
    assert.is(page.status, 200)
    for (const item of page.body.items ?? []) seen.push(item.id)
    cursor = page.body.next_cursor
  } while (cursor !== null)
  assert.equal(seen, ['a', 'b', 'c', 'd', 'e'])
})

AgentsApi('a cursor of another list is refused by name', async () => {
  const { ask } = startApi()
  const answer = await ask('GET', '/v1/agents?cursor=xyz')
  assert.is(answer.status, 400)
  assert.is(answer.body.errors?.[0]?.field, 'cursor')
})

AgentsApi('limit must be 1 to 1000', async () => {
  const { ask } = startApi()
  for (const limit of ['0', '-1', '1001', '1.5', 'x', '', '1e9', 'Infinity']) {
    const answer = await ask('GET', `/v1/agents?limit=${limit}`)
    assert.is(answer.status, 400, limit)
    assert.is(answer.body.errors?.[0]?.field, 'limit')
  }
})

AgentsApi('DELETE removes with 204; afterwards there is nothing', async () => {
  const { ask } = startApi()
  await ask('PUT', '/v1/agents/front', front)
  const gone = await ask('DELETE', '/v1/agents/front')
  assert.is(gone.status, 204)
  assert.is(gone.text, '')
  for (const method of ['GET', 'DELETE']) {
    const answer = await ask(method, '/v1/agents/front')
    assert.is(answer.status, 404)
    assert.is(answer.body.code, 'AGENT_NOT_FOUND')
  }
})

AgentsApi('DELETE of an agent in use is refused, naming the numbers', async () => {
  const { ask } = startApi()
  await ask('PUT', '/v1/agents/front', front)
  const imported = await ask('POST', '/v1/numbers', {
    phone_number: '+14155550100',
    allowed_addresses: ['127.0.0.1/32'],
    inbound_agent_id: 'front',
  })
  assert.is(imported.status, 201)
  const answer = await ask('DELETE', '/v1/agents/front')
  assert.is(answer.status, 409)
  assert.is(answer.body.code, 'AGENT_IN_USE')
  assert.equal(answer.body.numbers, ['+14155550100'])
})

AgentsApi('an address over a transport that no contact of ours has is refused', async () => {
  const { ask } = startApi()
  const answer = await ask('PUT', '/v1/agents/front', {
    name: 'Front',
    sip_uri: 'sip:a@agent.example.com;transport=tls',
    fallback_sip_uris: ['sip:a@192.0.2.7', 'sips:a@agent.example.com'],
  })
  assert.is(answer.status, 400)
  assert.equal(
    answer.body.errors?.map(({ field }) => field),
    ['sip_uri', 'fallback_sip_uris[1]'],
  )
  assert.match(answer.body.errors?.[0]?.message ?? '', /TLS, and this edge has UDP and TCP only/)
})

AgentsApi('every bad field is named in one answer', async () => {
  const { ask, services } = startApi()
  const answer = await ask('PUT', '/v1/agents/front', {
    name: 'a\r\nX-Evil: 1',
    sip_uri: 'sip:u@127.0.0.1?Route=x',
    fallback_sip_uris: ['sip:ok@127.0.0.1', 'nonsense'],
    headers: { 'X-Ok': 'fine', Via: 'x', 'X-Bad': 'a\nb' },
    ring_timeout_s: 0,
    surprise: 1,
  })
  assert.is(answer.status, 400)
  assert.is(answer.body.code, 'VALIDATION_FAILED')
  assert.equal(answer.body.errors?.map(({ field }) => field).sort(), [
    'fallback_sip_uris[1]',
    'headers.Via',
    'headers.X-Bad',
    'name',
    'ring_timeout_s',
    'sip_uri',
    'surprise',
  ])
  assert.is(services.agentRecords.size, 0)
})

AgentsApi('fields that are ours to set are refused by name', async () => {
  const { ask } = startApi()
  for (const field of ['id', 'created_at', 'updated_at']) {
    const answer = await ask('PUT', '/v1/agents/front', { ...front, [field]: 'x' })
    assert.is(answer.status, 400)
    assert.equal(answer.body.errors, [{ field, message: 'is not a field of this request' }])
  }
})

AgentsApi('with Redis away it answers 503 and says so', async () => {
  const { ask, services } = startApi()
  services.away = true
  for (const [method, url] of [
    ['GET', '/v1/agents'],
    ['GET', '/v1/agents/front'],
    ['DELETE', '/v1/agents/front'],
  ] as const) {
    const answer = await ask(method, url)
    assert.is(answer.status, 503, `${method} ${url}`)
    assert.is(answer.body.code, 'STORE_UNAVAILABLE')
  }
})

AgentsApi('a stored record that does not parse answers 500 RECORD_INVALID, not a stack', async () => {
  const { ask, services } = startApi()
  services.nextError = new StoreError('INVALID', 'agent "front": sip_uri is not a SIP URI')
  const answer = await ask('GET', '/v1/agents/front')
  assert.is(answer.status, 500)
  assert.is(answer.body.code, 'RECORD_INVALID')
  assert.is(answer.body.detail, 'agent "front": sip_uri is not a SIP URI')
})

AgentsApi('a password is kept apart, never shown, kept when left out, and taken away with auth', async () => {
  const { ask, services } = startApi()
  const body = { sip_uri: 'sip:agent@127.0.0.1:5090' }
  const without = await ask('PUT', '/v1/agents/front', { ...body, auth: { username: 'front' } })
  assert.is(without.status, 400)
  assert.is(without.body.errors?.[0]?.field, 'auth.password')
  assert.is(services.agentRecords.size, 0)
  const made = await ask('PUT', '/v1/agents/front', { ...body, auth: { username: 'front', password: 'hush-hush' } })
  assert.is(made.status, 201, made.text)
  assert.equal(made.body.auth, { username: 'front' })
  assert.is(made.body.has_password, true)
  assert.is(services.agentSecrets.get('front'), 'hush-hush')
  const renamed = await ask('PUT', '/v1/agents/front', { ...body, auth: { username: 'desk' } })
  assert.equal(renamed.body.auth, { username: 'desk' })
  assert.is(services.agentSecrets.get('front'), 'hush-hush')
  for (const answer of [made, renamed, await ask('GET', '/v1/agents/front'), await ask('GET', '/v1/agents')])
    assert.not.match(answer.text, 'hush-hush')
  assert.not.match(JSON.stringify([...services.agentRecords.values(), ...services.logged]), 'hush-hush')
  for (const auth of [{ auth: null }, {}]) {
    await ask('PUT', '/v1/agents/front', { ...body, auth: { username: 'front', password: 'hush-hush' } })
    const removed = await ask('PUT', '/v1/agents/front', { ...body, ...auth })
    assert.is(removed.body.has_password, false)
    assert.is(services.agentSecrets.size, 0)
  }
})

AgentsApi('a refused agent leaves no password, and the one it had', async () => {
  const { ask, services } = startApi()
  const body = { sip_uri: 'sip:agent@127.0.0.1:5090', auth: { username: 'front', password: 'first-one' } }
  const refuse = services.agents.put
  const failing = async () => {
    throw new StoreError('EXISTS', 'agent front is there already')
  }
  Object.assign(services.agents, { put: failing })
  assert.is((await ask('PUT', '/v1/agents/front', body)).status, 409)
  assert.is(services.agentSecrets.size, 0)
  Object.assign(services.agents, { put: refuse })
  await ask('PUT', '/v1/agents/front', body)
  Object.assign(services.agents, { put: failing })
  for (const auth of [{ username: 'x', password: 'second-one' }, null])
    assert.is((await ask('PUT', '/v1/agents/front', { ...body, auth })).status, 409)
  assert.is(services.agentSecrets.get('front'), 'first-one')
})

AgentsApi.run()
