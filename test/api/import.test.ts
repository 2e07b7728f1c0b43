import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { startApi, type TestApi } from '../support/api-fakes.js'

const Import = suite('Import of a number')

const N = '+14155550100'
const form = {
  phone_number: N,
  sip_domain: 'pbx.example.com',
  username: 'u',
  password: 'hush-hush-1',
  outbound_proxy: 'sip:192.0.2.7:5065;transport=tcp',
  register: { enabled: true },
  allowed_addresses: ['192.0.2.0/24'],
}

async function startWithAgents(...ids: string[]): Promise<TestApi> {
  const test = startApi()
  for (const id of ids) await test.ask('PUT', `/v1/agents/${id}`, { sip_uri: `sip:${id}@127.0.0.1:5090` })
  return test
}

/** What is kept, secrets too. */
const kept = ({ services }: TestApi): number =>
  services.numberRecords.size + services.trunkRecords.size + services.secrets.size + services.inboundSecrets.size

Import('every trunk field is taken and shown; passwords are told of by flags alone', async () => {
  const test = startApi()
  const fields = {
    auth_username: 'a',
    transport: 'tcp',
    from_user: 'f',
    from_domain: 'f.example.com',
    caller_id: 'p-asserted-identity',
    number_format: 'national',
    country: 'US',
    register: { enabled: true, expires: 120 },
    ping: { enabled: true, interval_s: 15 },
    inbound_auth: { username: 'carrier', realm: 'r' },
    require: ['address', 'digest'],
    trust_identity: true,
    did_from: ['to'],
    channel_limit: 3,
    cps_limit: 0.5,
    allowed_extensions: ['2*'],
    pass_headers: ['X-Ticket'],
    headers: { 'X-A': 'b' },
  }
  const inbound_auth = { ...fields.inbound_auth, password: 'hush-hush-2' }
  const made = await test.ask('POST', '/v1/numbers', { ...form, ...fields, inbound_auth })
  assert.is(made.status, 201, made.text)
  const trunk = made.body.trunk as Record<string, unknown>
  for (const [name, value] of Object.entries(fields)) assert.equal(trunk[name], value, name)
  assert.is(trunk.has_password, true)
  assert.is(trunk.has_inbound_password, true)
  assert.not.match(made.text, 'hush-hush')
  assert.is(test.services.inboundSecrets.get(String(trunk.id)), 'hush-hush-2')
})

Import('the answer tells where to send calls, whom to let in, and where calls and registrations go', async () => {
  const { ask } = startApi()
  const { body } = await ask('POST', '/v1/numbers', form)
  assert.equal(body.origination_uris, ['sip:127.0.0.1:5060;transport=udp', 'sip:127.0.0.1:5060;transport=tcp'])
  assert.equal(body.allow_addresses, ['127.0.0.1'])
  assert.is(body.next_hop, 'sip:192.0.2.7:5065;transport=tcp')
  assert.is(body.registration_next_hop, 'sip:192.0.2.7:5065;transport=tcp')
  const quiet = { ...form, phone_number: '+14155550101', register: { enabled: false } }
  assert.is((await ask('POST', '/v1/numbers', quiet)).body.registration_next_hop, null)
})

Import('termination_uri is another word for sip_domain', async () => {
  const { ask } = startApi()
  const { sip_domain: _, ...rest } = form
  const made = await ask('POST', '/v1/numbers', { ...rest, termination_uri: 'sip:pbx.example.com' })
  assert.is((made.body.trunk as { sip_domain: string }).sip_domain, 'pbx.example.com')
  const both = await ask('POST', '/v1/numbers', {
    ...form,
    phone_number: '+14155550101',
    termination_uri: 'other.example.com',
  })
  assert.is(both.body.errors?.[0]?.field, 'termination_uri')
})

Import('outbound_proxy is taken in each of its forms and shown back as the next hop', async () => {
  for (const [outbound_proxy, shown] of [
    ['sip:proxy.example.com', 'sip:proxy.example.com'],
    ['sip:proxy.example.com:5080', 'sip:proxy.example.com:5080;transport=udp'],
    ['sip:192.0.2.7:5065', 'sip:192.0.2.7:5065;transport=udp'],
    ['sip:proxy.example.com;transport=tcp', 'sip:proxy.example.com;transport=tcp'],
    ['proxy.example.com:5080', 'sip:proxy.example.com:5080;transport=udp'],
    ['proxy.example.com;lr', 'sip:proxy.example.com'],
    ['sip:192.0.2.7;lr;transport=tcp', 'sip:192.0.2.7:5060;transport=tcp'],
    ['[2001:db8::7]:5070', 'sip:[2001:db8::7]:5070;transport=udp'],
  ] as const) {
    const { ask } = startApi()
    const made = await ask('POST', '/v1/numbers', { ...form, outbound_proxy })
    assert.is(made.body.next_hop, shown, `${outbound_proxy}: ${made.text}`)
    assert.is(made.body.registration_next_hop, shown)
  }
})

Import('a proxy or domain that cannot be used is refused with its field, the reason and an example', async () => {
  const test = startApi()
  const rows: [Record<string, unknown>, string, RegExp][] = [
    [
      { outbound_proxy: 'sip:p.example.com;transport=tls' },
      'outbound_proxy',
      /TLS, and this edge has UDP and TCP only/,
    ],
    [{ outbound_proxy: 'sips:p.example.com' }, 'outbound_proxy', /TLS/],
    [{ transport: 'tls' }, 'transport', /TLS/],
    [{ outbound_proxy: 'sip:127.0.0.1:5060' }, 'outbound_proxy', /this edge itself/],
    [{ outbound_proxy: '127.0.0.1;transport=tcp' }, 'outbound_proxy', /this edge itself/],
    [{ outbound_proxy: 'localhost:5060' }, 'outbound_proxy', /this edge itself/],
    [{ outbound_proxy: null, sip_domain: '127.0.0.1' }, 'sip_domain', /this edge itself/],
    [{ outbound_proxy: 'sip:0.0.0.0:5070' }, 'outbound_proxy', /no address of a server/],
    [{ outbound_proxy: '[::]:5070' }, 'outbound_proxy', /no address of a server/],
    [{ outbound_proxy: '224.0.1.75' }, 'outbound_proxy', /no address of a server/],
    [{ outbound_proxy: 'p.example.com:0' }, 'outbound_proxy', /port|SIP address/],
    [{ outbound_proxy: 'p.example.com:99999' }, 'outbound_proxy', /port|SIP address/],
    [{ outbound_proxy: 'sip:u@p.example.com' }, 'outbound_proxy', /user part/],
    [{ outbound_proxy: 'sip:a.example.com,sip:b.example.com' }, 'outbound_proxy', /one address/],
    [{ outbound_proxy: 'sip:p.example.com?Route=x' }, 'outbound_proxy', /headers/],
    [{ outbound_proxy: 'sip:p.example.com;maddr=192.0.2.9' }, 'outbound_proxy', /only transport and lr/],
    [{ outbound_proxy: '' }, 'outbound_proxy', /is empty/],
    [{ outbound_proxy: '%%%' }, 'outbound_proxy', /SIP address/],
  ]
  for (const [body, field, why] of rows) {
    const answer = await test.ask('POST', '/v1/numbers', { ...form, ...body })
    assert.is(answer.status, 400, `${JSON.stringify(body)}: ${answer.text}`)
    assert.is(answer.body.errors?.[0]?.field, field, answer.text)
    assert.match(answer.body.errors?.[0]?.message ?? '', why)
    assert.match(answer.body.errors?.[0]?.message ?? '', 'for example ')
  }
  assert.is(kept(test), 0)
})

Import('on an edge with TLS, a trunk over TLS is taken', async () => {
  const test = startApi()
  const origination = test.services.origination()
  Object.assign(origination, { transports: ['udp', 'tls'] })
  const { services } = test
  const withTls = startApi(Object.assign(services, { origination: () => origination }))
  const made = await withTls.ask('POST', '/v1/numbers', { ...form, outbound_proxy: 'sips:p.example.com' })
  assert.is(made.status, 201, made.text)
  assert.is(made.body.next_hop, 'sip:p.example.com;transport=tls')
})

Import('what does not go together is refused by name, all of it at once', async () => {
  const test = startApi()
  const bare = { phone_number: N, allowed_addresses: ['192.0.2.7'] }
  const rows: [Record<string, unknown>, string[]][] = [
    [{ ...bare, register: { enabled: true } }, ['username', 'sip_domain']],
    [{ ...bare, username: 'u', register: { enabled: true } }, ['sip_domain']],
    [{ ...bare, sip_domain: 'p.example.com', register: { enabled: true } }, ['username']],
    [{ ...bare, password: 'hush-hush' }, ['password']],
    [{ ...bare, inbound_auth: { username: 'x' } }, ['inbound_auth.password']],
    [{ ...bare, inbound_auth: { password: 'hush-hush' } }, ['inbound_auth.username']],
    [{ ...bare, number_format: 'national' }, ['country']],
  ]
  for (const [body, fields] of rows) {
    const answer = await test.ask('POST', '/v1/numbers', body)
    assert.is(answer.status, 400, JSON.stringify(body))
    assert.equal(
      answer.body.errors?.map(({ field }) => field),
      fields,
      answer.text,
    )
    assert.not.match(answer.text, 'hush-hush')
  }
  assert.is(kept(test), 0)
  assert.is((await test.ask('POST', '/v1/numbers', { ...bare, username: 'u', password: 'p' })).status, 201)
})

Import('a trunk known by its digest alone is enough', async () => {
  const { ask } = startApi()
  const inbound_auth = { username: 'carrier', password: 'p' }
  const made = await ask('POST', '/v1/numbers', { phone_number: N, inbound_auth })
  assert.is(made.status, 201, made.text)
  const again = await ask('POST', '/v1/numbers', {
    phone_number: '+14155550101',
    inbound_auth: { username: 'carrier' },
  })
  assert.is(again.body.trunk_id, made.body.trunk_id, 'the password that is kept stays')
  const differs = { ...inbound_auth, password: 'q' }
  const refused = await ask('POST', '/v1/numbers', { phone_number: '+14155550102', inbound_auth: differs })
  assert.is(refused.body.code, 'TRUNK_PASSWORD_DIFFERS')
  assert.is(refused.body.errors?.[0]?.field, 'inbound_auth.password')
})

Import(
  'a number that is taken is refused naming its trunk and agent, and an address that both trunks allow',
  async () => {
    const { ask } = await startWithAgents('front')
    const { body } = await ask('POST', '/v1/numbers', { ...form, inbound_agent_id: 'front' })
    const trunk = String(body.trunk_id)
    const other = { ...form, username: 'v', inbound_agent_id: 'front' }
    const shared = await ask('POST', '/v1/numbers', { ...other, allowed_addresses: ['192.0.2.7/32', '198.51.100.1'] })
    assert.is(shared.status, 409)
    assert.is(shared.body.code, 'NUMBER_TAKEN')
    assert.is(shared.body.inbound_agent_id, 'front')
    assert.is(shared.body.trunk_id, trunk)
    assert.is(
      shared.body.detail,
      `${N} exists already, on trunk "${trunk}", answered by agent "front": it belongs to trunk "${trunk}", which allows 192.0.2.7 too`,
    )
    const apart = await ask('POST', '/v1/numbers', { ...other, allowed_addresses: ['198.51.100.1'] })
    assert.is(apart.body.detail, `${N} exists already, on trunk "${trunk}", answered by agent "front"`)
  },
)

Import('an extension that is taken is refused in the same way', async () => {
  const { ask } = startApi()
  const extension = { ...form, phone_number: '204', kind: 'extension' }
  const { body } = await ask('POST', '/v1/numbers', extension)
  const again = await ask('POST', '/v1/numbers', { ...extension, username: 'v' })
  assert.is(again.body.code, 'NUMBER_TAKEN')
  assert.match(String(again.body.detail), `on trunk "${String(body.trunk_id)}"`)
})

Import('trunks, agents and numbers of another account are not there', async () => {
  const { ask, services } = await startWithAgents('front')
  const { body } = await ask('POST', '/v1/numbers', form)
  const trunk = services.trunkRecords.get(String(body.trunk_id))!
  services.trunkRecords.set('theirs', { ...trunk, id: 'theirs', account_id: 'acme' })
  services.agentRecords.set('theirs', { ...services.agentRecords.get('front')!, id: 'theirs', account_id: 'acme' })
  const second = { phone_number: '+14155550101', trunk_id: 'theirs' }
  assert.is((await ask('POST', '/v1/numbers', second)).body.code, 'TRUNK_UNKNOWN')
  assert.is((await ask('PATCH', `/v1/numbers/${N}`, { trunk_id: 'theirs' })).body.code, 'TRUNK_UNKNOWN')
  assert.is((await ask('PATCH', `/v1/numbers/${N}`, { inbound_agent_id: 'theirs' })).body.code, 'AGENT_UNKNOWN')
  services.numberRecords.set(N, { ...services.numberRecords.get(N)!, account_id: 'acme' })
  const taken = await ask('POST', '/v1/numbers', { ...form, replace: true })
  assert.is(taken.status, 409)
  assert.is(taken.body.detail, `${N} exists already`)
})

Import('a dry run checks everything, tells what would be, and writes nothing', async () => {
  const test = await startWithAgents('front')
  const { ask } = test
  const url = '/v1/numbers?dry_run=true'
  const would = await ask('POST', url, form)
  assert.is(would.status, 200, would.text)
  assert.is(would.body.dry_run, true)
  assert.is(would.body.trunk_id, 'new')
  assert.is((would.body.trunk as Record<string, unknown>).has_password, true)
  assert.is(would.body.next_hop, 'sip:192.0.2.7:5065;transport=tcp')
  assert.is(kept(test), 0)
  const made = await ask('POST', '/v1/numbers', form)
  assert.not.ok('dry_run' in made.body)
  const before = kept(test)
  const second = await ask('POST', url, { ...form, phone_number: '+14155550101' })
  assert.is(second.body.trunk_id, made.body.trunk_id)
  for (const [body, code] of [
    [form, 'NUMBER_TAKEN'],
    [{ ...form, phone_number: '+1' }, 'NUMBER_IMPOSSIBLE'],
    [{ ...form, phone_number: '+14155550101', password: 'other' }, 'TRUNK_PASSWORD_DIFFERS'],
    [{ ...form, phone_number: '+14155550101', inbound_agent_id: 'nobody' }, 'AGENT_UNKNOWN'],
    [{ ...form, phone_number: '+14155550101', outbound_proxy: 'sips:x.example.com' }, 'VALIDATION_FAILED'],
  ] as const)
    assert.is((await ask('POST', url, body)).body.code, code)
  assert.is(kept(test), before)
  assert.is((await ask('POST', '/v1/numbers?dry_run=perhaps', form)).body.errors?.[0]?.field, 'dry_run')
})

Import('passwords are there before the trunk is; one that is refused leaves none', async () => {
  const test = startApi()
  const { ask, services } = test
  const inbound_auth = { username: 'carrier', password: 'hush-hush-2' }
  const { findOrCreate } = services.trunks
  Object.assign(services.trunks, {
    findOrCreate: async (trunk: Parameters<typeof findOrCreate>[0]) => {
      assert.is(services.secrets.get(trunk.id), 'hush-hush-1')
      assert.is(services.inboundSecrets.get(trunk.id), 'hush-hush-2')
      throw new Error('disk full')
    },
  })
  assert.is((await ask('POST', '/v1/numbers', { ...form, inbound_auth })).status, 500)
  assert.is(kept(test), 0)
  // Another import of the same fields is faster.
  Object.assign(services.trunks, {
    findOrCreate: async (trunk: Parameters<typeof findOrCreate>[0]) => {
      const found = await findOrCreate({ ...trunk, id: 'faster' })
      services.secrets.set('faster', 'hush-hush-1')
      return { ...found, created: false }
    },
  })
  assert.is((await ask('POST', '/v1/numbers', form)).status, 201)
  assert.equal([...services.secrets.keys()], ['faster'])
})

Import('a trunk or an agent that is removed while a number is written on it leaves no number without one', async () => {
  const test = await startWithAgents('front')
  const { ask, services } = test
  const { body } = await ask('POST', '/v1/numbers', form)
  const { create } = services.numbers
  const removing = (remove: (trunkId: string) => void): void => {
    Object.assign(services.numbers, {
      create: async (...args: Parameters<typeof create>) => {
        const number = await create(...args)
        remove(number.trunk_id)
        return number
      },
    })
  }
  removing((id) => services.trunkRecords.delete(id))
  const named = await ask('POST', '/v1/numbers', { phone_number: '+14155550101', trunk_id: body.trunk_id })
  assert.is(named.body.code, 'TRUNK_UNKNOWN', named.text)
  assert.equal([...services.numberRecords.keys()], [N])

  let times = 0
  removing((id) => void (times++ === 0 && services.trunkRecords.delete(id)))
  const inline = await ask('POST', '/v1/numbers', { ...form, phone_number: '+14155550102', username: 'v' })
  assert.is(inline.status, 201, inline.text)
  assert.ok(services.trunkRecords.has(String(inline.body.trunk_id)), 'another was made')
  assert.is(services.numberRecords.get('+14155550102')?.trunk_id, inline.body.trunk_id)

  removing(() => services.agentRecords.delete('front'))
  const agentless = await ask('POST', '/v1/numbers', {
    ...form,
    phone_number: '+14155550103',
    inbound_agent_id: 'front',
  })
  assert.is(agentless.body.code, 'AGENT_UNKNOWN', agentless.text)
  assert.not.ok(services.numberRecords.has('+14155550103'))
  assert.equal([...services.trunkRecords.keys()], [inline.body.trunk_id], 'nor a trunk')
})

Import('a number that would be dialled like another behind the same address is refused, and says why', async () => {
  const test = startApi()
  const ask = (phone_number: string, fields: object) =>
    test.ask('POST', '/v1/numbers', { phone_number, allowed_addresses: ['192.0.2.7'], ...fields })
  assert.is((await ask('4155550100', { kind: 'extension', label: 'a', from_user: 'a' })).status, 201)
  const before = kept(test)
  const clash = await ask('+14155550100', { country: 'US', from_user: 'b', allowed_addresses: ['192.0.2.0/24'] })
  assert.equal([clash.status, clash.body.code, kept(test)], [409, 'NUMBER_AMBIGUOUS', before], clash.text)
  assert.match(String(clash.body.detail), '+14155550100 and 4155550100 of trunk "trunk-')
  assert.match(String(clash.body.detail), 'come from 192.0.2.7')
  // A trunk that reads no national numbers, one behind another address, and one with a domain of its own.
  for (const fields of [
    { country: 'DE', from_user: 'c' },
    { country: 'US', from_user: 'd', allowed_addresses: ['198.51.100.7'] },
  ]) {
    const made = await ask('+14155550100', fields)
    assert.is(made.status, 201, made.text)
    assert.is((await test.ask('DELETE', '/v1/numbers/+14155550100')).status, 204)
  }
  const trunk = [...test.services.trunkRecords.keys()][0] ?? ''
  await test.ask('PATCH', `/v1/trunks/${trunk}`, { sip_domain: 'one.example.com' })
  const apart = await ask('+14155550100', { country: 'US', from_user: 'e', sip_domain: 'two.example.com' })
  assert.is(apart.status, 201, apart.text)
  // The other way round: the extension comes second.
  await test.ask('DELETE', '/v1/numbers/4155550100')
  const second = await ask('4155550100', { kind: 'extension', from_user: 'f' })
  assert.equal([second.status, second.body.code], [409, 'NUMBER_AMBIGUOUS'], second.text)
})

Import(
  'a change of a trunk that makes its numbers be dialled like others is refused; one on the way out is not',
  async () => {
    const test = startApi()
    const make = async (phone_number: string, fields: object): Promise<string> => {
      const made = await test.ask('POST', '/v1/numbers', { phone_number, country: 'US', ...fields })
      assert.is(made.status, 201, made.text)
      return String(made.body.trunk_id)
    }
    const patch = (id: string, fields: object) => test.ask('PATCH', `/v1/trunks/${id}`, fields)
    const pbx = await make('4155550100', { kind: 'extension', allowed_addresses: ['192.0.2.7'], from_user: 'a' })
    const carrier = await make('+14155550100', { allowed_addresses: ['198.51.100.7'], from_user: 'b' })
    const before = kept(test)
    for (const fields of [
      { allowed_addresses: ['192.0.2.0/24'] },
      { allowed_addresses: ['198.51.100.7', '192.0.2.7'] },
    ]) {
      const refused = await patch(carrier, fields)
      assert.equal([refused.status, refused.body.code], [409, 'NUMBER_AMBIGUOUS'], refused.text)
    }
    assert.equal(kept(test), before)
    assert.is((await patch(carrier, { label: 'b', allowed_addresses: ['198.51.100.0/24'] })).status, 200)
    // Records that clash already, as others may have written them.
    const record = test.services.trunkRecords.get(carrier)!
    test.services.trunkRecords.set(carrier, { ...record, allowed_addresses: ['192.0.2.7'] })
    assert.is((await patch(carrier, { sip_domain: 'one.example.com' })).status, 200)
    assert.is((await patch(pbx, { sip_domain: 'two.example.com' })).status, 200)
    assert.is((await patch(pbx, { sip_domain: 'one.example.com' })).status, 409)
  },
)

Import.run()
