import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Trunk } from '../../src/model/trunk.js'
import { CallLimits } from '../../src/store/limits.js'
import { windowOf } from '../../src/store/start-times.js'
import { eventually } from '../support/eventually.js'
import { ManualClock } from '../support/manual-clock.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { newAgent, StoreBench } from '../support/store-bench.js'
import { trunkOf } from '../support/trunk-bench.js'

/** An edge of its own: its own connection and its own count, a clock moved by hand. */
class TestEdge {
  readonly clock = new ManualClock()
  readonly limits: CallLimits

  private constructor(
    readonly bench: StoreBench,
    leaseMs: number | undefined,
  ) {
    const { connection } = bench
    this.limits = new CallLimits({ connection, clock: this.clock, ...(leaseMs === undefined ? {} : { leaseMs }) })
  }

  static async start(url: string, leaseMs?: number): Promise<TestEdge> {
    return new TestEdge(await StoreBench.ready(url, 1_000), leaseMs)
  }

  async stop(): Promise<void> {
    this.limits.stop()
    await this.bench.stop()
  }
}

const trunk = (fields: Partial<Trunk>): Trunk => trunkOf('pbx-1', fields)
/** A call placed on the trunk: `ok`, or the limit that it meets. */
const place = async (limits: CallLimits, on: Trunk, id: string): Promise<string> =>
  (await limits.take({ id, outbound: true, trunk: on, spent: () => {} }))?.limit ?? 'ok'
/** A call from the trunk. */
const letIn = async (limits: CallLimits, from: Trunk, id: string): Promise<string> =>
  (await limits.take({ id, outbound: false, trunk: from, spent: () => {} }))?.limit ?? 'ok'
const channels = (channel_limit: number): Trunk => trunk({ channel_limit })
const ids = (count: number, prefix = 'call'): string[] => Array.from({ length: count }, (_, n) => `${prefix}-${n}`)
const TIMES = { created_at: '2026-01-01T00:00:00.000Z', updated_at: '2026-01-01T00:00:00.000Z' }
const CHANNELS = '{signalbox:limit:pbx-1}:channels'

for (const [name, args] of [
  ['a single Redis', []],
  ['a Redis Cluster', ['--cluster-enabled', 'yes']],
] as const) {
  const Limits = suite(`The limits of trunks on ${name}`)
  let redis: TestRedis
  let edges: TestEdge[]

  const start = async (leaseMs?: number): Promise<TestEdge> => {
    const edge = await TestEdge.start(redis.url, leaseMs)
    edges.push(edge)
    return edge
  }
  const inRedis = async (): Promise<number> => Number(await redis.cli('ZCARD', CHANNELS))

  Limits.before(async () => {
    redis = await startRedis({ args })
    if (args.length > 0) {
      await redis.cli('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
      while (!(await redis.cli('CLUSTER', 'INFO')).includes('cluster_state:ok')) await redis.cli('PING')
    }
  })
  Limits.before.each(async () => {
    await redis.cli('FLUSHALL')
    edges = []
  })
  Limits.after.each(async () => {
    await Promise.all(edges.map((edge) => edge.stop()))
  })
  Limits.after(() => redis.stop())

  Limits('hold over two edges: 50 calls at once never have more channels than there are', async () => {
    const both = [await start(), await start()]
    const taken = await Promise.all(ids(50).map((id, n) => place(both[n % 2]!.limits, channels(7), id)))
    assert.is(taken.filter((each) => each === 'ok').length, 7)
    assert.is(taken.filter((each) => each === 'channel_limit').length, 43)
    assert.is(await inRedis(), 7)
    assert.is(both[0]!.limits.held('pbx-1') + both[1]!.limits.held('pbx-1'), 7)
  })

  Limits('give a channel back to every edge when its call ends', async () => {
    const [a, b] = [await start(), await start()]
    assert.is(await place(a.limits, channels(1), 'one'), 'ok')
    assert.is(await place(b.limits, channels(1), 'two'), 'channel_limit')
    a.limits.release('one')
    a.limits.release('one')
    await eventually('the channel is free', async () => (await place(b.limits, channels(1), 'two')) === 'ok')
    assert.is(a.limits.held('pbx-1'), 0)
  })

  Limits('count both directions, and let calls in at any rate', async () => {
    const { limits } = await start()
    const both = trunk({ channel_limit: 3, cps_limit: 1 })
    assert.is(await letIn(limits, both, 'in-1'), 'ok')
    assert.is(await letIn(limits, both, 'in-2'), 'ok')
    assert.is(await place(limits, both, 'out-1'), 'ok')
    assert.is(await letIn(limits, both, 'in-3'), 'channel_limit')
    assert.is(await place(limits, both, 'out-2'), 'channel_limit')
  })

  Limits('let no more calls begin in any second than cps_limit, over two edges', async () => {
    const both = [await start(), await start()]
    const limited = trunk({ cps_limit: 5 })
    const begin = (prefix: string) =>
      Promise.all(ids(50, prefix).map((id, n) => place(both[n % 2]!.limits, limited, id)))
    const first = await begin('first')
    assert.is(first.filter((each) => each === 'ok').length, 5)
    assert.is(first.filter((each) => each === 'cps_limit').length, 45)
    assert.is(await inRedis(), 0)
    await eventually(
      'a second has passed',
      async () => Number(await redis.cli('EXISTS', '{signalbox:limit:pbx-1}:starts')) === 0,
    )
    assert.is((await begin('second')).filter((each) => each === 'ok').length, 5)
  })

  Limits('take both or nothing: a call over one limit does not count for the other', async () => {
    const { limits } = await start()
    const both = trunk({ channel_limit: 1, cps_limit: 2 })
    assert.is(await place(limits, both, 'one'), 'ok')
    for (const id of ids(5)) assert.is(await place(limits, both, id), 'channel_limit')
    limits.release('one')
    await eventually('the channel is free', async () => (await inRedis()) === 0)
    assert.is(await place(limits, both, 'two'), 'ok')
    limits.release('two')
    await eventually('the channel is free', async () => (await inRedis()) === 0)
    assert.is(await place(limits, both, 'three'), 'cps_limit')
    assert.is(await inRedis(), 0)
  })

  Limits('give the channels of a dead edge back when their leases end, and keep those that are renewed', async () => {
    const [dead, alive] = [await start(500), await start(500)]
    const limited = channels(4)
    for (const id of ids(2, 'dead')) assert.is(await place(dead.limits, limited, id), 'ok')
    for (const id of ids(2, 'alive')) assert.is(await place(alive.limits, limited, id), 'ok')
    assert.is(await place(alive.limits, limited, 'more-0'), 'channel_limit')
    // The clock of the dead edge stands still.
    const taken = await eventually('the channels are free', async () => {
      alive.clock.advance(20_000)
      const more = await Promise.all(ids(4, 'more').map((id) => place(alive.limits, limited, id)))
      return more.includes('ok') && more
    })
    assert.is(taken.filter((each) => each === 'ok').length, 2)
    assert.is(await inRedis(), 4)
  })

  Limits('renew 2,000 calls in one go', async () => {
    const { limits, clock } = await start()
    const limited = channels(2_000)
    assert.ok((await Promise.all(ids(2_000).map((id) => place(limits, limited, id)))).every((each) => each === 'ok'))
    await redis.cli('DEL', CHANNELS)
    clock.advance(20_000)
    await eventually('all are renewed', async () => (await inRedis()) === 2_000)
  })

  Limits('give a channel back for good though its renewal is under way', async () => {
    const { limits, clock } = await start()
    assert.is(await place(limits, channels(1), 'one'), 'ok')
    // The renewal then takes two round trips.
    await redis.cli('SCRIPT', 'FLUSH')
    clock.advance(20_000)
    limits.release('one')
    assert.is(await place(limits, channels(2), 'two'), 'ok')
    await eventually('the channel is free', async () => (await inRedis()) === 1)
    assert.is(await redis.cli('ZSCORE', CHANNELS, 'one'), '')
  })

  Limits('give back what was given to a call that has ended meanwhile', async () => {
    const { limits } = await start()
    const asking = place(limits, channels(1), 'one')
    limits.release('one')
    assert.is(await asking, 'ok')
    await eventually('the channel is free', async () => (await inRedis()) === 0)
    assert.is(limits.held('pbx-1'), 0)
  })

  Limits(
    '[A10] of a trunk and its agent are taken together or not at all, by 50 calls at once over two edges',
    async () => {
      const both = [await start(), await start()]
      const limited = trunk({ channel_limit: 30, cps_limit: 40 })
      const agent = { ...newAgent('front', { channel_limit: 9, cps_limit: 45 }), ...TIMES }
      const begin = (id: string, n: number) =>
        both[n % 2]!.limits.take({ id, outbound: true, trunk: limited, agent, spent: () => {} })
      const met = await Promise.all(ids(50).map(begin))
      assert.is(met.filter((each) => each === undefined).length, 9)
      // On a cluster each is asked by itself, and what the other does not grant is given back a moment later.
      await eventually('nothing is held but by calls', async () => (await inRedis()) === 9)
      assert.is(Number(await redis.cli('ZCARD', '{signalbox:agent-limit:front}:channels')), 9)
      assert.is(Number(await redis.cli('LLEN', '{signalbox:limit:pbx-1}:starts')), 9)
      if (args.length === 0) assert.ok(met.every((each) => each === undefined || each.of === 'agent'))
      assert.equal(await both[0]!.limits.trunkUsage(limited), { channels: 9, minutesMs: null, outboundMs: null })
      for (const id of ids(50)) for (const { limits } of both) limits.release(id)
      await eventually('all is given back', async () => (await both[0]!.limits.agentUsage(agent)).channels === 0)
    },
  )

  Limits(
    '[A10] minutes_per_day: of 50 calls at once, over two edges, no more go on than there are minutes',
    async () => {
      const both = [await start(), await start()]
      const limited = trunk({ minutes_per_day: 6, outbound_minutes_per_day: 4 })
      const taken = await Promise.all(ids(50).map((id, n) => place(both[n % 2]!.limits, limited, id)))
      assert.is(taken.filter((each) => each === 'ok').length, 4)
      assert.is(taken.filter((each) => each === 'outbound_minutes_per_day').length, 46)
      const inbound = await Promise.all(ids(50, 'in').map((id, n) => letIn(both[n % 2]!.limits, limited, id)))
      assert.is(inbound.filter((each) => each === 'ok').length, 2)
      assert.is(inbound.filter((each) => each === 'minutes_per_day').length, 48)
      const used = await both[1]!.limits.trunkUsage(limited)
      assert.equal(used, { channels: null, minutesMs: 360_000, outboundMs: 240_000 })
    },
  )

  Limits('[A10] minutes_per_day end a call when they are used up, and what was not had is given back', async () => {
    const { limits, clock } = await start()
    const limited = trunk({ minutes_per_day: 3 })
    const spent: string[] = []
    const begin = (id: string) =>
      limits.take({ id, outbound: false, trunk: limited, spent: ({ limit }) => void spent.push(`${id} ${limit}`) })
    for (const id of ['long', 'short', 'rings']) assert.is(await begin(id), undefined)
    for (const id of ['long', 'short']) limits.answered(id)
    clock.advance(20_000)
    limits.release('short')
    limits.release('rings')
    const minutesMs = async () => (await limits.trunkUsage(limited)).minutesMs
    await eventually('is given back', async () => (await minutesMs()) === 80_000)
    assert.is((await begin('last'))?.limit, undefined)
    clock.advance(35_000)
    await eventually('the long call has reserved more', async () => (await minutesMs()) === 180_000)
    assert.is((await begin('none'))?.limit, 'minutes_per_day')
    assert.equal(spent, [])
    // It has had 60 s, and 40 s more are its own.
    const asked = async () => Number(/** a round trip */ (await minutesMs()) ?? 0)
    for (let passed = 55; passed < 100; passed += 5) {
      clock.advance(5_000)
      await asked()
    }
    await eventually('the long call has to end', () => spent.length > 0)
    assert.equal(spent, ['long minutes_per_day'])
    limits.release('long')
    assert.is(await minutesMs(), 180_000)
  })

  Limits('are counted by each edge alone while Redis is away, and together again when it is back', async () => {
    const { limits, bench, clock } = await start()
    const limited = channels(3)
    assert.is(await place(limits, limited, 'before'), 'ok')
    await redis.stop()
    await eventually('Redis is away', () => !bench.connection.up)
    const taken = await Promise.all(ids(10).map((id) => place(limits, limited, id)))
    assert.is(taken.filter((each) => each === 'ok').length, 2)
    limits.release('before')
    assert.is(await place(limits, limited, 'after'), 'ok')
    await redis.restart()
    await eventually('Redis knows of them', async () => {
      clock.advance(20_000)
      return (await redis.cli('ZSCORE', CHANNELS, 'after')) !== ''
    })
    assert.is(await place(limits, limited, 'more'), 'channel_limit')
  })

  Limits('are kept by each edge alone while Redis is away: the rate too', async () => {
    const { limits, bench, clock } = await start()
    const limited = trunk({ cps_limit: 2 })
    assert.is(await place(limits, limited, 'before'), 'ok')
    await redis.stop()
    await eventually('Redis is away', () => !bench.connection.up)
    assert.equal(await Promise.all(ids(3).map((id) => place(limits, limited, id))), ['ok', 'cps_limit', 'cps_limit'])
    clock.advance(1_000)
    assert.is(await place(limits, limited, 'later'), 'ok')
    await redis.restart()
  })

  Limits('never make a call wait longer than the command deadline for a Redis that hangs', async () => {
    const bench = await StoreBench.ready(redis.url, 100)
    const limits = new CallLimits({ connection: bench.connection, clock: bench.clock })
    redis.hang()
    try {
      const from = performance.now()
      assert.is(await place(limits, channels(1), 'one'), 'ok')
      assert.is(await place(limits, channels(1), 'two'), 'channel_limit')
      assert.ok(performance.now() - from < 1_000)
    } finally {
      redis.resume()
      limits.stop()
      await bench.stop()
    }
  })

  // A cluster loses its slots when it starts anew.
  if (args.length === 0)
    Limits(
      '[A10] minutes_per_day hold on while Redis is away, by what the edge knew, and Redis is told later',
      async () => {
        const { limits, bench, clock } = await start()
        const limited = trunk({ minutes_per_day: 3 })
        assert.is(await letIn(limits, limited, 'before'), 'ok')
        await redis.stop()
        await eventually('Redis is away', () => !bench.connection.up)
        const taken = await Promise.all(ids(9).map((id) => letIn(limits, limited, id)))
        assert.is(taken.filter((each) => each === 'ok').length, 2)
        await redis.restart()
        await eventually('Redis knows of them', async () => {
          clock.advance(20_000)
          return bench.connection.up && (await limits.trunkUsage(limited)).minutesMs === 180_000
        })
      },
    )

  Limits('cost nothing where there are none', async () => {
    const { limits, bench, clock } = await start()
    assert.is(await place(limits, trunk({}), 'one'), 'ok')
    assert.is(await letIn(limits, trunk({ cps_limit: 1 }), 'two'), 'ok')
    assert.is(bench.metrics.asked.get('limits'), undefined)
    assert.is(clock.pending, 0)
  })

  Limits('leave no timer behind when calls have ended and the second is over', async () => {
    const { limits, clock } = await start()
    await place(limits, trunk({ channel_limit: 1, cps_limit: 1 }), 'one')
    assert.is(clock.pending, 1)
    limits.release('one')
    clock.advance(20_000)
    assert.is(clock.pending, 0)
    await place(limits, channels(1), 'two')
    limits.stop()
    assert.is(clock.pending, 0)
  })

  Limits.run()
}

const Windows = suite('The window of cps_limit')

Windows('has whole calls in a second or a little more, and one call in longer below 1', () => {
  assert.equal(windowOf(5), { calls: 5, ms: 1_000 })
  assert.equal(windowOf(2.5), { calls: 3, ms: 1_200 })
  assert.equal(windowOf(0.1), { calls: 1, ms: 10_000 })
})

Windows.run()
