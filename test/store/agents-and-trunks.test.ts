import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { randomBytes } from 'node:crypto'
import { createPasswords } from '../../src/store/passwords.js'
import { Secrets } from '../../src/store/secrets.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { newAgent, newNumber, newTrunk, rejection, StoreBench } from '../support/store-bench.js'

const A = '+14155550100'
/** SHA-256 of the account `default` and the fields of a trunk at `pbx.example.com`, as trunks first had them. */
const INDEXED = 'e92fa30815a16864b4c502f17c49f44d2149183643cfd5dfb976d32f5bfc32da'

for (const [name, args] of [
  ['a single Redis', []],
  ['a Redis Cluster', ['--cluster-enabled', 'yes']],
] as const) {
  const Records = suite(`Agents and trunks on ${name}`)
  let redis: TestRedis
  let bench: StoreBench

  Records.before(async () => {
    redis = await startRedis({ args })
    if (args.length > 0) {
      await redis.cli('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
      while (!(await redis.cli('CLUSTER', 'INFO')).includes('cluster_state:ok')) await redis.cli('PING')
    }
    bench = await StoreBench.ready(redis.url)
  })
  Records.before.each(async () => {
    await redis.cli('FLUSHALL')
  })
  Records.after(async () => {
    await bench.stop()
    await redis.stop()
  })

  Records('are JSON, added and replaced by put, whose creation time stays', async () => {
    const { agent, created } = await bench.agents.put(newAgent('front', { headers: { 'X-A': 'b' } }))
    assert.is(created, true)
    const again = await bench.agents.put(newAgent('front', { name: 'Front desk' }))
    assert.is(again.created, false)
    assert.is(again.agent.created_at, agent.created_at)
    const kept = JSON.parse(await redis.cli('GET', 'signalbox:agent:front')) as Record<string, unknown>
    assert.is(kept['name'], 'Front desk')
    assert.equal(kept['headers'], {})
    assert.is((await rejection(bench.agents.create(newAgent('front')))).code, 'EXISTS')
    assert.is(await bench.agents.get('nobody'), undefined)
    assert.is(await bench.agents.get('a b\r\n'), undefined)
  })

  Records('of two accounts have ids of their own, each as that account spells it in its JSON', async () => {
    await bench.agents.put(newAgent('front'))
    const { agent, created } = await bench.agents.put(newAgent('acme/front', { account_id: 'acme', name: 'Acme' }))
    assert.equal([created, agent.id, (await bench.agents.get('front'))?.name], [true, 'acme/front', ''])
    const kept = JSON.parse(await redis.cli('GET', 'signalbox:agent:acme/front')) as Record<string, unknown>
    assert.equal([kept['id'], kept['account_id'], kept['name']], ['front', 'acme', 'Acme'])
    assert.is(await redis.cli('ZRANGE', 'signalbox:index:agents', '0', '-1'), 'acme:front\ndefault:front')
    assert.equal(await bench.agents.get('acme/front'), agent)
    assert.is(await bench.agents.get('default/front'), undefined, 'there is one spelling')
    const elsewhere = rejection(bench.agents.put(newAgent('front', { account_id: 'acme' })))
    assert.is((await elsewhere).code, 'INVALID', 'the id is of another account')
    // An agent called `secret` of an account called `front` is not where the password of the agent `front` is.
    await bench.agents.put(newAgent('front/secret', { account_id: 'front' }))
    assert.is(await redis.cli('EXISTS', 'signalbox:agent:front:secret'), '0')
    await bench.agents.remove('acme/front')
    assert.is((await bench.agents.get('front'))?.id, 'front')
    await redis.cli('SET', 'signalbox:agent:front', '{"account_id":"acme","sip_uri":"sip:a@127.0.0.1"}')
    assert.match((await rejection(bench.agents.get('front'))).message, /account_id: is not the account of the key/)
  })

  Records('lose no change when several are made at the same moment', async () => {
    await bench.trunks.create(newTrunk('pbx'))
    await Promise.all(
      Array.from({ length: 6 }, (_, i) =>
        bench.trunks.update('pbx', (trunk) => ({
          ...trunk,
          allowed_addresses: [...trunk.allowed_addresses, `10.0.0.${i}`],
        })),
      ),
    )
    assert.is((await bench.trunks.get('pbx'))?.allowed_addresses.length, 6)
    assert.is((await rejection(bench.trunks.update('gone', (trunk) => trunk))).code, 'NOT_FOUND')
  })

  Records('are not removed while numbers use them, which are named', async () => {
    await bench.agents.put(newAgent('front'))
    await bench.agents.put(newAgent('sales'))
    await bench.trunks.create(newTrunk('pbx-1'))
    await bench.numbers.create(newNumber(A, { outbound_agent_ids: ['sales'] }))
    for (const removing of [bench.agents.remove('front'), bench.agents.remove('sales'), bench.trunks.remove('pbx-1')]) {
      const error = await rejection(removing)
      assert.is(error.code, 'IN_USE')
      assert.equal(error.detail, { numbers: [A] })
    }
    await bench.numbers.remove(A)
    assert.is(await bench.agents.remove('front'), true)
    assert.is(await bench.agents.remove('front'), false)
    assert.is(await bench.trunks.remove('pbx-1'), true)
  })

  Records('can be removed when others have removed the numbers that used them', async () => {
    await bench.agents.put(newAgent('front'))
    await bench.numbers.create(newNumber(A))
    await redis.cli('DEL', `signalbox:did:${A}`)
    assert.is(await bench.agents.remove('front'), true)
  })

  Records('are listed in order, page by page, with those that do not parse apart', async () => {
    for (const id of ['d', 'b', 'a', 'c']) await bench.agents.put(newAgent(id))
    await bench.agents.put(newAgent('acme/z', { account_id: 'acme' }))
    await redis.cli('SET', 'signalbox:agent:c', '{"sip_uri":1}')
    const first = await bench.agents.list({ limit: 3, accountId: 'default' })
    assert.equal(
      first.items.map(({ id }) => id),
      ['a', 'b', 'd'],
    )
    assert.is(first.invalid?.[0]?.id, 'c')
    const all = await bench.agents.list({ limit: 10 })
    assert.equal(
      all.items.map(({ id }) => id),
      ['acme/z', 'a', 'b', 'd'],
    )
    assert.is(all.next_cursor, null)
    assert.is((await rejection(bench.agents.get('c'))).code, 'INVALID')
    assert.is(await bench.agents.remove('c'), true)
  })

  Records('with equal fields are one trunk, also when imports run at the same moment', async () => {
    const fields = {
      sip_domain: 'pbx.example.com',
      username: 'u',
      allowed_addresses: ['192.0.2.1'],
      headers: { 'X-B': '2', 'X-A': '1' },
    }
    const results = await Promise.all(
      Array.from({ length: 5 }, (_, i) => bench.trunks.findOrCreate(newTrunk(`t${i}`, fields))),
    )
    assert.is(new Set(results.map(({ trunk }) => trunk.id)).size, 1)
    assert.is(results.filter(({ created }) => created).length, 1)
    assert.is((await bench.trunks.list({ limit: 10 })).items.length, 1)
    const { id } = results[0]?.trunk ?? { id: '' }
    const equal = newTrunk('other', { ...fields, headers: { 'X-A': '1', 'X-B': '2' } })
    assert.is((await bench.trunks.findEqual(equal, 'default'))?.id, id, 'in whatever order the headers stand')
    assert.is(await bench.trunks.findEqual(equal, 'acme'), undefined)
    assert.is((await bench.trunks.findOrCreate({ ...equal, id: 'acme/other', account_id: 'acme' })).created, true)
    await bench.trunks.update(id, (trunk) => ({ ...trunk, username: 'v' }))
    assert.is(await bench.trunks.findEqual(equal, 'default'), undefined, 'it has other fields now')
    assert.is((await bench.trunks.findEqual({ ...equal, username: 'v' }, 'default'))?.id, id)
    await bench.trunks.remove(id)
    assert.is(await bench.trunks.findEqual({ ...equal, username: 'v' }, 'default'), undefined)
  })

  Records(
    'are found by what they were indexed under before trunks had further fields, when those are at their defaults',
    async () => {
      await bench.trunks.create(newTrunk('t', { sip_domain: 'pbx.example.com' }))
      assert.is(await redis.cli('GET', `signalbox:index:trunk-fields:${INDEXED}`), 't')
    },
  )

  Records('keep passwords sealed, beside the trunk or agent, and lose them with it', async () => {
    const passwords = createPasswords({ connection: bench.connection, secrets: new Secrets(randomBytes(32)) })
    await bench.trunks.create(newTrunk('pbx'))
    await bench.agents.create(newAgent('pbx'))
    const rows = [
      [passwords.trunk, 'signalbox:trunk:pbx:secret', 'hunter2'],
      [passwords.trunkInbound, 'signalbox:trunk:pbx:inbound-secret', 'hunter3'],
      [passwords.agent, 'signalbox:agent:pbx:secret', 'hunter4'],
    ] as const
    for (const [kind, key, password] of rows) {
      assert.is(await kind.get('pbx'), undefined)
      await kind.set('pbx', password)
      assert.is(await kind.has('pbx'), true)
      const kept = await redis.cli('GET', key)
      assert.not.match(kept, 'hunter')
      await redis.cli('SET', key.replace('pbx', 'other'), kept)
      assert.is((await rejection(kind.get('other'))).code, 'INVALID', 'of another record')
      await redis.cli('DEL', key.replace('pbx', 'other'))
    }
    for (const [kind, , password] of rows) assert.is(await kind.get('pbx'), password)
    await redis.cli('SET', 'signalbox:agent:pbx:secret', await redis.cli('GET', 'signalbox:trunk:pbx:secret'))
    assert.is((await rejection(passwords.agent.get('pbx'))).code, 'INVALID', 'of another kind')
    await bench.trunks.remove('pbx')
    await bench.agents.remove('pbx')
    for (const [kind] of rows) assert.is(await kind.has('pbx'), false)
    assert.is(await redis.cli('KEYS', '*'), 'signalbox:index:changes')
  })

  Records('a password that was replaced is put back on request, unless another came between', async () => {
    const { agent } = createPasswords({ connection: bench.connection, secrets: new Secrets(randomBytes(32)) })
    await (
      await agent.replace('front', 'one')
    )()
    assert.is(await agent.has('front'), false, 'there was none')
    await agent.set('front', 'one')
    const undoTwo = await agent.replace('front', 'two')
    const undoNone = await agent.replace('front', null)
    assert.is(await agent.get('front'), undefined)
    await undoNone()
    assert.is(await agent.get('front'), 'two')
    await agent.set('front', 'three')
    await undoTwo()
    assert.is(await agent.get('front'), 'three')
    await redis.cli('DEL', 'signalbox:agent:front:secret')
  })

  Records('an agent or trunk that a number comes to name while it is removed stays', async () => {
    await bench.agents.create(newAgent('front'))
    await bench.trunks.create(newTrunk('pbx'))
    for (let round = 0; round < 20; round++) {
      const [agent, trunk] = await Promise.all([
        bench.agents.remove('front').catch((error: { code?: string }) => error.code),
        bench.trunks.remove('pbx').catch((error: { code?: string }) => error.code),
        bench.numbers.create(newNumber('+14155550100', { trunk_id: 'pbx', inbound_agent_id: 'front' })),
      ])
      for (const [outcome, there] of [
        [agent, await bench.agents.get('front')],
        [trunk, await bench.trunks.get('pbx')],
      ] as const)
        assert.is(there !== undefined, outcome === 'IN_USE', String(outcome))
      await bench.numbers.remove('+14155550100')
      await bench.agents.put(newAgent('front'))
      await bench.trunks.put(newTrunk('pbx'))
    }
  })

  Records('every change has a time of its own, also within a millisecond', async () => {
    await bench.agents.create(newAgent('clock'))
    const times = new Set<string>()
    for (let change = 0; change < 20; change++)
      times.add((await bench.agents.update('clock', (agent) => agent)).updated_at)
    assert.is(times.size, 20)
    assert.equal([...times], [...times].sort())
  })

  Records.run()
}
