import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { AgentIdentifier, type Identified } from '../../src/routing/identify-agent.js'
import { RoutingBench } from '../support/routing-bench.js'

const NUMBER = '+14155550100'
const SOURCE = '127.0.0.3'

const Identifying = suite('The agent of a call')

/** Agents `front` and `back`, and a number that lists those given. */
function benchWith(...outbound_agent_ids: string[]): RoutingBench {
  const bench = new RoutingBench()
  bench.addAgent('front', { allowed_addresses: [`${SOURCE}/32`] })
  bench.addAgent('back', { allowed_addresses: ['127.0.0.0/24'] })
  bench.addAgent('anywhere', { auth: { username: 'user' } })
  bench.addNumber(NUMBER, { outbound_agent_ids })
  return bench
}

const identify = (bench: RoutingBench, presented = NUMBER, sourceAddress = SOURCE): Promise<Identified> =>
  new AgentIdentifier(bench).identify({ presented, sourceAddress })

Identifying('is the one at its address that its number lists, not the one whose address is the closest', async () => {
  const found = await identify(benchWith('back'))
  assert.ok(found.by === 'address')
  assert.is(found.agent.id, 'back')
  assert.equal(
    found.tried.map(({ agent_id, matched }) => [agent_id, matched]),
    [
      ['front', false],
      ['back', true],
    ],
  )
})

Identifying(
  'has to prove itself where its address does not tell, but an agent with credentials may present the number',
  async () => {
    for (const source of [SOURCE, '192.0.2.1']) {
      const found = await identify(benchWith('anywhere'), '14155550100', source)
      assert.ok(found.by === 'digest')
      assert.equal(
        found.agents.map(({ id }) => id),
        ['anywhere'],
      )
    }
  },
)

Identifying(
  'at a known address is known although its number does not list it: that is what it is refused for',
  async () => {
    for (const presented of [NUMBER, '', '+14155550199', 'nonsense']) {
      const found = await identify(benchWith(), presented)
      assert.ok(found.by === 'address', presented)
      assert.is(found.agent.id, 'front')
    }
  },
)

Identifying('at an address that is a trunk’s too is known by a number of ours alone', async () => {
  const identifier = new AgentIdentifier(benchWith('back'))
  const from = (presented: string) => identifier.identify({ presented, sourceAddress: SOURCE, fromTrunk: true })
  const listed = await from(NUMBER)
  assert.ok(listed.by === 'address')
  assert.is(listed.agent.id, 'back')
  for (const presented of ['', '+14155550199', 'anonymous']) {
    const found = await from(presented)
    assert.ok(found.by === 'nobody', presented)
    assert.match(found.nearestMiss, /^127\.0\.0\.3 is a trunk's address too, and /)
  }
})

Identifying('is nobody, with the nearest miss in words', async () => {
  const rows: [RoutingBench, string, RegExp][] = [
    [benchWith('front'), NUMBER, /^\+14155550100 lists front; the call came from 192\.0\.2\.1, without credentials$/],
    [benchWith(), NUMBER, /lists no agent/],
    [benchWith(), '+14155550199', /^192\.0\.2\.1 is no agent's address, and there is no number \+14155550199$/],
    [benchWith(), '', /no number is presented/],
  ]
  for (const [bench, presented, nearest] of rows) {
    const found = await identify(bench, presented, '192.0.2.1')
    assert.ok(found.by === 'nobody')
    assert.match(found.nearestMiss, nearest)
  }
  const away = benchWith()
  away.from = 'unavailable'
  const found = await identify(away, NUMBER, '192.0.2.1')
  assert.match(found.by === 'nobody' ? found.nearestMiss : '', /Redis cannot be asked/)
})

Identifying('is not one of another account than its number', async () => {
  const bench = benchWith('front', 'anywhere')
  bench.addNumber(NUMBER, { outbound_agent_ids: ['front', 'anywhere'], account_id: 'acme' })
  assert.is((await identify(bench, NUMBER, '192.0.2.1')).by, 'nobody')
})

Identifying(
  'at an address of agents of several accounts, is of the account of the number; else of nobody',
  async () => {
    const bench = benchWith()
    for (const [id, account_id] of [
      ['one/front', 'one'],
      ['two/front', 'two'],
    ] as const)
      bench.addAgent(id, { account_id, allowed_addresses: ['192.0.2.77/32'] })
    bench.addNumber(NUMBER, { account_id: 'two', outbound_agent_ids: ['two/front'] })
    const listed = await identify(bench, NUMBER, '192.0.2.77')
    assert.is(listed.by === 'address' && listed.agent.id, 'two/front')
    bench.addNumber(NUMBER, { account_id: 'two', outbound_agent_ids: [] })
    const refused = await identify(bench, NUMBER, '192.0.2.77')
    assert.is(refused.by === 'address' && refused.agent.id, 'two/front', 'it is refused as a call of that account')
    assert.is((await identify(bench, '+14155550999', '192.0.2.77')).by, 'nobody')
  },
)

Identifying('behind a user name is one that the number lists, else anyone of that name, and few of them', () => {
  const bench = benchWith()
  const identifier = new AgentIdentifier(bench)
  for (let i = 0; i < 9; i++) bench.addAgent(`other-${i}`, { auth: { username: 'user' } })
  const anywhere = bench.knownAgents.get('anywhere')!
  assert.equal(identifier.behind('user', [anywhere]), [anywhere])
  assert.is(identifier.behind('user', []).length, 4)
  assert.equal(identifier.behind('nobody', [anywhere]), [])
})

Identifying.run()
