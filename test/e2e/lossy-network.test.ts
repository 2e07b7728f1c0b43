// time limit: 180 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Cdr } from '../../src/model/call.js'
import { AGENT, CALLER, TestEdge } from '../support/edge.js'
import { eventually, wait } from '../support/eventually.js'
import { openRelay, type Relay } from '../support/relay.js'
import { type SrfDialog, type SrfMessage, type SrfReply, startStation, type Station } from '../support/srf-app.js'

const LossyNetwork = suite('A network that loses, doubles and reorders')

const T1_MS = 50
const CALLS = 24
const NUMBER = '+14155550100'
const [ABOVE, BELOW] = ['127.0.0.4', '127.0.0.5']
const SDP = 'v=0\r\no=a 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n'
const MOVED = SDP.replace('4000', '4002').replace('1 1', '1 2')

/** What the two ends do in one call. */
const PLANS = ['caller hangs up', 'agent hangs up', 'cancelled', 'cancelled late', 'refused', 'moved', 'reliable', 'both hang up'] as const // prettier-ignore
type Plan = (typeof PLANS)[number]

/** One call as its two ends see it. */
interface Call {
  readonly plan: Plan
  readonly id: string
  callId: string
  /** What the caller's INVITE came to; 0: nothing yet. */
  status: number
  mine?: SrfDialog
  theirs?: SrfDialog
  /** Whether that end believes that the call goes on. */
  callerBelieves: boolean
  agentBelieves: boolean
}

let edge: TestEdge
let caller: Station
let agent: Station
const calls = new Map<string, Call>()
const timers = { t1Ms: T1_MS, t2Ms: 8 * T1_MS, t4Ms: 10 * T1_MS }

LossyNetwork.before(async () => {
  edge = await TestEdge.start({ env: { SIGNALBOX__SIP__T1_MS: String(T1_MS) } })
  caller = await startStation({ timers }, CALLER)
  agent = await startStation({ timers }, AGENT)
  answering()
})

LossyNetwork.after(async () => {
  await caller.stop()
  await agent.stop()
  await edge.stop()
})

/** The agent's side: does what the call's plan says. */
function answering(): void {
  agent.app.invite((req: SrfMessage, res: SrfReply) => {
    const call = calls.get(req.get('X-Call') ?? '')
    if (call === undefined) return res.send(404)
    if (call.plan === 'refused') return res.send(486)
    if (call.plan === 'cancelled') return res.send(180)
    const body = SDP.replace('4000', '6000')
    const answer = async (): Promise<void> => {
      const dialog = await agent.app.createUAS(req, res, { localSdp: body })
      call.theirs = dialog
      call.agentBelieves = true
      dialog.on('destroy', () => (call.agentBelieves = false))
      dialog.on('modify', ((_req: SrfMessage, reply: SrfReply) => reply.send(200, { body } as never)) as never)
      if (call.plan === 'agent hangs up' || call.plan === 'both hang up') await hangUp(call, 'theirs')
    }
    if (call.plan === 'reliable') {
      const reliably = res.send as unknown as (...args: unknown[]) => void
      reliably.call(
        res,
        183,
        { headers: { Require: '100rel' }, body },
        () => {},
        () => {},
      )
    } else res.send(180)
    // A call that was given up meanwhile makes no dialog.
    setTimeout(() => void answer().catch(() => undefined), 60)
  })
}

async function hangUp(call: Call, end: 'mine' | 'theirs'): Promise<void> {
  await wait(100)
  if (end === 'mine') call.callerBelieves = false
  else call.agentBelieves = false
  await call[end]?.destroy().catch(() => undefined)
}

/** The caller's side. */
async function place(call: Call, above: Relay): Promise<void> {
  let invite: SrfMessage | undefined
  const options = {
    localSdp: SDP,
    proxy: `sip:${ABOVE}:${above.port}`,
    headers: { 'X-Call': call.id, ...(call.plan === 'reliable' ? { Supported: '100rel' } : {}) },
  }
  if (call.plan.startsWith('cancelled'))
    setTimeout(() => invite?.cancel(), call.plan === 'cancelled' ? 150 : 60 + T1_MS / 2)
  try {
    const dialog = await caller.app.createUAC(`sip:${NUMBER}@${edge.sip.address}:${edge.sip.port}`, options, {
      cbRequest: (_error: unknown, req: SrfMessage) => {
        invite = req
        call.callId = req.get('Call-ID') ?? ''
      },
    })
    call.status = 200
    call.mine = dialog
    call.callerBelieves = true
    dialog.on('destroy', () => (call.callerBelieves = false))
  } catch (error) {
    call.status = (error as { status?: number }).status ?? -1
    return
  }
  if (call.plan === 'moved') await call.mine.modify(MOVED).catch(() => undefined)
  if (call.plan !== 'agent hangs up') await hangUp(call, 'mine')
}

for (const [percent, seed] of [
  [5, 5],
  [20, 20],
] as const)
  LossyNetwork(
    `with ${percent} % each: calls complete or fail cleanly, both ends agree, records match, nothing is left`,
    async () => {
      const share = percent / 100
      const trouble = { lost: share, doubled: share, late: share, lateMs: T1_MS }
      const above = await openRelay(ABOVE, edge.sip, { trouble: { ...trouble, seed } })
      const target = { address: AGENT, port: agent.port }
      const below = await openRelay(BELOW, target, { trouble: { ...trouble, seed: seed + 1 } })
      const agentUri = `sip:agent@${BELOW}:${below.port}`
      if (percent === 5)
        await edge.addNumber(NUMBER, 'lossy', [agentUri], { number: { allowed_addresses: [`${ABOVE}/32`] } })
      else await edge.must('PUT', '/v1/agents/lossy', { name: 'lossy', sip_uri: agentUri })
      await wait(1_100)

      calls.clear()
      const placed: Promise<void>[] = []
      for (let i = 0; i < CALLS; i++) {
        const id = `${percent}-${i}`
        const plan = PLANS[i % PLANS.length]!
        const call: Call = { plan, id, callId: '', status: 0, callerBelieves: false, agentBelieves: false }
        calls.set(id, call)
        placed.push(place(call, above))
        await wait(25)
      }
      await Promise.all(placed)
      const all = [...calls.values()]
      // A BYE may be given up after 64*T1; until then, and for the ACK that never came, the ends may differ.
      await eventually('both ends agree', () => all.every(agree), 64 * T1_MS * 3).catch(() => undefined)
      assert.equal(all.filter((call) => !agree(call)).map(shown), [], 'both ends agree')
      assert.ok(above.lost > 0 && below.lost > 0, 'something was lost')

      const records = await recordsOf(all)
      for (const call of all) assertRecorded(call, records)
      const established = all.filter(({ status }) => status === 200).length
      const wanted = all.filter(({ plan }) => !plan.startsWith('cancelled') && plan !== 'refused').length
      assert.ok(established >= wanted * 0.9, `${established} calls of ${wanted} came about`)

      assert.equal(await edge.settle(15_000), {})
      for (const { engine } of [caller, agent])
        await eventually('the ends hold nothing', () => {
          const { dialogs, transactions, timers: running } = engine.gauges()
          return dialogs + transactions + running === 0
        }, 15_000) // prettier-ignore
      above.close()
      below.close()
    },
  )

/** Nobody believes in a call that the other does not: each of these calls is to end. */
const agree = ({ callerBelieves, agentBelieves }: Call): boolean => !callerBelieves && !agentBelieves

const shown = ({ plan, id, status, callerBelieves, agentBelieves }: Call): string =>
  `${id} ${plan}: ${status}, caller ${callerBelieves}, agent ${agentBelieves}`

/** The records by Call-ID of leg A; each call that reached the edge has one, and only one. */
async function recordsOf(calls: readonly Call[]): Promise<ReadonlyMap<string, Cdr>> {
  const ours = new Set(calls.map(({ callId }) => callId))
  const find = async (): Promise<Cdr[]> => (await edge.allCdrs()).filter(({ leg_a_call_id: id }) => ours.has(id ?? ''))
  await eventually('every call has a record', async () => (await find()).length >= calls.length, 8_000)
  const found = await find()
  assert.is(new Set(found.map(({ leg_a_call_id: id }) => id)).size, found.length, 'one record a call')
  return new Map(found.map((cdr) => [cdr.leg_a_call_id ?? '', cdr]))
}

/** The record says what the two ends saw. */
function assertRecorded(call: Call, records: ReadonlyMap<string, Cdr>): void {
  const cdr = records.get(call.callId)
  const label = `${shown(call)}, recorded ${cdr?.result} ${cdr?.leg_a_status} ${cdr?.leg_b_status} ${cdr?.ended_by} ${cdr?.end_reason}`
  assert.ok(cdr !== undefined, label)
  if (call.status === 200) assert.ok(['answered', 'caller_gone'].includes(cdr.result), label)
  if (cdr.result === 'answered') assert.ok(call.theirs !== undefined || cdr.leg_b_status === 200, label)
  if (call.plan === 'refused') assert.ok(cdr.leg_b_status === 486 || cdr.leg_b_status === null, label)
  if (call.plan === 'cancelled') assert.is(call.mine, undefined, label)
}

LossyNetwork('leaves nothing behind', async () => {
  assert.equal(await edge.settle(20_000), {})
  assert.not.match(edge.output, /uncaughtException|unhandledRejection/i)
})

LossyNetwork.run()
