// time limit: 180 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Registration } from '../../src/model/registration.js'
import { Carrier } from '../support/carrier.js'
import { TestEdge } from '../support/edge.js'
import { eventually, wait } from '../support/eventually.js'
import type { Heard } from '../support/far-end.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { agentOn, callOut, callsOf, nextCall } from '../support/trunk-edge.js'

// Two edges on one Redis: each trunk has one owner, and when an owner dies the other takes over within 15 s.
const Two = suite('Two edges')

const TRUNKS = 8
const TAKEOVER_MS = 15_000
const LEASE_MS = 8_000
const LIMITED = '+14155550251'

let redis: TestRedis
let registrar: Carrier
let agent: Carrier
const edges = new Map<string, TestEdge>()

const numberOf = (i: number): string => `+1415555026${i}`
const domainOf = (i: number): string => `pbx${i}.example.com`
const aorOf = (i: number): string => `sip:user@${domainOf(i)}`
const all = Array.from({ length: TRUNKS }, (_, i) => i)

async function startEdge(id: string): Promise<TestEdge> {
  const edge = await TestEdge.start({
    redisUrl: redis.url,
    env: {
      SIGNALBOX_SECRET_KEY: '5a'.repeat(32),
      SIGNALBOX__EDGE_ID: id,
      SIGNALBOX__REGISTRATION__LEASE_MS: String(LEASE_MS),
    },
  })
  edges.set(id, edge)
  return edge
}

const edgeNamed = (id: string): TestEdge => {
  const edge = edges.get(id)
  if (edge === undefined) throw new Error(`there is no edge ${id}`)
  return edge
}

Two.before(async () => {
  redis = await startRedis()
  registrar = await Carrier.open({ address: '127.0.0.70', auth: { realm: 'two', users: { user: 'of two' } } })
  // Refreshes are due every few seconds: an edge that is stopped for long has some to send when it goes on.
  registrar.registrar.play.maxExpires = 12
  const first = await startEdge('edge-a')
  await startEdge('edge-b')
  agent = await agentOn(first, 'front')
  for (const i of all)
    await first.must('POST', '/v1/numbers', {
      phone_number: numberOf(i),
      sip_domain: domainOf(i),
      username: 'user',
      password: 'of two',
      outbound_proxy: `sip:${registrar.address}:${registrar.port}`,
      register: { enabled: true, expires: 60 },
      inbound_agent_id: 'front',
      outbound_agent_ids: ['front'],
      // Half of them over TCP, where a connection tells of a death too.
      transport: i % 2 === 0 ? 'udp' : 'tcp',
    })
  await first.must('POST', '/v1/numbers', {
    phone_number: LIMITED,
    sip_domain: 'limited.example.com',
    outbound_proxy: `sip:${registrar.address}:${registrar.port}`,
    username: 'user',
    password: 'of two',
    channel_limit: 2,
    outbound_agent_ids: ['front'],
  })
})

Two.after(async () => {
  for (const edge of edges.values()) {
    edge.child.kill('SIGCONT')
    await edge.stop()
  }
  await agent?.close()
  await registrar?.close()
  await redis?.stop()
})

async function registrations(edge: TestEdge): Promise<Registration[]> {
  return (await edge.must<{ items: Registration[] }>('GET', '/v1/registrations?limit=100')).items
}

/** Every trunk that registers is registered, by these edges and no other. */
function registeredBy(edge: TestEdge, owners: readonly string[], timeoutMs: number): Promise<Registration[]> {
  return eventually(
    `every trunk is registered by ${owners.join(' or ')}`,
    async () => {
      const items = (await registrations(edge)).filter(({ state }) => state !== 'stopped')
      const there = items.filter(({ state, edge_id }) => state === 'registered' && owners.includes(edge_id ?? ''))
      return there.length === TRUNKS ? there : undefined
    },
    timeoutMs,
  )
}

/** The SIP port of the edge that sent a REGISTER: its Via names it. A Contact may be the one a former owner left, to be taken away. */
const portOf = ({ message }: Heard): number =>
  Number(/^SIP\/2\.0\/\w+ [^:;]+:(\d+)/.exec(message.header('via') ?? '')?.[1])

const registersFor = (i: number): Heard[] =>
  registrar.requests('REGISTER').filter(({ message }) => (message.header('to') ?? '').includes(`@${domainOf(i)}`))

/** One REGISTER sender after the other: none of an earlier owner after the first of the next one. */
function assertNoOverlap(): void {
  for (const i of all) {
    const ports = registersFor(i).map(portOf)
    const turns = ports.filter((port, at) => port !== ports[at - 1])
    assert.is(
      new Set(turns).size,
      turns.length,
      `${domainOf(i)}: senders of REGISTER in their order: ${turns.join(', ')}`,
    )
  }
}

/** A registrar lists two Contacts at most while one owner takes over from another, until the former's is taken away. */
function assertOneContact(takeovers: number): void {
  for (const i of all) {
    const grants = registrar.registrar.grants.filter(({ aor }) => aor === aorOf(i))
    const doubled = grants.filter(({ contacts }) => contacts.length > 1)
    assert.ok(doubled.length <= takeovers, `${aorOf(i)}: ${doubled.length} times with two Contacts`)
    for (const { contacts } of doubled) assert.is(contacts.length, 2)
    assert.is(registrar.registrar.bindings(aorOf(i)).length, 1, `${aorOf(i)} has one Contact`)
  }
}

/** A call in by what the trunk has registered, and a call out by its number through `edge`; both ended by the far end. */
async function assertCalls(i: number, edge: TestEdge): Promise<void> {
  const [binding] = registrar.registrar.bindings(aorOf(i))
  assert.ok(binding, `${aorOf(i)} is registered`)
  const before = callsOf(agent)
  const inbound = registrar.call(binding, { from: `+13125550199@${domainOf(i)}`, to: `${numberOf(i)}@${domainOf(i)}` })
  await inbound.answered(200)
  const atAgent = await nextCall(agent, before)
  inbound.send('BYE')
  await inbound.final('BYE')
  await atAgent.heard('BYE')
  const out = await callOut(agent, edge, { from: numberOf(i), to: '+13125550199' })
  assert.is(out.status, 200, `call out by ${numberOf(i)}`)
  out.send('BYE')
  await out.final('BYE')
}

let killedMs = 0
/** A call on the edge that stays. */
let goingOn: Awaited<ReturnType<typeof callOut>>

Two('register each trunk once between them, and take and place its calls', async () => {
  const items = await registeredBy(edgeNamed('edge-a'), ['edge-a', 'edge-b'], 20_000)
  assert.is(items.length, TRUNKS)
  assertOneContact(0)
  assertNoOverlap()
  await assertCalls(0, edgeNamed('edge-a'))
  await assertCalls(1, edgeNamed('edge-b'))
})

Two('hold a channel limit together', async () => {
  const call = (id: string) => callOut(agent, edgeNamed(id), { from: LIMITED, to: '+13125550199' })
  const onA = await call('edge-a')
  const onB = await call('edge-b')
  assert.equal([onA.status, onB.status], [200, 200])
  for (const id of ['edge-a', 'edge-b']) assert.is((await call(id)).status, 503, `a third call, by ${id}`)
  onB.send('BYE')
  await onB.final('BYE')
  goingOn = await call('edge-b')
  assert.is(goingOn.status, 200, 'a call in its place')
})

Two('when one is killed the other registers its trunks within 15 s, and calls go on', async () => {
  const survivor = edgeNamed('edge-b')
  killedMs = performance.now()
  edgeNamed('edge-a').child.kill('SIGKILL')
  await registeredBy(survivor, ['edge-b'], TAKEOVER_MS)
  console.log(`taken over in ${((performance.now() - killedMs) / 1_000).toFixed(1)} s`)
  for (const i of all) {
    const bindings = registrar.registrar.bindings(aorOf(i))
    assert.is(bindings.length, 1, `${aorOf(i)} has ${bindings.length} Contacts`)
    assert.ok(bindings[0]?.uri.includes(`:${survivor.sipPort}`), 'of the edge that lives')
    await assertCalls(i, survivor)
  }
})

Two('and the registrar saw one sender after the other: the same Call-ID, a rising CSeq', () => {
  assertNoOverlap()
  assertOneContact(1)
  for (const i of all) {
    const registers = registersFor(i).map(({ message }) => message)
    assert.is(new Set(registers.map(({ callId }) => callId)).size, 1, `${domainOf(i)}: one Call-ID`)
    const cseqs = registers.map((message) => Number.parseInt(message.header('cseq') ?? '', 10))
    assert.equal(
      cseqs,
      [...new Set(cseqs)].sort((a, b) => a - b),
      `${domainOf(i)}: CSeq rises`,
    )
  }
})

Two('one that was stopped for longer than its lease sends nothing more for what it has lost', async () => {
  const stopped = edgeNamed('edge-b')
  const other = await startEdge('edge-c')
  stopped.child.kill('SIGSTOP')
  await registeredBy(other, ['edge-c'], TAKEOVER_MS)
  const resumedAt = registrar.end.heard.length
  stopped.child.kill('SIGCONT')
  await wait(6_000)
  const late = registrar.end.heard
    .slice(resumedAt)
    .filter((heard) => heard.message.method === 'REGISTER' && portOf(heard) === stopped.sipPort)
    .map(({ message }) => message.startLine)
  assert.equal(late, [])
  await registeredBy(other, ['edge-c'], 1_000)
  assertNoOverlap()
  assertOneContact(2)
  await assertCalls(2, other)
  await assertCalls(3, stopped)
})

Two('the share of the killed one comes back to a channel limit, that of the other stays', async () => {
  const call = () => callOut(agent, edgeNamed('edge-b'), { from: LIMITED, to: '+13125550199' })
  const second = await eventually(
    'a second call is let through',
    async () => {
      const placed = await call()
      return placed.status === 200 ? placed : undefined
    },
    75_000,
  )
  console.log(`channels of the killed edge were free ${((performance.now() - killedMs) / 1_000).toFixed(1)} s after`)
  assert.is((await call()).status, 503, 'the third is not')
  goingOn.send('BYE')
  assert.is((await goingOn.final('BYE')).message.status, 200, 'the call on the other edge went on')
  second.send('BYE')
  await second.final('BYE')
})

Two.run()
