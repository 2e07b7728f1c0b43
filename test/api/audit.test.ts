import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeServices, inject, sampleCall, startApi } from '../support/api-fakes.js'

const Audit = suite('Audit')

/** The API with an agent, a number on a trunk with passwords, a live call; what was audited on the way is forgotten. */
async function prepared() {
  const services = new FakeServices()
  const test = startApi(services)
  await test.ask('PUT', '/v1/agents/front', {
    sip_uri: 'sip:agent@127.0.0.1',
    auth: { username: 'front', password: 'agent-secret' },
  })
  const imported = await test.ask('POST', '/v1/numbers', {
    phone_number: '+14155550100',
    sip_domain: 'pbx.example.com',
    username: 'u',
    password: 'trunk-secret',
    register: { enabled: true, expires: 300 },
    allowed_addresses: ['127.0.0.1/32'],
    outbound_agent_ids: ['front'],
  })
  assert.is(imported.status, 201, imported.text)
  const trunkId = String(imported.body['trunk_id'])
  services.liveCalls.set('c1', sampleCall('c1'))
  const first = services.audited.splice(0)
  return { ...test, services, trunkId, first }
}

const actions = (services: FakeServices): string[] =>
  services.audited.map(({ action, object }) => `${action} ${object ?? '-'}`)

Audit('every change through the API leaves an entry: who, what, before and after', async () => {
  const { services, ask, trunkId, first } = await prepared()
  assert.equal(
    first.map(({ action, object }) => `${action} ${object ?? ''}`),
    ['agent.create front', `trunk.create ${trunkId}`, 'number.create +14155550100'],
  )
  while (services.bans.charge('198.51.100.66')) continue
  const steps: [method: string, url: string, body: object | undefined, status: number, action: string][] = [
    ['PUT', '/v1/agents/front', { sip_uri: 'sip:other@127.0.0.1' }, 200, 'agent.update front'],
    ['PATCH', '/v1/numbers/+14155550100', { label: 'Desk' }, 200, 'number.update +14155550100'],
    ['PATCH', `/v1/trunks/${trunkId}`, { password: 'another-secret' }, 200, `trunk.update ${trunkId}`],
    ['POST', `/v1/trunks/${trunkId}/register`, undefined, 202, `trunk.register ${trunkId}`],
    ['POST', `/v1/trunks/${trunkId}/unregister`, undefined, 202, `trunk.unregister ${trunkId}`],
    ['POST', '/v1/calls', { agent_id: 'front', from: '+14155550100', to: '+13125550199' }, 202, 'call.place o1'],
    ['DELETE', '/v1/calls/c1', undefined, 204, 'call.end c1'],
    ['DELETE', '/v1/bans/198.51.100.66', undefined, 200, 'ban.lift 198.51.100.66'],
    ['POST', '/v1/secret-key/rotations', {}, 202, 'secret-key.rotate rotation-1'],
    ['POST', '/v1/tokens', { name: 'noc', role: 'viewer' }, 201, 'token.create token0000001'],
    ['DELETE', '/v1/tokens/token0000001', undefined, 204, 'token.revoke token0000001'],
    ['DELETE', '/v1/numbers/+14155550100', undefined, 204, 'number.delete +14155550100'],
    ['DELETE', `/v1/trunks/${trunkId}`, undefined, 204, `trunk.delete ${trunkId}`],
    ['DELETE', '/v1/agents/front', undefined, 204, 'agent.delete front'],
  ]
  for (const [method, url, body, status, action] of steps) {
    services.audited.splice(0)
    const answer = await ask(method, url, body)
    assert.is(answer.status, status, `${method} ${url}: ${answer.text}`)
    assert.equal(actions(services), [action])
    const [entry] = services.audited
    assert.is(entry?.outcome, 'done')
    assert.equal(entry?.by, { name: 'admin', token_id: null, role: 'admin', account_id: null })
    assert.is(entry?.source_address, '127.0.0.1')
    assert.is(entry?.at, '2026-01-01T00:00:00.000Z')
    assert.match(entry?.request_id ?? '', /^[0-9a-f-]{36}$/)
  }
})

Audit('what reads, what only checks and what was refused for what it says leaves none', async () => {
  const { services, ask } = await prepared()
  for (const url of ['/v1/agents', '/v1/numbers', '/v1/trunks', '/v1/tokens', '/v1/audit', '/v1/calls'])
    await ask('GET', url)
  await ask('POST', '/v1/route-tests', { to: '+14155550100', source_address: '127.0.0.1' })
  await ask('POST', '/v1/numbers?dry_run=true', { phone_number: '+14155550101', sip_domain: 'pbx.example.com' })
  assert.is((await ask('PATCH', '/v1/numbers/+14155550100', { label: 5 })).status, 400)
  assert.is((await ask('DELETE', '/v1/agents/nobody')).status, 404)
  assert.is((await ask('DELETE', '/v1/agents/front')).status, 409)
  assert.equal(services.audited, [])
})

Audit('an update tells the fields that changed and no others; what is new or removed, all of it', async () => {
  const { services, ask } = await prepared()
  await ask('PATCH', '/v1/numbers/+14155550100', { label: 'Desk', enabled: true })
  await ask('DELETE', '/v1/numbers/+14155550100')
  const [update, removal] = services.audited
  assert.equal([update?.before, update?.after], [{ label: '' }, { label: 'Desk' }])
  assert.is(removal?.after, null)
  assert.is(removal?.before?.['label'], 'Desk')
  assert.equal(removal?.before?.['outbound_agent_ids'], ['front'])
})

Audit('passwords are "(set)" or "(changed)", and no entry holds one, nor a token', async () => {
  const { services, ask, trunkId, first } = await prepared()
  assert.is(first[0]?.after?.['password'], '(set)')
  assert.is(first[1]?.after?.['password'], '(set)')
  await ask('PATCH', `/v1/trunks/${trunkId}`, { password: 'another-secret' })
  await ask('PATCH', `/v1/trunks/${trunkId}`, {
    inbound_auth: { username: 'in', password: 'inbound-secret', realm: 'r' },
  })
  const made = await ask('POST', '/v1/tokens', { name: 'noc', role: 'viewer' })
  const [changed, inbound] = services.audited
  assert.equal([changed?.before, changed?.after], [{ password: '(set)' }, { password: '(changed)' }])
  assert.is(inbound?.after?.['inbound_auth.password'], '(set)')
  const text = JSON.stringify([...first, ...services.audited])
  for (const secret of ['agent-secret', 'trunk-secret', 'another-secret', 'inbound-secret', String(made.body['token'])])
    assert.not.match(text, secret)
  assert.not.match(text, 'sha256')
})

Audit('long fields are told by their size', async () => {
  const { services, ask } = await prepared()
  const headers = Object.fromEntries(Array.from({ length: 8 }, (_, n) => [`X-${n}`, 'a'.repeat(800)]))
  const answer = await ask('PUT', '/v1/agents/long', { sip_uri: 'sip:agent@127.0.0.1', headers })
  assert.is(answer.status, 201, answer.text)
  assert.match(String(services.audited[0]?.after?.['headers']), /^\(\d+ characters\)$/)
})

Audit('an attempt that is refused with 403 is told with its reason; twenty at once, then one a second', async () => {
  const { api, services } = await prepared()
  const viewer = { authorization: `Bearer ${await services.tokenOf('viewer', 'acme')}` }
  const attempt = () => inject(api, 'DELETE', '/v1/agents/front', viewer)
  for (let i = 0; i < 30; i++) assert.is((await attempt()).status, 403)
  assert.is(services.audited.length, 20)
  const [entry] = services.audited
  assert.is(entry?.action, 'DELETE /v1/agents/:id')
  assert.is(entry?.outcome, 'refused')
  assert.is(entry?.object, 'front')
  assert.match(entry?.detail ?? '', 'needs the role admin')
  assert.equal(entry?.by, { name: 'a viewer', token_id: 'token0000001', role: 'viewer', account_id: 'acme' })
  services.clock.advance(1_000)
  await attempt()
  await attempt()
  assert.is(services.audited.length, 21)
})

Audit('is read by admins, newest first; one who is bound to an account sees what is of it', async () => {
  const { api, services, ask } = await prepared()
  await ask('PATCH', '/v1/numbers/+14155550100', { label: 'Desk' })
  await ask('POST', '/v1/tokens', { name: 'acme', role: 'admin', account_id: 'acme' })
  const all = await ask('GET', '/v1/audit')
  assert.is(all.status, 200, all.text)
  assert.is(all.body.items?.length, 2)
  const ofNumber = await ask('GET', '/v1/audit?object=+14155550100')
  assert.equal(
    ofNumber.body.items?.map(({ action }) => action),
    ['number.update'],
  )
  const acme = { authorization: `Bearer ${await services.tokenOf('admin', 'acme')}` }
  const own = await inject(api, 'GET', '/v1/audit', acme)
  assert.equal(
    own.body.items?.map(({ action }) => action),
    ['token.create'],
  )
  for (const query of ['limit=0', 'since=yesterday', 'object=a%0Ab', 'cursor=x', 'x=1'])
    assert.is((await ask('GET', `/v1/audit?${query}`)).status, 400, query)
})

Audit('a command is told from other clients by what it says', async () => {
  const { services, ask } = await prepared()
  await ask('PATCH', '/v1/numbers/+14155550100', { label: 'A' }, { 'user-agent': 'signalbox-cli' })
  await ask('PATCH', '/v1/numbers/+14155550100', { label: 'B' })
  assert.equal(
    services.audited.map(({ via }) => via),
    ['cli', 'api'],
  )
})

Audit.run()
