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
      { trunk_id: 'pbx-1', matched: true, why: 'credentials of inbound_auth' },
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

Proven.run()
