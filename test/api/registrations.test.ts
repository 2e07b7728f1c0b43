import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Registration } from '../../src/model/registration.js'
import { StoreError } from '../../src/store/errors.js'
import { sampleRegistration, startApi, type TestApi } from '../support/api-fakes.js'

const Registrations = suite('Registrations over the API')

interface Page {
  readonly items: Registration[]
  readonly next_cursor: string | null
}

/** Two trunks: `pbx-1` is to be registered, `pbx-2` is not. */
async function withTrunks(): Promise<TestApi & { readonly on: string; readonly off: string }> {
  const test = startApi()
  const idOf = async (phone_number: string, enabled: boolean): Promise<string> => {
    const { body } = await test.ask('POST', '/v1/numbers', {
      phone_number,
      sip_domain: `${phone_number.slice(1)}.example.com`,
      username: 'u',
      password: 'p',
      register: { enabled, expires: 300 },
    })
    return (body['trunk'] as { id: string }).id
  }
  return { ...test, on: await idOf('+14155550100', true), off: await idOf('+14155550101', false) }
}

Registrations('are listed page by page, by state and by trunk', async () => {
  const { ask, services } = startApi()
  for (const [id, state] of [
    ['a', 'registered'],
    ['b', 'refused'],
    ['c', 'registered'],
  ] as const)
    services.registrationRecords.set(id, sampleRegistration(id, { state }))
  const list = async (query: string): Promise<Page> =>
    (await ask('GET', `/v1/registrations${query}`)).body as unknown as Page
  const ids = ({ items }: Page): string[] => items.map(({ trunk_id }) => trunk_id)
  assert.equal(ids(await list('')), ['a', 'b', 'c'])
  assert.equal(ids(await list('?state=registered')), ['a', 'c'])
  const first = await list('?limit=2')
  assert.equal(ids(await list(`?limit=2&cursor=${first.next_cursor ?? ''}`)), ['c'])
  assert.equal(ids(await list('?trunk_id=b')), ['b'])
  assert.equal(ids(await list('?trunk_id=b&state=registered')), [])
  assert.equal(ids(await list('?trunk_id=z')), [])
  assert.equal((await list('?trunk_id=a')).items[0], { ...sampleRegistration('a'), direction: 'out', bindings: null })
})

Registrations('of PBXs with us follow ours in the list, with their contacts', async () => {
  const { ask, services } = startApi()
  services.registrationRecords.set('a', sampleRegistration('a'))
  const binding = {
    contact: 'sip:pbx@10.0.0.7',
    source: 'sip:192.0.2.7:40112;transport=tcp',
    expires_in_s: 90,
    user_agent: null,
    since: '2026-01-01T00:00:00.000Z',
    q: 1,
    edge_id: 'edge-1',
  }
  for (const id of ['b', 'c', 'd'])
    services.inboundRegistrations.set(id, { ...sampleRegistration(id), bindings: [binding] })
  const list = async (query: string): Promise<Page> =>
    (await ask('GET', `/v1/registrations${query}`)).body as unknown as Page
  const ids = ({ items }: Page): string[] => items.map(({ trunk_id }) => trunk_id)
  const seen: string[] = []
  for (let cursor: string | null = ''; cursor !== null;) {
    const page: Page = await list(`?limit=1${cursor === '' ? '' : `&cursor=${cursor}`}`)
    seen.push(...ids(page))
    cursor = page.next_cursor
  }
  assert.equal(seen, ['a', 'b', 'c', 'd'])
  assert.equal(ids(await list('?direction=out')), ['a'])
  assert.equal(ids(await list('?direction=in')), ['b', 'c', 'd'])
  const [one] = (await list('?trunk_id=b')).items as unknown as Record<string, unknown>[]
  assert.is(one?.['direction'], 'in')
  assert.equal(one?.['bindings'], [binding])
})

Registrations(
  'a trunk with register_in needs inbound_auth, and loses its contacts when that or register_in changes',
  async () => {
    const { ask, services } = startApi()
    const number = { phone_number: '+14155550100', register_in: true, allowed_addresses: ['192.0.2.7'] }
    const without = await ask('POST', '/v1/numbers', number)
    assert.is(without.status, 400)
    assert.match(JSON.stringify(without.body), 'inbound_auth')
    const inbound_auth = { username: 'line', password: 'geheim-1' }
    const both = { sip_domain: 'pbx.example.com', username: 'u', password: 'p', register: { enabled: true } }
    const twice = await ask('POST', '/v1/numbers', { ...number, ...both, inbound_auth })
    assert.match(JSON.stringify(twice.body), 'exclude each other')
    const made = await ask('POST', '/v1/numbers', { ...number, inbound_auth })
    assert.is(made.status, 201, JSON.stringify(made.body))
    const { id } = made.body['trunk'] as { id: string }
    assert.equal((await ask('GET', `/v1/trunks/${id}`)).body['bindings'], [])
    const change = async (body: unknown): Promise<number> => {
      services.dropped.length = 0
      const { status } = await ask('PATCH', `/v1/trunks/${id}`, body)
      assert.is(status, 200)
      return services.dropped.length
    }
    assert.is(await change({ label: 'PBX' }), 0)
    assert.is(await change({ inbound_auth: { password: 'geheim-2' } }), 1)
    assert.is(await change({ inbound_auth: { username: 'other' } }), 1)
    assert.is(await change({ register_in: false }), 1)
    assert.is((await ask('GET', `/v1/trunks/${id}`)).body['bindings'], null)
  },
)

Registrations('a state there is not, and a trunk id that cannot be, are refused by name', async () => {
  const { ask } = startApi()
  for (const [query, field] of [
    ['state=happy', 'state'],
    ['trunk_id=../x', 'trunk_id'],
    ['who=me', 'who'],
  ] as const) {
    const { status, body } = await ask('GET', `/v1/registrations?${query}`)
    assert.is(status, 400)
    assert.match(JSON.stringify(body), field)
  }
})

Registrations('a trunk shows its own, and null when it is not to be registered', async () => {
  const { ask, on, off } = await withTrunks()
  const shown = await ask('GET', `/v1/trunks/${on}`)
  assert.is((shown.body['registration'] as Registration).state, 'registered')
  assert.is((await ask('GET', `/v1/trunks/${off}`)).body['registration'], null)
})

Registrations('are asked for by hand: 202 with the registration', async () => {
  const { ask, services, on } = await withTrunks()
  for (const what of ['register', 'unregister']) {
    const { status, body } = await ask('POST', `/v1/trunks/${on}/${what}`)
    assert.is(status, 202)
    assert.is(body['trunk_id'], on)
  }
  assert.equal(services.registrationRequests, [`register ${on}`, `unregister ${on}`])
})

Registrations(
  'by hand: no such trunk is 404, one that is not to be registered 409, and nothing is asked for',
  async () => {
    const { ask, services, off } = await withTrunks()
    const gone = await ask('POST', '/v1/trunks/nothing/register')
    assert.equal([gone.status, gone.body['code']], [404, 'TRUNK_NOT_FOUND'])
    const refused = await ask('POST', `/v1/trunks/${off}/unregister`)
    assert.equal([refused.status, refused.body['code']], [409, 'REGISTRATION_OFF'])
    assert.equal(services.registrationRequests, [])
  },
)

Registrations('say 503 while Redis is away', async () => {
  const { ask, services } = startApi()
  services.registrations.list = () => Promise.reject(new StoreError('UNAVAILABLE', 'Redis is away'))
  const { status, body } = await ask('GET', '/v1/registrations')
  assert.equal([status, body['code']], [503, 'STORE_UNAVAILABLE'])
})

Registrations('do not tell the token of a Contact that a registrar wrote into its routes', async () => {
  const { ask, services } = startApi()
  const token = `sbt${'a2'.repeat(10)}`
  const routes = { service_route: [`sip:${token}@192.0.2.7;lr`], path: [`sip:192.0.2.7;lr;at=${token}`] }
  services.registrationRecords.set('one', sampleRegistration('one', routes))
  for (const query of ['', '?trunk_id=one']) {
    const { text } = await ask('GET', `/v1/registrations${query}`)
    assert.not.match(text, token)
    assert.match(text, 'sip:***@192.0.2.7;lr')
  }
})

Registrations.run()
