import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Cdr } from '../../src/model/call.js'
import { DigestSession } from '../../src/trunks/digest/session.js'
import { CALLER, AGENT, TestEdge } from '../support/edge.js'
import { eventually } from '../support/eventually.js'
import { inviteOver, openUdp, refusingAgent } from '../support/sip-peer.js'
import type { SipText } from '../support/sip-text.js'

const Identity = suite('Who calls')

const STRANGER = '127.0.0.66'
const BY_ADDRESS = '+14155550110'
const BY_SERVER = '+14155550111'
const BY_BOTH = '+14155550112'

let edge: TestEdge
let agent: Awaited<ReturnType<typeof refusingAgent>>

Identity.before(async () => {
  agent = await refusingAgent(AGENT)
  edge = await TestEdge.start({
    env: { SIGNALBOX__ACCESS__UNKNOWN_SOURCE: '403', SIGNALBOX__ACCESS__SOURCE_RATE: '0' },
  })
  await edge.addNumber(BY_ADDRESS, 'front', [agent.uri])
  await edge.addNumber(BY_SERVER, 'front', [agent.uri], {
    number: { allowed_addresses: [], sip_domain: null, outbound_proxy: 'sip:127.0.0.9:5065' },
  })
  await edge.addNumber(BY_BOTH, 'front', [agent.uri], {
    number: {
      sip_domain: 'both.example.com',
      inbound_auth: { username: 'pbx', password: 'geheim', realm: 'pbx' },
      require: ['address', 'digest'],
    },
  })
})

Identity.after(async () => {
  await edge.stop()
  agent.close()
})

async function call(from: string, number: string, headers: readonly string[] = []): Promise<SipText> {
  const peer = await openUdp(from, edge.sip)
  const answer = await inviteOver(peer, { target: edge.sip, protocol: 'udp', number, headers })
  peer.close()
  return answer
}

const recordOf = (answer: SipText): Promise<Cdr> => edge.cdrOfLegA(answer.callId)

Identity('is told by the source address, and the record says so', async () => {
  const answer = await call(CALLER, BY_ADDRESS)
  assert.is(answer.status, 486, 'the agent has answered')
  const cdr = await recordOf(answer)
  assert.equal([cdr.identified_by, cdr.trunk_id === null, cdr.source_address], ['address', false, CALLER])
})

Identity('[A3] is not told by Via, From, Contact, X-Forwarded-For, P-Asserted-Identity or Diversion', async () => {
  const before = agent.requests.length
  const answer = await call(STRANGER, BY_ADDRESS, [
    `Via: SIP/2.0/UDP ${CALLER}:5060;branch=z9hG4bK-spoofed;received=${CALLER}`,
    `X-Forwarded-For: ${CALLER}`,
    `Forwarded: for=${CALLER}`,
    `P-Asserted-Identity: <sip:pbx@${CALLER}>`,
    `Diversion: <sip:pbx@${CALLER}>`,
    `Record-Route: <sip:${CALLER};lr>`,
  ])
  assert.is(answer.status, 403)
  // From and Contact that name the trunk's address, the topmost Via too.
  const peer = await openUdp(STRANGER, edge.sip)
  const posing = { ...peer, local: { address: CALLER, port: peer.local.port } }
  const posed = await inviteOver(posing, { target: edge.sip, protocol: 'udp', number: BY_ADDRESS })
  assert.is(posed.status, 403)
  peer.close()
  assert.is(agent.requests.length, before, 'the agent has heard of neither')
})

Identity('is told by the address of the trunk’s proxy, which changes with the trunk at once', async () => {
  const cdr = await recordOf(await call('127.0.0.9', BY_SERVER))
  assert.equal([cdr.result, cdr.identified_by], ['agent_busy', 'resolved-address'])
  const trunk = `/v1/trunks/${cdr.trunk_id ?? ''}`
  assert.is((await edge.api('PATCH', trunk, { outbound_proxy: 'sip:127.0.0.10:5065' })).status, 200)
  await eventually(
    'the old address is nobody’s',
    async () => (await call('127.0.0.9', BY_SERVER)).status === 403,
    2_000,
  )
  assert.is((await call('127.0.0.10', BY_SERVER)).status, 486)
})

Identity('[A4] is told by address and digest where the trunk requires both, SHA-256 before MD5', async () => {
  const asked = await call(CALLER, BY_BOTH)
  assert.is(asked.status, 401)
  const challenges = asked.headers.filter(([name]) => name === 'www-authenticate').map(([, value]) => value)
  assert.equal(
    challenges.map((value) => /algorithm=(.*)$/.exec(value)?.[1]),
    ['SHA-256', 'MD5'],
  )
  const refusals = new Set<string>()
  for (const [which, username, password, status] of [
    [0, 'pbx', 'geheim', 486],
    [1, 'pbx', 'geheim', 486],
    [0, 'pbx', 'wrong', 403],
    [0, 'nobody', 'geheim', 403],
  ] as const) {
    const challenge = (await call(CALLER, BY_BOTH)).headers.filter(([name]) => name === 'www-authenticate')[which]?.[1]
    const uri = `sip:${BY_BOTH}@${edge.sip.address}:${edge.sip.port}`
    const exchange = new DigestSession().begin({ method: 'INVITE', uri, body: '' }, { username, password })
    exchange.challenged({ status: 401, header: (name) => (name === 'WWW-Authenticate' ? challenge : undefined) })
    const credentials = `Authorization: ${exchange.headers['Authorization'] ?? ''}`
    const answer = await call(CALLER, BY_BOTH, [credentials])
    assert.is(answer.status, status, username)
    const cdr = await recordOf(answer)
    if (status === 486) assert.is(cdr.identified_by, 'address+digest')
    else refusals.add(`${answer.startLine} ${answer.header('warning') ?? ''} ${answer.header('reason') ?? ''}`)
    // Shown again, from anywhere, they are worth nothing.
    assert.is((await call(CALLER, BY_BOTH, [credentials])).status, status === 486 ? 401 : 403)
    if (status === 486) assert.is((await call(STRANGER, BY_BOTH, [credentials])).status, 403)
  }
  assert.is(refusals.size, 1, [...refusals].join('\n'))
})

Identity.run()
