// time limit: 120 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Carrier, type CarrierOptions } from '../support/carrier.js'
import { TestEdge } from '../support/edge.js'
import { eventually, wait } from '../support/eventually.js'
import { sdp } from '../support/far-call.js'
import { freePort } from '../support/free-port.js'
import { NameServer } from '../support/name-server.js'
import { agentOn, callOut, callsOf, nextCall, registrationIn } from '../support/trunk-edge.js'

// What happens to a trunk over its time: challenges in the middle of calls, routes that its registrar gives, changes, the end.
const Life = suite('The life of a trunk')

const PASSWORD = 'of a trunk’s life'
const AUTH = { realm: 'life', users: { user: PASSWORD }, algorithms: ['SHA-256'], nonces: 'once' } as const

let names: NameServer
let edge: TestEdge
let agent: Carrier
const opened: Carrier[] = []
let numbers = 0

Life.before(async () => {
  names = await NameServer.start()
  const port = await freePort('127.0.0.1')
  edge = await TestEdge.start({
    sipPort: port,
    env: {
      SIGNALBOX__DNS__SERVERS: names.address,
      SIP_CONTACTS: `sip:127.0.0.1:${port};transport=udp,tcp,sip:[::1]:${port};transport=udp,tcp`,
    },
  })
  agent = await agentOn(edge, 'front')
})

Life.after(async () => {
  await edge?.stop()
  await agent?.close()
  for (const far of opened) await far.close()
  await names?.stop()
})

async function carrier(options: Partial<CarrierOptions> = {}): Promise<Carrier> {
  const far = await Carrier.open({ address: '127.0.0.80', ...options })
  opened.push(far)
  return far
}

const proxyAt = (far: Carrier, protocol: 'udp' | 'tcp'): string =>
  `sip:${far.address}:${far.port}${protocol === 'tcp' ? ';transport=tcp' : ''}`

async function addTrunk(fields: Record<string, unknown>): Promise<{ number: string; domain: string; trunkId: string }> {
  const number = `+1415557${String(1_000 + ++numbers)}`
  const domain = `life${numbers}.example.com`
  const view = await edge.must<{ trunk: { id: string } }>('POST', '/v1/numbers', {
    phone_number: number,
    sip_domain: domain,
    username: 'user',
    password: PASSWORD,
    register: { enabled: true, expires: 120 },
    inbound_agent_id: 'front',
    outbound_agent_ids: ['front'],
    ...fields,
  })
  return { number, domain, trunkId: view.trunk.id }
}

for (const protocol of ['udp', 'tcp'] as const) {
  Life(`over ${protocol}, a challenge of the re-INVITE and of the BYE of a call out is answered`, async () => {
    const far = await carrier({ auth: AUTH })
    far.calls.challengeInDialog = ['INVITE', 'BYE']
    const { number } = await addTrunk({ outbound_proxy: proxyAt(far, protocol), register: { enabled: false } })
    const call = await callOut(agent, edge, { from: number, to: '+13125550199' })
    assert.is(call.status, 200)
    const there = await nextCall(far, new Set())
    const offer = sdp('127.0.0.3', ['a=sendonly'])
    call.send('INVITE', offer)
    await eventually(
      'the answer to the re-INVITE',
      () => call.responses.filter(({ message }) => message.method === 'INVITE' && message.status === 200).length === 2,
    )
    const again = far.withCredentials('INVITE')
    assert.is(again.length, 2, 'the INVITE, and the re-INVITE')
    assert.is(again[1]?.message.body, offer)
    call.send('BYE')
    assert.is((await call.final('BYE')).message.status, 200)
    await there.heard('BYE')
    assert.is(far.withCredentials('BYE').length, 1)
    assert.equal(far.complaints, [])
  })

  Life(`over ${protocol}, a challenge of our BYE of a call in is answered`, async () => {
    const far = await carrier({ auth: AUTH })
    far.calls.challengeInDialog = ['BYE']
    const { number, domain } = await addTrunk({ outbound_proxy: proxyAt(far, protocol) })
    const binding = await far.registered(`sip:user@${domain}`)
    const before = callsOf(agent)
    const call = far.call(binding, { from: `+13125550199@${domain}`, to: `${number}@${domain}` })
    await call.answered(200)
    const there = await nextCall(agent, before)
    await eventually('the ACK', () => there.acknowledged)
    there.send('BYE')
    await there.final('BYE')
    await call.heard('BYE')
    assert.is(far.withCredentials('BYE').length, 1)
    assert.equal(far.complaints, [])
  })
}

Life(
  'calls carry the Service-Route of the registrar as Route, in order, and go to the registrar all the same',
  async () => {
    const far = await carrier({ auth: AUTH })
    const routes = ['<sip:edge1.life.example.com;lr>', '<sip:orig@core.life.example.com;lr>']
    far.registrar.play.headers = [`Service-Route: ${routes.join(', ')}`, 'Path: <sip:path.life.example.com;lr>']
    const { number, domain, trunkId } = await addTrunk({ outbound_proxy: proxyAt(far, 'tcp') })
    const registration = await registrationIn(edge, trunkId, ['registered'])
    assert.equal(
      registration.service_route,
      routes.map((route) => route.slice(1, -1)),
    )
    const call = await callOut(agent, edge, { from: number, to: '+13125550199' })
    assert.is(call.status, 200)
    for (const { message, connection } of far.requests('INVITE')) {
      assert.equal(
        message.all('route').flatMap((line) => line.split(/, */)),
        routes,
      )
      assert.is(message.requestUri, `sip:+13125550199@${domain}`)
      assert.is(connection, far.requests('REGISTER')[0]?.connection)
    }
    call.send('BYE')
    await call.final('BYE')
  },
)

Life('calls and pings follow the server that accepted the registration', async () => {
  const first = await carrier()
  const second = await carrier({ address: '127.0.0.81' })
  first.registrar.play.first = 503
  names.a('one.life.example.net', [first.address])
  names.a('two.life.example.net', [second.address])
  names.srv('_sip._udp.both.life.example.net', [
    { priority: 1, weight: 1, port: first.port, target: 'one.life.example.net' },
    { priority: 2, weight: 1, port: second.port, target: 'two.life.example.net' },
  ])
  const { number, trunkId } = await addTrunk({
    outbound_proxy: 'sip:both.life.example.net',
    ping: { enabled: true, interval_s: 1 },
  })
  const registration = await registrationIn(edge, trunkId, ['registered'])
  assert.is(registration.registrar, `sip:${second.address}:${second.port};transport=udp`)
  const call = await callOut(agent, edge, { from: number, to: '+13125550199' })
  assert.is(call.status, 200)
  assert.is(first.requests('INVITE').length, 0)
  assert.is(second.requests('INVITE').length, 1)
  call.send('BYE')
  await call.final('BYE')
})

Life('a changed proxy is registered at before the old registration is taken away', async () => {
  const old = await carrier({ auth: AUTH })
  const next = await carrier({ auth: AUTH })
  const { domain, trunkId, number } = await addTrunk({ outbound_proxy: proxyAt(old, 'tcp') })
  await old.registered(`sip:user@${domain}`)
  await edge.must('PATCH', `/v1/trunks/${trunkId}`, { outbound_proxy: proxyAt(next, 'tcp') })
  await next.registered(`sip:user@${domain}`)
  await eventually('the old one is taken away', () => old.registrar.bindings().length === 0, 10_000)
  const taken = old.registrar.grants.find(({ expires }) => expires === 0)
  const made = next.registrar.grants[0]
  assert.ok(taken && made && made.atMs < taken.atMs, 'no gap between them')
  const call = await callOut(agent, edge, { from: number, to: '+13125550199' })
  assert.is(call.status, 200)
  assert.is(next.withCredentials('INVITE').length, 1)
  assert.is(old.requests('INVITE').length, 0)
  call.send('BYE')
  await call.final('BYE')
})

Life('a changed password is used at once, and never shown to anybody', async () => {
  const far = await carrier({ auth: { ...AUTH, users: { user: 'the new one' } } })
  const { trunkId } = await addTrunk({ outbound_proxy: proxyAt(far, 'udp') })
  await registrationIn(edge, trunkId, ['refused'])
  const view = await edge.must('PATCH', `/v1/trunks/${trunkId}`, { password: 'the new one' })
  assert.not(JSON.stringify(view).includes('the new one'))
  await registrationIn(edge, trunkId, ['registered'])
  assert.not(edge.output.includes('the new one'))
})

Life('a proxy with an IPv6 address is registered at and called by', async () => {
  const port = await freePort('127.0.0.1')
  const far = await carrier({ address: '::1', port, auth: AUTH })
  const { number, trunkId } = await addTrunk({ outbound_proxy: `sip:[::1]:${port};transport=tcp` })
  await registrationIn(edge, trunkId, ['registered'])
  const call = await callOut(agent, edge, { from: number, to: '+13125550199' })
  assert.is(call.status, 200)
  assert.is(far.withCredentials('INVITE').length, 1)
  call.send('BYE')
  await call.final('BYE')
})

Life('a domain with a port is where requests go without a proxy, and what they name', async () => {
  const far = await carrier({ auth: AUTH })
  names.a('ported.life.example.com', [far.address])
  const domain = `ported.life.example.com:${far.port}`
  const { number, trunkId } = await addTrunk({ sip_domain: domain })
  await registrationIn(edge, trunkId, ['registered'])
  for (const { message } of far.requests('REGISTER')) assert.is(message.requestUri, `sip:${domain}`)
  const call = await callOut(agent, edge, { from: number, to: '+13125550199' })
  assert.is(call.status, 200)
  for (const { message } of far.requests('INVITE')) assert.is(message.requestUri, `sip:+13125550199@${domain}`)
  call.send('BYE')
  await call.final('BYE')
})

Life(
  'early media of a carrier that challenges reaches the agent: 183 with SDP, 180, 200, and nothing of the challenge',
  async () => {
    const far = await carrier({ auth: AUTH })
    far.calls.provisional = [100, 183, 180]
    far.calls.answerAfterMs = 200
    const { number } = await addTrunk({ outbound_proxy: proxyAt(far, 'tcp'), register: { enabled: false } })
    const call = await callOut(agent, edge, { from: number, to: '+13125550199' })
    const heard = call.responses.map(({ message }) => message)
    assert.equal([...new Set(heard.map(({ status }) => status))], [100, 183, 180, 200])
    const early = heard.find(({ status }) => status === 183)
    assert.match(early?.body ?? '', /a=x-early:1/)
    call.send('BYE')
    await call.final('BYE')
  },
)

Life('a challenge from a server that is not the trunk’s own is not answered', async () => {
  // The trunk’s proxy sends the call’s Contact and route elsewhere: whoever sits there must not learn a response to a nonce of its own.
  const stranger = await carrier({ address: '127.0.0.82', auth: AUTH })
  const far = await carrier()
  far.calls.recordRoute = null
  far.calls.contact = `<sip:callee@${stranger.address}:${stranger.port}>`
  const { number } = await addTrunk({ outbound_proxy: proxyAt(far, 'udp'), register: { enabled: false } })
  const call = await callOut(agent, edge, { from: number, to: '+13125550199' })
  assert.is(call.status, 200)
  stranger.end.onRequest = (heard) => {
    if (heard.message.method === 'ACK') return
    stranger.end.answer(heard, 407, 'Proxy Authentication Required', { headers: stranger.digest?.challenge(407) ?? [] })
  }
  call.send('BYE')
  await call.final('BYE')
  await wait(500)
  const shown = stranger.end.heard.filter(({ message }) => message.head.toLowerCase().includes('authorization:'))
  assert.equal(
    shown.map(({ message }) => message.startLine),
    [],
  )
})

Life('an edge that stops un-registers everything, challenges answered, and leaves nobody registered', async () => {
  const registered = opened.filter((far) => far.registrar.bindings().length > 0)
  assert.ok(registered.length > 3)
  edge.child.kill('SIGINT')
  await edge.child.exited
  for (const far of registered)
    assert.equal(
      far.registrar.bindings().map(({ aor }) => aor),
      [],
    )
})

Life.run()
