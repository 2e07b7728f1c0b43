import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { inviteTo, RoutingBench } from '../support/routing-bench.js'

const NUMBER = '+14155550100'
const STRANGER = '198.51.100.7'
const auth = { inbound_auth: { username: 'pbx', realm: 'signalbox' } }

const Proven = suite('Calls that prove their trunk by digest')

const invite = (provenTrunkId?: string, to = NUMBER, source = STRANGER) => ({
  ...inviteTo(`sip:${to}@edge`, {}, source),
  ...(provenTrunkId === undefined ? {} : { provenTrunkId }),
})

Proven(
  'a call from an unknown address to a number of a trunk with inbound_auth may prove to be that trunk',
  async () => {
    const bench = new RoutingBench()
    bench.addTrunk('pbx-1', { allowed_addresses: ['127.0.0.1/32'], ...auth })
    const asked = await bench.router.decide(invite())
    assert.equal([asked.decision.code, asked.asks?.id], ['SOURCE_UNKNOWN', 'pbx-1'])
    const { decision, asks } = await bench.router.decide(invite('pbx-1'))
    assert.equal([decision.outcome, decision.trunk_id, decision.agent_id, asks], ['agent', 'pbx-1', 'front', undefined])
    assert.is(decision.trace.identified_by, 'digest')
    assert.equal(decision.trace.trunks_tried, [
      {
        trunk_id: 'pbx-1',
        account_id: 'default',
        matched: true,
        why: 'credentials of inbound_auth',
        rule: 'digest',
      },
    ])
  },
)

Proven('so may one from the address of another trunk', async () => {
  const bench = new RoutingBench()
  bench.addTrunk('pbx-2', auth)
  bench.addNumber('+14155550111', { trunk_id: 'pbx-2' })
  const asked = await bench.router.decide(invite(undefined, '+14155550111', '127.0.0.1'))
  assert.equal([asked.decision.code, asked.asks?.id], ['NUMBER_NOT_ON_TRUNK', 'pbx-2'])
})

Proven('a trunk without inbound_auth, one of another account, and a number nobody has ask for nothing', async () => {
  const bench = new RoutingBench()
  assert.is((await bench.router.decide(invite())).asks, undefined)
  bench.addTrunk('pbx-1', { ...auth, account_id: 'other' })
  assert.is((await bench.router.decide(invite())).asks, undefined)
  bench.addTrunk('pbx-1', auth)
  assert.is((await bench.router.decide(invite(undefined, '+14155550999'))).asks, undefined)
})

Proven('a proven trunk reaches its own numbers alone, and is not asked again', async () => {
  const bench = new RoutingBench()
  bench.addTrunk('pbx-2', auth)
  bench.addNumber('+14155550111', { trunk_id: 'pbx-2' })
  const { decision, asks } = await bench.router.decide(invite('pbx-1', '+14155550111'))
  assert.equal([decision.code, asks], ['NUMBER_NOT_ON_TRUNK', undefined])
  assert.match(decision.trace.nearest_miss ?? '', 'the call has the credentials of trunk pbx-1')
})

Proven('a trunk that is gone by then is as no proof', async () => {
  const { decision } = await new RoutingBench().router.decide(invite('gone'))
  assert.is(decision.code, 'SOURCE_UNKNOWN')
})

const requiring = (...require: ('address' | 'digest')[]) => ({ allowed_addresses: ['127.0.0.1/32'], ...auth, require })

Proven('a trunk that requires digest asks for it whatever its address or Contact says', async () => {
  const bench = new RoutingBench()
  bench.addTrunk('pbx-1', requiring('digest'))
  for (const source of ['127.0.0.1', STRANGER]) {
    const asked = await bench.router.decide(invite(undefined, NUMBER, source))
    const code = source === STRANGER ? 'SOURCE_UNKNOWN' : 'CREDENTIALS_REQUIRED'
    assert.equal([asked.decision.code, asked.asks?.id, asked.decision.trace.identified_by], [code, 'pbx-1', null])
    const { decision } = await bench.router.decide(invite('pbx-1', NUMBER, source))
    assert.equal([decision.outcome, decision.trace.identified_by], ['agent', 'digest'])
  }
})

Proven('a trunk that requires both is identified by both, and asks nobody from elsewhere', async () => {
  const bench = new RoutingBench()
  bench.addTrunk('pbx-1', requiring('address', 'digest'))
  const asked = await bench.router.decide(invite(undefined, NUMBER, '127.0.0.1'))
  assert.equal([asked.decision.code, asked.decision.sip_status, asked.asks?.id], ['CREDENTIALS_REQUIRED', 401, 'pbx-1'])
  const { decision } = await bench.router.decide(invite('pbx-1', NUMBER, '127.0.0.1'))
  assert.equal([decision.outcome, decision.trace.identified_by], ['agent', 'address+digest'])
  const stranger = await bench.router.decide(invite(undefined, NUMBER, STRANGER))
  assert.equal([stranger.decision.code, stranger.asks], ['SOURCE_UNKNOWN', undefined])
  const proven = await bench.router.decide(invite('pbx-1', NUMBER, STRANGER))
  assert.equal([proven.decision.code, proven.asks], ['NUMBER_NOT_ON_TRUNK', undefined])
  assert.match(proven.decision.trace.nearest_miss ?? '', 'which the trunk requires')
})

Proven('a trunk that requires its address takes no credentials in its place', async () => {
  const bench = new RoutingBench()
  bench.addTrunk('pbx-1', requiring('address'))
  assert.is((await bench.router.decide(invite())).asks, undefined)
  const known = await bench.router.decide(invite(undefined, NUMBER, '127.0.0.1'))
  assert.equal([known.decision.outcome, known.decision.trace.identified_by], ['agent', 'address'])
})

Proven('the servers of a trunk and where it has registered from identify it, after its allowed_addresses', async () => {
  const bench = new RoutingBench()
  for (const [what, rule] of [
    ['server', 'resolved-address'],
    ['binding', 'registered'],
  ] as const) {
    bench.besides.set(STRANGER, [{ trunkId: 'pbx-1', what }])
    const { decision } = await bench.router.decide(invite())
    assert.equal([decision.outcome, decision.trace.identified_by], ['agent', rule])
  }
  bench.besides.set('127.0.0.1', [{ trunkId: 'pbx-1', what: 'server' }])
  const { decision } = await bench.router.decide(invite(undefined, NUMBER, '127.0.0.1'))
  assert.is(decision.trace.identified_by, 'address')
})

Proven('who shares the address of a PBX that has registered is asked for its credentials', async () => {
  const bench = new RoutingBench()
  bench.addTrunk('pbx-1', { inbound_auth: { username: 'line', realm: 'signalbox' } })
  bench.besides.set(STRANGER, [{ trunkId: 'pbx-1', what: 'binding' }])
  bench.boundPorts.set(STRANGER, 5062)
  const from = (port: number, provenTrunkId?: string): ReturnType<typeof bench.router.decide> =>
    bench.router.decide({ ...invite(provenTrunkId), flow: { port, protocol: 'udp' } })
  assert.is((await from(5062)).decision.trace.identified_by, 'registered')
  const stranger = await from(5063)
  assert.equal([stranger.decision.code, stranger.asks?.id], ['SOURCE_UNKNOWN', 'pbx-1'])
  assert.is((await from(5063, 'pbx-1')).decision.trace.identified_by, 'digest')
  // Credentials besides tell them apart: the PBX may call over a connection of its own.
  bench.addTrunk('pbx-1', requiring('address', 'digest'))
  assert.is((await from(5063)).asks?.id, 'pbx-1')
  assert.is((await from(5063, 'pbx-1')).decision.trace.identified_by, 'address+digest')
})

Proven('two trunks with one server are told apart by the number, then by the host that is called', async () => {
  const bench = new RoutingBench()
  bench.addTrunk('pbx-1', { sip_domain: 'one.example.com' })
  bench.addTrunk('pbx-2', { sip_domain: 'two.example.com', country: 'US', account_id: 'other' })
  bench.besides.set(
    STRANGER,
    ['pbx-1', 'pbx-2'].map((trunkId) => ({ trunkId, what: 'server' as const })),
  )
  bench.addAgent('theirs', { account_id: 'other' })
  bench.addNumber('+14155550111', { trunk_id: 'pbx-2', account_id: 'other', inbound_agent_id: 'theirs' })
  const trunkOf = async (uri: string) => (await bench.router.decide(inviteTo(uri, {}, STRANGER))).decision
  assert.is((await trunkOf(`sip:${NUMBER}@edge`)).trunk_id, 'pbx-1')
  assert.is((await trunkOf('sip:+14155550111@edge')).trunk_id, 'pbx-2')
  // An extension of the one is written as a number of the other.
  bench.addNumber('4155550111', { kind: 'extension' })
  assert.is((await trunkOf('sip:4155550111@one.example.com')).trunk_id, 'pbx-1')
  assert.is((await trunkOf('sip:4155550111@two.example.com')).trunk_id, 'pbx-2')
  const neither = await trunkOf('sip:4155550111@edge')
  assert.equal([neither.code, neither.trunk_id], ['NUMBER_NOT_ON_TRUNK', null])
  assert.match(neither.detail, 'of more than one account')
})

Proven.run()
