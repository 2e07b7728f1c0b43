import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Trunk } from '../../src/model/trunk.js'
import { TrunkLimits } from '../../src/store/limits.js'
import { windowOf } from '../../src/store/start-times.js'
import { eventually } from '../support/eventually.js'
import { ManualClock } from '../support/manual-clock.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { StoreBench } from '../support/store-bench.js'
import { trunkOf } from '../support/trunk-bench.js'

/** An edge of its own: its own connection and its own count, a clock moved by hand. */
class TestEdge {
  readonly clock = new ManualClock()
  readonly limits: TrunkLimits

  private constructor(
    readonly bench: StoreBench,
    leaseMs: number | undefined,
  ) {
    const { connection } = bench
    this.limits = new TrunkLimits({ connection, clock: this.clock, ...(leaseMs === undefined ? {} : { leaseMs }) })
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
const channels = (channel_limit: number): Trunk => trunk({ channel_limit })
const ids = (count: number, prefix = 'call'): string[] => Array.from({ length: count }, (_, n) => `${prefix}-${n}`)
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
    const taken = await Promise.all(ids(50).map((id, n) => both[n % 2]!.limits.take(channels(7), id)))
    assert.is(taken.filter((each) => each === 'ok').length, 7)
    assert.is(taken.filter((each) => each === 'channels').length, 43)
    assert.is(await inRedis(), 7)
    assert.is(both[0]!.limits.held('pbx-1') + both[1]!.limits.held('pbx-1'), 7)
  })

  Limits('give a channel back to every edge when its call ends', async () => {
    const [a, b] = [await start(), await start()]
    assert.is(await a.limits.take(channels(1), 'one'), 'ok')
    assert.is(await b.limits.take(channels(1), 'two'), 'channels')
    a.limits.release('one')
    a.limits.release('one')
    await eventually('the channel is free', async () => (await b.limits.take(channels(1), 'two')) === 'ok')
    assert.is(a.limits.held('pbx-1'), 0)
  })

  Limits('count both directions, and let calls in at any rate', async () => {
    const { limits } = await start()
    const both = trunk({ channel_limit: 3, cps_limit: 1 })
    assert.is(await limits.takeInbound(both, 'in-1'), 'ok')
    assert.is(await limits.takeInbound(both, 'in-2'), 'ok')
    assert.is(await limits.take(both, 'out-1'), 'ok')
    assert.is(await limits.takeInbound(both, 'in-3'), 'channels')
    assert.is(await limits.take(both, 'out-2'), 'channels')
  })

  Limits('let no more calls begin in any second than cps_limit, over two edges', async () => {
    const both = [await start(), await start()]
    const limited = trunk({ cps_limit: 5 })
    const begin = (prefix: string) => Promise.all(ids(50, prefix).map((id, n) => both[n % 2]!.limits.take(limited, id)))
    const first = await begin('first')
    assert.is(first.filter((each) => each === 'ok').length, 5)
    assert.is(first.filter((each) => each === 'rate').length, 45)
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
    assert.is(await limits.take(both, 'one'), 'ok')
    for (const id of ids(5)) assert.is(await limits.take(both, id), 'channels')
    limits.release('one')
    await eventually('the channel is free', async () => (await inRedis()) === 0)
    assert.is(await limits.take(both, 'two'), 'ok')
    limits.release('two')
    await eventually('the channel is free', async () => (await inRedis()) === 0)
    assert.is(await limits.take(both, 'three'), 'rate')
    assert.is(await inRedis(), 0)
  })

  Limits('give the channels of a dead edge back when their leases end, and keep those that are renewed', async () => {
    const [dead, alive] = [await start(500), await start(500)]
    const limited = channels(4)
    for (const id of ids(2, 'dead')) assert.is(await dead.limits.take(limited, id), 'ok')
    for (const id of ids(2, 'alive')) assert.is(await alive.limits.take(limited, id), 'ok')
    assert.is(await alive.limits.take(limited, 'more-0'), 'channels')
    // The clock of the dead edge stands still.
    const taken = await eventually('the channels are free', async () => {
      alive.clock.advance(20_000)
      const more = await Promise.all(ids(4, 'more').map((id) => alive.limits.take(limited, id)))
      return more.includes('ok') && more
    })
    assert.is(taken.filter((each) => each === 'ok').length, 2)
    assert.is(await inRedis(), 4)
  })

  Limits('renew 2,000 calls in one go', async () => {
    const { limits, clock } = await start()
    const limited = channels(2_000)
    assert.ok((await Promise.all(ids(2_000).map((id) => limits.take(limited, id)))).every((each) => each === 'ok'))
    await redis.cli('DEL', CHANNELS)
    clock.advance(20_000)
    await eventually('all are renewed', async () => (await inRedis()) === 2_000)
  })

  Limits('give a channel back for good though its renewal is under way', async () => {
    const { limits, clock } = await start()
    assert.is(await limits.take(channels(1), 'one'), 'ok')
    // The renewal then takes two round trips.
    await redis.cli('SCRIPT', 'FLUSH')
    clock.advance(20_000)
    limits.release('one')
    assert.is(await limits.take(channels(2), 'two'), 'ok')
    await eventually('the channel is free', async () => (await inRedis()) === 1)
    assert.is(await redis.cli('ZSCORE', CHANNELS, 'one'), '')
  })

  Limits('take from a call that is refused what it had before', async () => {
    const { limits } = await start()
    const both = trunk({ channel_limit: 1, cps_limit: 1 })
    assert.is(await limits.take(both, 'one'), 'ok')
    assert.is(await limits.take(both, 'one'), 'rate')
    assert.is(limits.held('pbx-1'), 0)
    await eventually('the channel is free', async () => (await inRedis()) === 0)
  })

  Limits('give back what was given to a call that has ended meanwhile', async () => {
    const { limits } = await start()
    const asking = limits.take(channels(1), 'one')
    limits.release('one')
    assert.is(await asking, 'ok')
    await eventually('the channel is free', async () => (await inRedis()) === 0)
    assert.is(limits.held('pbx-1'), 0)
  })

  Limits('are counted by each edge alone while Redis is away, and together again when it is back', async () => {
    const { limits, bench, clock } = await start()
    const limited = channels(3)
    assert.is(await limits.take(limited, 'before'), 'ok')
    await redis.stop()
    await eventually('Redis is away', () => !bench.connection.up)
    const taken = await Promise.all(ids(10).map((id) => limits.take(limited, id)))
    assert.is(taken.filter((each) => each === 'ok').length, 2)
    limits.release('before')
    assert.is(await limits.take(limited, 'after'), 'ok')
    await redis.restart()
    await eventually('Redis knows of them', async () => {
      clock.advance(20_000)
      return (await redis.cli('ZSCORE', CHANNELS, 'after')) !== ''
    })
    assert.is(await limits.take(limited, 'more'), 'channels')
  })

  Limits('are kept by each edge alone while Redis is away: the rate too', async () => {
    const { limits, bench, clock } = await start()
    const limited = trunk({ cps_limit: 2 })
    assert.is(await limits.take(limited, 'before'), 'ok')
    await redis.stop()
    await eventually('Redis is away', () => !bench.connection.up)
    assert.equal(await Promise.all(ids(3).map((id) => limits.take(limited, id))), ['ok', 'rate', 'rate'])
    clock.advance(1_000)
    assert.is(await limits.take(limited, 'later'), 'ok')
    await redis.restart()
  })

  Limits('never make a call wait longer than the command deadline for a Redis that hangs', async () => {
    const bench = await StoreBench.ready(redis.url, 100)
    const limits = new TrunkLimits({ connection: bench.connection, clock: bench.clock })
    redis.hang()
    try {
      const from = performance.now()
      assert.is(await limits.take(channels(1), 'one'), 'ok')
      assert.is(await limits.take(channels(1), 'two'), 'channels')
      assert.ok(performance.now() - from < 1_000)
    } finally {
      redis.resume()
      limits.stop()
      await bench.stop()
    }
  })

  Limits('cost nothing where there are none', async () => {
    const { limits, bench, clock } = await start()
    assert.is(await limits.take(trunk({}), 'one'), 'ok')
    assert.is(await limits.takeInbound(trunk({ cps_limit: 1 }), 'two'), 'ok')
    assert.is(bench.metrics.asked.get('limits'), undefined)
    assert.is(clock.pending, 0)
  })

  Limits('leave no timer behind when calls have ended and the second is over', async () => {
    const { limits, clock } = await start()
    await limits.take(trunk({ channel_limit: 1, cps_limit: 1 }), 'one')
    assert.is(clock.pending, 1)
    limits.release('one')
    clock.advance(20_000)
    assert.is(clock.pending, 0)
    await limits.take(channels(1), 'two')
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
