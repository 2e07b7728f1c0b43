import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  everyTransport,
  overEveryTransport,
  onlyCdr,
  freshNumber,
  requestsTo,
  responsesTo,
  runCall,
} from '../support/call.js'
import { AGENT, CALLER, TestEdge } from '../support/edge.js'
import { freePort } from '../support/free-port.js'
import { runSipp, Sipp } from '../support/sipp.js'

const Failover = suite('Fail-over of an agent')

const T1_MS = 50

let edge: TestEdge

Failover.before(async () => {
  edge = await TestEdge.start({ env: { SIGNALBOX__SIP__T1_MS: String(T1_MS) } })
})

Failover.after(async () => {
  await edge.stop()
})

Failover('tries the next address after a 503; the caller hears one answer', async () => {
  await overEveryTransport(
    { edge, caller: 'uac-basic', agents: ['uas-503', 'uas-basic'] },
    ({ caller, agents, cdr }) => {
      for (const agent of agents) assert.is(requestsTo(agent, 'INVITE').length, 1)
      const [first, second] = agents.map((agent) => requestsTo(agent, 'INVITE')[0])
      assert.not.equal(first?.header('via'), second?.header('via'), 'a new branch')
      assert.is(first?.body, second?.body)
      assert.is(responsesTo(caller, 'INVITE').at(-1)?.status, 200)
      assert.is(cdr.result, 'answered')
      assert.equal(
        cdr.attempts.map(({ status }) => status),
        [503, 200],
      )
      assert.is(cdr.leg_b_status, 200)
    },
  )
})

Failover('tries the next address when the first is not answered in its ring time', async () => {
  const options = { edge, caller: 'uac-basic', agents: ['uas-no-answer', 'uas-basic'], agent: { ring_timeout_s: 1 } }
  await overEveryTransport(options, ({ agents, cdr }) => {
    assert.is(agents[0] && requestsTo(agents[0], 'CANCEL').length, 1)
    assert.is(cdr.result, 'answered')
    assert.is(cdr.attempts.length, 2)
  })
})

Failover('tries the next address when nobody listens at the first', async () => {
  await Promise.all(
    everyTransport.map(async ([legA, legB]) => {
      const number = freshNumber()
      const uas = await Sipp.start({ scenario: 'uas-basic', address: AGENT, protocol: legB })
      const transport = legB === 'tcp' ? ';transport=tcp' : ''
      const ports = [await freePort(AGENT), uas.port]
      await edge.addNumber(
        number,
        `agent-${number.slice(1)}`,
        ports.map((port) => `sip:agent@${AGENT}:${port}${transport}`),
      )
      const caller = await runSipp({
        scenario: 'uac-basic',
        address: CALLER,
        protocol: legA,
        target: edge.sip,
        service: number,
      })
      assert.is(caller.exitCode, 0, `${legA} to ${legB}: ${caller.errors}`)
      assert.is((await uas.finished).exitCode, 0)
      const cdr = await onlyCdr(edge, number)
      assert.is(cdr.attempts.length, 2)
      assert.is(cdr.attempts[1]?.status, 200)
      assert.is(cdr.result, 'answered')
    }),
  )
})

Failover('with every address failing ends in 503, each tried once', async () => {
  await overEveryTransport({ edge, caller: 'uac-unavailable', agents: ['uas-503', 'uas-503'] }, ({ agents, cdr }) => {
    for (const agent of agents) assert.is(requestsTo(agent, 'INVITE').length, 1)
    assert.equal(
      cdr.attempts.map(({ status }) => status),
      [503, 503],
    )
    assert.is(cdr.leg_a_status, 503)
    assert.is(cdr.result, 'agent_server_error')
  })
})

Failover('with nobody listening anywhere ends in 503 over TCP, 503 or 408 over UDP', async () => {
  for (const [legA, legB] of everyTransport.filter(([, b]) => b === 'tcp')) {
    const { caller, cdr } = await runCall({ edge, caller: 'uac-unavailable', agents: [], legA, legB })
    assert.is(caller.exitCode, 0, caller.errors)
    assert.is(cdr.result, 'agent_unreachable')
    assert.is(cdr.leg_a_status, 503)
    assert.is(cdr.attempts.length, 1)
  }
})

Failover('never happens after 486 or 603', async () => {
  for (const [caller, busy] of [
    ['uac-busy', 'uas-busy'],
    ['uac-declined', 'uas-decline'],
  ] as const)
    await overEveryTransport({ edge, caller, agents: [busy, 'uas-basic'], uncalled: [1] }, ({ cdr }) => {
      assert.is(cdr.attempts.length, 1)
    })
})

Failover('leaves nothing behind', async () => {
  assert.equal(await edge.settle(45_000), {})
})

Failover.run()
