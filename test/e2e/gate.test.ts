// time limit: 120 s
// alone
import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { AGENT, CALLER, TestEdge } from '../support/edge.js'
import { eventually, wait } from '../support/eventually.js'
import { Flood, loopbackAddresses } from '../support/flood.js'
import { followUp, inviteText, openTcp, openUdp, pingOver, type SipPeer } from '../support/sip-peer.js'
import { Sipp } from '../support/sipp.js'

const Gate = suite('Unknown sources and overload')

const NUMBER = '+14155550100'
const MAX_CALLS = 60
const METHODS = 'INVITE REGISTER OPTIONS MESSAGE SUBSCRIBE PUBLISH REFER INFO NOTIFY UPDATE PRACK BYE ACK CANCEL FOO'

let edge: TestEdge
let caller: SipPeer

Gate.before(async () => {
  edge = await TestEdge.start({
    env: {
      SIGNALBOX__ACCESS__UNKNOWN_SOURCE: 'drop',
      SIGNALBOX__ACCESS__BAN_FIRST_S: '2',
      SIGNALBOX__LIMITS__MAX_CALLS: String(MAX_CALLS),
      SIGNALBOX__LIMITS__SHED_DELAY_MS: '250',
    },
  })
  // A domain that need not be looked up: nobody is banned before all are known.
  await edge.addNumber(NUMBER, 'load', [`sip:agent@${AGENT}:5090`], { number: { sip_domain: CALLER } })
  caller = await openUdp(CALLER, edge.sip)
})

Gate.after(async () => {
  caller.close()
  await edge.stop()
})

const count = async (name: string, labels: Record<string, string> = {}): Promise<number> =>
  (await edge.metrics()).count(name, labels)

const alive = async (): Promise<number> => pingOver(caller, edge.sip, 'udp')

function rssBytes(): number {
  const pages = Number(readFileSync(`/proc/${edge.child.pid}/statm`, 'latin1').split(' ')[1])
  return pages * 4_096
}

Gate(
  '[A1] [A2] get nothing by any method over UDP, and a closed connection over TCP; it is counted and told of',
  async () => {
    const before = await count('signalbox_refused_at_door_total', { reason: 'unknown_source' })
    const stranger = await openUdp('127.0.0.66', edge.sip)
    const fields = { from: stranger.local, target: edge.sip, protocol: 'udp', number: NUMBER } as const
    for (const method of METHODS.split(' ')) stranger.send(inviteText(fields).text.replaceAll('INVITE', method))
    await wait(300)
    assert.equal(stranger.messages, [])
    assert.is(await count('signalbox_refused_at_door_total', { reason: 'unknown_source' }), before + 15)
    assert.is((await edge.metrics()).sum('signalbox_engine_transactions'), 0)
    const tcp = await openTcp('127.0.0.66', edge.sip)
    tcp.send(inviteText({ ...fields, from: tcp.local, protocol: 'tcp' }).text)
    await eventually('the connection is closed', () => tcp.closed, 2_000)
    assert.equal(tcp.messages, [])
    stranger.close()
    await alive()
    const line = edge.output.split('\n').find((text) => text.includes('turned away') && text.includes('127.0.0.66'))
    assert.ok(line?.includes(`"dialled":"${NUMBER}"`), line)
    assert.equal(await edge.cdrs(NUMBER), [])
  },
)

Gate('[A8] scanners get nothing, and no long line is written', async () => {
  const stranger = await openUdp('127.0.0.67', edge.sip)
  const headers = [`User-Agent: friendly-scanner ${'x'.repeat(6_000)}`]
  const { text } = inviteText({ from: stranger.local, target: edge.sip, protocol: 'udp', number: NUMBER, headers })
  stranger.send(text)
  await eventually(
    'it is counted',
    async () => (await count('signalbox_refused_at_door_total', { reason: 'scanner' })) === 1,
  )
  assert.equal(stranger.messages, [])
  stranger.close()
  for (const line of edge.output.split('\n')) if (line.includes('127.0.0.67')) assert.ok(line.length < 1_000)
})

Gate('[A5] one source at 200 requests a second is banned within 2 s, seen and freed when the ban ends', async () => {
  const flood = await Flood.open(['127.0.0.68'], edge.sip)
  flood.start(200)
  const bans = async () => (await edge.must<{ items: { address: string; dropped: number }[] }>('GET', '/v1/bans')).items
  await eventually('it is banned', async () => (await bans()).some(({ address }) => address === '127.0.0.68'), 2_000)
  assert.is(await count('signalbox_bans_active'), 1)
  await wait(200)
  assert.ok((await bans())[0]!.dropped > 0)
  assert.ok((await alive()) < 100)
  flood.close()
  assert.is((await edge.must<{ address: string }>('DELETE', '/v1/bans/127.0.0.68')).address, '127.0.0.68')
  assert.equal(await bans(), [])
  const again = await Flood.open(['127.0.0.68'], edge.sip)
  again.start(300)
  await eventually('it is banned again', async () => (await bans()).length === 1, 2_000)
  again.close()
  await eventually('the ban ends by itself', async () => (await bans()).length === 0, 4_000)
})

/** Known calls at 25 a second, held for half a second. */
async function knownCalls(calls: number) {
  const shared = { calls, timeoutS: 30, trace: false }
  const uas = await Sipp.start({ scenario: 'uas-load', address: AGENT, ...shared })
  await edge.must('PUT', '/v1/agents/load', { name: 'load', sip_uri: `sip:agent@${AGENT}:${uas.port}` })
  const uac = await Sipp.start({
    ...{ scenario: 'uac-load', address: CALLER, target: edge.sip, service: NUMBER },
    ...{ ...shared, rate: 25, holdMs: 500, responseTimes: true },
  })
  return { caller: uac.finished, agent: uas.finished }
}

Gate(
  '[L11] 5,000 INVITEs a second of unknown sources, banned or new ones, do not reach the calls of known ones',
  async () => {
    await (
      await knownCalls(25)
    ).caller
    const before = rssBytes()
    for (const sources of [4, 500]) {
      const flood = await Flood.open(loopbackAddresses(sources), edge.sip)
      flood.start(5_000)
      const known = await knownCalls(75)
      const result = await known.caller
      flood.close()
      assert.is(result.stats.get('SuccessfulCall(C)'), 75, result.errors.slice(0, 1_000))
      assert.is(flood.received, 0)
      const sorted = [...result.responseTimesMs].sort((a, b) => a - b)
      console.log(
        `${sources} sources, ${flood.sent} INVITEs: ${sorted.at(-2)} ms at p99, ${(rssBytes() - before) >> 20} MB more`,
      )
      assert.ok(sorted.at(-2)! < 100, `p99 is ${sorted.at(-2)} ms`)
    }
    assert.ok(rssBytes() - before < 100 * 1024 * 1024)
    // Those of the known calls alone: they absorb repeats for 32 s.
    const left = (await edge.metrics()).sum('signalbox_engine_transactions') ?? Number.NaN
    assert.ok(left < 1_000, `${left} transactions`)
  },
)

/** Calls at once, over one socket; each that is answered is acknowledged. */
async function place(calls: number) {
  const peer = await openUdp(CALLER, edge.sip)
  const invites = new Map<string, string>()
  for (let i = 0; i < calls; i++) {
    const { text, callId } = inviteText({ from: peer.local, target: edge.sip, protocol: 'udp', number: NUMBER })
    invites.set(callId, text)
    peer.send(text)
  }
  const finals = () => new Map(peer.messages.filter(({ status }) => status >= 200).map((one) => [one.callId, one]))
  await eventually('every call has its answer', () => finals().size === calls, 10_000)
  const answers = [...finals().values()]
  for (const answer of answers) peer.send(followUp(invites.get(answer.callId)!, 'ACK', answer))
  return {
    taken: answers.filter(({ status }) => status === 200),
    refused: answers.filter(({ status }) => status === 503),
    hangUp() {
      for (const answer of answers)
        if (answer.status === 200) peer.send(followUp(invites.get(answer.callId)!, 'BYE', answer))
    },
    close: () => peer.close(),
  }
}

Gate(
  '[L11] at 150 % of max_calls exactly the limit is admitted, the rest get 503 with Retry-After, and all is back at once',
  async () => {
    const shed = await count('signalbox_shed_total', { cause: 'max_calls' })
    for (let round = 0; round < 2; round++) {
      const uas = await Sipp.start({ scenario: 'uas-load', address: AGENT, calls: MAX_CALLS, trace: false })
      await edge.must('PUT', '/v1/agents/load', { name: 'load', sip_uri: `sip:agent@${AGENT}:${uas.port}` })
      const calls = await place(MAX_CALLS * 1.5)
      assert.equal([calls.taken.length, calls.refused.length], [MAX_CALLS, MAX_CALLS / 2])
      for (const answer of calls.refused) assert.match(answer.header('retry-after') ?? '', /^[1-9][0-9]?$/)
      assert.is(await count('signalbox_calls_active'), MAX_CALLS)
      calls.hangUp()
      await uas.finished
      await eventually('no call is left', async () => (await count('signalbox_calls_active')) === 0, 5_000)
      calls.close()
    }
    assert.is(await count('signalbox_shed_total', { cause: 'max_calls' }), shed + MAX_CALLS)
  },
)

Gate(
  '[L10] after a stall of 2 s new calls are refused until the backlog is read, and all is well within 5 s',
  async () => {
    const before = await count('signalbox_shed_total', { cause: 'event_loop' })
    const uas = await Sipp.start({ scenario: 'uas-load', address: AGENT, calls: 10_000, trace: false })
    await edge.must('PUT', '/v1/agents/load', { name: 'load', sip_uri: `sip:agent@${AGENT}:${uas.port}` })
    // Calls of one who takes no for an answer: SIPp at a rate that goes on whatever comes, its repeats among it.
    const uac = await Sipp.start({
      ...{ scenario: 'uac-load', address: CALLER, target: edge.sip, service: NUMBER, trace: false },
      ...{ calls: 250, rate: 50, holdMs: 200, timeoutS: 40 },
    })
    await wait(1_000)
    edge.child.kill('SIGSTOP')
    await wait(2_000)
    edge.child.kill('SIGCONT')
    const resumedMs = performance.now()
    await eventually('it answers quickly again', async () => (await alive().catch(() => 9_999)) < 50, 5_000)
    await eventually(
      'new calls were refused',
      async () => (await count('signalbox_shed_total', { cause: 'event_loop' })) > before,
    )
    const goneMs = performance.now() - resumedMs
    assert.ok(goneMs < 5_000, `${goneMs} ms`)
    await uac.finished
    uas.stop()
    const known = await knownCalls(25)
    const result = await known.caller
    assert.is(result.stats.get('SuccessfulCall(C)'), 25, result.errors.slice(0, 1_000))
  },
)

Gate.run()
