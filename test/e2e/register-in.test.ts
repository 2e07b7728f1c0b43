import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { BindingView } from '../../src/model/binding.js'
import { Carrier } from '../support/carrier.js'
import { AGENT, TestEdge } from '../support/edge.js'
import { eventually } from '../support/eventually.js'
import { Pbx } from '../support/pbx.js'

const PBX = '127.0.0.4'
const OTHER = '127.0.0.6'
const NUMBER = '+14155550170'
const DESTINATION = '+13125550199'
const line = { user: 'line-1', password: 'secret of the line' }

const RegisterIn = suite('A PBX that registers to us')

let edge: TestEdge
let agent: Carrier
let trunkId: string
const open: Pbx[] = []

async function pbx(protocol: 'udp' | 'tcp', address = PBX): Promise<Pbx> {
  const made = await Pbx.open(address, edge.sip, protocol)
  open.push(made)
  return made
}

const bindings = async (): Promise<BindingView[]> =>
  (await edge.must<{ bindings: BindingView[] }>('GET', `/v1/trunks/${trunkId}`)).bindings

/** An agent calls out; what leg A got. */
async function callOut(): Promise<ReturnType<Carrier['place']>> {
  const uri = `sip:${DESTINATION}@${edge.sip.address}:${edge.sip.port}`
  const way = { protocol: 'udp' as const, remote: edge.sip, connection: 0 }
  const call = agent.place(uri, way, {
    from: `${NUMBER}@agents.example.com`,
    to: `${DESTINATION}@agents.example.com`,
  })
  await eventually('the call is answered', () => call.status >= 200)
  return call
}

RegisterIn.before(async () => {
  edge = await TestEdge.start({ env: { SIGNALBOX__SIP__T1_MS: '100', SIGNALBOX__REGISTRAR__MIN_EXPIRES_S: '2' } })
  agent = await Carrier.open({ address: AGENT })
  await edge.must('PUT', '/v1/agents/front', {
    name: 'front',
    sip_uri: `sip:front@${AGENT}:${agent.port}`,
    allowed_addresses: [`${AGENT}/32`],
  })
  const { trunk } = await edge.must<{ trunk: { id: string } }>('POST', '/v1/numbers', {
    phone_number: NUMBER,
    register_in: true,
    inbound_auth: { username: line.user, password: line.password },
    inbound_agent_id: 'front',
    outbound_agent_ids: ['front'],
  })
  trunkId = trunk.id
})

RegisterIn.after(async () => {
  await edge.stop()
  await Promise.all([agent, ...open].map((end) => end.close()))
})

RegisterIn('is not registered: a call to it is refused with TRUNK_NOT_REGISTERED', async () => {
  const call = await callOut()
  assert.is(call.status, 480)
  assert.is((await edge.cdrOfLegA(call.callId)).result, 'trunk_not_registered')
})

for (const protocol of ['udp', 'tcp'] as const)
  RegisterIn(`registers over ${protocol}, is called where it is, and goes`, async () => {
    const one = await pbx(protocol)
    const answer = await one.register(line, { expires: 120 })
    assert.is(answer.status, 200)
    assert.match(answer.header('contact') ?? '', `<${one.contact}>;expires=120`)
    assert.match(answer.header('date') ?? '', /GMT$/)
    const [binding] = await bindings()
    assert.is(binding?.contact, one.contact)
    assert.is(binding?.user_agent, 'Test PBX')
    assert.match(binding?.source ?? '', new RegExp(`^sip:${PBX.replaceAll('.', '\\.')}:\\d+;transport=${protocol}$`))

    const call = await callOut()
    assert.is(call.status, 200)
    const [invite] = one.carrier.requests('INVITE')
    assert.is(invite?.protocol, protocol)
    if (protocol === 'tcp') assert.is(invite?.connection, one.way.connection, 'over the connection it registered on')
    assert.match(invite?.message.requestUri ?? '', `sip:${DESTINATION}@${PBX}:`)
    await eventually('the ACK comes', () => one.carrier.requests('ACK').length === 1)
    call.send('BYE')
    await eventually('the BYE comes', () => one.carrier.requests('BYE').length === 1)

    const gone = await one.register(line, { contacts: ['*'], expires: 0 })
    assert.is(gone.status, 200)
    assert.is(gone.header('contact'), undefined)
    assert.equal(await bindings(), [])
  })

RegisterIn('calls in from where it has registered, and the record says so', async () => {
  const one = await pbx('udp')
  assert.is((await one.register(line)).status, 200)
  const uri = `sip:${NUMBER}@${edge.sip.address}:${edge.sip.port}`
  const call = one.carrier.place(uri, one.way, { from: `${DESTINATION}@${PBX}`, to: `${NUMBER}@${PBX}` })
  await eventually('the call is answered', () => call.status >= 200)
  assert.is(call.status, 200)
  call.send('BYE')
  const record = await edge.cdrOfLegA(call.callId)
  assert.is(record.trunk_id, trunkId)
  assert.is(record.identified_by, 'registered')
  await one.register(line, { contacts: ['*'], expires: 0 })
})

RegisterIn('calls in from another port of its address with its credentials only', async () => {
  const one = await pbx('udp')
  assert.is((await one.register(line)).status, 200)
  const neighbour = await pbx('udp')
  const uri = `sip:${NUMBER}@${edge.sip.address}:${edge.sip.port}`
  const call = neighbour.carrier.place(uri, neighbour.way, { from: `${DESTINATION}@${PBX}`, to: `${NUMBER}@${PBX}` })
  await eventually('the call is answered', () => call.status >= 200)
  assert.is(call.status, 401)
  await one.register(line, { contacts: ['*'], expires: 0 })
})

RegisterIn('has several contacts: the one with the greater q is called first, the next when it fails', async () => {
  const [first, second] = [await pbx('udp'), await pbx('udp', OTHER)]
  assert.is((await first.register(line, { contacts: [`<${first.contact}>;q=0.9`] })).status, 200)
  const answer = await second.register(line, { contacts: [`<${second.contact}>;q=0.1`] })
  assert.match(answer.header('contact') ?? '', first.contact)
  Object.assign(first.carrier.calls, { provisional: [100], outcome: 503 })
  const call = await callOut()
  assert.is(call.status, 200)
  assert.is(first.carrier.requests('INVITE').length, 1)
  assert.is(second.carrier.requests('INVITE').length, 1)
  call.send('BYE')
  const page = await edge.must<{ items: { direction: string; bindings: unknown[] }[] }>(
    'GET',
    '/v1/registrations?direction=in',
  )
  assert.is(page.items[0]?.bindings.length, 2)
  await first.register(line, { contacts: ['*'], expires: 0 })
  assert.equal(await bindings(), [])
})

RegisterIn('is refused: 423 for too brief, and the same for a wrong password and an unknown user', async () => {
  const one = await pbx('udp')
  const brief = await one.register(line, { expires: 1 })
  assert.is(brief.status, 423)
  assert.is(brief.header('min-expires'), '2')
  const wrong = await one.register({ ...line, password: 'wrong' })
  const unknown = await one.register({ ...line, user: 'nobody' })
  assert.is(wrong.startLine, unknown.startLine)
  assert.is(wrong.status, 403)
  assert.equal(await bindings(), [])
})

RegisterIn.run()
