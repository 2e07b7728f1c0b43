import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Registration } from '../../src/model/registration.js'
import { Carrier, type CarrierOptions } from '../support/carrier.js'
import { EDGE, TestEdge } from '../support/edge.js'
import { eventually, wait } from '../support/eventually.js'
import type { Heard } from '../support/far-end.js'
import { NameServer } from '../support/name-server.js'
import { startRedis, type TestRedis } from '../support/redis.js'

const CARRIER = '127.0.0.7'
const DOMAIN = 'pbx.example.com'
const PASSWORD = 'correct horse 7431'
const AUTH = { realm: 'pbx', users: { 'auth-user': PASSWORD } }
const AOR = `sip:u100@${DOMAIN}`

/** Short times: a second is long here. */
const ENV = {
  SIGNALBOX__REGISTRATION__RESPONSE_TIMEOUT_MS: '400',
  SIGNALBOX__REGISTRATION__RETRY_BASE_S: '1',
  SIGNALBOX__REGISTRATION__RETRY_MAX_S: '2',
  SIGNALBOX__REGISTRATION__LEASE_MS: '1500',
}

const RegistrationOnSockets = suite('Registration, with real sockets')
let redis: TestRedis
let names: NameServer
let edge: TestEdge
const carriers: Carrier[] = []
let trunks = 0

RegistrationOnSockets.before(async () => {
  redis = await startRedis()
  names = await NameServer.start()
  edge = await startEdge()
})
RegistrationOnSockets.after.each(async () => {
  for (const carrier of carriers.splice(0)) await carrier.close()
})
RegistrationOnSockets.after(async () => {
  await edge.stop()
  await names.stop()
  await redis.stop()
})

const startEdge = (ports: { sipPort?: number; httpPort?: number } = {}): Promise<TestEdge> =>
  TestEdge.start({ redisUrl: redis.url, env: { ...ENV, SIGNALBOX__DNS__SERVERS: names.address }, ...ports })

async function open(options: Partial<CarrierOptions> = {}): Promise<Carrier> {
  const carrier = await Carrier.open({ address: CARRIER, auth: AUTH, ...options })
  carriers.push(carrier)
  return carrier
}

/** Imports a number on a trunk of its own; the trunk's id. */
async function importTrunk(proxy: string, fields: Record<string, unknown> = {}): Promise<string> {
  trunks += 1
  const { trunk } = await edge.must<{ trunk: { id: string } }>('POST', '/v1/numbers', {
    phone_number: `+1415555${String(1000 + trunks)}`,
    sip_domain: DOMAIN,
    username: 'u100',
    auth_username: 'auth-user',
    password: PASSWORD,
    outbound_proxy: proxy,
    register: { enabled: true, expires: 60 },
    label: `trunk ${trunks}`,
    ...fields,
  })
  return trunk.id
}

async function registrationOf(trunkId: string): Promise<Registration> {
  const { registration } = await edge.must<{ registration: Registration }>('GET', `/v1/trunks/${trunkId}`)
  return registration
}

function stands(trunkId: string, state: string, timeoutMs = 8_000): Promise<Registration> {
  let last: Registration | undefined
  return eventually(
    `${trunkId} is ${state}`,
    async () => {
      last = await registrationOf(trunkId)
      return last.state === state ? last : undefined
    },
    timeoutMs,
  ).catch((error: unknown) => {
    throw new Error(`${String(error)}; it is ${JSON.stringify(last)}`)
  })
}

/** Takes the number and the trunk away, so that nothing of it goes on in later tests. */
async function remove(trunkId: string): Promise<void> {
  const { items } = await edge.must<{ items: { phone_number: string }[] }>('GET', `/v1/numbers?trunk_id=${trunkId}`)
  for (const { phone_number } of items) await edge.must('DELETE', `/v1/numbers/${encodeURIComponent(phone_number)}`)
  await edge.must('DELETE', `/v1/trunks/${trunkId}`)
}

const cseqOf = ({ message }: Heard): number => Number.parseInt(message.header('cseq') ?? '0', 10)
const expiresOf = ({ message }: Heard): string | undefined => message.header('expires')

RegistrationOnSockets(
  'registers over TCP, answering the challenge: AOR, Call-ID, CSeq and Contact as they must be',
  async () => {
    const carrier = await open()
    const id = await importTrunk(`sip:${CARRIER}:${carrier.port};transport=tcp`)
    const registration = await stands(id, 'registered')
    assert.is(registration.registrar, `sip:${CARRIER}:${carrier.port};transport=tcp`)
    assert.is(registration.transport, 'tcp')
    assert.is(registration.granted_expires_s, 60)
    assert.is(registration.last_code, 200)
    assert.is(registration.failures, 0)
    const [first, second] = carrier.requests('REGISTER')
    assert.ok(first && second)
    assert.is(carrier.requests('REGISTER').length, 2)
    assert.is(first.protocol, 'tcp')
    assert.is(second.message.requestUri, `sip:${DOMAIN}`)
    assert.is(second.message.header('to'), `<${AOR}>`)
    assert.match(second.message.header('from') ?? '', `<${AOR}>;tag=`)
    assert.is(second.message.header('from'), first.message.header('from'))
    assert.is(second.message.callId, first.message.callId)
    assert.is(cseqOf(second), cseqOf(first) + 1)
    assert.match(second.message.header('contact') ?? '', new RegExp(`^<sip:sbt[a-z2-7]{20}@${EDGE}:${edge.sipPort};`))
    assert.match(second.message.header('supported') ?? '', /\bpath\b/)
    assert.equal(carrier.complaints, [])
    await remove(id)
    await eventually('it is un-registered, with credentials', () => carrier.registrar.bindings(AOR).length === 0)
    assert.is(expiresOf(carrier.requests('REGISTER').at(-1)!), '0')
  },
)

RegistrationOnSockets('a call to the registered Contact is known by its token, from whatever address', async () => {
  const carrier = await open()
  const id = await importTrunk(`sip:${CARRIER}:${carrier.port}`)
  await stands(id, 'registered')
  const binding = await carrier.registered(AOR)
  const { trace } = await edge.must<{ trace: { identified_by: string } }>('POST', '/v1/route-tests', {
    to: `+1415555${1000 + trunks}`,
    from: '+13125550199',
    source_address: '198.51.100.7',
  })
  assert.is(trace.identified_by, null)
  const call = carrier.call(binding, { to: `+1415555${1000 + trunks}@${DOMAIN}`, from: `+13125550199@${DOMAIN}` })
  const cdr = await edge.cdrOfLegA(call.callId)
  assert.is(cdr.trunk_id, id)
  assert.is(
    cdr.explanation?.trace && 'trunks_tried' in cdr.explanation.trace && cdr.explanation.trace.identified_by,
    'token',
  )
  assert.not.match(JSON.stringify(cdr), /sbt[a-z2-7]{20}/)
  await remove(id)
})

RegistrationOnSockets(
  'a wrong password is refused, in words, after two REGISTERs; a new one registers at once',
  async () => {
    const carrier = await open()
    const id = await importTrunk(`sip:${CARRIER}:${carrier.port}`, { password: 'wrong' })
    const refused = await stands(id, 'refused')
    assert.match(refused.reason, 'does not accept the password of user auth-user')
    assert.is(refused.last_code, 401)
    assert.ok(carrier.requests('REGISTER').length <= 2)
    await edge.must('PATCH', `/v1/trunks/${id}`, { password: PASSWORD })
    await stands(id, 'registered')
    assert.not.match(edge.output, PASSWORD)
    await remove(id)
  },
)

RegistrationOnSockets('403 waits long and says so; POST register tries now', async () => {
  const carrier = await open()
  carrier.registrar.play.outcome = 403
  const id = await importTrunk(`sip:${CARRIER}:${carrier.port}`)
  const refused = await stands(id, 'refused')
  assert.match(refused.reason, `forbids ${AOR} to register (403 Forbidden)`)
  assert.ok(Date.parse(refused.next_attempt_at ?? '') - Date.now() > 3_000_000)
  carrier.registrar.play.outcome = 'accept'
  const answer = await edge.api<Registration>('POST', `/v1/trunks/${id}/register`)
  assert.is(answer.status, 202)
  await stands(id, 'registered')
  await remove(id)
})

RegistrationOnSockets('423 raises the expiry, is sent again at once, and is remembered', async () => {
  const carrier = await open()
  carrier.registrar.play.minExpires = 120
  const id = await importTrunk(`sip:${CARRIER}:${carrier.port}`)
  const registration = await stands(id, 'registered')
  assert.is(registration.min_expires_s, 120)
  assert.is(registration.granted_expires_s, 120)
  await edge.must('POST', `/v1/trunks/${id}/register`)
  await eventually('again', () => carrier.registrar.grants.length === 2)
  assert.is(expiresOf(carrier.requests('REGISTER').at(-1)!), '120')
  await remove(id)
})

RegistrationOnSockets(
  'a silent registrar is retrying with the reason, and registered when it speaks again',
  async () => {
    const carrier = await open()
    carrier.registrar.play.first = 'silent'
    const id = await importTrunk(`sip:${CARRIER}:${carrier.port}`)
    const retrying = await stands(id, 'retrying')
    assert.match(retrying.reason, `no answer from sip:${CARRIER}:${carrier.port};transport=udp`)
    carrier.registrar.play.first = 'accept'
    await stands(id, 'registered')
    await remove(id)
  },
)

RegistrationOnSockets(
  '503, and silence, send it to the next server of the SRV records in the same attempt',
  async () => {
    const [busy, silent, good] = [await open(), await open(), await open()]
    busy.registrar.play.first = 503
    silent.registrar.play.first = 'silent'
    names.a('sip.example.net', [CARRIER])
    names.srv(
      '_sip._udp.trunk.example.net',
      [busy, silent, good].map(({ port }, i) => ({ priority: i, weight: 1, port, target: 'sip.example.net' })),
    )
    const id = await importTrunk('sip:trunk.example.net;transport=udp')
    const registration = await stands(id, 'registered')
    assert.is(registration.registrar, `sip:${CARRIER}:${good.port};transport=udp`)
    assert.is(registration.failures, 0)
    assert.is(busy.requests('REGISTER').length, 1)
    const callIds = [busy, silent, good].map((carrier) => carrier.requests('REGISTER')[0]?.message.callId)
    assert.is(new Set(callIds).size, 1)
    await remove(id)
    await eventually('it is un-registered there', () => good.registrar.bindings(AOR).length === 0)
  },
)

RegistrationOnSockets('503 with Retry-After is silence for that long', async () => {
  const carrier = await open()
  carrier.registrar.play.outcome = 503
  carrier.registrar.play.refusalHeaders = ['Retry-After: 3']
  const id = await importTrunk(`sip:${CARRIER}:${carrier.port}`)
  const { next_attempt_at } = await stands(id, 'retrying')
  assert.ok(Date.parse(next_attempt_at ?? '') - Date.now() > 2_000)
  const count = carrier.requests('REGISTER').length
  carrier.registrar.play.outcome = 'accept'
  await wait(1_500)
  assert.is(carrier.requests('REGISTER').length, count)
  await stands(id, 'registered')
  await remove(id)
})

RegistrationOnSockets('a connection that is closed is replaced and registered on at once', async () => {
  const carrier = await open()
  const id = await importTrunk(`sip:${CARRIER}:${carrier.port};transport=tcp`)
  await stands(id, 'registered')
  const { way } = await carrier.registered(AOR)
  const startMs = performance.now()
  carrier.end.hangUp(way.connection)
  await eventually('a new connection', () =>
    carrier.registrar.bindings(AOR).some((binding) => binding.way.connection !== way.connection),
  )
  assert.ok(performance.now() - startMs < 5_000)
  await stands(id, 'registered')
  await remove(id)
})

RegistrationOnSockets(
  'a registrar that closes the connection each time ends in retrying, with the reason',
  async () => {
    const carrier = await open()
    carrier.registrar.play.first = 'close'
    const id = await importTrunk(`sip:${CARRIER}:${carrier.port};transport=tcp`)
    const retrying = await stands(id, 'retrying')
    assert.match(retrying.reason, `sip:${CARRIER}:${carrier.port};transport=tcp cannot be reached: `)
    assert.match(retrying.reason, /clos|connection/)
    await remove(id)
  },
)

RegistrationOnSockets('of several Contacts its own counts: refreshed before its end', async () => {
  const carrier = await open()
  carrier.registrar.play.maxExpires = 3
  carrier.registrar.play.otherContacts = [
    '<sip:desk@192.0.2.9>;expires=3000',
    '"Door" <sip:door@192.0.2.10:5070;transport=tcp>;expires=2000',
  ]
  const id = await importTrunk(`sip:${CARRIER}:${carrier.port}`)
  const registration = await stands(id, 'registered')
  assert.is(registration.granted_expires_s, 3)
  await eventually('it is refreshed', () => carrier.registrar.grants.length >= 2, 3_000)
  assert.is(carrier.registrar.bindings(AOR).length, 1)
  await remove(id)
})

RegistrationOnSockets('un-registered by hand stays stopped until it is registered by hand', async () => {
  const carrier = await open()
  const id = await importTrunk(`sip:${CARRIER}:${carrier.port}`)
  await stands(id, 'registered')
  assert.is((await edge.api('POST', `/v1/trunks/${id}/unregister`)).status, 202)
  await stands(id, 'stopped')
  assert.is(carrier.registrar.bindings(AOR).length, 0)
  await eventually('it is listed', async () => {
    const { items } = await edge.must<{ items: Registration[] }>('GET', '/v1/registrations?state=stopped')
    return items.some(({ trunk_id }) => trunk_id === id)
  })
  assert.is((await edge.api('POST', `/v1/trunks/${id}/register`)).status, 202)
  await stands(id, 'registered')
  await remove(id)
})

RegistrationOnSockets(
  'a changed user is registered first, then the old one un-registered with its own password',
  async () => {
    const carrier = await open({ auth: { realm: 'pbx', users: { 'auth-user': PASSWORD, other: 'another' } } })
    const id = await importTrunk(`sip:${CARRIER}:${carrier.port}`)
    await stands(id, 'registered')
    await edge.must('PATCH', `/v1/trunks/${id}`, { username: 'u200', auth_username: 'other', password: 'another' })
    await carrier.registered(`sip:u200@${DOMAIN}`)
    await eventually('the old one is gone', () => carrier.registrar.bindings(AOR).length === 0)
    const order = carrier.registrar.grants.map(({ aor, expires }) => `${aor.slice(4, 8)} ${expires}`)
    assert.equal(order, ['u100 60', 'u200 60', 'u100 0'])
    assert.equal(carrier.complaints, [])
    await remove(id)
  },
)

RegistrationOnSockets('a restart keeps the Call-ID and raises the CSeq', async () => {
  const carrier = await open()
  const id = await importTrunk(`sip:${CARRIER}:${carrier.port}`)
  await stands(id, 'registered')
  const before = carrier.requests('REGISTER').at(-1)!
  const { sipPort, httpPort } = edge
  await edge.stop()
  const last = carrier.requests('REGISTER').at(-1)!
  assert.is(expiresOf(last), '0', 'the only edge un-registers when it stops')
  edge = await startEdge({ sipPort, httpPort })
  // The key of the first edge was in its data folder: the password is given anew.
  await edge.must('PATCH', `/v1/trunks/${id}`, { password: PASSWORD })
  await stands(id, 'registered')
  const after = carrier.requests('REGISTER').at(-1)!
  assert.is(after.message.callId, before.message.callId)
  assert.ok(cseqOf(after) > cseqOf(last))
  await remove(id)
})

RegistrationOnSockets.run()
