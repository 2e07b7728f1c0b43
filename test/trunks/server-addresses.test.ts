import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ResolveError } from '../../src/engine/index.js'
import type { Trunk } from '../../src/model/trunk.js'
import { ServerAddresses } from '../../src/trunks/server-addresses.js'
import type { HopQuestion } from '../../src/trunks/targets.js'
import { ManualClock } from '../support/manual-clock.js'
import { newTrunk } from '../support/store-bench.js'

const Servers = suite('The addresses of trunks’ servers')
const times = { created_at: '2026-01-01T00:00:00.000Z', updated_at: '2026-01-01T00:00:00.000Z' }

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Name servers that know the zone, and what became of each trunk. */
class Bench {
  readonly clock = new ManualClock()
  readonly zone = new Map<string, string[] | Error>()
  readonly asked: HopQuestion[] = []
  readonly known = new Map<string, readonly string[]>()
  freshMs = 60_000
  /** Answers wait while it is set. */
  held: Promise<void> | undefined
  readonly servers: ServerAddresses
  private listener: (id: string, trunk: Trunk | undefined) => void = () => undefined

  constructor(maxNames = 1_000) {
    this.servers = new ServerAddresses({
      trunks: {
        onTrunk: (listener) => {
          this.listener = listener
          return () => undefined
        },
      },
      finder: {
        find: async (hop) => {
          this.asked.push(hop)
          await this.held
          const found = this.zone.get(hop.host)
          if (found instanceof Error) throw found
          if (found === undefined) throw new ResolveError('NOT_FOUND', hop.host)
          return { targets: found.map((address) => ({ address })), freshMs: this.freshMs }
        },
      },
      sources: { setBesides: (id, what, addresses) => void (what === 'server' && this.known.set(id, [...addresses])) },
      clock: this.clock,
      maxNames,
    })
    this.servers.start()
  }

  async trunk(id: string, fields: Partial<Trunk> | undefined): Promise<void> {
    this.listener(id, fields && { ...newTrunk(id, fields), ...times })
    await turn()
  }

  async pass(ms: number): Promise<void> {
    this.clock.advance(ms)
    await turn()
  }
}

Servers('are what its outbound proxy and its SIP domain resolve to, and follow their records', async () => {
  const bench = new Bench()
  bench.zone.set('proxy.example.com', ['192.0.2.1', '192.0.2.2']).set('pbx.example.com', ['198.51.100.1'])
  await bench.trunk('a', { outbound_proxy: 'sip:proxy.example.com;transport=tcp', sip_domain: 'pbx.example.com' })
  assert.equal(bench.known.get('a'), ['192.0.2.1', '192.0.2.2', '198.51.100.1'])
  assert.equal(bench.asked, [
    { host: 'proxy.example.com', secure: false, transport: 'tcp' },
    { host: 'pbx.example.com', secure: false },
  ])
  bench.zone.set('proxy.example.com', ['192.0.2.3'])
  await bench.pass(59_000)
  assert.is(bench.asked.length, 2)
  await bench.pass(1_000)
  assert.equal(bench.known.get('a'), ['192.0.2.3', '198.51.100.1'])
})

Servers('are asked for once for all trunks that name them, and no oftener than every ten seconds', async () => {
  const bench = new Bench()
  bench.freshMs = 1
  bench.zone.set('PROXY.example.com', ['192.0.2.1'])
  for (let i = 0; i < 500; i++)
    await bench.trunk(`t${i}`, { outbound_proxy: i % 2 === 0 ? 'sip:PROXY.example.com' : 'proxy.example.com;lr' })
  assert.equal([bench.asked.length, bench.servers.size, bench.known.get('t499')], [1, 1, ['192.0.2.1']])
  bench.zone.set('PROXY.example.com', ['192.0.2.9'])
  await bench.pass(9_999)
  assert.is(bench.asked.length, 1)
})

Servers('of ten thousand names are asked for at a pace, and are settled when all have been', async () => {
  const bench = new Bench(20_000)
  let release = (): void => undefined
  bench.held = new Promise((resolve) => (release = resolve))
  for (let i = 0; i < 10_000; i++) bench.zone.set(`p${i}.example.com`, [`10.0.${i >> 8}.${i & 255}`])
  for (let i = 0; i < 10_000; i++) void bench.trunk(`t${i}`, { outbound_proxy: `sip:p${i}.example.com` })
  await turn()
  assert.is(bench.asked.length, 16, 'no more under way at the same time')
  release()
  bench.held = undefined
  await turn()
  await turn()
  assert.is(bench.asked.length, 20, 'no more in a slice')
  await bench.pass(100)
  await turn()
  assert.ok(bench.asked.length <= 40)
  assert.is(bench.servers.settled, false)
  for (let i = 0; i < 620 && !bench.servers.settled; i++) await bench.pass(100)
  assert.is(bench.servers.settled, true)
  assert.equal(bench.known.get('t9999'), ['10.0.39.15'])
})

Servers('are kept as they were while name servers fail, for an hour; a name that is gone is gone at once', async () => {
  const bench = new Bench()
  bench.zone.set('proxy.example.com', ['192.0.2.1'])
  await bench.trunk('a', { outbound_proxy: 'sip:proxy.example.com' })
  bench.zone.set('proxy.example.com', new ResolveError('TIMEOUT', 'no answer'))
  for (let ms = 0; ms < 3_540_000; ms += 15_000) await bench.pass(15_000)
  assert.equal(bench.known.get('a'), ['192.0.2.1'])
  for (let ms = 0; ms < 120_000; ms += 15_000) await bench.pass(15_000)
  assert.equal(bench.known.get('a'), [])
  bench.zone.set('proxy.example.com', ['192.0.2.2'])
  await bench.pass(15_000)
  assert.equal(bench.known.get('a'), ['192.0.2.2'])
  bench.zone.delete('proxy.example.com')
  await bench.pass(60_000)
  assert.equal(bench.known.get('a'), [])
})

Servers('change with the trunk at once, and leave nothing behind when it goes', async () => {
  const bench = new Bench()
  bench.zone
    .set('one.example.com', ['192.0.2.1'])
    .set('two.example.com', ['192.0.2.2'])
    .set('198.51.100.7', ['198.51.100.7'])
  await bench.trunk('a', { outbound_proxy: 'sip:one.example.com' })
  await bench.trunk('a', { outbound_proxy: 'sip:two.example.com' })
  assert.equal(bench.known.get('a'), ['192.0.2.2'])
  bench.servers.registeredAt('a', '192.0.2.77')
  assert.equal(bench.known.get('a'), ['192.0.2.2', '192.0.2.77'])
  bench.servers.registeredAt('a', undefined)
  await bench.trunk('a', { sip_domain: '198.51.100.7' })
  assert.equal(bench.known.get('a'), ['198.51.100.7'])
  await bench.trunk('a', undefined)
  assert.equal([bench.known.get('a'), bench.servers.size, bench.clock.pending - 1], [[], 0, 0])
  await bench.pass(100)
  assert.is(bench.clock.pending, 0)
})

Servers('beyond what memory is to hold are not asked for', async () => {
  const bench = new Bench(2)
  for (const [i, host] of ['a', 'b', 'c'].entries()) {
    bench.zone.set(`${host}.example.com`, [`192.0.2.${i}`])
    await bench.trunk(host, { outbound_proxy: `sip:${host}.example.com` })
  }
  assert.equal([...bench.known.values()], [['192.0.2.0'], ['192.0.2.1'], []])
})

Servers('that answer after the trunk has changed do not count', async () => {
  const bench = new Bench()
  bench.zone.set('one.example.com', ['192.0.2.1'])
  let release = (): void => undefined
  bench.held = new Promise((resolve) => (release = resolve))
  await bench.trunk('a', { outbound_proxy: 'sip:one.example.com' })
  await bench.trunk('a', {})
  release()
  await turn()
  assert.equal(bench.known.get('a'), [])
  bench.servers.stop()
  assert.is(bench.clock.pending, 0)
})

Servers.run()
