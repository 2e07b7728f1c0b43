// time limit: 60 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type CallSeen, freshNumber, onlyCdr, requestsTo, responsesTo, runCall, sentBy } from '../support/call.js'
import { AGENT, CALLER, TestEdge } from '../support/edge.js'
import { type Protocol, runSipp, type SippResult } from '../support/sipp.js'
import { openUdp, nextMessage } from '../support/sip-peer.js'

const Timers = suite('Session timers of both legs (RFC 4028)')

let edge: TestEdge

Timers.before(async () => {
  edge = await TestEdge.start({
    env: {
      SIGNALBOX__SIP__T1_MS: '100',
      SIGNALBOX__SIP__SESSION_TIMERS__MIN_SE_S: '4',
      SIGNALBOX__SIP__SESSION_TIMERS__EXPIRES_S: '4',
    },
  })
})

Timers.after(async () => {
  await edge.stop()
})

const told = (result: SippResult): string =>
  `${result.errors}\n${result.trace.map((m) => `${m.sent ? '->' : '<-'} ${m.startLine} [${m.header('cseq') ?? ''}]`).join('\n')}`

/** Calls take as long as their timers, so all are placed at once. */
let calls: Record<'refreshed' | 'refreshing', CallSeen[]> & { vanished: CallSeen }

Timers.before(async () => {
  const place = (caller: string, agent: string, legA: Protocol, legB: Protocol): Promise<CallSeen> =>
    runCall({ edge, caller, agents: [agent], legA, legB })
  const [a, b, c, d, vanished] = await Promise.all([
    place('uac-session-timer', 'uas-session-timer', 'udp', 'udp'),
    place('uac-session-timer', 'uas-session-timer', 'tcp', 'tcp'),
    place('uac-session-refresh', 'uas-session-timer', 'udp', 'udp'),
    place('uac-session-refresh', 'uas-session-timer', 'tcp', 'tcp'),
    place('uac-session-wait-bye', 'uas-session-vanish', 'udp', 'tcp'),
  ])
  calls = { refreshed: [a, b], refreshing: [c, d], vanished }
})

const played = ({ caller, agent, legs }: CallSeen): void => {
  assert.is(caller.exitCode, 0, `caller, ${legs}: ${told(caller)}`)
  assert.is(agent.exitCode, 0, `agent, ${legs}: ${told(agent)}`)
}

Timers('the edge refreshes each leg by itself: by UPDATE where it is allowed, else by the same offer again', () => {
  for (const call of calls.refreshed) {
    played(call)
    const { caller, agent, cdr } = call
    const [offer] = sentBy(caller, 'INVITE')
    const invites = requestsTo(agent, 'INVITE')
    assert.ok(invites.length >= 3, 'refreshed as often as the caller')
    for (const { body } of invites) assert.is(body, offer?.body, 'the same description, byte for byte')
    assert.is(requestsTo(agent, 'ACK').length, invites.length)
    for (const update of requestsTo(caller, 'UPDATE')) assert.is(update.body, '')
    assert.equal([requestsTo(caller, 'INVITE').length, requestsTo(agent, 'UPDATE').length], [0, 0], 'nothing crosses')
    assert.equal([cdr.result, cdr.ended_by, cdr.end_reason], ['answered', 'leg_a', 'BYE'])
  }
})

Timers('a caller that refreshes and then no more: the call ends on both legs, and the record says why', () => {
  for (const call of calls.refreshing) {
    played(call)
    const { agent, cdr } = call
    assert.is(requestsTo(agent, 'UPDATE').length, 0)
    assert.match(requestsTo(agent, 'BYE')[0]?.header('reason') ?? '', /Session timer expired/)
    assert.equal([cdr.result, cdr.ended_by, cdr.end_reason], ['answered', 'edge', 'Session timer expired on leg a'])
  }
})

Timers('an agent that has vanished is found out, and the call ends with that reason', () => {
  played(calls.vanished)
  const { cdr } = calls.vanished
  assert.equal([cdr.result, cdr.ended_by, cdr.end_reason], ['answered', 'edge', 'Session timer expired on leg b'])
})

Timers('a caller that asks for less than is taken gets 422 with Min-SE, and no call begins', async () => {
  const number = freshNumber()
  const result = await runSipp({
    scenario: 'uac-session-too-short',
    address: CALLER,
    target: edge.sip,
    service: number,
  })
  assert.is(result.exitCode, 0, told(result))
  assert.is(responsesTo(result, 'INVITE').at(-1)?.header('min-se'), '4')
  assert.equal(await edge.cdrs(number), [])
})

Timers('an agent that wants to be refreshed less often is asked again, as its 422 says', async () => {
  const number = freshNumber()
  const agent = await openUdp(AGENT, edge.sip)
  await edge.addNumber(number, 'patient', [`sip:agent@${AGENT}:${agent.local.port}`])
  const calling = runSipp({ scenario: 'uac-busy', address: CALLER, target: edge.sip, service: number })
  const answer = (invite: { raw: string }, status: string, more = ''): void => {
    const kept = invite.raw.split('\r\n').filter((line) => /^(Via|From|Call-ID|CSeq|To):/i.test(line))
    const lines = kept.map((line) => (/^To:/i.test(line) ? `${line};tag=patient` : line))
    agent.send(`SIP/2.0 ${status}\r\n${lines.join('\r\n')}\r\n${more}Content-Length: 0\r\n\r\n`)
  }
  const first = await nextMessage(agent, 'the INVITE', ({ method }) => method === 'INVITE')
  assert.is(first.header('session-expires'), '4;refresher=uac')
  answer(first, '422 Session Interval Too Small', 'Min-SE: 600\r\n')
  const second = await nextMessage(
    agent,
    'the next INVITE',
    ({ method, callId }) => method === 'INVITE' && callId !== first.callId,
  )
  assert.equal([second.header('session-expires'), second.header('min-se')], ['600;refresher=uac', '600'])
  answer(second, '486 Busy Here')
  assert.is((await calling).exitCode, 0)
  assert.equal(
    (await onlyCdr(edge, number)).attempts.map(({ status }) => status),
    [486],
  )
  agent.close()
})

Timers('nothing is left', async () => {
  assert.equal(await edge.settle(15_000), {})
})

Timers.run()
