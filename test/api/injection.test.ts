import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { breaksText, hostileValues } from '../support/hostile-values.js'
import { startApi } from '../support/api-fakes.js'

const Injection = suite('Injection')

type Body = Record<string, unknown>

const agent: Body = { sip_uri: 'sip:agent@127.0.0.1:5090' }
const number: Body = { phone_number: '+14155550100', allowed_addresses: ['127.0.0.1/32'], username: 'u' }

/** Fields, each with the request that carries the value there and whether plain text is at home in it. */
const fields: Record<string, { method: string; url: string; body: (value: string) => Body; text?: boolean }> = {
  'agent name': { method: 'PUT', url: '/v1/agents/a', body: (v) => ({ ...agent, name: v }), text: true },
  'agent sip_uri': { method: 'PUT', url: '/v1/agents/a', body: (v) => ({ sip_uri: v }) },
  'agent fallback_sip_uris': {
    method: 'PUT',
    url: '/v1/agents/a',
    body: (v) => ({ ...agent, fallback_sip_uris: [v] }),
  },
  'agent headers': {
    method: 'PUT',
    url: '/v1/agents/a',
    body: (v) => ({ ...agent, headers: { 'X-A': v } }),
    text: true,
  },
  'agent allowed_addresses': {
    method: 'PUT',
    url: '/v1/agents/a',
    body: (v) => ({ ...agent, allowed_addresses: [v] }),
  },
  'agent auth.username': {
    method: 'PUT',
    url: '/v1/agents/a',
    body: (v) => ({ ...agent, auth: { username: v, password: 'p' } }),
    text: true,
  },
  'agent auth.password': {
    method: 'PUT',
    url: '/v1/agents/a',
    body: (v) => ({ ...agent, auth: { username: 'u', password: v } }),
    text: true,
  },
  'number phone_number': { method: 'POST', url: '/v1/numbers', body: (v) => ({ ...number, phone_number: v }) },
  'number label': { method: 'POST', url: '/v1/numbers', body: (v) => ({ ...number, label: v }), text: true },
  'number trunk_id': {
    method: 'POST',
    url: '/v1/numbers',
    body: (v) => ({ phone_number: '+14155550100', trunk_id: v }),
  },
  'number inbound_agent_id': { method: 'POST', url: '/v1/numbers', body: (v) => ({ ...number, inbound_agent_id: v }) },
  'number outbound_agent_ids': {
    method: 'POST',
    url: '/v1/numbers',
    body: (v) => ({ ...number, outbound_agent_ids: [v] }),
  },
  'number sip_domain': { method: 'POST', url: '/v1/numbers', body: (v) => ({ ...number, sip_domain: v }) },
  'number from_domain': { method: 'POST', url: '/v1/numbers', body: (v) => ({ ...number, from_domain: v }) },
  'number outbound_proxy': { method: 'POST', url: '/v1/numbers', body: (v) => ({ ...number, outbound_proxy: v }) },
  'number username': { method: 'POST', url: '/v1/numbers', body: (v) => ({ ...number, username: v }), text: true },
  'number auth_username': {
    method: 'POST',
    url: '/v1/numbers',
    body: (v) => ({ ...number, auth_username: v }),
    text: true,
  },
  'number password': { method: 'POST', url: '/v1/numbers', body: (v) => ({ ...number, password: v }), text: true },
  'number from_user': { method: 'POST', url: '/v1/numbers', body: (v) => ({ ...number, from_user: v }), text: true },
  'number country': { method: 'POST', url: '/v1/numbers', body: (v) => ({ ...number, country: v }) },
  'number did_from': { method: 'POST', url: '/v1/numbers', body: (v) => ({ ...number, did_from: [v] }) },
  'number caller_id': { method: 'POST', url: '/v1/numbers', body: (v) => ({ ...number, caller_id: v }) },
  'number transport': { method: 'POST', url: '/v1/numbers', body: (v) => ({ ...number, transport: v }) },
  'number kind': { method: 'POST', url: '/v1/numbers', body: (v) => ({ ...number, kind: v }) },
  'number source': { method: 'POST', url: '/v1/numbers', body: (v) => ({ ...number, source: v }) },
  'number termination_uri': { method: 'POST', url: '/v1/numbers', body: (v) => ({ ...number, termination_uri: v }) },
  'number inbound_auth.username': {
    method: 'POST',
    url: '/v1/numbers',
    body: (v) => ({ ...number, inbound_auth: { username: v, password: 'p' } }),
    text: true,
  },
  'number inbound_auth.password': {
    method: 'POST',
    url: '/v1/numbers',
    body: (v) => ({ ...number, inbound_auth: { username: 'u', password: v } }),
    text: true,
  },
  'number inbound_auth.realm': {
    method: 'POST',
    url: '/v1/numbers',
    body: (v) => ({ ...number, inbound_auth: { username: 'u', password: 'p', realm: v } }),
    text: true,
  },
  'number allowed_extensions': {
    method: 'POST',
    url: '/v1/numbers',
    body: (v) => ({ ...number, allowed_extensions: [v] }),
  },
  'number pass_headers': { method: 'POST', url: '/v1/numbers', body: (v) => ({ ...number, pass_headers: [v] }) },
  'number number_format': { method: 'POST', url: '/v1/numbers', body: (v) => ({ ...number, number_format: v }) },
  'number ping.interval_s': {
    method: 'POST',
    url: '/v1/numbers',
    body: (v) => ({ ...number, ping: { interval_s: v } }),
  },
  'number register.expires': {
    method: 'POST',
    url: '/v1/numbers',
    body: (v) => ({ ...number, register: { expires: v } }),
  },
  'number headers': {
    method: 'POST',
    url: '/v1/numbers',
    body: (v) => ({ ...number, headers: { 'X-A': v } }),
    text: true,
  },
}

for (const [what, { method, url, body, text }] of Object.entries(fields)) {
  const field = what.split(' ')[1] ?? ''
  Injection(
    `hostile values in ${what} are refused by name${text === true ? ' or kept as plain text' : ''}`,
    async () => {
      const { ask, services } = startApi()
      for (const value of hostileValues) {
        services.clear()
        const answer = await ask(method, url, body(value))
        const shown = `${JSON.stringify(value.slice(0, 40))}: ${answer.status} ${answer.text.slice(0, 200)}`
        if (answer.status >= 400) {
          assert.is(answer.status, 400, shown)
          assert.ok(
            answer.body.errors?.some((error) => error.field === field || error.field.startsWith(`${field}`)),
            shown,
          )
          assert.ok(answer.text.length < 4000, 'the answer does not repeat a long value')
          continue
        }
        const plainHost =
          ['sip_domain', 'from_domain', 'outbound_proxy', 'termination_uri'].includes(field) && value === 'constructor'
        const extension = field === 'allowed_extensions' && /^[A-Za-z0-9_]+$/.test(value) && value.length <= 32
        assert.ok(plainHost || extension || (text === true && !breaksText(value)), shown)
      }
    },
  )
}

Injection('B12: hostile header names are refused by name', async () => {
  const { ask } = startApi()
  for (const value of hostileValues) {
    const answer = await ask('PUT', '/v1/agents/a', { ...agent, headers: { [value]: 'x' } })
    assert.is(answer.status, 400, JSON.stringify(value.slice(0, 40)))
    assert.ok(answer.body.errors?.[0]?.field.startsWith('headers'))
    assert.ok(answer.text.length < 4000)
  }
})

Injection('B12: hostile field names are refused by name', async () => {
  const { ask } = startApi()
  for (const value of hostileValues) {
    const body = JSON.stringify({ ...agent, field: 1 }).replace('"field"', JSON.stringify(value))
    const answer = await ask('PUT', '/v1/agents/a', body)
    assert.is(answer.status, 400, JSON.stringify(value.slice(0, 40)))
    assert.ok(value.startsWith((answer.body.errors?.[0]?.field ?? '?').replace(/\.\.\.$/, '')))
    assert.ok(answer.text.length < 4000)
  }
})

Injection('B12: hostile ids in URLs are refused by name or lead nowhere', async () => {
  const { ask } = startApi()
  for (const value of hostileValues) {
    if (value === '\ud800') continue
    const encoded = encodeURIComponent(value)
    for (const url of [
      `/v1/agents/${encoded}`,
      `/v1/trunks/${encoded}`,
      `/v1/calls/${encoded}`,
      `/v1/numbers/${encoded}`,
    ])
      for (const method of ['GET', 'DELETE']) {
        const answer = await ask(method, url)
        assert.ok([400, 404, 414].includes(answer.status), `${method} ${url.slice(0, 60)}: ${answer.status}`)
        assert.ok(answer.text.length < 4000)
      }
  }
})

Injection('B12: hostile values in queries are refused by name', async () => {
  const { ask } = startApi()
  for (const value of hostileValues) {
    if (value === '\ud800' || value.length > 10_000) continue
    const encoded = encodeURIComponent(value)
    for (const [url, field] of [
      [`/v1/agents?cursor=${encoded}`, 'cursor'],
      [`/v1/cdrs?phone_number=${encoded}`, 'phone_number'],
      [`/v1/cdrs?since=${encoded}`, 'since'],
      [`/v1/numbers?limit=${encoded}`, 'limit'],
      [`/v1/events?types=${encoded}`, 'types'],
      [`/v1/events?trunk_id=${encoded}&types=x`, 'trunk_id'],
      [`/v1/events?agent_id=${encoded}&types=x`, 'agent_id'],
      [`/v1/registrations?state=${encoded}`, 'state'],
      [`/v1/registrations?cursor=${encoded}`, 'cursor'],
    ] as const) {
      const answer = await ask('GET', url)
      if (field === 'phone_number' && answer.status === 200) {
        assert.match(value, /^[A-Za-z0-9_.*#-]{1,32}$/)
        continue
      }
      assert.is(answer.status, 400, `${field}=${JSON.stringify(value.slice(0, 40))}: ${answer.text.slice(0, 200)}`)
      assert.ok(
        answer.body.errors?.some((error) => error.field.startsWith(field)),
        `${field}=${JSON.stringify(value.slice(0, 40))}: ${answer.text.slice(0, 200)}`,
      )
    }
    const dry = await ask('POST', `/v1/numbers?dry_run=${encoded}`, number)
    assert.is(dry.body.errors?.[0]?.field, 'dry_run')
  }
})

Injection(
  'hostile values of a call that is asked for are refused by name, or are a text that routing has to judge',
  async () => {
    const { ask, services } = startApi()
    const call = { agent_id: 'front', from: '+14155550100', to: '+13125550199' }
    for (const value of hostileValues) {
      const shown = JSON.stringify(value.slice(0, 40))
      for (const [field, body] of [
        ['agent_id', { ...call, agent_id: value }],
        ['from', { ...call, from: value }],
        ['to', { ...call, to: value }],
        ['headers', { ...call, headers: { 'X-A': value } }],
        ['headers', { ...call, headers: { [value]: 'x' } }],
        ['privacy', { ...call, privacy: value }],
        ['ring_timeout_s', { ...call, ring_timeout_s: value }],
      ] as const) {
        const answer = await ask('POST', '/v1/calls', body)
        assert.ok(answer.text.length < 4000)
        if (answer.status === 202) {
          const mayBeText = ['from', 'to', 'headers'].includes(field)
          assert.ok(mayBeText && !breaksText(value), `${field} ${shown}`)
          continue
        }
        assert.is(answer.status, 400, `${field} ${shown}: ${answer.text.slice(0, 200)}`)
        assert.ok(answer.body.errors?.[0]?.field.startsWith(field), `${field} ${shown}: ${answer.text.slice(0, 200)}`)
      }
      // Node refuses to send the others, and to take them.
      if (!/^[\x20-\x7e]*$/.test(value) || value.length > 10_000) continue
      const answer = await ask('POST', '/v1/calls', call, { 'idempotency-key': value })
      if (answer.status !== 202) assert.is(answer.body.errors?.[0]?.field, 'Idempotency-Key', shown)
      else assert.match(value, /^[\x21-\x7e]{1,255}$/)
    }
    for (const { from, to, headers } of services.originated)
      assert.not.match(from + to + JSON.stringify(headers), /\\[rn]|\\u0000|\u2028/)
  },
)

Injection('deep nesting, prototype names and huge documents end in a refusal, not in a crash', async () => {
  const { ask } = startApi()
  const deep = `{"headers":${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}}`
  assert.is((await ask('PUT', '/v1/agents/a', deep)).status, 400)
  assert.is((await ask('PUT', '/v1/agents/a', '['.repeat(100_000))).status, 400)
  assert.is((await ask('PUT', '/v1/agents/a', `"${'x'.repeat(200_000)}"`)).status, 400)
  for (const name of ['__proto__', 'constructor', 'prototype']) {
    const answer = await ask('PUT', '/v1/agents/a', `{"sip_uri":"sip:a@127.0.0.1","headers":{"${name}":{"x":1}}}`)
    assert.is(answer.status, 400)
    assert.is(answer.body.errors?.[0]?.field, `headers.${name}`)
  }
  assert.is(({} as Record<string, unknown>).x, undefined)
})

Injection.run()
