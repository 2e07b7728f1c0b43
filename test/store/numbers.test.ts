import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { startRedis, type TestRedis } from '../support/redis.js'
import { newNumber, rejection, StoreBench } from '../support/store-bench.js'

const A = '+14155550100'
const B = '+14155550101'

/** Every one of them also on a Redis Cluster: a command or script on keys of several slots fails there. */
for (const [name, args] of [
  ['a single Redis', []],
  ['a Redis Cluster', ['--cluster-enabled', 'yes']],
] as const) {
  const NumbersTable = suite(`Numbers on ${name}`)
  let redis: TestRedis
  let bench: StoreBench

  NumbersTable.before(async () => {
    redis = await startRedis({ args })
    if (args.length > 0) {
      await redis.cli('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
      while (!(await redis.cli('CLUSTER', 'INFO')).includes('cluster_state:ok')) await redis.cli('PING')
    }
    bench = await StoreBench.ready(redis.url)
  })
  NumbersTable.before.each(async () => {
    await redis.cli('FLUSHALL')
  })
  NumbersTable.after(async () => {
    await bench.stop()
    await redis.stop()
  })

  NumbersTable('are hashes whose fields are text, true, false, JSON for lists and nothing for null', async () => {
    await bench.numbers.create(
      newNumber(A, { outbound_agent_ids: ['front', 'back'], inbound_agent_id: null, label: 'Zoë' }),
    )
    const lines = (await redis.cli('HGETALL', `signalbox:did:${A}`)).split('\n')
    const fields = new Map(lines.flatMap((line, i) => (i % 2 === 0 ? [[line, lines[i + 1]] as const] : [])))
    assert.is(fields.get('phone_number'), A)
    assert.is(fields.get('enabled'), 'true')
    assert.is(fields.get('outbound_agent_ids'), '["front","back"]')
    assert.is(fields.get('inbound_agent_id'), '')
    const read = await bench.numbers.get(A)
    assert.equal(read?.outbound_agent_ids, ['front', 'back'])
    assert.is(read?.inbound_agent_id, null)
    assert.is(read?.label, 'Zoë')
    assert.is(read?.created_at, read?.updated_at)
  })

  NumbersTable(
    'need no more than a trunk when others write them; fields that are not ours stay and are not read',
    async () => {
      await redis.cli(
        'HSET',
        `signalbox:did:${A}`,
        'trunk_id',
        'pbx-1',
        'crm_id',
        '77',
        '__proto__',
        '{"enabled":false}',
      )
      const read = await bench.numbers.get(A)
      assert.is(read?.trunk_id, 'pbx-1')
      assert.is(read?.account_id, 'default')
      assert.is(read?.enabled, true)
      assert.is(read?.inbound_agent_id, null)
      assert.is(read?.created_at, '1970-01-01T00:00:00.000Z')
      await bench.numbers.assignInbound(A, 'front')
      assert.is(await redis.cli('HGET', `signalbox:did:${A}`, 'crm_id'), '77')
      assert.is(await redis.cli('HGET', `signalbox:did:${A}`, 'inbound_agent_id'), 'front')
    },
  )

  NumbersTable('are not created twice, and the agent that has one is named', async () => {
    await bench.numbers.create(newNumber(A))
    const same = await rejection(bench.numbers.create(newNumber(A)))
    assert.is(same.code, 'EXISTS')
    const other = await rejection(bench.numbers.create(newNumber(A, { inbound_agent_id: 'back' })))
    assert.is(other.code, 'CONFLICT')
    assert.equal(other.detail, { inbound_agent_id: 'front' })
    assert.match(other.message, 'front')
    const replaced = await bench.numbers.create(newNumber(A, { inbound_agent_id: 'back' }), { replaceInbound: true })
    assert.is(replaced.inbound_agent_id, 'back')
  })

  NumbersTable('of another account are not replaced, and its agent is not told', async () => {
    await bench.numbers.create(newNumber(A, { account_id: 'acme' }))
    const error = await rejection(
      bench.numbers.create(newNumber(A, { inbound_agent_id: 'x' }), { replaceInbound: true }),
    )
    assert.is(error.code, 'EXISTS')
    assert.equal(error.detail, {})
    assert.is(await bench.numbers.remove(A, 'default'), false)
    assert.is(await bench.numbers.remove(A, 'acme'), true)
  })

  NumbersTable('name the trunk and the agents of their account as that account does, and none of another', async () => {
    await bench.numbers.create(newNumber(A, { account_id: 'acme', outbound_agent_ids: ['acme/sales'] }))
    const hash = await redis.cli('HMGET', `signalbox:did:${A}`, 'trunk_id', 'inbound_agent_id', 'outbound_agent_ids')
    assert.is(hash, 'pbx-1\nfront\n["sales"]')
    const read = await bench.numbers.get(A)
    assert.equal([read?.trunk_id, read?.outbound_agent_ids], ['acme/pbx-1', ['acme/sales']])
    for (const named of [
      { trunk_id: 'pbx-1' },
      { inbound_agent_id: 'other/front' },
      { outbound_agent_ids: ['front'] },
    ]) {
      const error = await rejection(bench.numbers.update(A, (number) => ({ ...number, ...named })))
      assert.match(error.message, new RegExp(`^${Object.keys(named)[0]!}: is of another account$`))
    }
    // Whatever others write there: a slash is in no id.
    await redis.cli('HSET', `signalbox:did:${A}`, 'trunk_id', 'other/pbx-1')
    const error = await rejection(bench.numbers.get(A))
    assert.equal([error.code, error.detail?.['account_id']], ['INVALID', 'acme'])
  })

  NumbersTable('have one inbound agent: of many who ask for one at the same moment, one gets it', async () => {
    await bench.numbers.create(newNumber(A, { inbound_agent_id: null }))
    const others = await Promise.all([StoreBench.ready(redis.url), StoreBench.ready(redis.url)])
    const wishes = Array.from({ length: 12 }, (_, i) => {
      const { numbers } = [bench, ...others][i % 3] ?? bench
      return numbers.assignInbound(A, `agent-${i}`)
    })
    const results = await Promise.allSettled(wishes)
    await Promise.all(others.map((other) => other.stop()))
    const winners = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value.inbound_agent_id] : []))
    assert.is(winners.length, 1)
    for (const result of results)
      if (result.status === 'rejected') {
        assert.is((result.reason as { code: string }).code, 'CONFLICT')
        assert.is((result.reason as { detail: { inbound_agent_id: string } }).detail.inbound_agent_id, winners[0])
      }
    assert.is((await bench.numbers.get(A))?.inbound_agent_id, winners[0])
    const moved = await bench.numbers.assignInbound(A, 'front', { replace: true })
    assert.is(moved.inbound_agent_id, 'front')
    assert.is((await bench.numbers.assignInbound(A, null)).inbound_agent_id, null)
  })

  NumbersTable('created by many at the same moment exist once', async () => {
    const results = await Promise.allSettled(
      Array.from({ length: 8 }, (_, i) => bench.numbers.create(newNumber(A, { inbound_agent_id: `agent-${i}` }))),
    )
    assert.is(results.filter(({ status }) => status === 'fulfilled').length, 1)
  })

  NumbersTable('lose no change when several fields are changed at the same moment', async () => {
    await bench.numbers.create(newNumber(A))
    await Promise.all([
      bench.numbers.update(A, (number) => ({ ...number, label: 'new' })),
      bench.numbers.update(A, (number) => ({ ...number, enabled: false })),
      ...Array.from({ length: 6 }, (_, i) =>
        bench.numbers.update(A, (number) => ({
          ...number,
          outbound_agent_ids: [...number.outbound_agent_ids, `a${i}`],
        })),
      ),
    ])
    const read = await bench.numbers.get(A)
    assert.is(read?.label, 'new')
    assert.is(read?.enabled, false)
    assert.equal([...(read?.outbound_agent_ids ?? [])].sort(), ['a0', 'a1', 'a2', 'a3', 'a4', 'a5'])
  })

  NumbersTable(
    'that are not there cannot be changed; a change that makes no number is refused by its field',
    async () => {
      assert.is((await rejection(bench.numbers.update(A, (number) => number))).code, 'NOT_FOUND')
      await bench.numbers.create(newNumber(A))
      const error = await rejection(bench.numbers.update(A, (number) => ({ ...number, trunk_id: '../x' })))
      assert.is(error.code, 'INVALID')
      assert.match(error.message, /^trunk_id: /)
      assert.is((await bench.numbers.get(A))?.trunk_id, 'pbx-1')
    },
  )

  NumbersTable('are listed in order, page by page, of an account, a trunk or an agent', async () => {
    const all = Array.from({ length: 7 }, (_, i) => `+1415555010${i}`)
    for (const [i, number] of all.entries())
      await bench.numbers.create(
        newNumber(number, {
          trunk_id: i === 6 ? 'acme/even' : i % 2 === 0 ? 'even' : 'odd',
          inbound_agent_id: i === 6 ? 'acme/front' : 'front',
          outbound_agent_ids: i < 3 ? ['sales'] : [],
          account_id: i === 6 ? 'acme' : 'default',
        }),
      )
    const seen: string[] = []
    let cursor: string | null = null
    let pages = 0
    do {
      const page = await bench.numbers.list({ accountId: 'default', limit: 2, ...(cursor === null ? {} : { cursor }) })
      seen.push(...page.items.map(({ phone_number }) => phone_number))
      cursor = page.next_cursor
      pages += 1
    } while (cursor !== null)
    assert.equal(seen, all.slice(0, 6))
    assert.ok(pages <= 4)
    const numbersOf = async (filter: { trunkId?: string; agentId?: string; accountId?: string }): Promise<string[]> =>
      (await bench.numbers.list({ limit: 100, ...filter })).items.map(({ phone_number }) => phone_number)
    assert.equal(await numbersOf({}), ['+14155550106', ...all.slice(0, 6)], 'accounts in order')
    assert.equal(await numbersOf({ trunkId: 'odd' }), ['+14155550101', '+14155550103', '+14155550105'])
    assert.equal(await numbersOf({ agentId: 'sales' }), all.slice(0, 3))
    assert.equal(await numbersOf({ agentId: 'sales', trunkId: 'odd' }), ['+14155550101'])
    assert.equal(await numbersOf({ trunkId: 'acme/even' }), ['+14155550106'])
    assert.equal(await numbersOf({ agentId: 'front' }), all.slice(0, 6))
    assert.equal(await numbersOf({ agentId: 'front', accountId: 'acme' }), [])
    assert.equal(await numbersOf({ agentId: 'nobody' }), [])
  })

  NumbersTable('refuse a cursor that is not theirs', async () => {
    for (const cursor of ['x', '', 'a'.repeat(10_000), Buffer.from('a\nb').toString('base64url'), '../..', 'K'])
      assert.is((await rejection(bench.numbers.list({ limit: 1, cursor }))).code, 'INVALID', cursor.slice(0, 20))
  })

  NumbersTable('that move between agents and trunks are listed where they are', async () => {
    await bench.numbers.create(newNumber(A))
    await bench.numbers.update(A, (number) => ({ ...number, inbound_agent_id: 'back', trunk_id: 'pbx-2' }))
    const numbersOf = async (filter: object): Promise<string[]> =>
      (await bench.numbers.list({ limit: 10, ...filter })).items.map(({ phone_number }) => phone_number)
    assert.equal(await numbersOf({ agentId: 'front' }), [])
    assert.equal(await numbersOf({ agentId: 'back' }), [A])
    assert.equal(await numbersOf({ trunkId: 'pbx-1' }), [])
    assert.equal(await numbersOf({ trunkId: 'pbx-2' }), [A])
    assert.is(await redis.cli('EXISTS', 'signalbox:index:agent:front'), '0')
  })

  NumbersTable('moved to and fro at the same moment are listed at the agent they ended with', async () => {
    for (let round = 0; round < 10; round++) {
      await redis.cli('FLUSHALL')
      await bench.numbers.create(newNumber(A, { inbound_agent_id: 'a' }))
      await Promise.all(
        ['b', 'a', 'c', 'b', 'a'].map((agent) => bench.numbers.assignInbound(A, agent, { replace: true })),
      )
      const agent = (await bench.numbers.get(A))?.inbound_agent_id ?? ''
      const listed = await bench.numbers.list({ agentId: agent, limit: 10 })
      assert.is(listed.items.length, 1, `round ${round}: at ${agent}`)
      for (const other of ['a', 'b', 'c'].filter((each) => each !== agent))
        assert.is((await bench.numbers.list({ agentId: other, limit: 10 })).items.length, 0)
    }
  })

  NumbersTable(
    'that others wrote need only their trunk: the key tells whether it is E.164 or an extension',
    async () => {
      await redis.cli('HSET', `signalbox:did:${A}`, 'trunk_id', 'pbx-1')
      await redis.cli('HSET', 'signalbox:did:*98', 'trunk_id', 'pbx-1')
      assert.is((await bench.numbers.get(A))?.kind, 'e164')
      assert.is((await bench.numbers.get('*98'))?.kind, 'extension')
    },
  )

  NumbersTable('that others have removed or moved leave the lists', async () => {
    await bench.numbers.create(newNumber(A))
    await bench.numbers.create(newNumber(B))
    await redis.cli('DEL', `signalbox:did:${A}`)
    await redis.cli('HSET', `signalbox:did:${B}`, 'trunk_id', 'pbx-9')
    assert.equal(
      (await bench.numbers.list({ limit: 10 })).items.map(({ phone_number }) => phone_number),
      [B],
    )
    assert.equal((await bench.numbers.list({ trunkId: 'pbx-1', limit: 10 })).items, [])
    assert.is(await redis.cli('ZCARD', 'signalbox:index:numbers'), '1')
    assert.is(await redis.cli('EXISTS', 'signalbox:index:trunk:pbx-1'), '0')
  })

  NumbersTable('whose record does not parse are named in the list with the reason, and can be removed', async () => {
    await bench.numbers.create(newNumber(A))
    await bench.numbers.create(newNumber(B))
    await redis.cli('HSET', `signalbox:did:${A}`, 'enabled', 'perhaps')
    const page = await bench.numbers.list({ limit: 10 })
    assert.is(page.items.length, 1)
    assert.equal(page.invalid, [{ id: A, why: 'enabled: must be true or false' }])
    assert.is((await rejection(bench.numbers.get(A))).code, 'INVALID')
    assert.is(await bench.numbers.remove(A), true)
    assert.is(await bench.numbers.remove(A), false)
    assert.is(await bench.numbers.get(A), undefined)
  })

  NumbersTable('leave nothing behind when they are removed', async () => {
    await bench.numbers.create(newNumber(A, { outbound_agent_ids: ['x', 'y'] }))
    await bench.numbers.remove(A)
    assert.is(await redis.cli('DBSIZE'), '0')
  })

  NumbersTable('with a name that could be another key are refused before Redis is asked', async () => {
    const asked = await redis.cli('INFO', 'commandstats')
    for (const name of [
      '{x}',
      'a\nb',
      '+1415\r\nX',
      'x'.repeat(10_240),
      '',
      '../agent:front',
      '__proto__:',
      'did:*',
      '\ud800',
    ]) {
      assert.is(await bench.numbers.get(name), undefined, name.slice(0, 20))
      assert.is((await rejection(Promise.resolve().then(() => bench.numbers.create(newNumber(name))))).code, 'INVALID')
      assert.is((await rejection(Promise.resolve().then(() => bench.numbers.remove(name)))).code, 'INVALID')
    }
    const calls = (stats: string): string[] => stats.match(/cmdstat_(evalsha|eval|del|hget|zrem):calls=\d+/g) ?? []
    assert.ok(calls(asked).length > 0)
    assert.equal(calls(await redis.cli('INFO', 'commandstats')), calls(asked))
  })

  NumbersTable('named like a pattern are that key and no other', async () => {
    await bench.numbers.create(newNumber(A))
    await bench.numbers.create(newNumber('*', { kind: 'extension', inbound_agent_id: 'back' }))
    assert.is((await bench.numbers.get(A))?.inbound_agent_id, 'front')
    await bench.numbers.remove('*')
    assert.is((await bench.numbers.get(A))?.inbound_agent_id, 'front')
  })

  NumbersTable.run()
}
