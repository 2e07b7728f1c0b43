import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { startApi, type TestApi } from '../support/api-fakes.js'

const NumbersApi = suite('NumbersApi')

const form = {
  phone_number: '+14155550100',
  sip_domain: 'pbx.example.com',
  username: 'u',
  password: 'hush-hush-1',
  auth_username: 'a',
  outbound_proxy: 'sip:127.0.0.1:5065;transport=tcp',
  register: { enabled: true, expires: 300 },
  allowed_addresses: ['127.0.0.1/32'],
  inbound_agent_id: 'front',
  outbound_agent_ids: ['front'],
}

async function startWithAgents(...ids: string[]): Promise<TestApi> {
  const test = startApi()
  for (const id of ids) await test.ask('PUT', `/v1/agents/${id}`, { sip_uri: `sip:${id}@127.0.0.1:5090` })
  return test
}

NumbersApi('the import form is answered 201 with the number, its trunk, origination_uris and next_hop', async () => {
  const { ask, services } = await startWithAgents('front')
  const { status, body, headers, text } = await ask('POST', '/v1/numbers', form)
  assert.is(status, 201)
  assert.is(headers.location, '/v1/numbers/%2B14155550100')
  assert.is(body.phone_number, '+14155550100')
  assert.is(body.inbound_agent_id, 'front')
  assert.equal(body.outbound_agent_ids, ['front'])
  const trunk = body.trunk as Record<string, unknown>
  assert.is(trunk.id, body.trunk_id)
  assert.is(trunk.sip_domain, 'pbx.example.com')
  assert.is(trunk.auth_username, 'a')
  assert.equal(trunk.register, { enabled: true, expires: 300 })
  assert.is(trunk.has_password, true)
  assert.equal(body.origination_uris, ['sip:127.0.0.1:5060;transport=udp', 'sip:127.0.0.1:5060;transport=tcp'])
  assert.is(body.next_hop, 'sip:127.0.0.1:5065;transport=tcp')
  assert.not.match(text, 'hush-hush-1')
  assert.is(services.secrets.get(String(trunk.id)), 'hush-hush-1')
})

NumbersApi('no answer and no log line ever holds a password', async () => {
  const { ask, services } = await startWithAgents('front')
  const answers = [
    await ask('POST', '/v1/numbers', form),
    await ask('POST', '/v1/numbers', form),
    await ask('POST', '/v1/numbers', { ...form, phone_number: '+14155550101', password: 'hush-hush-2' }),
    await ask('POST', '/v1/numbers', `{"password":"hush-hush-3"`),
    await ask('POST', '/v1/numbers', { ...form, password: 'hush-hush-4\r\n' }),
    await ask('GET', '/v1/numbers/+14155550100'),
    await ask('GET', '/v1/numbers'),
    await ask('GET', '/v1/trunks'),
  ]
  services.nextError = new Error('hush-hush-5')
  answers.push(await ask('GET', '/v1/numbers'))
  assert.is(answers.at(-1)?.status, 500)
  for (const { text } of answers) assert.not.match(text, 'hush-hush')
  assert.not.match(JSON.stringify(services.logged.map(({ message }) => message)), 'hush-hush')
})

NumbersApi('spellings of a number are kept as E.164', async () => {
  for (const [phone_number, country] of [
    ['+1 (415) 555-0100', undefined],
    ['0014155550100', undefined],
    ['(415) 555-0100', 'US'],
    ['4155550100', 'US'],
  ] as const) {
    const { ask } = await startWithAgents('front')
    const made = await ask('POST', '/v1/numbers', {
      ...form,
      phone_number,
      ...(country === undefined ? {} : { country }),
    })
    assert.is(made.status, 201, `${phone_number}: ${made.text}`)
    assert.is(made.body.phone_number, '+14155550100')
  }
})

NumbersApi('a number in a URL may be spelled with "+", %2B, spaces or 00', async () => {
  const { ask } = await startWithAgents('front')
  await ask('POST', '/v1/numbers', form)
  for (const spelled of ['+14155550100', '%2B14155550100', '%2B1%20415%20555-0100', '0014155550100', '+1(415)5550100'])
    assert.is((await ask('GET', `/v1/numbers/${spelled}`)).body.phone_number, '+14155550100', spelled)
})

NumbersApi('impossible numbers are refused by name, saying why', async () => {
  const { ask } = await startWithAgents('front')
  for (const phone_number of [
    '+1',
    '12',
    '4155550100',
    '+1415555010012345678',
    'hello',
    '+999123456789',
    '',
    '+١٢٣',
    '+12',
  ]) {
    const answer = await ask('POST', '/v1/numbers', { ...form, phone_number })
    assert.is(answer.status, 400, phone_number)
    assert.is(answer.body.code, 'NUMBER_IMPOSSIBLE', phone_number)
    assert.is(answer.body.errors?.[0]?.field, 'phone_number')
    assert.ok((answer.body.errors?.[0]?.message ?? '').length > 5)
  }
})

NumbersApi('an extension is taken as it is when the request says it is one', async () => {
  const { ask } = await startWithAgents('front')
  const made = await ask('POST', '/v1/numbers', { ...form, phone_number: 'desk-204', kind: 'extension' })
  assert.is(made.status, 201)
  assert.is(made.body.phone_number, 'desk-204')
  assert.is((await ask('GET', '/v1/numbers/desk-204')).status, 200)
  assert.is((await ask('POST', '/v1/numbers', { ...form, phone_number: 'desk 204', kind: 'extension' })).status, 400)
  assert.is((await ask('DELETE', '/v1/numbers/desk-204')).status, 204)
})

NumbersApi('a URL names an extension before the phone number it would be as another spelling', async () => {
  const { ask, services } = await startWithAgents('front')
  await ask('POST', '/v1/numbers', form)
  await ask('POST', '/v1/numbers', { ...form, phone_number: '0014155550100', kind: 'extension' })
  assert.is((await ask('GET', '/v1/numbers/0014155550100')).body.kind, 'extension')
  assert.is((await ask('DELETE', '/v1/numbers/0014155550100')).status, 204)
  assert.equal([...services.numberRecords.keys()], ['+14155550100'])
})

NumbersApi('equal trunk fields reuse the trunk; others make a new one', async () => {
  const { ask, services } = await startWithAgents('front')
  const first = await ask('POST', '/v1/numbers', form)
  const same = await ask('POST', '/v1/numbers', { ...form, phone_number: '+14155550101', label: 'second' })
  const other = await ask('POST', '/v1/numbers', { ...form, phone_number: '+14155550102', username: 'v' })
  assert.is(same.body.trunk_id, first.body.trunk_id)
  assert.is.not(other.body.trunk_id, first.body.trunk_id)
  assert.is(services.trunkRecords.size, 2)
})

NumbersApi('equal fields with another password are refused, and the password that is there stays', async () => {
  const { ask, services } = await startWithAgents('front')
  const first = await ask('POST', '/v1/numbers', form)
  const answer = await ask('POST', '/v1/numbers', { ...form, phone_number: '+14155550101', password: 'other' })
  assert.is(answer.status, 409)
  assert.is(answer.body.code, 'TRUNK_PASSWORD_DIFFERS')
  assert.is(answer.body.errors?.[0]?.field, 'password')
  assert.is(services.secrets.get(String(first.body.trunk_id)), 'hush-hush-1')
  assert.is(services.numberRecords.size, 1)
})

NumbersApi('an existing trunk is named by trunk_id, never beside trunk fields', async () => {
  const { ask } = await startWithAgents('front')
  const { body } = await ask('POST', '/v1/numbers', form)
  const trunk_id = body.trunk_id
  const second = await ask('POST', '/v1/numbers', { phone_number: '+14155550101', trunk_id })
  assert.is(second.status, 201)
  assert.is(second.body.next_hop, 'sip:127.0.0.1:5065;transport=tcp')
  const both = await ask('POST', '/v1/numbers', { phone_number: '+14155550102', trunk_id, sip_domain: 'x.example.com' })
  assert.is(both.status, 400)
  assert.is(both.body.errors?.[0]?.field, 'sip_domain')
  const unknown = await ask('POST', '/v1/numbers', { phone_number: '+14155550102', trunk_id: 'none' })
  assert.is(unknown.body.code, 'TRUNK_UNKNOWN')
  assert.match(String(unknown.body.detail), '"none"')
  const neither = await ask('POST', '/v1/numbers', { phone_number: '+14155550102' })
  assert.is(neither.status, 400)
  assert.is(neither.body.errors?.[0]?.field, 'trunk_id')
})

NumbersApi('agents that do not exist are named with their fields, and nothing is made', async () => {
  const { ask, services } = await startWithAgents('front')
  const answer = await ask('POST', '/v1/numbers', {
    ...form,
    inbound_agent_id: 'nobody',
    outbound_agent_ids: ['front', 'noone'],
  })
  assert.is(answer.status, 400)
  assert.is(answer.body.code, 'AGENT_UNKNOWN')
  assert.equal(answer.body.errors?.map(({ field, message }) => `${field} ${message}`).sort(), [
    'inbound_agent_id there is no agent "nobody"',
    'outbound_agent_ids[1] there is no agent "noone"',
  ])
  assert.is(services.trunkRecords.size + services.numberRecords.size + services.secrets.size, 0)
})

NumbersApi('an outbound proxy or domain that cannot be used is refused with the reason and an example', async () => {
  const { ask, services } = await startWithAgents('front')
  for (const outbound_proxy of [
    'http://proxy',
    'sip:user@proxy',
    'sip:p.example.com;transport=ws',
    '127.1',
    '<sip:p>',
  ]) {
    const answer = await ask('POST', '/v1/numbers', { ...form, outbound_proxy })
    assert.is(answer.status, 400, outbound_proxy)
    assert.is(answer.body.errors?.[0]?.field, 'outbound_proxy')
    assert.match(String(answer.body.errors?.[0]?.message), 'for example sip:proxy.example.com')
  }
  const domain = await ask('POST', '/v1/numbers', { ...form, sip_domain: '2130706433' })
  assert.is(domain.body.errors?.[0]?.field, 'sip_domain')
  assert.is(services.trunkRecords.size, 0)
})

NumbersApi('a number that is there already is refused with 409, naming its inbound agent', async () => {
  const { ask } = await startWithAgents('front', 'back')
  await ask('POST', '/v1/numbers', form)
  const again = await ask('POST', '/v1/numbers', form)
  assert.is(again.status, 409)
  assert.is(again.body.code, 'NUMBER_TAKEN')
  assert.is(again.body.inbound_agent_id, 'front')
  const other = await ask('POST', '/v1/numbers', { ...form, inbound_agent_id: 'back' })
  assert.is(other.status, 409)
  assert.is(other.body.code, 'INBOUND_AGENT_TAKEN')
  assert.is(other.body.inbound_agent_id, 'front')
  const moved = await ask('POST', '/v1/numbers', { ...form, inbound_agent_id: 'back', replace: true })
  assert.is(moved.status, 200)
  assert.is(moved.body.inbound_agent_id, 'back')
})

NumbersApi('a trunk made for a number that then cannot be added is taken away again', async () => {
  const { ask, services } = await startWithAgents('front')
  const create = services.numbers.create
  Object.assign(services.numbers, {
    create: async (number: Parameters<typeof create>[0]) => {
      // Another writer adds the number between the question and the write.
      services.numberRecords.set(number.phone_number, { ...number, created_at: '', updated_at: '' })
      return create(number)
    },
  })
  const answer = await ask('POST', '/v1/numbers', { ...form, trunk_id: undefined })
  assert.is(answer.status, 409)
  assert.is(answer.body.code, 'NUMBER_TAKEN')
  services.numberRecords.clear()
  assert.is(services.trunkRecords.size, 1, 'the number that won still names it in this store')
  Object.assign(services.numbers, {
    create: async () => {
      throw new Error('disk full')
    },
  })
  services.trunkRecords.clear()
  services.secrets.clear()
  assert.is((await ask('POST', '/v1/numbers', form)).status, 500)
  assert.is(services.trunkRecords.size + services.secrets.size, 0)
})

NumbersApi(
  'PATCH gives a number to an agent only when it has none, the same, or replace is said; null takes it away',
  async () => {
    const { ask } = await startWithAgents('front', 'back')
    await ask('POST', '/v1/numbers', form)
    const url = '/v1/numbers/+14155550100'
    const refused = await ask('PATCH', url, { inbound_agent_id: 'back', label: 'not kept' })
    assert.is(refused.status, 409)
    assert.is(refused.body.code, 'INBOUND_AGENT_TAKEN')
    assert.is(refused.body.inbound_agent_id, 'front')
    assert.match(String(refused.body.detail), '"front"')
    assert.is((await ask('GET', url)).body.label, '')
    assert.is((await ask('PATCH', url, { inbound_agent_id: 'front' })).status, 200)
    assert.is((await ask('PATCH', url, { inbound_agent_id: 'back', replace: true })).body.inbound_agent_id, 'back')
    assert.is((await ask('PATCH', url, { inbound_agent_id: null })).body.inbound_agent_id, null)
    assert.is((await ask('PATCH', url, { inbound_agent_id: 'front' })).body.inbound_agent_id, 'front')
    const unknown = await ask('PATCH', url, { inbound_agent_id: 'nobody', replace: true })
    assert.is(unknown.body.code, 'AGENT_UNKNOWN')
  },
)

NumbersApi('PATCH changes what is given and leaves the rest; what cannot change is refused by name', async () => {
  const { ask } = await startWithAgents('front')
  await ask('POST', '/v1/numbers', { ...form, label: 'Main' })
  const url = '/v1/numbers/+14155550100'
  const changed = await ask('PATCH', url, { enabled: false, outbound_agent_ids: [] })
  assert.is(changed.body.enabled, false)
  assert.equal(changed.body.outbound_agent_ids, [])
  assert.is(changed.body.label, 'Main')
  assert.is(changed.body.inbound_agent_id, 'front')
  for (const field of ['phone_number', 'kind', 'sip_domain', 'account_id']) {
    const answer = await ask('PATCH', url, { [field]: 'x' })
    assert.is(answer.status, 400)
    assert.is(answer.body.errors?.[0]?.field, field)
  }
  assert.is((await ask('PATCH', url, { trunk_id: 'none' })).body.code, 'TRUNK_UNKNOWN')
  assert.is((await ask('PATCH', '/v1/numbers/+14155550199', {})).status, 404)
})

NumbersApi('DELETE removes the number and leaves its trunk', async () => {
  const { ask, services } = await startWithAgents('front')
  await ask('POST', '/v1/numbers', form)
  assert.is((await ask('DELETE', '/v1/numbers/+14155550100')).status, 204)
  const gone = await ask('DELETE', '/v1/numbers/+14155550100')
  assert.is(gone.status, 404)
  assert.is(gone.body.code, 'NUMBER_NOT_FOUND')
  assert.is(services.trunkRecords.size, 1)
})

NumbersApi('lists by trunk and by agent', async () => {
  const { ask } = await startWithAgents('front', 'back')
  const { body } = await ask('POST', '/v1/numbers', form)
  await ask('POST', '/v1/numbers', { phone_number: '+14155550101', trunk_id: body.trunk_id, inbound_agent_id: 'back' })
  const of = async (query: string) =>
    (await ask('GET', `/v1/numbers?${query}`)).body.items?.map((item) => item.phone_number)
  assert.equal(await of('agent_id=back'), ['+14155550101'])
  assert.equal(await of(`trunk_id=${String(body.trunk_id)}`), ['+14155550100', '+14155550101'])
  assert.equal(await of('trunk_id=none'), [])
})

NumbersApi('a number whose trunk is gone is shown without one', async () => {
  const { ask, services } = await startWithAgents('front')
  await ask('POST', '/v1/numbers', form)
  services.trunkRecords.clear()
  const shown = await ask('GET', '/v1/numbers/+14155550100')
  assert.is(shown.status, 200)
  assert.is(shown.body.trunk, null)
  assert.is(shown.body.next_hop, null)
})

NumbersApi.run()
