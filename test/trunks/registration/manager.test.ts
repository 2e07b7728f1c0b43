import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { SignalboxEvent } from '../../../src/model/event.js'
import type { Trunk } from '../../../src/model/trunk.js'
import { Edges } from '../../../src/store/edges.js'
import { Registrations } from '../../../src/store/registrations.js'
import type { TrunkListener } from '../../../src/store/trunk-index.js'
import { RegistrationManager } from '../../../src/trunks/registration/manager.js'
import type { TrunkRequest } from '../../../src/trunks/trunk-requests.js'
import { eventually, wait } from '../../support/eventually.js'
import { startRedis, type TestRedis } from '../../support/redis.js'
import { target, trunkOf } from '../../support/registration-bench.js'
import { StoreBench } from '../../support/store-bench.js'

const LEASE_MS = 900

const Managers = suite('Registrations of two edges')
let redis: TestRedis
const benches: EdgeBench[] = []

Managers.before(async () => {
  redis = await startRedis()
})
Managers.before.each(async () => {
  await redis.cli('FLUSHALL')
})
Managers.after.each(async () => {
  for (const bench of benches.splice(0)) await bench.end()
})
Managers.after(async () => {
  await redis.stop()
})

interface SentRegister {
  readonly trunkId: string
  readonly edge: string
  readonly expires: number
  readonly cseq: number
  readonly callId: string
  readonly atMs: number
}

/** Everything any edge sent, in order. */
const sent: SentRegister[] = []

/** What registers trunks on one edge, with a registrar that grants everything. */
class EdgeBench {
  readonly events: SignalboxEvent[] = []
  readonly gauges = new Map<string, number>()
  private readonly listeners = new Set<TrunkListener>()
  private readonly trunks = new Map<string, Trunk>()

  private constructor(
    readonly id: string,
    readonly bench: StoreBench,
    readonly edges: Edges,
    readonly store: Registrations,
    private readonly make: (edge: EdgeBench) => RegistrationManager,
  ) {}

  manager!: RegistrationManager

  static async start(
    id: string,
    trunks: readonly Trunk[],
    { grantS = 60, unregisterOnStop = 'auto' as 'auto' | 'always' | 'never', startRate = 1_000 } = {},
  ): Promise<EdgeBench> {
    const bench = await StoreBench.ready(redis.url)
    const { connection, clock, log: logger } = bench
    const edges = new Edges({ connection, clock, logger, edgeId: id, leaseMs: LEASE_MS })
    const store = new Registrations({ connection })
    const place = `192.0.2.${id.charCodeAt(id.length - 1)}:5060`
    const edge = new EdgeBench(id, bench, edges, store, (self) => {
      return new RegistrationManager({
        clock,
        directory: { onTrunk: (listener) => self.listen(listener) },
        store,
        edges,
        connection,
        events: { publish: (event) => void self.events.push(event) },
        metrics: {
          registrations: { set: ({ state }, value) => void self.gauges.set(state, value) },
          registrationAttempts: { inc: () => {} },
        },
        logger,
        targetsOf: async () => [target(5065, 'tcp')],
        note: () => {},
        credentialsOf: async () => undefined,
        forgetCredentials: () => {},
        tokenOf: ({ id: trunkId }) => `sbt${trunkId.padEnd(20, 'a').slice(0, 20)}`,
        ownAddresses: () => new Set([place]),
        userAgent: null,
        settings: {
          responseTimeoutMs: 1_000,
          retryBaseS: 1,
          retryMaxS: 2,
          refusedRetryS: 60,
          retryAfterMaxS: 60,
          minExpiresMaxS: 86_400,
          maxInFlight: 50,
          startRate,
          leaseMs: LEASE_MS,
          unregisterOnStop,
        },
        send: async (request: TrunkRequest) => {
          const cseq = (await request.nextCseq?.()) ?? 0
          const expires = Number(request.headers['Expires'])
          const atMs = performance.now()
          sent.push({ trunkId: request.trunkId, edge: id, expires, cseq, callId: request.callId ?? '', atMs })
          const contact = (request.headers['Contact'] ?? '').replace('localhost', place)
          const headers: Record<string, string> = {
            contact: contact.replace(/expires=\d+$/, `expires=${Math.min(expires, grantS)}`),
          }
          const response = {
            status: 200,
            reason: 'OK',
            header: (name: string) => headers[name],
            sourceAddress: '192.0.2.7',
            sourcePort: 5065,
            protocol: 'tcp',
            sent: true,
          }
          return { response, sends: 1 }
        },
      })
    })
    benches.push(edge)
    for (const trunk of trunks) edge.trunks.set(trunk.id, trunk)
    await edges.start()
    edge.manager = edge.make(edge)
    edge.manager.start()
    return edge
  }

  tell(id: string, trunk: Trunk | undefined): void {
    if (trunk === undefined) this.trunks.delete(id)
    else this.trunks.set(id, trunk)
    for (const listener of this.listeners) listener(id, trunk, trunk === undefined)
  }

  stateOf(trunk: Trunk) {
    return this.manager.view(trunk).then((view) => view?.state)
  }

  /** As a process that dies or is cut off: Redis hears no more of it. */
  async cut(): Promise<void> {
    await this.bench.connection.stop()
  }

  async end(): Promise<void> {
    await this.manager.stop()
    await this.edges.stop()
    await this.bench.stop()
  }

  private listen(listener: TrunkListener): () => void {
    this.listeners.add(listener)
    for (const [id, trunk] of this.trunks) listener(id, trunk, false)
    return () => void this.listeners.delete(listener)
  }
}

const trunksOf = (count: number, prefix = 'pbx'): Trunk[] =>
  Array.from({ length: count }, (_, i) => ({ ...trunkOf(), id: `${prefix}-${i}` }))

const sentFor = (trunkId: string): SentRegister[] => sent.filter((one) => one.trunkId === trunkId)

async function allRegistered(edge: EdgeBench, trunks: readonly Trunk[], timeoutMs = 10_000): Promise<void> {
  await eventually(
    'all are registered',
    async () => {
      const states = await Promise.all(trunks.map((trunk) => edge.stateOf(trunk)))
      return states.every((state) => state === 'registered')
    },
    timeoutMs,
  )
}

Managers.before.each(() => {
  sent.length = 0
})

Managers('share the trunks: each is registered once, by one of them, and both tell of all', async () => {
  const trunks = trunksOf(40)
  const [a, b] = await Promise.all([EdgeBench.start('edge-a', trunks), EdgeBench.start('edge-b', trunks)])
  await allRegistered(a, trunks)
  await allRegistered(b, trunks)
  assert.is(sent.length, trunks.length)
  assert.equal(new Set(sent.map(({ trunkId }) => trunkId)).size, trunks.length)
  assert.is((a.gauges.get('registered') ?? 0) + (b.gauges.get('registered') ?? 0), trunks.length)
  const { items } = await b.store.list({ limit: 100 })
  assert.is(items.length, trunks.length)
  for (const trunk of trunks) {
    const [atA, atB] = [await a.manager.registered(trunk.id), await b.manager.registered(trunk.id)]
    assert.is(atA?.target.port, 5065)
    assert.is(atB?.target.port, 5065)
  }
})

Managers('two that start together share the work', async () => {
  const a = await EdgeBench.start('edge-a', [])
  const b = await EdgeBench.start('edge-b', [])
  await wait(1_200)
  const trunks = trunksOf(40)
  for (const trunk of trunks) for (const edge of [a, b]) edge.tell(trunk.id, trunk)
  await allRegistered(a, trunks)
  const share = sent.filter(({ edge }) => edge === 'edge-a').length
  assert.ok(share >= 5 && share <= 35, `edge-a registered ${share} of 40`)
})

Managers(
  'the trunks of a dead edge are taken over: same Call-ID, rising CSeq, no word of the dead one after its lease',
  async () => {
    const trunks = trunksOf(10)
    const a = await EdgeBench.start('edge-a', trunks, { grantS: 3 })
    await allRegistered(a, trunks)
    const b = await EdgeBench.start('edge-b', trunks, { grantS: 3 })
    await wait(1_500)
    await a.cut()
    const cutMs = performance.now()
    await eventually('b has them all', () => b.gauges.get('registered') === trunks.length, 8_000)
    const tookMs = performance.now() - cutMs
    assert.ok(tookMs < LEASE_MS + 4_000, `took ${Math.round(tookMs)} ms`)
    // Long enough for refreshes of both to fall due.
    await wait(3_500)
    for (const { id } of trunks) {
      const all = sentFor(id)
      const firstOfB = all.findIndex(({ edge }) => edge === 'edge-b')
      assert.ok(firstOfB > 0)
      assert.ok(
        all.slice(firstOfB).every(({ edge }) => edge === 'edge-b'),
        `${id}: ${all.map(({ edge, expires }) => `${edge} ${expires}`).join(', ')}`,
      )
      assert.is(new Set(all.map(({ callId }) => callId)).size, 1)
      const cseqs = all.map(({ cseq }) => cseq)
      assert.ok(
        cseqs.every((cseq, i) => i === 0 || cseq > cseqs[i - 1]!),
        cseqs.join(' '),
      )
    }
  },
)

Managers('an edge whose life has lapsed, and that nobody replaced, goes on without a new REGISTER', async () => {
  const trunks = trunksOf(3)
  const a = await EdgeBench.start('edge-a', trunks)
  await allRegistered(a, trunks)
  const former = a.edges.self
  await redis.cli('DEL', `signalbox:edge:${former}`)
  await eventually('it has another life', () => a.edges.self !== former)
  await eventually('all are claimed anew', async () => {
    const owners = await Promise.all(trunks.map(({ id }) => redis.cli('HGET', `signalbox:registration:${id}`, 'owner')))
    return owners.every((owner) => owner === a.edges.self)
  })
  assert.is(sent.length, trunks.length)
  a.manager.request('pbx-0', 'register').catch(() => undefined)
  await eventually('it is refreshed under the new one', () => sentFor('pbx-0').length === 2)
})

Managers(
  'one edge alone goes on while Redis is away: the CSeq rises, and what it did is written when Redis is back',
  async () => {
    const [trunk] = trunksOf(1) as [Trunk]
    const a = await EdgeBench.start('edge-a', [trunk], { grantS: 2 })
    await allRegistered(a, [trunk])
    await redis.stop()
    const before = sent.length
    await eventually('it is refreshed', () => sent.length >= before + 3, 8_000)
    await redis.restart()
    await eventually(
      'the CSeq is in Redis',
      async () => {
        const known = Number(await redis.cli('HGET', 'signalbox:registration:pbx-0', 'cseq').catch(() => '0'))
        return known >= before + 3
      },
      8_000,
    )
    const cseqs = sent.map(({ cseq }) => cseq)
    assert.ok(
      cseqs.every((cseq, i) => i === 0 || cseq > cseqs[i - 1]!),
      cseqs.join(' '),
    )
    assert.is(new Set(sent.map(({ callId }) => callId)).size, 1)
  },
)

Managers('a stop hands over at once where another edge is there, and un-registers where none is', async () => {
  const trunks = trunksOf(4)
  const a = await EdgeBench.start('edge-a', trunks)
  await allRegistered(a, trunks)
  const b = await EdgeBench.start('edge-b', trunks)
  await wait(1_200)
  const before = sent.length
  await a.manager.stop()
  await a.edges.stop()
  assert.is(sent.length, before, 'nothing is un-registered')
  await eventually('b has them', () => b.gauges.get('registered') === trunks.length, 4_000)
  await b.manager.stop()
  const last = sent.slice(-trunks.length)
  assert.ok(last.every(({ expires, edge }) => expires === 0 && edge === 'edge-b'))
})

Managers('what is asked of one edge is done within a second by the one that owns the trunk', async () => {
  const [trunk] = trunksOf(1) as [Trunk]
  const a = await EdgeBench.start('edge-a', [trunk])
  await allRegistered(a, [trunk])
  const b = await EdgeBench.start('edge-b', [trunk])
  await wait(1_200)
  await b.manager.request(trunk.id, 'unregister')
  const startMs = performance.now()
  await eventually('it is stopped', async () => (await b.stateOf(trunk)) === 'stopped')
  assert.ok(performance.now() - startMs < 1_500)
  assert.is(sent.at(-1)?.expires, 0)
  await b.manager.request(trunk.id, 'register')
  await eventually('it is registered', async () => (await b.stateOf(trunk)) === 'registered')
  assert.ok(sent.every(({ edge }) => edge === 'edge-a'))
})

Managers('switched off or removed, a trunk is un-registered and leaves no record', async () => {
  const trunks = trunksOf(2)
  const [first, second] = trunks as [Trunk, Trunk]
  const a = await EdgeBench.start('edge-a', trunks)
  await allRegistered(a, trunks)
  a.tell(first.id, { ...first, register: { enabled: false, expires: 300 } })
  a.tell(second.id, undefined)
  await eventually('nothing is listed', async () => (await a.store.list({ limit: 10 })).items.length === 0)
  assert.equal(sent.filter(({ expires }) => expires === 0).length, 2)
  assert.is(await redis.cli('KEYS', 'signalbox:registration:*'), '')
  assert.is(await a.manager.registered(first.id), undefined)
  a.tell(first.id, first)
  await allRegistered(a, [first])
})

Managers('a record that cannot be removed while Redis is away is removed when it is back', async () => {
  const trunks = trunksOf(1)
  const a = await EdgeBench.start('edge-a', trunks)
  await allRegistered(a, trunks)
  const release = a.store.release.bind(a.store)
  let failures = 2
  a.store.release = (...args) => (failures-- > 0 ? Promise.reject(new Error('Redis is away')) : release(...args))
  a.tell('pbx-0', undefined)
  const records = (): Promise<string> => redis.cli('KEYS', 'signalbox:registration:*')
  await eventually('it was tried', () => failures === 1)
  assert.is.not(await records(), '')
  await eventually('it is gone', async () => (await records()) === '', 5_000)
  assert.is((await a.store.list({ limit: 10 })).items.length, 0)
})

Managers('a connection that closes concerns those it had registered, and no others', async () => {
  const trunks = trunksOf(3)
  const a = await EdgeBench.start('edge-a', trunks)
  await allRegistered(a, trunks)
  a.manager.connectionLost({ protocol: 'tcp', address: '192.0.2.7', port: 5066 })
  await wait(400)
  assert.is(sent.length, 3)
  a.manager.connectionLost({ protocol: 'tcp', address: '192.0.2.7', port: 5065 })
  await eventually('all are registered anew', () => sent.length === 6, 2_000)
  await allRegistered(a, trunks)
})

Managers('each change of state is told: a log line, an event, the metric', async () => {
  const [trunk] = trunksOf(1) as [Trunk]
  const a = await EdgeBench.start('edge-a', [trunk])
  await allRegistered(a, [trunk])
  const states = a.events.flatMap((event) => (event.type === 'registration' ? [event.data.state] : []))
  assert.equal(states, ['waiting', 'registering', 'registered'])
  const lines = a.bench.log.matching('info', 'Registration registered')
  assert.is(lines.length, 1)
  assert.is(lines[0]?.fields['trunk'], trunk.id)
  assert.is(a.gauges.get('registered'), 1)
  assert.not.match(JSON.stringify([a.events, a.bench.log.lines]), /sbtpbx/)
})

Managers('a thousand trunks at rest cost Redis next to nothing', async () => {
  const trunks = trunksOf(1_000)
  const a = await EdgeBench.start('edge-a', trunks, { grantS: 3_600 })
  await EdgeBench.start('edge-b', trunks, { grantS: 3_600 })
  await eventually('all are registered', () => sent.length === 1_000, 20_000)
  await eventually('all are kept', async () => (await a.store.list({ limit: 1_000 })).items.length === 1_000, 20_000)
  await wait(2_000)
  const before = await commands()
  await wait(2_000)
  const perSecond = ((await commands()) - before) / 2
  assert.ok(perSecond < 100, `${perSecond} commands a second`)
  assert.is(sent.length, 1_000)
})

async function commands(): Promise<number> {
  const stats = await redis.cli('INFO', 'stats')
  return Number(/total_commands_processed:(\d+)/.exec(stats)?.[1])
}

Managers.run()
