import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { roles, suffices, type Role } from '../../src/model/api-token.js'
import { FakeServices, inject, sampleCall, sampleCdr, startApi, TOKEN } from '../support/api-fakes.js'

const Roles = suite('Roles')

interface Route {
  readonly method: string
  readonly url: string
  readonly role: Role | undefined
  readonly allAccounts: boolean
  readonly hidden: boolean
}

/** Every route under /v1, as it is declared. */
async function routes(services = new FakeServices()) {
  const started = startApi(services)
  const list: Route[] = []
  started.api.addHook('onRoute', ({ method, url, config, schema }) => {
    if (!url.startsWith('/v1')) return
    const hidden = (schema as { hide?: boolean } | undefined)?.hide === true
    for (const one of [method].flat())
      list.push({
        method: one,
        url: url.replace(/:[a-z_]+/g, 'x1').replace('*', 'x1'),
        role: config?.role,
        allAccounts: config?.allAccounts === true,
        hidden,
      })
  })
  await started.api.ready()
  return { ...started, list }
}

/** The event stream has no end to wait for: a query it refuses shows as well that the request was let in. */
const asked = (url: string): string => (url === '/v1/events' ? `${url}?types=none` : url)

Roles('[A15] every route under /v1 declares the least role that may use it', async () => {
  const { list } = await routes()
  assert.ok(list.length > 40)
  for (const { method, url, role } of list) assert.ok(role !== undefined && roles.includes(role), `${method} ${url}`)
})

Roles(
  '[A15] every route lets in the roles that suffice, and answers 403 with the role it needs to the others',
  async () => {
    const { api, services, list } = await routes()
    for (const { method, url, role: least = 'admin' } of list)
      for (const role of roles) {
        const token = await services.tokenOf(role)
        const answer = await inject(api, method, asked(url), { authorization: `Bearer ${token}` })
        const what = `${method} ${url} as ${role}: ${answer.status}`
        if (suffices(role, least)) {
          assert.is.not(answer.status, 401, what)
          assert.is.not(answer.body.code, 'ROLE_NEEDED', what)
        } else {
          assert.is(answer.status, 403, what)
          if (method !== 'HEAD') assert.match(String(answer.body.detail), `needs the role ${least}`)
          assert.match(String(answer.headers['www-authenticate']), `error="insufficient_scope", scope="${least}"`)
        }
      }
  },
)

Roles('[A15] a viewer changes nothing: of all routes it may only use those that read', async () => {
  const { list } = await routes()
  for (const { method, url, role, hidden } of list)
    if (role === 'viewer' && !hidden) assert.ok(['GET', 'HEAD'].includes(method), `${method} ${url}`)
})

Roles('what concerns all accounts is refused to every token that is bound to one', async () => {
  const { api, services, list } = await routes()
  const ofAll = list.filter(({ allAccounts }) => allAccounts)
  assert.ok(ofAll.length >= 3)
  for (const { method, url } of ofAll) {
    const bound = await inject(api, method, url, {
      authorization: `Bearer ${await services.tokenOf('admin', 'default')}`,
    })
    assert.is(bound.status, 403, `${method} ${url}`)
    if (method !== 'HEAD') assert.is(bound.body.code, 'ALL_ACCOUNTS_NEEDED')
  }
})

Roles('the role is asked for before the body is read, and after the token', async () => {
  const { api, services } = await routes()
  const viewer = { authorization: `Bearer ${await services.tokenOf('viewer')}` }
  assert.is((await inject(api, 'POST', '/v1/numbers', viewer, '{')).status, 403)
  assert.is((await inject(api, 'POST', '/v1/numbers', viewer, 'x'.repeat(1_100_000))).status, 403)
  assert.is((await inject(api, 'POST', '/v1/numbers', {}, '{')).status, 401)
})

Roles('[A15] an unknown route is 401 without a token and 404 with one; a body over 1 MB is 413', async () => {
  const { api, services, ask } = await routes()
  assert.is((await inject(api, 'GET', '/v1/nothing')).status, 401)
  const viewer = { authorization: `Bearer ${await services.tokenOf('viewer')}` }
  assert.is((await inject(api, 'GET', '/v1/nothing', viewer)).status, 404)
  const large = { label: 'x'.repeat(1_048_577) }
  assert.is((await ask('PATCH', '/v1/numbers/100', large)).status, 413)
  assert.is((await ask('POST', '/v1/tokens', large)).status, 413)
})

Roles('[A15] nothing that can be read holds a password, a token or a digest of one', async () => {
  const services = new FakeServices()
  const { api, list, ask } = await routes(services)
  const secrets = ['agent-secret-1', 'trunk-secret-1', 'inbound-secret-1']
  await ask('PUT', '/v1/agents/x1', {
    sip_uri: 'sip:agent@127.0.0.1',
    auth: { username: 'x1', password: secrets[0] },
  })
  const imported = await ask('POST', '/v1/numbers', {
    phone_number: '+14155550100',
    sip_domain: 'pbx.example.com',
    username: 'u',
    password: secrets[1],
    inbound_auth: { username: 'in', password: secrets[2], realm: 'r' },
    allowed_addresses: ['127.0.0.1/32'],
    inbound_agent_id: 'x1',
  })
  assert.is(imported.status, 201)
  const trunk = [...services.trunkRecords.values()][0]!
  services.trunkRecords.set('x1', { ...trunk, id: 'x1' })
  services.secrets.set('x1', secrets[1]!)
  services.cdrRecords.set('x1', sampleCdr('x1'))
  services.liveCalls.set('x2', sampleCall('x2'))
  const made = await ask('POST', '/v1/tokens', { name: 'noc', role: 'viewer' })
  const text = String(made.body['token'])
  const { secret_sha256 } = services.tokenRecords.get(String(made.body['id']))!
  let read = 0
  for (const { method, url } of list) {
    if (method !== 'GET' || url === '/v1/events') continue
    const answer = await inject(api, method, url, { authorization: `Bearer ${TOKEN}` })
    if (answer.status === 200) read += 1
    for (const secret of [...secrets, TOKEN, text, text.split('_')[2]!, secret_sha256])
      assert.not.ok(answer.text.includes(secret), `${url} shows a secret`)
  }
  assert.ok(read >= 10, `${read} were read`)
})

Roles('with the role operator a number is switched off and on, and nothing else of it is changed', async () => {
  const { api, services, ask } = await routes()
  await ask('PUT', '/v1/agents/front', { sip_uri: 'sip:agent@127.0.0.1' })
  const number = { phone_number: '+14155550100', sip_domain: 'pbx.example.com', allowed_addresses: ['127.0.0.1/32'] }
  assert.is((await ask('POST', '/v1/numbers', number)).status, 201)
  const operator = { authorization: `Bearer ${await services.tokenOf('operator')}` }
  const at = '/v1/numbers/+14155550100'
  const off = await inject(api, 'PATCH', at, operator, { enabled: false })
  assert.is(off.status, 200)
  assert.is(off.body['enabled'], false)
  for (const change of [{ label: 'x' }, { enabled: true, inbound_agent_id: 'front' }, { inbound_agent_id: null }]) {
    const refused = await inject(api, 'PATCH', at, operator, change)
    assert.is(refused.status, 403, JSON.stringify(change))
    assert.is(refused.body.code, 'ROLE_NEEDED')
  }
  assert.is(services.numberRecords.get('+14155550100')?.enabled, false)
})

Roles('the description of every operation says which roles may use it', async () => {
  const { api } = await routes()
  const document = JSON.parse((await inject(api, 'GET', '/openapi.json')).text) as {
    paths: Record<string, Record<string, { description?: string; responses: object }>>
  }
  for (const [path, operations] of Object.entries(document.paths))
    for (const [method, { description, responses }] of Object.entries(operations)) {
      if (!path.startsWith('/v1')) continue
      assert.match(description ?? '', /Needs the role (viewer or operator or admin|operator or admin|admin)/)
      assert.ok('403' in responses && '429' in responses, `${method} ${path}`)
      assert.is((description ?? '').split('Needs the role').length, 2)
    }
})

Roles.run()
