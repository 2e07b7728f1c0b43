import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Edges } from '../../src/store/edges.js'
import { Registrations, type Claim } from '../../src/store/registrations.js'
import { sampleRegistration } from '../support/api-fakes.js'
import { eventually, wait } from '../support/eventually.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { rejection, StoreBench } from '../support/store-bench.js'

const A = 'edge-a#aaaaaaaaaaaa'
const B = 'edge-b#bbbbbbbbbbbb'

const RegistrationsInRedis = suite('Registrations in Redis')
let redis: TestRedis
let bench: StoreBench
let store: Registrations

RegistrationsInRedis.before(async () => {
  redis = await startRedis()
})
RegistrationsInRedis.before.each(async () => {
  await redis.cli('FLUSHALL')
  bench = await StoreBench.ready(redis.url)
  store = new Registrations({ connection: bench.connection })
})
RegistrationsInRedis.after.each(async () => {
  await bench.stop()
})
RegistrationsInRedis.after(async () => {
  await redis.stop()
})

const claimOf = (fields: Partial<Claim> = {}): Claim => ({
  trunkId: 'pbx-1',
  accountId: 'default',
  former: '',
  callId: 'call-1',
  cseq: 0,
  ...fields,
})

async function claim(owner: string, fields: Partial<Claim> = {}) {
  const [claimed] = await store.claim(owner, [claimOf(fields)])
  assert.ok(claimed)
  return claimed
}

async function won(owner: string, fields: Partial<Claim> = {}) {
  const claimed = await claim(owner, fields)
  assert.ok(claimed.won)
  return claimed.record
}

RegistrationsInRedis(
  'a trunk has one owner: of claims at the same moment one wins, the others learn whose it is',
  async () => {
    const owners = Array.from({ length: 20 }, (_, i) => `edge-${i}#aaaaaaaaaaaa`)
    const claims = await Promise.all(owners.map((owner) => claim(owner)))
    const winners = owners.filter((_, i) => claims[i]?.won)
    assert.is(winners.length, 1)
    for (const claimed of claims) if (!claimed.won) assert.is(claimed.owner, winners[0])
  },
)

RegistrationsInRedis(
  'an owner is replaced by whoever names it, once; the fence rises, the Call-ID stays, the CSeq goes on',
  async () => {
    const first = await won(A)
    assert.is(await store.nextCSeq('pbx-1', A, first.fence, 0), 1)
    assert.is(await store.nextCSeq('pbx-1', A, first.fence, 1), 2)
    assert.equal(await claim(B, { former: 'edge-c#cccccccccccc' }), { won: false, owner: A })
    const second = await won(B, { former: A, callId: 'call-2' })
    assert.ok(second.fence > first.fence)
    assert.is(second.callId, 'call-1')
    assert.ok(second.cseq >= 2)
    assert.equal(await claim('edge-c#cccccccccccc', { former: A }), { won: false, owner: B })
    assert.is(await store.nextCSeq('pbx-1', A, first.fence, 2), undefined, 'the former owner may send nothing')
    assert.ok((await store.nextCSeq('pbx-1', B, second.fence, second.cseq))! > second.cseq)
  },
)

RegistrationsInRedis('the CSeq never falls behind what the owner knows to be used', async () => {
  const { fence } = await won(A)
  assert.is(await store.nextCSeq('pbx-1', A, fence, 500), 501)
  await redis.cli('HSET', 'signalbox:registration:pbx-1', 'cseq', '2147400000')
  assert.is(await store.nextCSeq('pbx-1', A, fence, 0), 2_147_400_001)
  await redis.cli('HSET', 'signalbox:registration:pbx-1', 'cseq', '2147000001')
  const again = await won(A, { callId: 'call-2' })
  assert.is(again.callId, 'call-2', 'near its end it begins anew with another Call-ID')
  assert.is(again.cseq, 0)
})

RegistrationsInRedis('what a former owner writes is refused, field by field kept, and read by every edge', async () => {
  const { fence } = await won(A)
  const state = sampleRegistration('pbx-1')
  assert.equal(await store.save(A, [{ trunkId: 'pbx-1', fence, state, contact: 'sip:a@h', aor: 'sip:u@d' }]), [true])
  assert.equal(await store.get('pbx-1'), state)
  const second = await won(B, { former: A })
  assert.equal([second.contact, second.aor, second.held], ['sip:a@h', 'sip:u@d', null])
  assert.equal(second.state, state)
  assert.equal(await store.save(A, [{ trunkId: 'pbx-1', fence, state: { ...state, state: 'stopped' } }]), [false])
  assert.is((await store.get('pbx-1'))?.state, 'registered')
  await store.save(B, [{ trunkId: 'pbx-1', fence: second.fence, contact: null, held: 'digest' }])
  const third = await won(A, { former: B })
  assert.equal([third.contact, third.held], [null, 'digest'])
})

RegistrationsInRedis("a released trunk is anybody's; a removed one leaves nothing", async () => {
  const { fence } = await won(A)
  assert.is(await store.release('pbx-1', B, fence, { remove: false }), false)
  assert.is(await store.release('pbx-1', A, fence, { remove: false }), true)
  const next = await won(B)
  assert.is(next.callId, 'call-1')
  assert.is(await store.release('pbx-1', B, next.fence, { remove: true }), true)
  await store.unlist('default:pbx-1')
  assert.is(await redis.cli('EXISTS', 'signalbox:registration:pbx-1'), '0')
  assert.equal((await store.list({ limit: 10 })).items, [])
})

RegistrationsInRedis('lists by account and trunk, page by page, by state', async () => {
  for (let i = 0; i < 5; i++) {
    const trunkId = `pbx-${i}`
    const { fence } = await won(A, { trunkId })
    const state = sampleRegistration(trunkId, { state: i % 2 === 0 ? 'registered' : 'refused' })
    await store.save(A, [{ trunkId, fence, state }])
  }
  const first = await store.list({ limit: 2 })
  assert.equal(
    first.items.map(({ trunk_id }) => trunk_id),
    ['pbx-0', 'pbx-1'],
  )
  const rest = await store.list({ limit: 10, cursor: first.next_cursor ?? '' })
  assert.is(rest.items.length, 3)
  assert.is(rest.next_cursor, null)
  const refused = await store.list({ limit: 10, state: 'refused' })
  assert.equal(
    refused.items.map(({ trunk_id }) => trunk_id),
    ['pbx-1', 'pbx-3'],
  )
  await redis.cli('DEL', 'signalbox:registration:pbx-1')
  assert.is((await store.list({ limit: 10 })).items.length, 4)
  assert.is(await redis.cli('ZCARD', 'signalbox:index:registrations'), '4')
})

RegistrationsInRedis('records that others have spoiled harm nobody', async () => {
  await redis.cli('SET', 'signalbox:registration:pbx-1', 'text')
  await won(A)
  const spoil = [
    'fence',
    'x',
    'cseq',
    '-7',
    'call_id',
    'a b\r\nX: 1',
    'state',
    '{"state":',
    'contact',
    'x'.repeat(5_000),
  ]
  await redis.cli('HSET', 'signalbox:registration:pbx-2', ...spoil)
  const record = await won(A, { trunkId: 'pbx-2', callId: 'ours' })
  assert.equal([record.callId, record.contact, record.state], ['ours', null, undefined])
  assert.ok(record.fence >= 1)
  assert.ok((await store.nextCSeq('pbx-2', A, record.fence, record.cseq))! > 0)
  assert.is(await store.get('pbx-2'), undefined)
  assert.is((await store.list({ limit: 10 })).invalid?.length, 1)
  await redis.cli('SET', 'signalbox:registration:pbx-3', 'text')
  assert.is(await store.get('pbx-3'), undefined)
  assert.is(await store.get('../*'), undefined)
})

RegistrationsInRedis(
  'a request by hand waits for the owner, the latest takes the place of those before, and is taken once',
  async () => {
    await store.request('pbx-1', 'register', 1_000)
    const [old] = await store.requests()
    await store.request('pbx-1', 'unregister', 2_000)
    assert.is(await store.take(old!), false)
    const requests = await store.requests()
    assert.equal(
      requests.map(({ trunkId, what, atMs }) => [trunkId, what, atMs]),
      [['pbx-1', 'unregister', 2_000]],
    )
    assert.is(await store.take(requests[0]!), true)
    assert.is(await store.take(requests[0]!), false)
    await redis.cli('HSET', 'signalbox:registration-requests', 'pbx-9', 'rubbish')
    assert.is((await store.requests())[0]?.atMs, 0, 'old enough to be thrown away')
  },
)

RegistrationsInRedis('says so when Redis is away', async () => {
  await bench.connection.stop()
  assert.is((await rejection(store.claim(A, [claimOf()]))).code, 'UNAVAILABLE')
  assert.is((await rejection(store.nextCSeq('pbx-1', A, 1, 0))).code, 'UNAVAILABLE')
})

const edges: Edges[] = []
async function edge(edgeId: string, leaseMs = 600): Promise<Edges> {
  const { connection, clock, log: logger } = bench
  const edge = new Edges({ connection, clock, logger, edgeId, leaseMs })
  edges.push(edge)
  await edge.start()
  return edge
}

const EdgesInRedis = suite('Edges on one Redis')
EdgesInRedis.before(async () => {
  redis = await startRedis()
})
EdgesInRedis.before.each(async () => {
  await redis.cli('FLUSHALL')
  bench = await StoreBench.ready(redis.url)
})
EdgesInRedis.after.each(async () => {
  for (const one of edges.splice(0)) await one.stop()
  await bench.stop()
})
EdgesInRedis.after(async () => {
  await redis.stop()
})

EdgesInRedis('see each other while they give signs of life, and at once when one stops', async () => {
  const a = await edge('edge-a')
  assert.is(a.alone, true)
  const b = await edge('edge-b')
  await wait(1_000)
  await a.look()
  assert.equal([...a.alive], [b.self])
  assert.equal([a.alone, a.holdsLease, b.holdsLease], [false, true, true])
  await b.stop()
  await a.look()
  assert.is(a.alone, true)
  assert.equal(await a.areGone([a.self, b.self, 'no edge']), [false, true, true])
})

EdgesInRedis('two that share a name by mistake are two', async () => {
  const a = await edge('edge')
  const b = await edge('edge')
  await a.look()
  assert.equal([...a.alive], [b.self])
})

EdgesInRedis('a life that has lapsed is over: the edge goes on under another, and says so', async () => {
  const a = await edge('edge-a')
  const former = a.self
  const heard: string[] = []
  a.onLapse((life) => heard.push(life))
  await redis.cli('DEL', `signalbox:edge:${former}`)
  await eventually('a new life', () => a.self !== former && a.holdsLease)
  assert.equal(heard, [former])
  assert.equal(await a.areGone([former, a.self]), [true, false])
})

EdgesInRedis('while Redis is away the lease runs out by itself', async () => {
  const a = await edge('edge-a')
  redis.hang()
  try {
    assert.is(a.holdsLease, true)
    await eventually('it is over', () => !a.holdsLease, 2_000)
  } finally {
    redis.resume()
  }
  await eventually('it is back', () => a.holdsLease, 5_000)
})

RegistrationsInRedis.run()
EdgesInRedis.run()
