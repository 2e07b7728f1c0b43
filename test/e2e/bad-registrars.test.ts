// time limit: 150 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Registration } from '../../src/model/registration.js'
import { Carrier } from '../support/carrier.js'
import { TestEdge } from '../support/edge.js'
import { wait } from '../support/eventually.js'
import { NameServer } from '../support/name-server.js'
import { agentOn, callOut, callsOf, nextCall, registrationIn, registrationOf } from '../support/trunk-edge.js'

// Registrars that do wrong end in a stated state with a clear reason, and another trunk feels nothing of them.
const Bad = suite('A registrar that does wrong')

const PASSWORD = 'of the bad trunks'
const AUTH = { realm: 'bad', users: { user: PASSWORD } }
const GOOD_NUMBER = '+14155550190'
/** Seconds the good registrar grants. */
const GOOD_GRANT_S = 6

let names: NameServer
let edge: TestEdge
let agent: Carrier
let good: Carrier
let stopCalling = false
let calling: Promise<number>
const opened: Carrier[] = []
let numbers = 0

Bad.before(async () => {
  names = await NameServer.start()
  edge = await TestEdge.start({
    env: {
      SIGNALBOX__DNS__SERVERS: names.address,
      SIGNALBOX__REGISTRATION__RESPONSE_TIMEOUT_MS: '1500',
      SIGNALBOX__REGISTRATION__RETRY_BASE_S: '2',
      SIGNALBOX__REGISTRATION__RETRY_MAX_S: '4',
    },
  })
  agent = await agentOn(edge, 'front')
  good = await carrier({ auth: AUTH })
  good.registrar.play.maxExpires = GOOD_GRANT_S
  const trunk = await addTrunk(good, { number: GOOD_NUMBER })
  await registrationIn(edge, trunk, ['registered'])
  calling = keepCalling()
  // Told by the test that awaits it.
  calling.catch(() => undefined)
})

Bad.after(async () => {
  stopCalling = true
  await edge?.stop()
  await agent?.close()
  for (const far of opened) await far.close()
  await names?.stop()
})

async function carrier(options: Partial<Parameters<typeof Carrier.open>[0]> = {}): Promise<Carrier> {
  const far = await Carrier.open({ address: '127.0.0.50', ...options })
  opened.push(far)
  return far
}

/** A trunk that registers at a far end, or where `fields` say; its id. */
async function addTrunk(
  far: Carrier | undefined,
  { number = `+1415556${String(1_000 + ++numbers)}`, ...fields }: Record<string, unknown> & { number?: string },
): Promise<string> {
  const view = await edge.must<{ trunk: { id: string } }>('POST', '/v1/numbers', {
    phone_number: number,
    sip_domain: `d${numbers}.example.com`,
    username: 'user',
    password: PASSWORD,
    outbound_proxy: far === undefined ? null : `sip:${far.address}:${far.port};transport=tcp`,
    register: { enabled: true, expires: 60 },
    inbound_agent_id: 'front',
    outbound_agent_ids: ['front'],
    ...fields,
  })
  return view.trunk.id
}

/** Calls in both directions by the good trunk, one after the other, until told to stop; how many. */
async function keepCalling(): Promise<number> {
  for (let count = 0; ; count++) {
    if (stopCalling) return count
    const out = await callOut(agent, edge, { from: GOOD_NUMBER, to: '+13125550199' }, 2_000)
    assert.is(out.status, 200, 'a call out by the good trunk')
    out.send('BYE')
    await out.final('BYE')
    const [binding] = good.registrar.bindings()
    assert.ok(binding, 'the good trunk is registered all the time')
    const before = callsOf(agent)
    const call = good.call(binding, { from: '+13125550199@d0.example.com', to: `${GOOD_NUMBER}@d0.example.com` })
    await call.answered(200, 2_000)
    await nextCall(agent, before, 2_000)
    call.send('BYE')
    await call.final('BYE')
    await wait(150)
  }
}

/** What must be told of every registration that fails. */
function assertTold(registration: Registration): void {
  assert.ok(registration.failures >= 1)
  assert.is(registration.granted_expires_s, null)
  assert.ok(registration.next_attempt_at !== null, 'it is tried again some time')
  assert.ok(registration.reason.length > 10, `a reason in words: "${registration.reason}"`)
  assert.not(registration.reason.includes(PASSWORD))
}

Bad('with a challenge after every challenge is refused: two REGISTERs, no loop', async () => {
  const far = await carrier({ auth: { realm: 'bad', users: {} } })
  const trunk = await addTrunk(far, {})
  const registration = await registrationIn(edge, trunk, ['refused'])
  assertTold(registration)
  assert.is(registration.last_code, 401)
  assert.match(registration.reason, /credential|password|user/i)
  await wait(3_000)
  assert.is(far.requests('REGISTER').length, 2)
})

Bad('that calls every nonce stale gets no more than a few REGISTERs, and the reason says so', async () => {
  const far = await carrier({ auth: { ...AUTH, alwaysStale: true } })
  const trunk = await addTrunk(far, {})
  const registration = await registrationIn(edge, trunk, ['refused', 'retrying'])
  assertTold(registration)
  assert.is(registration.last_code, 401)
  assert.ok(far.requests('REGISTER').length <= 4, `${far.requests('REGISTER').length} REGISTERs`)
})

Bad('that knows another password is told of: refused, 401, the password in no word of it', async () => {
  const far = await carrier({ auth: AUTH })
  const trunk = await addTrunk(far, { password: 'another one' })
  const registration = await registrationIn(edge, trunk, ['refused'])
  assertTold(registration)
  assert.is(registration.last_code, 401)
  assert.is(registration.last_phrase, 'Unauthorized')
  assert.match(registration.reason, /credential|password/i)
  assert.not(registration.reason.includes('another one'))
  assert.is(far.requests('REGISTER').length, 2)
})

Bad('that forbids is left alone for long, with its phrase kept', async () => {
  const far = await carrier()
  far.registrar.play.outcome = 403
  const registration = await registrationIn(edge, await addTrunk(far, {}), ['refused'])
  assertTold(registration)
  assert.is(registration.last_code, 403)
  assert.ok(Date.parse(registration.next_attempt_at ?? '') - Date.now() > 60_000, 'not within a minute')
})

Bad('that is silent, over TCP and over UDP, is tried again: no response', async () => {
  const far = await carrier()
  far.registrar.play.first = 'silent'
  const trunks = [await addTrunk(far, {}), await addTrunk(far, { outbound_proxy: `sip:${far.address}:${far.port}` })]
  for (const trunk of trunks) {
    const registration = await registrationIn(edge, trunk, ['retrying'])
    assertTold(registration)
    assert.match(registration.reason, /respon|answer|silent|time/i)
  }
})

Bad('that closes the connection on every REGISTER is tried again: the connection was closed', async () => {
  const far = await carrier({ protocols: ['tcp'] })
  far.registrar.play.first = 'close'
  const trunk = await addTrunk(far, {})
  const registration = await registrationIn(edge, trunk, ['retrying'])
  assertTold(registration)
  assert.match(registration.reason, /clos|connection|reset/i)
  await wait(3_000)
  const tries = far.requests('REGISTER').length
  assert.ok(tries <= 8, `${tries} REGISTERs in a few seconds: the pause between them must hold`)
})

Bad('that closes the connection some time after its 200 gets a new REGISTER at once, on a new one', async () => {
  const far = await carrier({ protocols: ['tcp'], auth: AUTH })
  const trunk = await addTrunk(far, {})
  await registrationIn(edge, trunk, ['registered'])
  const before = far.withCredentials('REGISTER').length
  far.end.hangUp()
  const end = performance.now() + 5_000
  while (far.withCredentials('REGISTER').length === before && performance.now() < end) await wait(25)
  assert.is(far.withCredentials('REGISTER').length, before + 1)
  await registrationIn(edge, trunk, ['registered'])
})

Bad(
  'behind a name with 1,000 addresses, or 1,000 servers, that are all dead is tried again; few of them are tried',
  async () => {
    const dead = Array.from({ length: 1_000 }, (_, i) => `127.77.${1 + Math.floor(i / 250)}.${1 + (i % 250)}`)
    names.a('many-addresses.example.net', dead)
    names.srv(
      '_sip._tcp.many-servers.example.net',
      dead.map((_, i) => ({ priority: i, weight: 1, port: 5070, target: `s${i}.example.net` })),
    )
    dead.forEach((address, i) => names.a(`s${i}.example.net`, [address]))
    for (const proxy of [
      'sip:many-addresses.example.net:5070;transport=tcp',
      'sip:many-servers.example.net;transport=tcp',
    ]) {
      const asked = names.asked.length
      const registration = await registrationIn(
        edge,
        await addTrunk(undefined, { outbound_proxy: proxy }),
        ['retrying'],
        20_000,
      )
      assertTold(registration)
      assert.ok(names.asked.length - asked < 200, `${names.asked.length - asked} questions`)
    }
  },
)

Bad('behind a name that no name server knows is tried again, and the reason says what was asked', async () => {
  const trunk = await addTrunk(undefined, { outbound_proxy: 'sip:nobody.example.net' })
  const registration = await registrationIn(edge, trunk, ['retrying'])
  assertTold(registration)
  assert.ok(registration.reason.includes('nobody.example.net'), registration.reason)
})

Bad('disturbs no other trunk: its calls went on, and it was never without a registration', async () => {
  stopCalling = true
  assert.ok((await calling) > 5)
  const { grants } = good.registrar
  grants.slice(1).forEach((grant, i) => {
    const gapMs = grant.atMs - (grants[i]?.atMs ?? 0)
    assert.ok(gapMs < GOOD_GRANT_S * 1_000, `${gapMs} ms between two grants of ${GOOD_GRANT_S} s`)
  })
  assert.equal(good.complaints, [])
  for (const { aor, contacts } of grants) assert.is(contacts.length, 1, `${aor} has one Contact`)
})

Bad('ends when its trunk is taken away: nothing is listed, nothing more is sent', async () => {
  const far = await carrier()
  far.registrar.play.first = 'silent'
  const number = '+14155550191'
  const trunk = await addTrunk(far, { number })
  await registrationIn(edge, trunk, ['registering', 'retrying'])
  await edge.must('DELETE', `/v1/numbers/${encodeURIComponent(number)}`)
  await edge.must('DELETE', `/v1/trunks/${trunk}`)
  await wait(2_500)
  const before = far.requests().length
  assert.is(await registrationOf(edge, trunk), undefined)
  await wait(3_000)
  assert.is(far.requests().length, before)
})

Bad.run()
