import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { LiveCall } from '../../src/model/call.js'
import { freshNumber, onlyCdr, overEveryTransport, requestsTo, responsesTo, sentBy } from '../support/call.js'
import { AGENT, CALLER, EDGE, TestEdge } from '../support/edge.js'
import { eventually } from '../support/eventually.js'
import { runSipp, Sipp } from '../support/sipp.js'

const InboundCall = suite('An inbound call')

let edge: TestEdge

InboundCall.before(async () => {
  // 64*T1 is 6.4 s: the last transactions are gone soon after the last call.
  edge = await TestEdge.start({ env: { SIGNALBOX__SIP__T1_MS: '100' } })
})

InboundCall.after(async () => {
  await edge.stop()
})

InboundCall('reaches its agent, is answered and ends, over UDP and TCP on either leg', async () => {
  await overEveryTransport({ edge, caller: 'uac-basic', agents: ['uas-basic'], holdMs: 200 }, (call) => {
    const { caller, agent, cdr } = call
    for (const method of ['INVITE', 'ACK', 'BYE']) assert.is(requestsTo(agent, method).length, 1, `one ${method}`)
    const statuses = responsesTo(caller, 'INVITE').map(({ status }) => status)
    assert.equal(statuses, [100, 180, 200], 'what the caller sees')

    const invite = requestsTo(agent, 'INVITE')[0]
    assert.ok(invite)
    assert.match(invite.requestUri, new RegExp(`^sip:agent@${AGENT}:\\d+`))
    assert.match(
      invite.header('from') ?? '',
      /^"?Ann Caller"? ?<sip:\+13125550199@/,
      'the number and name of the caller',
    )
    assert.match(invite.header('contact') ?? '', new RegExp(`@?${EDGE}:${edge.sipPort}`))
    assert.ok(invite.head.includes(call.number), 'the dialled number')
    assert.is(invite.header('max-forwards'), '69')
    assert.is(invite.header('x-customer'), '4711')
    assert.is(invite.header('user-to-user'), '56a390f3d2b7310023;encoding=hex')
    assert.is(invite.header('content-type'), 'application/sdp')
    assert.is(invite.body, sentBy(caller, 'INVITE')[0]?.body, 'the offer, byte for byte')
    assert.is(
      responsesTo(caller, 'INVITE').at(-1)?.body,
      sentBy(agent, 'SIP/2.0 200').find(({ method }) => method === 'INVITE')?.body,
      'the answer, byte for byte',
    )

    assert.is(cdr.result, 'answered')
    assert.is(cdr.leg_a_status, 200)
    assert.is(cdr.leg_b_status, 200)
    assert.is(cdr.ended_by, 'leg_a')
    assert.ok(cdr.duration_s >= 0.15 && cdr.duration_s < 5, `lasted ${cdr.duration_s} s`)
    assert.ok(cdr.setup_ms !== null && cdr.setup_ms > 0 && cdr.setup_ms < 2_000, `set up in ${String(cdr.setup_ms)} ms`)
    assert.equal(
      cdr.attempts.map(({ status }) => status),
      [200],
    )
    assert.type(cdr.ringing_at, 'string')
    assert.type(cdr.answered_at, 'string')
  })
})

InboundCall('hides the caller from the agent whatever headers the caller sends', async () => {
  await overEveryTransport({ edge, caller: 'uac-headers', agents: ['uas-basic'] }, ({ agent, cdr }) => {
    const invite = requestsTo(agent, 'INVITE')[0]
    assert.ok(invite)
    assert.is(invite.header('max-forwards'), '19')
    assert.is(invite.header('x-customer'), '4711')
    assert.is(invite.header('x-note'), '"quoted; text", with comma')
    assert.is(invite.header('user-to-user'), '56a390f3d2b7310023;encoding=hex')
    assert.equal(invite.all('x-signalbox-call-id'), [cdr.call_id])
    assert.not(invite.raw.includes('forged-by-caller'), 'no X-Signalbox header of the caller')
    assert.is(invite.header('p-charging-vector'), undefined)
  })
})

InboundCall('ends on the caller hanging up, with the reason given', async () => {
  await overEveryTransport({ edge, caller: 'uac-bye', agents: ['uas-basic'], holdMs: 200 }, ({ agent, cdr }) => {
    assert.is(requestsTo(agent, 'BYE')[0]?.header('reason'), 'Q.850;cause=16;text="Normal call clearing"')
    assert.is(cdr.ended_by, 'leg_a')
    assert.is(cdr.result, 'answered')
  })
})

InboundCall('ends on the agent hanging up, with the reason given', async () => {
  await overEveryTransport({ edge, caller: 'uac-wait-bye', agents: ['uas-bye'], holdMs: 200 }, ({ caller, cdr }) => {
    const byes = requestsTo(caller, 'BYE')
    assert.is(byes.length, 1)
    assert.is(byes[0]?.header('reason'), 'SIP;cause=200;text="Agent finished"')
    assert.is(cdr.ended_by, 'leg_b')
    assert.is(cdr.result, 'answered')
    assert.ok(cdr.duration_s >= 0.35, `lasted ${cdr.duration_s} s`)
  })
})

InboundCall('relays early media: 183, 180 and 200 as they come, SDP untouched', async () => {
  await overEveryTransport(
    { edge, caller: 'uac-early-media', agents: ['uas-early-media'] },
    ({ caller, agent, cdr }) => {
      const responses = responsesTo(caller, 'INVITE')
      assert.equal(
        responses.map(({ status }) => status),
        [100, 183, 180, 200],
      )
      const sdp = sentBy(agent, 'SIP/2.0 183')[0]?.body
      assert.is(responses[1]?.body, sdp)
      assert.is(responses[2]?.body, '')
      assert.is(responses[3]?.body, sdp)
      const tags = new Set(responses.slice(1).map(({ toTag }) => toTag))
      assert.is(tags.size, 1, 'one dialog on leg A')
      assert.is(cdr.result, 'answered')
    },
  )
})

InboundCall('without an offer gets the offer of the agent, and the agent its answer in the ACK', async () => {
  await overEveryTransport(
    { edge, caller: 'uac-delayed-offer', agents: ['uas-delayed-offer'] },
    ({ caller, agent }) => {
      assert.is(requestsTo(agent, 'INVITE')[0]?.body, '')
      assert.is(requestsTo(agent, 'ACK')[0]?.body, sentBy(caller, 'ACK')[0]?.body)
      assert.is(responsesTo(caller, 'INVITE').at(-1)?.body, sentBy(agent, 'SIP/2.0 200')[0]?.body)
    },
  )
})

InboundCall('is held and resumed by the caller', async () => {
  await overEveryTransport(
    { edge, caller: 'uac-reinvite-hold-resume', agents: ['uas-reinvite'] },
    ({ caller, agent, cdr }) => {
      const offered = sentBy(caller, 'INVITE').map(({ body }) => body)
      assert.equal(
        requestsTo(agent, 'INVITE').map(({ body }) => body),
        offered,
      )
      assert.is(requestsTo(agent, 'ACK').length, 3)
      const answers = sentBy(agent, 'SIP/2.0 200').filter(({ method }) => method === 'INVITE')
      assert.equal(
        responsesTo(caller, 'INVITE')
          .filter(({ status }) => status === 200)
          .map(({ body }) => body),
        answers.map(({ body }) => body),
      )
      assert.is(cdr.result, 'answered')
    },
  )
})

InboundCall('is held and resumed by the agent', async () => {
  await overEveryTransport(
    { edge, caller: 'uac-reinvite', agents: ['uas-reinvite-hold-resume'] },
    ({ caller, agent }) => {
      const offered = sentBy(agent, 'INVITE').map(({ body }) => body)
      assert.is(offered.length, 2)
      assert.equal(
        requestsTo(caller, 'INVITE').map(({ body }) => body),
        offered,
      )
      assert.is(requestsTo(caller, 'ACK').length, 2)
    },
  )
})

InboundCall('relays INFO both ways', async () => {
  await overEveryTransport({ edge, caller: 'uac-info', agents: ['uas-info'] }, ({ caller, agent }) => {
    const [down, up] = [requestsTo(agent, 'INFO')[0], requestsTo(caller, 'INFO')[0]]
    for (const info of [down, up]) assert.is(info?.header('content-type'), 'application/dtmf-relay')
    assert.is(down?.body, sentBy(caller, 'INFO')[0]?.body)
    assert.is(up?.body, sentBy(agent, 'INFO')[0]?.body)
  })
})

InboundCall('relays UPDATE and its answer', async () => {
  await overEveryTransport({ edge, caller: 'uac-update', agents: ['uas-update'] }, ({ caller, agent }) => {
    assert.is(requestsTo(agent, 'UPDATE')[0]?.body, sentBy(caller, 'UPDATE')[0]?.body)
    assert.is(responsesTo(caller, 'UPDATE').length, 1)
  })
})

InboundCall('relays REFER and the NOTIFYs that follow', async () => {
  await overEveryTransport({ edge, caller: 'uac-refer', agents: ['uas-refer'] }, ({ caller, agent }) => {
    assert.is(requestsTo(agent, 'REFER')[0]?.header('refer-to'), '<sip:+13125550142@pbx.example.com>')
    const notifies = requestsTo(caller, 'NOTIFY')
    assert.equal(
      notifies.map((notify) => notify.header('subscription-state')),
      ['active;expires=60', 'terminated;reason=noresource'],
    )
    for (const notify of notifies) assert.is(notify.header('event'), 'refer')
  })
})

InboundCall('relays reliable early media reliably, PRACK on each leg', async () => {
  const options = { edge, caller: 'uac-reliable-early-media', agents: ['uas-reliable-early-media'] }
  await overEveryTransport(options, ({ caller, agent }) => {
    const early = responsesTo(caller, 'INVITE').find(({ status }) => status === 183)
    assert.match(early?.header('require') ?? '', /100rel/)
    assert.is(early?.body, sentBy(agent, 'SIP/2.0 183')[0]?.body)
    assert.is(requestsTo(agent, 'PRACK').length, 1)
    const order = caller.trace.filter(({ sent, status }) => !sent && status === 200).map(({ method }) => method)
    assert.equal(order, ['PRACK', 'INVITE', 'BYE'])
  })
})

InboundCall('with an offer longer than a packet reaches its agent whole', async () => {
  await overEveryTransport({ edge, caller: 'uac-long-sdp', agents: ['uas-basic'] }, ({ caller, agent }) => {
    const offer = sentBy(caller, 'INVITE')[0]?.body ?? ''
    assert.ok(offer.length > 2_500, `${offer.length} bytes`)
    assert.is(requestsTo(agent, 'INVITE')[0]?.body, offer)
  })
})

InboundCall('with an offer longer than a packet goes by TCP to an agent whose address names no transport', async () => {
  const number = freshNumber()
  const uas = await Sipp.start({ scenario: 'uas-basic', address: AGENT, protocol: 'tcp' })
  await edge.addNumber(number, 'tcp-agent', [`sip:agent@${AGENT}:${uas.port}`])
  const caller = await runSipp({ scenario: 'uac-long-sdp', address: CALLER, target: edge.sip, service: number })
  const agent = await uas.finished
  assert.is(caller.exitCode, 0, caller.errors)
  assert.is(agent.exitCode, 0, agent.errors)
  assert.is(requestsTo(agent, 'INVITE')[0]?.body, sentBy(caller, 'INVITE')[0]?.body)
})

InboundCall('is ended on both legs by DELETE /v1/calls/{id}', async () => {
  const number = freshNumber()
  const uas = await Sipp.start({ scenario: 'uas-basic', address: AGENT })
  await edge.addNumber(number, 'ended', [`sip:agent@${AGENT}:${uas.port}`])
  const uac = await Sipp.start({ scenario: 'uac-wait-bye', address: CALLER, target: edge.sip, service: number })
  const call = await eventually('the call is up', async () => {
    const { items } = await edge.must<{ items: LiveCall[] }>('GET', '/v1/calls')
    return items.find((live) => live.phone_number === number && live.state === 'answered')
  })
  await edge.must('DELETE', `/v1/calls/${call.call_id}`)
  assert.is((await uac.finished).exitCode, 0)
  assert.is((await uas.finished).exitCode, 0)
  const cdr = await onlyCdr(edge, number)
  assert.is(cdr.call_id, call.call_id)
  assert.is(cdr.ended_by, 'edge')
  assert.is((await edge.must<{ state: string }>('GET', `/v1/calls/${call.call_id}`)).state, 'ended')
})

for (const protocol of ['udp', 'tcp'] as const)
  InboundCall(`an OPTIONS ping over ${protocol.toUpperCase()} is answered by the edge itself`, async () => {
    const result = await runSipp({ scenario: 'uac-options', address: CALLER, protocol, target: edge.sip })
    assert.is(result.exitCode, 0, result.errors)
    assert.equal(
      responsesTo(result, 'OPTIONS').map(({ status }) => status),
      [200],
    )
  })

InboundCall('counts: calls by result, the delay we add, setup time, and nothing is left', async () => {
  const samples = await edge.metrics()
  const answered = samples.count('signalbox_calls_total', { direction: 'inbound', result: 'answered' })
  assert.is(answered, 13 * 4 + 2)
  assert.is(samples.count('signalbox_calls_total'), answered)
  assert.is(samples.count('signalbox_setup_seconds_count'), answered)
  assert.is(samples.count('signalbox_invite_relay_seconds_count'), answered)
  assert.ok(samples.count('signalbox_sip_messages_total', { method: 'INVITE' }) > 0)
  assert.equal(await edge.settle(15_000), {})
})

InboundCall.run()
