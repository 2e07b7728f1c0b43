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
const CARRIER_REALM = 'signalbox'

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

RegisterIn.run()
void [OTHER, CARRIER_REALM]
