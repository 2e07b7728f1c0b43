import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { startApi } from '../support/api-fakes.js'

const TrunksApi = suite('TrunksApi')

async function startWithTrunk() {
  const test = startApi()
  const { body } = await test.ask('POST', '/v1/numbers', {
    phone_number: '+14155550100',
    sip_domain: 'pbx.example.com',
    username: 'u',
    allowed_addresses: ['192.0.2.0/24'],
    channel_limit: 3,
  })
  const id = String(body.trunk_id)
  return { ...test, id, url: `/v1/trunks/${id}` }
}

TrunksApi('GET shows a trunk without its password, whether it has one, and its next hop', async () => {
  const { ask, url, id } = await startWithTrunk()
  const { status, body } = await ask('GET', url)
  assert.is(status, 200)
  assert.is(body.id, id)
  assert.is(body.has_password, false)
  assert.is(body.next_hop, 'sip:pbx.example.com')
  assert.not.ok('password' in body)
  const list = await ask('GET', '/v1/trunks')
  assert.is(list.body.items?.[0]?.id, id)
  assert.is(list.body.next_cursor, null)
})

TrunksApi(
  'TLS settings are merged, cleared by null, and shown with what their server proved and what is wrong',
  async () => {
    const { ask, url, services } = await startWithTrunk()
    const proxy = 'sip:sip.example.com'
    const set = await ask('PATCH', url, { outbound_proxy: proxy, tls: { verify: false }, media_encryption: 'required' })
    assert.is(set.status, 200)
    await ask('PATCH', url, { tls: { client_certificate: 'carrier' } })
    const { body } = await ask('GET', url)
    assert.is(body.media_encryption, 'required')
    assert.equal(body.tls, {
      server_name: null,
      ca: null,
      client_certificate: 'carrier',
      pinned_name: null,
      pinned_sha256: [],
      verify: false,
    })
    assert.is(body.tls_state, null)
    assert.match(String(body.warnings), 'whoever answers at its address')
    assert.is((await ask('PATCH', url, { tls: null })).body.tls, null)
    services.tlsPeers.set(' sip.example.com', { profile: undefined, dialled: 'sip.example.com', problem: 'expired' })
    const { tls_state } = (await ask('GET', url)).body as { tls_state?: { problem?: string } }
    assert.is(tls_state?.problem, 'expired')
  },
)

TrunksApi(
  'TLS settings that cannot work, or hold a key, are refused by their field; the key is not repeated',
  async () => {
    const { ask, url, services } = await startWithTrunk()
    const key = `-----BEGIN PRIVATE KEY-----\n${'c2VjcmV0'.repeat(4)}\n-----END PRIVATE KEY-----\n`
    for (const [tls, field, why] of [
      [{ ca: key }, 'tls.ca', 'holds a private key'],
      [{ ca: 'x'.repeat(20_000) }, 'tls.ca', ''],
      [{ client_certificate: 'nobody' }, 'tls.client_certificate', 'there is no certificate "nobody"'],
      [{ verify: false, pinned_name: 'a' }, 'tls.pinned_name', 'of no use'],
      [{ key }, 'tls.key', 'is not a field'],
    ] as const) {
      const { status, body } = await ask('PATCH', url, { tls })
      assert.is(status, 400)
      assert.is(body.errors?.[0]?.field, field)
      assert.match(String(body.errors?.[0]?.message), why)
      assert.not.match(JSON.stringify([body, services.logged]), 'c2VjcmV0')
      const import_ = { phone_number: '+14155550101', sip_domain: 'tls.example.com', tls }
      assert.is((await ask('POST', '/v1/numbers', import_)).body.errors?.[0]?.field, field)
    }
  },
)

TrunksApi('GET .../usage tells what is in use of its limits, and of those of an agent', async () => {
  const { ask } = startApi()
  const { body } = await ask('POST', '/v1/numbers', {
    phone_number: '+14155550100',
    sip_domain: 'pbx.example.com',
    channel_limit: 3,
    minutes_per_day: 60,
  })
  const usage = await ask('GET', `/v1/trunks/${String(body['trunk_id'])}/usage`)
  assert.equal(usage.body, {
    channels_in_use: 2,
    channel_limit: 3,
    minutes_today: 1.5,
    minutes_per_day: 60,
    outbound_minutes_today: null,
    outbound_minutes_per_day: null,
  })
  await ask('PUT', '/v1/agents/front', { sip_uri: 'sip:agent@127.0.0.1:5090', channel_limit: 4 })
  const agent = await ask('GET', '/v1/agents/front/usage')
  assert.equal(agent.body, { channels_in_use: 1, channel_limit: 4, minutes_today: null, minutes_per_day: null })
  for (const kind of ['trunks', 'agents']) assert.is((await ask('GET', `/v1/${kind}/nobody/usage`)).status, 404)
})

TrunksApi('GET .../servers tells where calls go, or why nowhere', async () => {
  const { ask, url } = await startWithTrunk()
  const found = await ask('GET', `${url}/servers`)
  assert.is(found.status, 200)
  assert.equal(found.body, {
    items: [{ target: 'sip:192.0.2.7:5060;transport=udp', state: 'up', avoided_until: null }],
    problem: null,
  })
  await ask('PATCH', url, { outbound_proxy: 'nowhere.example.com' })
  const none = await ask('GET', `${url}/servers`)
  assert.is(none.status, 200)
  assert.equal(none.body.items, [])
  assert.match(String(none.body.problem), /no address found/)
  assert.is((await ask('GET', '/v1/trunks/nobody/servers')).status, 404)
})

TrunksApi('PATCH changes what is given; null clears; the rest stays', async () => {
  const { ask, url } = await startWithTrunk()
  const changed = await ask('PATCH', url, {
    outbound_proxy: 'proxy.example.com:5070',
    channel_limit: null,
    label: 'PBX',
  })
  assert.is(changed.status, 200)
  assert.is(changed.body.next_hop, 'sip:proxy.example.com:5070;transport=udp')
  assert.is(changed.body.channel_limit, null)
  assert.is(changed.body.label, 'PBX')
  assert.is(changed.body.sip_domain, 'pbx.example.com')
  assert.equal(changed.body.allowed_addresses, ['192.0.2.0/24'])
  assert.is((await ask('PATCH', url, { outbound_proxy: null })).body.next_hop, 'sip:pbx.example.com')
})

TrunksApi('a password is set and taken away by PATCH, and never shown', async () => {
  const { ask, url, id, services } = await startWithTrunk()
  const set = await ask('PATCH', url, { password: 'hush-hush' })
  assert.is(set.body.has_password, true)
  assert.not.match(set.text, 'hush-hush')
  assert.is(services.secrets.get(id), 'hush-hush')
  assert.is((await ask('PATCH', url, { label: 'x' })).body.has_password, true)
  assert.is((await ask('PATCH', url, { password: null })).body.has_password, false)
  assert.is(services.secrets.size, 0)
})

TrunksApi('bad values are refused by name and change nothing', async () => {
  const { ask, url, services, id } = await startWithTrunk()
  const before = JSON.stringify(services.trunkRecords.get(id))
  const bad: Record<string, unknown> = {
    outbound_proxy: 'http://x',
    sip_domain: 'a b',
    allowed_addresses: ['300.1.1.1'],
    did_from: [],
    register: { enabled: 'yes' },
    country: 'Germany',
    transport: 'ws',
    channel_limit: 0,
    headers: { Via: 'x' },
    password: 'a\r\nb',
    id: 'other',
    has_password: true,
  }
  for (const [field, value] of Object.entries(bad)) {
    const answer = await ask('PATCH', url, { [field]: value, label: 'not kept' })
    assert.is(answer.status, 400, field)
    assert.ok(answer.body.errors?.[0]?.field.startsWith(field), `${field}: ${answer.text}`)
  }
  assert.is(JSON.stringify(services.trunkRecords.get(id)), before)
})

TrunksApi('a trunk in use is not removed: 409 names its numbers; unused, it goes with its password', async () => {
  const { ask, url, services } = await startWithTrunk()
  await ask('PATCH', url, { password: 'hush-hush' })
  const refused = await ask('DELETE', url)
  assert.is(refused.status, 409)
  assert.is(refused.body.code, 'TRUNK_IN_USE')
  assert.equal(refused.body.numbers, ['+14155550100'])
  await ask('DELETE', '/v1/numbers/+14155550100')
  assert.is((await ask('DELETE', url)).status, 204)
  assert.is(services.secrets.size, 0)
  for (const method of ['GET', 'DELETE', 'PATCH']) {
    const answer = await ask(method, url, method === 'PATCH' ? {} : undefined)
    assert.is(answer.status, 404, method)
    assert.is(answer.body.code, 'TRUNK_NOT_FOUND')
  }
})

TrunksApi('PATCH of a part of register, ping or inbound_auth leaves the rest of it', async () => {
  const { ask, url, id, services } = await startWithTrunk()
  await ask('PATCH', url, { register: { expires: 120 }, ping: { interval_s: 7 } })
  const on = await ask('PATCH', url, { register: { enabled: true }, ping: { enabled: true } })
  assert.equal(on.body.register, { enabled: true, expires: 120 })
  assert.equal(on.body.ping, { enabled: true, interval_s: 7 })
  assert.is(on.body.registration_next_hop, 'sip:pbx.example.com')
  const made = await ask('PATCH', url, { inbound_auth: { username: 'carrier', password: 'hush-1', realm: 'r' } })
  assert.equal(made.body.inbound_auth, { username: 'carrier', realm: 'r' })
  assert.is(made.body.has_inbound_password, true)
  const renamed = await ask('PATCH', url, { inbound_auth: { username: 'other' } })
  assert.equal(renamed.body.inbound_auth, { username: 'other', realm: 'r' })
  assert.is(services.inboundSecrets.get(id), 'hush-1')
  await ask('PATCH', url, { inbound_auth: { password: 'hush-2' } })
  assert.is(services.inboundSecrets.get(id), 'hush-2')
  const gone = await ask('PATCH', url, { inbound_auth: null })
  assert.is(gone.body.inbound_auth, null)
  assert.is(gone.body.has_inbound_password, false)
  assert.is(services.inboundSecrets.size, 0)
})

TrunksApi('what does not go together after a change is refused by name, and changes no password either', async () => {
  const { ask, url, id, services } = await startWithTrunk()
  await ask('PATCH', url, { password: 'hush-hush', register: { enabled: true } })
  const before = JSON.stringify(services.trunkRecords.get(id))
  const rows: [Record<string, unknown>, string][] = [
    [{ username: null, password: 'other' }, 'username'],
    [{ sip_domain: null, password: 'other' }, 'sip_domain'],
    [{ register: { enabled: false }, username: null }, 'password'],
    [{ outbound_proxy: 'sip:p.example.com;transport=tls', password: 'other' }, 'outbound_proxy'],
    [{ transport: 'tls', password: null }, 'transport'],
    [{ number_format: 'national', password: 'other' }, 'country'],
    [{ inbound_auth: { username: 'x' }, password: 'other' }, 'inbound_auth.password'],
    [{ inbound_auth: { password: 'x' }, password: 'other' }, 'inbound_auth.username'],
    [{ inbound_auth: { username: 'x', password: 'a\r\nb' }, password: 'other' }, 'inbound_auth.password'],
  ]
  for (const [body, field] of rows) {
    const answer = await ask('PATCH', url, body)
    assert.is(answer.status, 400, JSON.stringify(body))
    assert.is(answer.body.errors?.[0]?.field, field, answer.text)
    assert.is(services.secrets.get(id), 'hush-hush', JSON.stringify(body))
    assert.is(services.inboundSecrets.size, 0)
  }
  assert.is(JSON.stringify(services.trunkRecords.get(id)), before)
  const both = await ask('PATCH', url, { register: { enabled: false }, username: null, password: null })
  assert.is(both.status, 200, both.text)
})

TrunksApi('a password is there before the record changes; when that fails, the former one is back', async () => {
  const { ask, url, id, services } = await startWithTrunk()
  await ask('PATCH', url, { password: 'first' })
  const { update } = services.trunks
  const seen: unknown[] = []
  Object.assign(services.trunks, {
    update: async (...args: Parameters<typeof update>) => {
      seen.push(services.secrets.get(id))
      return update(...args)
    },
  })
  await ask('PATCH', url, { password: 'second' })
  assert.equal(seen, ['second'])
  Object.assign(services.trunks, {
    update: async () => {
      throw new Error('disk full')
    },
  })
  for (const password of ['third', null]) assert.is((await ask('PATCH', url, { password })).status, 500)
  assert.is(services.secrets.get(id), 'second')
})

TrunksApi.run()
