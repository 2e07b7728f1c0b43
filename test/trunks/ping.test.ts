import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Trunk } from '../../src/model/trunk.js'
import { DigestSessions } from '../../src/trunks/digest/session.js'
import type { ClientRequest } from '../../src/trunks/sip-client.js'
import { nameTarget, type Target } from '../../src/trunks/target.js'
import { TargetHealth } from '../../src/trunks/target-health.js'
import { TrunkPing } from '../../src/trunks/ping.js'
import type { TrunkPath } from '../../src/trunks/trunk-paths.js'
import { TrunkRequests } from '../../src/trunks/trunk-requests.js'
import { ManualClock } from '../support/manual-clock.js'
import { answered, type Answered, ScriptedClient } from '../support/scripted-client.js'
import { KeptLog } from '../support/store-bench.js'
import { targetOf, trunkOf } from '../support/trunk-bench.js'

const first = targetOf('udp 192.0.2.1:5060')
const second = targetOf('udp 192.0.2.2:5060')
const silence = answered(408)
const unsent = answered(503, {}, false)

/** Lets promises that are settled have their turn. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const pinging = (id: string, fields: Partial<Trunk> = {}): Trunk =>
  trunkOf(id, {
    sip_domain: 'pbx.example.com:5070',
    username: 'line',
    ping: { enabled: true, interval_s: 30 },
    ...fields,
  })

class PingBench {
  readonly clock = new ManualClock()
  readonly health = new TargetHealth({ clock: this.clock, avoidMs: 30_000 })
  readonly log = new KeptLog()
  readonly client: ScriptedClient
  readonly ping: TrunkPing
  down = -1
  path: () => Promise<TrunkPath> = () => Promise.resolve({ targets: [first], routes: [] })
  credentials: () => Promise<{ username: string; password: string } | undefined> = () => Promise.resolve(undefined)
  private listener: ((id: string, trunk: Trunk | undefined) => void) | undefined

  constructor(
    script: ScriptedClient['script'] = () => answered(200),
    options: { maxInFlight?: number; random?: () => number } = {},
  ) {
    this.client = new ScriptedClient(script)
    this.ping = new TrunkPing({
      trunks: {
        onTrunk: (listener) => {
          this.listener = listener
          return () => (this.listener = undefined)
        },
      },
      paths: { of: () => this.path() },
      requests: new TrunkRequests({ client: this.client, sessions: new DigestSessions(), clock: new ManualClock() }),
      credentialsOf: () => this.credentials(),
      health: this.health,
      metrics: { trunkTargetsDown: { set: (count) => void (this.down = count) } },
      logger: this.log,
      clock: this.clock,
      silenceMs: 4_000,
      misses: 3,
      answers: 2,
      random: () => 0.5,
      ...options,
    })
    this.ping.start()
  }

  tell(trunk: Trunk): this {
    this.listener?.(trunk.id, trunk)
    return this
  }

  lose(id: string): void {
    this.listener?.(id, undefined)
  }

  /** Moves the clock and lets what is due be done. */
  async advance(ms: number): Promise<void> {
    this.clock.advance(ms)
    await turn()
  }

  /** So many rounds of 30 s. */
  async rounds(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.advance(30_000)
  }

  get sent(): readonly ClientRequest[] {
    return this.client.requests
  }

  stateOf(target: Target, trunkId = 'pbx-1'): string {
    return this.health.stateOf(trunkId, target).state
  }
}

const Ping = suite('TrunkPing')

Ping('asks a trunk’s servers by OPTIONS to its SIP domain, from its user, once an interval', async () => {
  const bench = new PingBench().tell(pinging('pbx-1'))
  bench.path = () => Promise.resolve({ targets: [first, second], routes: ['sip:edge.example.com;lr'] })
  await bench.advance(14_999)
  assert.is(bench.sent.length, 0)
  await bench.advance(1)
  assert.equal(
    bench.sent.map(({ target }) => target),
    [first, second],
  )
  const [request] = bench.sent
  assert.equal([request?.method, request?.uri, request?.silenceMs], ['OPTIONS', 'sip:pbx.example.com:5070', 4_000])
  const { From, To, Route, CSeq } = request?.headers ?? {}
  assert.match(From ?? '', /^<sip:line@pbx\.example\.com>;tag=/)
  assert.equal([To, Route, CSeq], ['<sip:pbx.example.com>', '<sip:edge.example.com;lr>', '1 OPTIONS'])
  await bench.rounds(2)
  assert.is(bench.sent.length, 6)
})

Ping('writes the user and the domain that the trunk’s calls come from, escaped', async () => {
  const fields = {
    from_user: 'büro 1>',
    from_domain: 'example.org:5090',
    sip_domain: null,
    outbound_proxy: '192.0.2.1:5065',
  }
  const bench = new PingBench().tell(pinging('pbx-1', fields))
  await bench.advance(15_000)
  assert.is(bench.sent[0]?.uri, 'sip:192.0.2.1')
  assert.match(bench.sent[0]?.headers['From'] ?? '', /^<sip:b%C3%BCro%201%3E@example\.org>;tag=/i)
})

Ping('counts a server as down after 3 misses in a row and no fewer, as up after 2 answers', async () => {
  let answer: Answered = silence
  const bench = new PingBench(() => answer).tell(pinging('pbx-1'))
  await bench.advance(15_000)
  await bench.rounds(1)
  answer = answered(200)
  await bench.rounds(1)
  answer = unsent
  await bench.rounds(2)
  assert.is(bench.stateOf(first), 'up')
  await bench.rounds(1)
  assert.is(bench.stateOf(first), 'down')
  assert.is(bench.down, 1)
  answer = answered(200)
  await bench.rounds(1)
  answer = silence
  await bench.rounds(1)
  answer = answered(200)
  await bench.rounds(1)
  assert.is(bench.stateOf(first), 'down')
  await bench.rounds(1)
  assert.is(bench.stateOf(first), 'up')
  assert.is(bench.down, 0)
  assert.equal(
    bench.log.lines.map(({ level, fields }) => [level, fields['trunk'], fields['target']]),
    [
      ['warn', 'pbx-1', nameTarget(first)],
      ['info', 'pbx-1', nameTarget(first)],
    ],
  )
})

for (const status of [200, 401, 403, 404, 405, 481, 500, 503, 603])
  Ping(`takes ${status} for a sign of life`, async () => {
    const bench = new PingBench(() => answered(status)).tell(pinging('pbx-1'))
    await bench.advance(15_000)
    await bench.rounds(4)
    assert.is(bench.stateOf(first), 'up')
  })

Ping('answers a challenge once, and what was heard counts though silence follows', async () => {
  const challenge = answered(401, { 'WWW-Authenticate': 'Digest realm="pbx", nonce="abc"' })
  let last: Answered = answered(200)
  const bench = new PingBench((_request, nth) => (nth % 2 === 1 ? challenge : last)).tell(pinging('pbx-1'))
  bench.credentials = () => Promise.resolve({ username: 'line', password: 'secret' })
  await bench.advance(15_000)
  assert.equal(
    bench.sent.map(({ headers }) => headers['CSeq']),
    ['1 OPTIONS', '2 OPTIONS'],
  )
  assert.match(bench.sent[1]?.headers['Authorization'] ?? '', /^Digest username="line"/)
  last = silence
  await bench.rounds(4)
  assert.is(bench.stateOf(first), 'up')
  const stale = (nth: number) => ({ 'WWW-Authenticate': `Digest realm="pbx", nonce="n${nth}", stale=true` })
  const loop = new PingBench((_request, nth) => answered(401, stale(nth))).tell(pinging('pbx-1'))
  loop.credentials = bench.credentials
  await loop.advance(15_000)
  assert.is(loop.sent.length, 2)
})

Ping('goes without credentials while they cannot be read', async () => {
  const bench = new PingBench().tell(pinging('pbx-1'))
  bench.credentials = () => Promise.reject(new Error('Redis is away'))
  await bench.advance(15_000)
  assert.is(bench.sent.length, 1)
})

Ping('believes nothing while our own SIP server is away', async () => {
  const bench = new PingBench(() => Promise.reject(new Error('the SIP server is away'))).tell(pinging('pbx-1'))
  await bench.advance(15_000)
  await bench.rounds(5)
  assert.is(bench.stateOf(first), 'up')
})

Ping('goes on with the servers it knows while their name cannot be resolved', async () => {
  let answer: Answered = answered(200)
  const bench = new PingBench(() => answer).tell(pinging('pbx-1'))
  await bench.advance(15_000)
  bench.path = () => Promise.reject(new Error('no answer'))
  answer = silence
  await bench.rounds(3)
  assert.is(bench.stateOf(first), 'down')
})

Ping('forgets a server to which the name has not led for a while', async () => {
  const bench = new PingBench(() => silence).tell(pinging('pbx-1'))
  await bench.advance(15_000)
  await bench.rounds(2)
  assert.is(bench.down, 1)
  bench.path = () => Promise.resolve({ targets: [second], routes: [] })
  await bench.rounds(3)
  assert.is(bench.stateOf(first), 'down')
  await bench.rounds(1)
  assert.is(bench.stateOf(first), 'up')
  assert.is(bench.stateOf(second), 'down')
})

Ping('spreads 300 trunks over the interval, and has no more under way than it may', async () => {
  let draws = 0
  const open: ((answer: Answered) => void)[] = []
  const bench = new PingBench(() => new Promise((resolve) => open.push(resolve)), {
    maxInFlight: 20,
    random: () => (draws++ % 300) / 300,
  })
  for (let n = 0; n < 300; n++) bench.tell(pinging(`pbx-${n}`))
  await bench.advance(1_000)
  assert.ok(open.length >= 9 && open.length <= 12, `${open.length} after a thirtieth of the interval`)
  await bench.advance(3_000)
  assert.is(open.length, 20)
  open[0]?.(answered(200))
  await turn()
  assert.is(open.length, 21)
  bench.ping.stop()
})

Ping('waits no longer for an answer than twice the silence and a second', async () => {
  const bench = new PingBench(() => new Promise(() => {})).tell(pinging('pbx-1'))
  await bench.advance(15_000)
  for (let i = 0; i < 3; i++) {
    await bench.advance(9_000)
    await bench.advance(21_000)
  }
  assert.is(bench.stateOf(first), 'down')
})

Ping('pings nobody twice at a time, however short the interval', async () => {
  const bench = new PingBench(() => new Promise(() => {})).tell(
    pinging('pbx-1', { ping: { enabled: true, interval_s: 1 } }),
  )
  await bench.advance(500)
  await bench.advance(8_000)
  assert.is(bench.sent.length, 1)
})

Ping('follows a trunk as it changes: interval, switched off, gone; and leaves nothing of it behind', async () => {
  const bench = new PingBench(() => silence).tell(pinging('pbx-1'))
  bench.tell(pinging('pbx-1', { ping: { enabled: true, interval_s: 2 } }))
  await bench.advance(1_000)
  for (let i = 0; i < 2; i++) await bench.advance(2_000)
  assert.is(bench.down, 1)
  bench.tell(pinging('pbx-1', { ping: { enabled: false, interval_s: 2 } }))
  assert.equal([bench.down, bench.clock.pending, bench.stateOf(first)], [0, 0, 'up'])
  bench.tell(pinging('pbx-1'))
  assert.is(bench.clock.pending, 1)
  bench.lose('pbx-1')
  assert.is(bench.clock.pending, 0)
  bench.tell(pinging('pbx-2', { ping: { enabled: false, interval_s: 2 } }))
  assert.is(bench.clock.pending, 0)
})

Ping('leaves no timer behind when it stops or a trunk goes, answers under way or not', async () => {
  const open: ((answer: Answered) => void)[] = []
  const bench = new PingBench(() => new Promise((resolve) => open.push(resolve)))
    .tell(pinging('pbx-1'))
    .tell(pinging('pbx-2'))
  await bench.advance(15_000)
  assert.is(bench.clock.pending, 2)
  bench.lose('pbx-1')
  assert.is(bench.clock.pending, 1)
  bench.ping.stop()
  assert.is(bench.clock.pending, 0)
  for (const answer of open) answer(answered(200))
  await turn()
  assert.is(bench.clock.pending, 0)
  bench.tell(pinging('pbx-3'))
  assert.is(bench.clock.pending, 0)
})

Ping.run()
