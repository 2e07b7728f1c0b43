import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Binding, TrunkBindings } from '../../src/model/binding.js'
import { Bindings } from '../../src/store/bindings.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { StoreBench } from '../support/store-bench.js'

const NOW = Date.parse('2026-01-01T00:00:00.000Z')
const KEY = 'signalbox:bindings:pbx-1'
const nowMs = (): number => NOW

const binding = (user: string, expiresInS = 300): Binding => ({
  contact: `sip:${user}@192.0.2.7:5062`,
  transport: 'udp',
  address: '192.0.2.7',
  port: 5062,
  natted: false,
  q: 1,
  expires_at: new Date(NOW + expiresInS * 1_000).toISOString(),
  since: new Date(NOW).toISOString(),
  user_agent: null,
  call_id: 'call-1',
  cseq: 1,
  instance: null,
  reg_id: null,
  path: [],
  edge_id: 'edge-1',
  edge_life: 'life-1',
})

const record = (...bindings: readonly Binding[]): TrunkBindings => ({
  trunk_id: 'pbx-1',
  account_id: 'default',
  user: '["line","signalbox"]',
  bindings: [...bindings],
})

const adding = (user: string) => (current: TrunkBindings | undefined) =>
  record(...(current?.bindings ?? []), binding(user))

for (const [name, args] of [
  ['a single Redis', []],
  ['a Redis Cluster', ['--cluster-enabled', 'yes']],
] as const) {
  const Contacts = suite(`The contacts of trunks in ${name}`)
  let redis: TestRedis
  let bench: StoreBench
  let bindings: Bindings

  /** Writes by the connection that is tested, and so before what that asks next. */
  const set = (text: string): Promise<unknown> => bench.connection.ask('test', (client) => client.set(KEY, text))

  Contacts.before(async () => {
    redis = await startRedis({ args })
    if (args.length > 0) {
      await redis.cli('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
      while (!(await redis.cli('CLUSTER', 'INFO')).includes('cluster_state:ok')) await redis.cli('PING')
    }
    bench = await StoreBench.ready(redis.url, 1_000)
    bindings = new Bindings(bench)
  })
  Contacts.after(async () => {
    await bench.stop()
    await redis.stop()
  })
  Contacts.before.each(async () => {
    await redis.cli('FLUSHALL')
  })

  Contacts('stand as they were written, and end some seconds after the last of them', async () => {
    assert.equal(await bindings.get(['pbx-1']), [undefined])
    const written = record(binding('a', 60), binding('b', 300))
    assert.equal(await bindings.update('pbx-1', nowMs, () => written), written)
    assert.equal(await bindings.get(['pbx-1', 'pbx-2']), [written, undefined])
    const lasts = Number(await redis.cli('PTTL', KEY))
    assert.ok(lasts > 300_000 && lasts <= 310_000, String(lasts))
  })

  Contacts('stay when nothing is to change, and go when none is left or all have ended', async () => {
    await bindings.update('pbx-1', nowMs, adding('a'))
    assert.equal((await bindings.update('pbx-1', nowMs, () => undefined))?.bindings.length, 1)
    assert.is(await bindings.update('pbx-1', nowMs, () => null), undefined)
    assert.is(await redis.cli('EXISTS', KEY), '0')
    await bindings.update('pbx-1', nowMs, () => record(binding('late', -11)))
    assert.is(await redis.cli('EXISTS', KEY), '0')
  })

  Contacts('are all there when many write at the same time', async () => {
    const users = Array.from({ length: 8 }, (_, i) => `user-${i}`)
    await Promise.all(users.map((user) => bindings.update('pbx-1', nowMs, adding(user))))
    const [found] = await bindings.get(['pbx-1'])
    assert.equal(
      found?.bindings.map(({ contact }) => contact).sort(),
      users.map((user) => binding(user).contact),
    )
  })

  Contacts('are asked about anew when another writes between, and given up when one always does', async () => {
    const asked: number[] = []
    await set(JSON.stringify(record(binding('other'))))
    await bindings.update('pbx-1', nowMs, (current) => {
      asked.push(current?.bindings.length ?? 0)
      if (asked.length === 1) void set(JSON.stringify(record(binding('x'), binding('y'))))
      return record(...(current?.bindings ?? []), binding('mine'))
    })
    assert.equal(asked, [1, 2])
    let turn = 0
    const error = await bindings
      .update('pbx-1', nowMs, (current) => {
        void set(JSON.stringify(record(binding(`again-${++turn}`))))
        return current ?? null
      })
      .then(
        () => undefined,
        (thrown: unknown) => thrown as { code: string },
      )
    assert.is(error?.code, 'UNAVAILABLE')
    assert.is(turn, 16)
  })

  Contacts('that do not parse, are too long, another trunk’s or no text count as none, and are replaced', async () => {
    const broken: readonly (() => Promise<unknown>)[] = [
      () => set('{"a":'),
      () => set('{"__proto__":{"bindings":[]}}'),
      () => set(JSON.stringify({ ...record(binding('a')), trunk_id: 'pbx-2' })),
      () => set(`"${'x'.repeat(300 * 1_024)}"`),
      () => redis.cli('HSET', KEY, 'a', 'b'),
    ]
    for (const [i, write] of broken.entries()) {
      await redis.cli('DEL', KEY)
      await write()
      assert.equal(await bindings.get(['pbx-1']), [undefined], String(i))
      await bindings.update('pbx-1', nowMs, adding('a'))
      assert.is((await bindings.get(['pbx-1']))[0]?.bindings.length, 1, String(i))
    }
  })

  Contacts('that change are told of, each trunk once, to whoever asks since when', async () => {
    const begun = await bindings.changeCount()
    await bindings.update('pbx-1', nowMs, adding('a'))
    await bindings.update('pbx-1', nowMs, adding('b'))
    await bindings.update('pbx-2', nowMs, () => ({ ...record(binding('c')), trunk_id: 'pbx-2' }))
    const { trunkIds, count } = await bindings.changedSince(begun)
    assert.equal([...trunkIds].sort(), ['pbx-1', 'pbx-2'])
    assert.is(count, await bindings.changeCount())
    assert.equal(await bindings.changedSince(count), { trunkIds: [], count })
    await bindings.update('pbx-2', nowMs, () => null)
    assert.equal((await bindings.changedSince(count)).trunkIds, ['pbx-2'])
  })

  Contacts.run()
}
