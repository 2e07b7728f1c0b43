import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { AGENT, CALLER, TestEdge } from '../support/edge.js'
import { freshNumber } from '../support/call.js'
import { wait } from '../support/eventually.js'
import { followUp, inviteText, nextMessage, openTcp, openUdp, pingOver, refusingAgent } from '../support/sip-peer.js'
import { Sipp } from '../support/sipp.js'

const TcpResets = suite('TCP peers that vanish')

const PEERS = 300
const AT_A_TIME = 25

let edge: TestEdge

TcpResets.before(async () => {
  edge = await TestEdge.start({ env: { SIGNALBOX__SIP__T1_MS: '50', SIGNALBOX__SIP__TCP_READ_DEADLINE_S: '1' } })
})

TcpResets.after(async () => {
  await edge.stop()
})

/** Does `once` for each of `PEERS` peers, some at a time. */
async function forEachPeer(once: () => Promise<void>): Promise<void> {
  for (let done = 0; done < PEERS; done += AT_A_TIME) await Promise.all(Array.from({ length: AT_A_TIME }, once))
}

async function assertAlive(): Promise<void> {
  const peer = await openUdp(CALLER, edge.sip)
  const tookMs = await pingOver(peer, edge.sip, 'udp')
  peer.close()
  assert.ok(tookMs < 500, `OPTIONS answered after ${tookMs} ms`)
  assert.is(edge.child.exit, undefined)
}

TcpResets(`${PEERS} times INVITE then reset leaves no transaction`, async () => {
  const agent = await refusingAgent(AGENT)
  const number = freshNumber()
  await edge.addNumber(number, 'refusing', [agent.uri])
  await forEachPeer(async () => {
    const peer = await openTcp(CALLER, edge.sip)
    const { text } = inviteText({ from: peer.local, target: edge.sip, protocol: 'tcp', number })
    await new Promise<void>((resolve) => peer.socket.write(text, () => resolve()))
    peer.socket.resetAndDestroy()
  })
  await assertAlive()
  assert.equal(await edge.settle(30_000), {})
  agent.close()
})

TcpResets(
  'a reset right behind the BYE ends in one record a call, at the latest when the call is ended by hand',
  async () => {
    const calls = 10
    const uas = await Sipp.start({ scenario: 'uas-basic', address: AGENT, calls, timeoutS: 30 })
    const number = freshNumber()
    await edge.addNumber(number, 'answering', [`sip:agent@${AGENT}:${uas.port}`])
    await Promise.all(
      Array.from({ length: calls }, async () => {
        const peer = await openTcp(CALLER, edge.sip)
        const { text, callId } = inviteText({ from: peer.local, target: edge.sip, protocol: 'tcp', number })
        peer.send(text)
        const answer = await nextMessage(peer, 'the 200', (m) => m.callId === callId && m.status === 200)
        const contact = /<([^>]+)>/.exec(answer.header('contact') ?? '')?.[1]
        peer.send(followUp(text, 'ACK', answer, contact))
        await new Promise<void>((resolve) => peer.socket.write(followUp(text, 'BYE', answer, contact), () => resolve()))
        peer.socket.resetAndDestroy()
      }),
    )
    await wait(500)
    // A reset takes with it what the far end has not read yet: of such a call the edge knows no end.
    const { items } = await edge.must<{ items: { call_id: string }[] }>('GET', '/v1/calls')
    for (const { call_id } of items) await edge.must('DELETE', `/v1/calls/${call_id}`)
    assert.is((await uas.finished).exitCode, 0, 'every agent leg gets its BYE')
    assert.equal(await edge.settle(30_000), {})
    const records = await edge.cdrs(number)
    assert.is(records.length, calls)
    for (const record of records) {
      assert.is(record.result, 'answered')
      assert.is(record.ended_by, items.some(({ call_id }) => call_id === record.call_id) ? 'edge' : 'leg_a')
    }
  },
)

TcpResets('[A13] connections that say nothing, or a byte at a time, are closed after the read deadline', async () => {
  const peers = await Promise.all(Array.from({ length: 20 }, () => openTcp(CALLER, edge.sip)))
  const dripping = setInterval(() => peers.slice(10).forEach((peer) => peer.send('O')), 200)
  const end = performance.now() + 6_000
  while (peers.some(({ closed }) => !closed) && performance.now() < end)
    await new Promise((resolve) => setTimeout(resolve, 50))
  clearInterval(dripping)
  assert.is(peers.filter(({ closed }) => !closed).length, 0, 'connections still open')
  for (const peer of peers) peer.close()
  await assertAlive()
})

TcpResets('leave nothing behind', async () => {
  assert.equal(await edge.settle(30_000), {})
})

TcpResets.run()
