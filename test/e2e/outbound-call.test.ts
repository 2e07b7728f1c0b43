import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Cdr } from '../../src/model/call.js'
import { freshNumber } from '../support/call.js'
import { Carrier } from '../support/carrier.js'
import { AGENT, TestEdge } from '../support/edge.js'
import { eventually } from '../support/eventually.js'
import { type FarCall, type PlaceOptions, sdp } from '../support/far-call.js'
import type { FarProtocol, Heard, Way } from '../support/far-end.js'
import { NameServer } from '../support/name-server.js'
import { runSipp } from '../support/sipp.js'

const CARRIER = '127.0.0.4'
const SECOND = '127.0.0.6'
/** An address that no agent may call from. */
const ELSEWHERE = '127.0.0.5'
const DESTINATION = '+13125550199'
const DOMAIN = 'pbx.example.com'
const USER = 'line-user'
const PASSWORD = 'secret of the line'
const SERVICE = 'service.example.net'

const OutboundCall = suite('A call of an agent')

let names: NameServer
let edge: TestEdge
let agent: Carrier
let elsewhere: Carrier
/** Challenges what comes to it; its further servers do not. */
let carrier: Carrier
let plain: Carrier
let second: Carrier

OutboundCall.before(async () => {
  names = await NameServer.start()
  edge = await TestEdge.start({
    env: {
      SIGNALBOX__SIP__T1_MS: '100',
      SIGNALBOX__TRUNKS__SILENCE_MS: '300',
      SIGNALBOX__TRUNKS__AVOID_FAILED_S: '0',
      SIGNALBOX__DNS__SERVERS: names.address,
      // SIPp reads the first challenge only, and knows MD5 alone.
      SIGNALBOX__SIP__DIGEST_ALGORITHMS: 'MD5',
    },
  })
  const auth = { realm: 'carrier', users: { [USER]: PASSWORD }, algorithms: ['SHA-256', 'MD5'] as const }
  ;[agent, elsewhere, carrier, plain, second] = await Promise.all([
    Carrier.open({ address: AGENT }),
    Carrier.open({ address: ELSEWHERE }),
    Carrier.open({ address: CARRIER, auth }),
    Carrier.open({ address: CARRIER }),
    Carrier.open({ address: SECOND }),
  ])
  names.srv(`_sip._udp.${SERVICE}`, [
    { priority: 1, weight: 1, port: plain.port, target: `a.${SERVICE}` },
    { priority: 2, weight: 1, port: second.port, target: `b.${SERVICE}` },
  ])
  names.a(`a.${SERVICE}`, [CARRIER])
  names.a(`b.${SERVICE}`, [SECOND])
})

OutboundCall.after(async () => {
  await edge.stop()
  await Promise.all([agent, elsewhere, carrier, plain, second].map((end) => end.close()))
  await names.stop()
})

OutboundCall.before.each(() => {
  for (const end of [carrier, plain, second]) {
    end.end.heard.length = 0
    Object.assign(end.calls, {
      provisional: [100, 180],
      outcome: 'answer',
      headers: [],
      answerAfterMs: 0,
      challengeInDialog: [],
    })
  }
})

interface Line {
  readonly number: string
  readonly agentId: string
}

/** An agent at 127.0.0.3 and a number of its own on a trunk of its own. */
async function addLine(
  number: Record<string, unknown>,
  more: { readonly agent?: Record<string, unknown>; readonly trunk?: Record<string, unknown> } = {},
): Promise<Line> {
  const phoneNumber = freshNumber()
  const agentId = `caller-${phoneNumber.slice(1)}`
  await edge.must('PUT', `/v1/agents/${agentId}`, {
    sip_uri: `sip:agent@${AGENT}:${agent.port}`,
    allowed_addresses: [`${AGENT}/32`],
    ...more.agent,
  })
  await edge.must('POST', '/v1/numbers', {
    phone_number: phoneNumber,
    sip_domain: DOMAIN,
    outbound_agent_ids: [agentId],
    ...number,
  })
  // Seen by routing.
  await eventually('the number may be presented', async () => {
    const { body } = await edge.api<{ outbound_agent_ids?: string[] }>(
      'GET',
      `/v1/numbers/${encodeURIComponent(phoneNumber)}`,
    )
    return body.outbound_agent_ids?.includes(agentId)
  })
  return { number: phoneNumber, agentId }
}

const proxyOf = (end: Carrier, protocol: FarProtocol = 'udp'): string =>
  `sip:${end.address}:${end.port};transport=${protocol}`

/** The agent's INVITE to the destination, presenting its number. */
async function place(
  { number }: Line,
  more: Partial<PlaceOptions> & { readonly by?: Carrier; readonly protocol?: FarProtocol; readonly to?: string } = {},
): Promise<FarCall> {
  const { by = agent, protocol = 'udp', to = DESTINATION } = more
  const way: Way = protocol === 'tcp' ? await by.end.connect(edge.sip) : { protocol, remote: edge.sip, connection: 0 }
  return by.place(`sip:${to}@${edge.sip.address}:${edge.sip.port}`, way, {
    from: `${number}@agent.local`,
    to: `${to}@${edge.sip.address}`,
    ...(more.headers === undefined ? {} : { headers: more.headers }),
    ...(more.body === undefined ? {} : { body: more.body }),
  })
}

const recordOf = (call: FarCall): Promise<Cdr> => edge.cdrOfLegA(call.callId)
const invites = (end: Carrier): Heard[] => end.requests('INVITE')
const only = (end: Carrier): FarCall => {
  const calls = [...end.dialogs.values()].filter(({ callId }) =>
    invites(end).some(({ message }) => message.callId === callId),
  )
  assert.is(calls.length, 1, 'one call at the carrier')
  return calls[0]!
}

/** Nothing that the carrier hears of a call names the agent's side. */
function assertHidden(end: Carrier): void {
  for (const { message } of end.end.heard) {
    assert.not(message.head.includes(AGENT), message.head)
    assert.not(message.head.toLowerCase().includes('x-signalbox'), message.head)
  }
}

OutboundCall(
  'reaches a carrier that challenges it, through the outbound proxy over TCP and by nothing else',
  async () => {
    carrier.calls.provisional = [100, 183, 180]
    carrier.calls.challengeInDialog = ['BYE', 'INVITE']
    const line = await addLine({
      outbound_proxy: proxyOf(carrier, 'tcp'),
      username: 'line',
      auth_username: USER,
      password: PASSWORD,
    })
    const call = await place(line, { headers: ['X-Customer: 4711', 'User-to-User: 56a3'] })
    const answer = await call.answered(200)
    const early = await call.answered(183)
    assert.match(early.message.body, /x-early/)
    assert.is(answer.message.body, sdp(CARRIER))
    const far = only(carrier)
    await eventually('the ACK', () => far.acknowledged)

    const [first, retry, ...more] = invites(carrier)
    assert.is(more.length, 0)
    assert.ok(first !== undefined && retry !== undefined)
    for (const { message } of [first, retry]) {
      assert.is(message.requestUri, `sip:${DESTINATION}@${DOMAIN}`)
      assert.match(message.header('from') ?? '', new RegExp(`^<sip:\\${line.number}@${DOMAIN}>;tag=`))
      assert.is(message.header('to'), `<sip:${DESTINATION}@${DOMAIN}>`)
      assert.is(message.header('max-forwards'), '69')
      assert.is(message.header('user-to-user'), '56a3')
      assert.is(message.header('x-customer'), undefined)
      assert.is(message.body, sdp(AGENT), 'the offer, byte for byte')
    }
    assert.is(retry.message.callId, first.message.callId)
    assert.is(retry.message.header('from'), first.message.header('from'))
    assert.is(parseInt(retry.message.header('cseq') ?? ''), parseInt(first.message.header('cseq') ?? '') + 1)
    assert.is(carrier.withCredentials('INVITE').length, 1)

    // Hold from either side, challenged on the way to the carrier; then the agent hangs up.
    call.send('INVITE', sdp(AGENT, ['a=sendonly']))
    await eventually('the re-INVITE at the carrier', () => carrier.withCredentials('INVITE').length === 2)
    await eventually('its 200', () => call.responses.filter(({ message }) => message.status === 200).length === 2)
    far.send('INVITE', sdp(CARRIER, ['a=inactive']))
    const held = await call.heard('INVITE')
    assert.match(held.message.body, /a=inactive/)
    await far.answered(200)
    call.send('BYE')
    assert.is((await call.final('BYE')).message.status, 200)
    await eventually('a BYE with credentials', () => carrier.withCredentials('BYE').length === 1)

    for (const { protocol } of carrier.end.heard) assert.is(protocol, 'tcp')
    assert.equal(carrier.complaints, [])
    assertHidden(carrier)
    const cdr = await recordOf(call)
    assert.equal(
      [cdr.result, cdr.direction, cdr.from, cdr.to, cdr.phone_number, cdr.agent_id],
      ['answered', 'outbound', line.number, DESTINATION, line.number, line.agentId],
    )
    assert.equal([cdr.leg_a_status, cdr.leg_b_status, cdr.ended_by], [200, 200, 'leg_a'])
    assert.equal(
      cdr.attempts.map(({ target, status }) => [target, status]),
      [[`sip:${CARRIER}:${carrier.port};transport=tcp`, 200]],
    )
  },
)

OutboundCall('ends when the carrier hangs up, over UDP too', async () => {
  const line = await addLine({ outbound_proxy: proxyOf(plain) })
  const call = await place(line, { protocol: 'tcp' })
  await call.answered(200)
  const far = only(plain)
  await eventually('the ACK', () => far.acknowledged)
  far.send('BYE')
  await call.heard('BYE')
  assert.is((await far.final('BYE')).message.status, 200)
  const cdr = await recordOf(call)
  assert.equal([cdr.result, cdr.ended_by], ['answered', 'leg_b'])
  assertHidden(plain)
})

OutboundCall('gets the carrier’s own answer when that is definitive', async () => {
  const line = await addLine({ outbound_proxy: proxyOf(plain) })
  for (const [status, result] of [
    [486, 'destination_busy'],
    [404, 'destination_refused'],
    [488, 'destination_refused'],
    [500, 'destination_refused'],
    [603, 'destination_declined'],
  ] as const) {
    plain.calls.outcome = status
    plain.calls.headers = ['Reason: Q.850;cause=17;text="User busy"']
    const call = await place(line)
    const { message } = await call.final('INVITE')
    assert.is(message.status, status)
    assert.match(message.header('reason') ?? '', new RegExp(`^Q\\.850;cause=17.*${result.toUpperCase()}`))
    const cdr = await recordOf(call)
    assert.equal([cdr.result, cdr.leg_a_status, cdr.leg_b_status, cdr.ended_by], [result, status, status, 'leg_b'])
  }
})

OutboundCall('goes to the next server by SRV on 503, and when one is silent', async () => {
  const line = await addLine({ outbound_proxy: `sip:${SERVICE}` })
  for (const outcome of [503, 'silent'] as const) {
    plain.calls.outcome = outcome
    plain.calls.provisional = [100]
    plain.end.heard.length = second.end.heard.length = 0
    const call = await place(line)
    await call.answered(200)
    const [one] = invites(plain)
    const [other] = invites(second)
    assert.is(one?.message.callId, other?.message.callId)
    assert.is(other?.message.requestUri, `sip:${DESTINATION}@${DOMAIN}`)
    assert.not.equal(one?.message.header('via'), other?.message.header('via'))
    call.send('BYE')
    const cdr = await recordOf(call)
    assert.equal(
      cdr.attempts.map(({ target, status }) => [target, status]),
      [
        [`sip:${CARRIER}:${plain.port};transport=udp`, outcome === 503 ? 503 : 0],
        [`sip:${SECOND}:${second.port};transport=udp`, 200],
      ],
    )
  }
  plain.calls.outcome = second.calls.outcome = 503
  second.calls.provisional = [100]
  const call = await place(line)
  assert.is((await call.final('INVITE')).message.status, 503)
  assert.is((await recordOf(call)).result, 'trunk_overloaded')
})

OutboundCall('ends with 504 when no server says anything, and with 503 when none can be reached', async () => {
  plain.calls.outcome = 'silent'
  const silent = await place(await addLine({ outbound_proxy: proxyOf(plain) }))
  assert.is((await silent.final('INVITE', 15_000)).message.status, 504)
  assert.is((await recordOf(silent)).result, 'trunk_timeout')
  const nobody = await place(await addLine({ outbound_proxy: `sip:${CARRIER}:1;transport=tcp` }))
  assert.is((await nobody.final('INVITE')).message.status, 503)
  assert.is((await recordOf(nobody)).result, 'trunk_unreachable')
})

OutboundCall('follows a 302 by way of the same server', async () => {
  const answers = plain.end.onRequest
  plain.end.onRequest = (heard) => {
    const isFirst =
      heard.message.method === 'INVITE' && heard.message.toTag === '' && !heard.message.requestUri.includes('moved')
    if (!isFirst) return answers?.(heard)
    plain.end.answer(heard, 302, 'Moved Temporarily', { headers: ['Contact: <sip:moved@192.0.2.99:5077>'] })
  }
  try {
    const call = await place(await addLine({ outbound_proxy: proxyOf(plain) }))
    await call.answered(200)
    assert.equal(
      invites(plain).map(({ message }) => message.requestUri),
      [`sip:${DESTINATION}@${DOMAIN}`, 'sip:moved@192.0.2.99:5077'],
    )
    call.send('BYE')
    assert.equal(
      (await recordOf(call)).attempts.map(({ status }) => status),
      [302, 200],
    )
  } finally {
    plain.end.onRequest = answers
  }
})

OutboundCall('is cancelled at the carrier when the agent hangs up', async () => {
  plain.calls.outcome = 'answer'
  plain.calls.answerAfterMs = 5_000
  const call = await place(await addLine({ outbound_proxy: proxyOf(plain) }))
  await call.answered(180)
  agent.end.send(
    [
      `CANCEL ${call.invite.requestUri} SIP/2.0`,
      ...['Via', 'From', 'To', 'Call-ID'].map((name) => `${name}: ${call.invite.header(name) ?? ''}`),
      'CSeq: 1 CANCEL',
      'Max-Forwards: 70',
      'Content-Length: 0',
      '',
      '',
    ].join('\r\n'),
    { protocol: 'udp', remote: edge.sip, connection: 0 },
  )
  assert.is((await call.final('INVITE')).message.status, 487)
  await only(plain).heard('CANCEL')
  const cdr = await recordOf(call)
  assert.equal([cdr.result, cdr.leg_a_status, cdr.leg_b_status], ['caller_cancelled', 487, 487])
})

OutboundCall('says who calls as its trunk wants it, and nothing to the destination on request', async () => {
  const rows: [Record<string, unknown>, string[], RegExp, Record<string, RegExp>][] = [
    [{ number_format: 'e164' }, [], /^<sip:1415\d+@pbx\.example\.com>/, {}],
    [
      { caller_id: 'p-asserted-identity', from_user: 'sipid', from_domain: 'trunk.example.org' },
      [],
      /^<sip:sipid@trunk\.example\.org>/,
      { 'p-asserted-identity': /^<sip:\+1415\d+@trunk\.example\.org>$/ },
    ],
    [
      { caller_id: 'remote-party-id' },
      ['Privacy: id'],
      /^"?Anonymous"? <sip:anonymous@anonymous\.invalid>/,
      { 'remote-party-id': /privacy=full/, privacy: /^id$/ },
    ],
  ]
  for (const [trunk, headers, from, others] of rows) {
    plain.end.heard.length = 0
    const call = await place(await addLine({ outbound_proxy: proxyOf(plain), ...trunk }), { headers })
    await call.answered(200)
    const { message } = invites(plain)[0]!
    assert.match(message.header('from') ?? '', from)
    for (const [name, value] of Object.entries(others)) assert.match(message.header(name) ?? '', value)
    assertHidden(plain)
    call.send('BYE')
    await recordOf(call)
  }
})

OutboundCall('is refused with the code that says why, before anything reaches the carrier', async () => {
  const line = await addLine({ outbound_proxy: proxyOf(plain) })
  const rows: [string, number, () => Promise<FarCall>][] = [
    ['caller_id_not_allowed', 403, () => place({ ...line, number: '+14155559999' })],
    ['caller_id_missing', 403, () => place(line, { headers: ['X-Signalbox-Number: '] })],
    ['destination_impossible', 484, () => place(line, { to: '12345678' })],
    ['destination_not_allowed', 403, () => place(line, { to: '200' })],
  ]
  for (const [result, status, call] of rows) {
    const placed = await call()
    assert.is((await placed.final('INVITE')).message.status, status, result)
    const cdr = await recordOf(placed)
    assert.is(cdr.result, result)
    assert.type(cdr.explanation?.trace.nearest_miss, 'string')
  }
  // From an address that is nobody's it is no call, whatever it says of itself.
  for (const headers of [[], [`X-Signalbox-Number: ${line.number}`]]) {
    const placed = await place(line, { by: elsewhere, headers })
    assert.is((await placed.final('INVITE')).message.status, 403)
    assert.equal(
      (await edge.allCdrs()).filter(({ leg_a_call_id }) => leg_a_call_id === placed.callId),
      [],
    )
  }
  assert.is(invites(plain).length, 0)
})

OutboundCall('holds the limits of its agent and of its trunk', async () => {
  const line = await addLine({ outbound_proxy: proxyOf(plain), channel_limit: 1 })
  const first = await place(line)
  await first.answered(200)
  const full = await place(line)
  assert.is((await full.final('INVITE')).message.status, 503)
  assert.is((await recordOf(full)).result, 'trunk_channels_full')
  first.send('BYE')
  await recordOf(first)
  const next = await place(line)
  await next.answered(200)
  next.send('BYE')
  await recordOf(next)

  const quick = await addLine({ outbound_proxy: proxyOf(plain), cps_limit: 0.1 })
  const one = await place(quick)
  await one.answered(200)
  one.send('BYE')
  const soon = await place(quick)
  const { message } = await soon.final('INVITE')
  assert.equal([message.status, message.header('retry-after')], [503, '1'])
  assert.is((await recordOf(soon)).result, 'trunk_rate_limited')
})

OutboundCall('from anywhere is taken with the credentials of its agent, and refused with wrong ones', async () => {
  const auth = { username: 'front-user', password: 'front secret' }
  const line = await addLine({ outbound_proxy: proxyOf(plain) }, { agent: { allowed_addresses: [], auth } })
  const sipp = (password: string) =>
    runSipp({
      scenario: 'uac-agent-digest',
      address: ELSEWHERE,
      target: edge.sip,
      service: DESTINATION,
      args: ['-key', 'number', line.number, '-au', auth.username, '-ap', password],
    })
  const good = await sipp(auth.password)
  assert.is(good.exitCode, 0, good.errors)
  await eventually('its record', async () => (await edge.cdrs(line.number)).length > 0)
  const [cdr] = await edge.cdrs(line.number)
  assert.equal([cdr?.result, cdr?.agent_id], ['answered', line.agentId])
  const trace = cdr?.explanation?.trace
  assert.is(trace?.identified_by, 'digest')
  assert.not.equal((await sipp('wrong')).exitCode, 0)
  const records = await edge.allCdrs()
  assert.is(records[0]?.result, 'agent_credentials_refused')
  assert.is((await edge.metrics()).sum('signalbox_challenges_total', { of: 'agent' }), 2)
  assert.not(edge.output.includes(auth.password))
})

OutboundCall('leaves nothing behind', async () => {
  assert.equal(await edge.settle(20_000), {})
})

OutboundCall.run()
