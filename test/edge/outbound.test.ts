import { createHash } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { TrunkProof } from '../../src/edge/trunk-auth.js'
import type { VerdictCode } from '../../src/model/verdict.js'
import { digestParams } from '../support/far-digest.js'
import { NUMBER, turn } from './bench.js'
import { DESTINATION, OutboundBench, PASSWORD } from './outbound-bench.js'
import type { Incoming } from './scripted-server.js'
import { ANSWER, type Given, SDP } from './scripted-server.js'

const OutboundCalls = suite('A call of an agent')

const md5 = (...texts: string[]): string => createHash('md5').update(texts.join(':')).digest('hex')

/** The Authorization that answers the MD5 challenge of a 401. */
function credentialsFor(given: Given | undefined, username: string, password: string, to = DESTINATION): string {
  const challenges = Object.entries(given?.headers ?? {})
    .filter(([name]) => name.toLowerCase() === 'www-authenticate')
    .map(([, value]) => digestParams(value))
  const challenge = challenges.find((params) => params.get('algorithm') === 'MD5')
  const [realm, nonce] = [challenge?.get('realm') ?? '', challenge?.get('nonce') ?? '']
  const uri = `sip:${to}@127.0.0.1`
  const response = md5(md5(username, realm, password), nonce, '00000001', 'c', 'auth', md5('INVITE', uri))
  return `Digest username="${username}", realm="${realm}", nonce="${nonce}", uri="${uri}", response="${response}", algorithm=MD5, qop=auth, nc=00000001, cnonce="c"`
}

OutboundCalls('goes from its address to the trunk of the number it presents, and is recorded once', async () => {
  const agents = new OutboundBench()
  const { bench } = agents
  const { invite, a, b, out } = await agents.answered()
  assert.is(out.uri, `sip:${DESTINATION}@pbx.example.com`)
  assert.is(out.options.proxy, 'sip:192.0.2.1:5060;transport=udp')
  assert.match(out.header('From') ?? '', new RegExp(`^"Ann" <sip:\\${NUMBER}@pbx\\.example\\.com>;tag=`))
  assert.is(out.header('Max-Forwards'), '69')
  assert.is(out.options.body, SDP)
  assert.equal(invite.statuses, [200])
  assert.is(invite.final?.body, ANSWER)
  assert.is(bench.active, 1)
  assert.is(bench.calls.count('outbound'), 1)
  bench.clock.advance(5_000)
  a.hangUp()
  assert.is(b.byes.length, 1)
  const { cdr } = bench
  assert.equal(
    [cdr.direction, cdr.from, cdr.to, cdr.phone_number, cdr.trunk_id, cdr.agent_id, cdr.account_id],
    ['outbound', NUMBER, DESTINATION, NUMBER, 'pbx-1', 'front', 'default'],
  )
  assert.equal(
    [cdr.result, cdr.ended_by, cdr.leg_a_status, cdr.leg_b_status, cdr.duration_s],
    ['answered', 'leg_a', 200, 200, 5],
  )
  assert.equal(
    cdr.attempts.map(({ target, status }) => [target, status]),
    [['sip:192.0.2.1:5060;transport=udp', 200]],
  )
  const trace = cdr.explanation?.trace
  assert.ok(trace !== undefined && 'agents_tried' in trace)
  assert.is(trace.identified_by, 'address')
  assert.equal(trace.agents_tried, [{ agent_id: 'front', matched: true, why: '127.0.0.1 is in 127.0.0.1/32' }])
  assert.equal(trace.presented, { source: 'From', value: NUMBER, normalised: [NUMBER], found: NUMBER })
  assert.equal(bench.counted, [{ labels: { direction: 'outbound', result: 'answered' } }])
  assert.is(bench.leaks, '')
})

OutboundCalls('is told as outbound from its start', async () => {
  const agents = new OutboundBench()
  await agents.call()
  agents.bench.server.last.ring()
  assert.equal(
    agents.bench.events.map((event) => [
      event.type,
      event.data !== undefined && 'direction' in event.data && event.data.direction,
    ]),
    [
      ['call.started', 'outbound'],
      ['call.ringing', 'outbound'],
    ],
  )
})

OutboundCalls('presents the number of X-Signalbox-Number over that of From', async () => {
  for (const [name, value] of [
    ['X-Signalbox-Number', NUMBER],
    ['x-signalbox-number', '<sip:+14155550100@edge>'],
    ['X-Signalbox-Number', 'tel:+1-415-555-0100'],
  ] as const) {
    const agents = new OutboundBench()
    await agents.call(OutboundBench.invite({ From: '<sip:front@agent.local>;tag=1', [name]: value }))
    const { out } = agents.bench.server
    assert.is(out.length, 1, value)
    assert.match(out[0]?.header('From') ?? '', /\+14155550100@pbx/)
    assert.not(JSON.stringify(out[0]?.options.headers).toLowerCase().includes('signalbox-number'))
    assert.is(agents.bench.routed.length, 0, 'inbound routing is not asked')
  }
})

OutboundCalls('hides its number from the destination on request', async () => {
  for (const lines of [
    { Privacy: 'id' },
    { Privacy: 'header;critical' },
    { From: '"Anonymous" <sip:anonymous@anonymous.invalid>;tag=1', 'P-Preferred-Identity': `<sip:${NUMBER}@agent>` },
    { From: '<sip:Anonymous@agent.local>;tag=1', 'X-Signalbox-Number': NUMBER },
  ]) {
    const agents = new OutboundBench()
    await agents.call(OutboundBench.invite(lines))
    const out = agents.bench.server.last
    assert.match(
      out.header('From') ?? '',
      /^"Anonymous" <sip:anonymous@anonymous\.invalid>;tag=/,
      JSON.stringify(lines),
    )
    assert.is(out.header('P-Preferred-Identity'), `<sip:${NUMBER}@pbx.example.com>`)
    assert.is(out.header('Privacy'), 'id')
  }
})

OutboundCalls('lets nothing of the agent’s through but the headers its trunk allows', async () => {
  const agents = new OutboundBench({ pass_headers: ['X-Customer'] })
  await agents.call(
    OutboundBench.invite({
      'X-Customer': '4711',
      'X-Secret': 'agent',
      'User-to-User': 'abc',
      'User-Agent': 'agent-secret/1',
      Route: '<sip:agent-secret>',
      'Call-ID': 'agent-secret',
      Contact: '<sip:front@agent-secret:5071>',
      Diversion: '<sip:agent-secret@x>',
    }),
  )
  const { headers } = agents.bench.server.last.options
  assert.is(headers['X-Customer'], '4711')
  assert.is(headers['User-to-User'], 'abc')
  assert.is(headers['User-Agent'], 'signalbox')
  assert.not(JSON.stringify(headers).includes('agent-secret'))
  assert.is(headers['X-Secret'], undefined)
  assert.is(headers['Contact'], undefined)
})

OutboundCalls('lets no more through once it is answered; the trunk’s headers reach the agent', async () => {
  const agents = new OutboundBench({ pass_headers: ['X-Customer'] })
  const { a, b } = await agents.answered()
  a.receive('INFO', { 'X-Customer': '4711', 'X-Secret': 'agent', 'User-to-User': 'abc' })
  const asked = b.sent[0]?.request.headers ?? {}
  assert.equal([asked['X-Customer'], asked['X-Secret'], asked['User-to-User']], ['4711', undefined, 'abc'])
  const held = b.receive('INFO', { 'X-Trunk': 't' })
  assert.is(a.sent[0]?.request.headers['X-Trunk'], 't')
  a.sent[0]?.respond(200, 'OK', { 'X-Customer': '4711', 'X-Secret': 'agent' })
  assert.equal(held.final?.headers, { 'X-Customer': '4711' })
  a.hangUp({ 'X-Customer': '4711', 'X-Secret': 'agent', Reason: 'Q.850;cause=16' })
  assert.equal(b.byes, [{ Reason: 'Q.850;cause=16', 'X-Customer': '4711' }])
})

OutboundCalls('gets the trunk’s own answer when that is definitive, with our code beside it', async () => {
  for (const [status, phrase, result] of [
    [486, 'Busy Here', 'destination_busy'],
    [404, 'No Such Number', 'destination_refused'],
    [484, 'Address Incomplete', 'destination_refused'],
    [488, 'Not Acceptable Here', 'destination_refused'],
    [500, 'Gateway Failure', 'destination_refused'],
    [603, 'Decline', 'destination_declined'],
  ] as const) {
    const agents = new OutboundBench()
    const invite = await agents.call()
    agents.bench.server.last.refuse(status, phrase, {
      Reason: 'Q.850;cause=17;text="User busy", X;cause=1',
      Warning: '305 10.1.2.3:5060 "Because"',
      Contact: '<sip:x@10.1.2.3>',
    })
    assert.equal([invite.final?.status, invite.final?.reason], [status, phrase])
    const { Reason, Warning } = invite.final?.headers ?? {}
    assert.is(Reason, `Q.850;cause=17;text="User busy", SIP;cause=${status};text="${result.toUpperCase()}"`)
    assert.is(Warning, '305 signalbox "Because"')
    const { cdr } = agents.bench
    assert.equal([cdr.result, cdr.ended_by, cdr.leg_a_status, cdr.leg_b_status], [result, 'leg_b', status, status])
    assert.is(agents.bench.server.out.length, 1)
    assert.is(agents.bench.leaks, '')
  }
})

OutboundCalls('gets a verdict of ours for what is between us and the trunk', async () => {
  for (const [status, ours, result] of [
    [401, 503, 'trunk_auth_refused'],
    [407, 503, 'trunk_auth_refused'],
    [305, 503, 'trunk_redirected'],
  ] as const) {
    const agents = new OutboundBench()
    const invite = await agents.call()
    agents.bench.server.last.refuse(status, 'No', { 'Proxy-Authenticate': 'Digest realm="x"' })
    assert.is(invite.final?.status, ours)
    assert.is(invite.final?.headers['Proxy-Authenticate'], undefined)
    assert.is(agents.bench.cdr.result, result)
  }
  const agents = new OutboundBench()
  const invite = await agents.call()
  agents.bench.server.last.refuse(503)
  agents.bench.server.last.refuse(503)
  assert.is(invite.final?.status, 503)
  assert.is(agents.bench.cdr.result, 'trunk_overloaded')
  assert.is(agents.bench.cdr.attempts.length, 2)
  assert.is(agents.bench.leaks, '')
})

OutboundCalls('hears early media, and one answer although two servers were tried', async () => {
  const agents = new OutboundBench()
  const invite = await agents.call()
  agents.bench.server.last.refuse(503)
  agents.bench.server.last.ring(183, {}, ANSWER, 'Session Progress')
  agents.bench.server.last.answer()
  assert.equal(invite.statuses, [183, 200])
  assert.is(invite.given[0]?.body, ANSWER)
  assert.is(agents.bench.cdrs.length, 0)
})

OutboundCalls('is cancelled at the trunk when the agent hangs up', async () => {
  const agents = new OutboundBench()
  const invite = await agents.call()
  agents.bench.server.last.ring()
  invite.cancel({ Reason: 'SIP;cause=487;text="Gone"' })
  assert.equal(agents.bench.server.last.cancelled, { Reason: 'SIP;cause=487;text="Gone"' })
  agents.bench.server.last.refuse(487)
  assert.equal([agents.bench.cdr.result, agents.bench.cdr.leg_b_status], ['caller_cancelled', 487])
  assert.is(agents.bench.leaks, '')
})

OutboundCalls('that hangs up before it is dialled is dialled no more', async () => {
  const agents = new OutboundBench()
  const invite = OutboundBench.invite()
  agents.bench.server.receive(invite)
  invite.cancel()
  for (let i = 0; i < 12; i++) await turn()
  assert.is(agents.bench.server.out.length, 0)
  assert.is(agents.bench.cdr.result, 'caller_cancelled')
  assert.is(agents.bench.leaks, '')
})

OutboundCalls('rings as long as it may', async () => {
  const agents = new OutboundBench()
  const invite = await agents.call()
  agents.bench.server.last.ring()
  agents.bench.clock.advance(60_000)
  agents.bench.server.last.refuse(487)
  assert.is(invite.final?.status, 480)
  assert.equal([agents.bench.cdr.result, agents.bench.cdr.ended_by], ['destination_no_answer', 'edge'])
  assert.is(agents.bench.leaks, '')
})

OutboundCalls('carries a delayed offer both ways, and re-INVITEs from either side', async () => {
  const agents = new OutboundBench()
  const { bench } = agents
  const invite = await agents.call(OutboundBench.invite({ 'Content-Type': '' }, ''))
  bench.server.last.offer()
  assert.is(invite.final?.body, ANSWER)
  const [a] = bench.server.callerDialogs
  a?.acknowledge(SDP)
  assert.is(bench.server.last.acked, SDP)
  const b = bench.server.last.dialog
  const held = a?.receive('INVITE', { 'Content-Type': 'application/sdp' }, SDP)
  b?.sent[0]?.respond(200, 'OK', {}, ANSWER)
  assert.is(held?.final?.body, ANSWER)
  a?.acknowledge('', { CSeq: held?.header('cseq')?.replace('INVITE', 'ACK') ?? '' })
  const refreshed = b?.receive('INVITE', { 'Content-Type': 'application/sdp' }, ANSWER)
  a?.sent[0]?.respond(200, 'OK', {}, SDP)
  assert.is(refreshed?.final?.body, SDP)
  b?.hangUp()
  assert.is(a?.byes.length, 1)
  assert.equal([bench.cdr.result, bench.cdr.ended_by], ['answered', 'leg_b'])
  assert.is(bench.leaks, '')
})

const refusals: [string, VerdictCode, number, (bench: OutboundBench) => Incoming][] = [
  [
    'a number that does not list it',
    'CALLER_ID_NOT_ALLOWED',
    403,
    ({ routing }) => {
      routing.addNumber(NUMBER, { outbound_agent_ids: [] })
      return OutboundBench.invite()
    },
  ],
  ['no number', 'CALLER_ID_MISSING', 403, () => OutboundBench.invite({ From: '<sip:agent.local>;tag=1' })],
  ['a name', 'CALLER_ID_NOT_ALLOWED', 403, () => OutboundBench.invite({ From: '<sip:ann@agent.local>;tag=1' })],
  ['no possible number to call', 'DESTINATION_IMPOSSIBLE', 484, () => OutboundBench.invite({}, SDP, '12345678')],
  ['an extension it may not call', 'DESTINATION_NOT_ALLOWED', 403, () => OutboundBench.invite({}, SDP, '200')],
  [
    'a trunk without a destination',
    'TRUNK_NOT_USABLE',
    503,
    ({ routing }) => {
      routing.addTrunk('pbx-1', {})
      return OutboundBench.invite()
    },
  ],
  [
    'a trunk without a free channel',
    'TRUNK_CHANNELS_FULL',
    503,
    (bench) => {
      bench.met = { of: 'trunk', id: 'pbx-1', limit: 'channel_limit' }
      bench.routing.addTrunk('pbx-1', { sip_domain: 'pbx.example.com', channel_limit: 1 })
      return OutboundBench.invite()
    },
  ],
  [
    'a trunk with too many calls a second',
    'TRUNK_RATE_LIMITED',
    503,
    (bench) => {
      bench.met = { of: 'trunk', id: 'pbx-1', limit: 'cps_limit' }
      bench.routing.addTrunk('pbx-1', { sip_domain: 'pbx.example.com', cps_limit: 1 })
      return OutboundBench.invite()
    },
  ],
  ['no Contact', 'REQUEST_UNUSABLE', 400, () => OutboundBench.invite({ Contact: '' })],
]
for (const [what, code, status, prepare] of refusals)
  OutboundCalls(`with ${what} is refused with ${code}, ${status}`, async () => {
    const agents = new OutboundBench()
    const invite = await agents.call(prepare(agents))
    assert.is(invite.final?.status, status)
    assert.match(invite.final?.headers['Reason'] ?? '', new RegExp(`text="${code}"`))
    assert.is(invite.final?.headers['Retry-After'], code === 'TRUNK_RATE_LIMITED' ? '1' : undefined)
    const { cdr } = agents.bench
    assert.equal([cdr.result, cdr.direction, cdr.agent_id], [code.toLowerCase(), 'outbound', 'front'])
    assert.is(agents.bench.server.out.length, 0)
    assert.is(agents.bench.leaks, '')
  })

OutboundCalls('takes a channel of its trunk and gives it back when it ends', async () => {
  const agents = new OutboundBench({ channel_limit: 2 })
  const { a } = await agents.answered()
  assert.is(agents.limited[0]?.id, 'pbx-1')
  assert.equal(agents.released, [])
  a.hangUp()
  assert.equal(agents.released, [agents.bench.cdr.call_id])
})

OutboundCalls('is refused when its agent has as many calls as it may have', async () => {
  const agents = new OutboundBench()
  agents.routing.addAgent('front', { allowed_addresses: ['127.0.0.1'], channel_limit: 1 })
  await agents.answered()
  const second = await agents.call()
  assert.is(second.final?.status, 486)
  assert.is(agents.bench.cdr.result, 'agent_channels_full')
})

OutboundCalls('of several agents at one address is that of the one its number lists', async () => {
  const agents = new OutboundBench()
  agents.routing.addAgent('back', { allowed_addresses: ['127.0.0.1/32'] })
  agents.routing.addNumber('+14155550101', { outbound_agent_ids: ['back'] })
  await agents.call(OutboundBench.invite({ 'X-Signalbox-Number': '+14155550101' }))
  const [call] = agents.bench.calls.list()
  assert.equal([call?.agent_id, call?.phone_number], ['back', '+14155550101'])
})

OutboundCalls('from a trunk’s address to a number on that trunk is inbound', async () => {
  const agents = new OutboundBench({ allowed_addresses: ['127.0.0.1/32'] })
  await agents.call(OutboundBench.invite({}, SDP, NUMBER))
  assert.is(agents.bench.server.last.uri, 'sip:front@127.0.0.1:5090')
  assert.is(agents.bench.calls.count('inbound'), 1)
  // To anybody else it is the agent's, who shares the address.
  await agents.call()
  assert.is(agents.bench.server.last.uri, `sip:${DESTINATION}@pbx.example.com`)
})

OutboundCalls(
  'from nobody known is refused as inbound routing says, or as no agent’s when it names its number',
  async () => {
    const agents = new OutboundBench()
    agents.routing.addAgent('front', { allowed_addresses: ['192.0.2.77'] })
    const invite = await agents.call()
    assert.is(invite.final?.status, 403)
    const named = await agents.call(OutboundBench.invite({ 'X-Signalbox-Number': NUMBER }))
    assert.is(named.final?.status, 403)
    assert.equal(
      agents.bench.cdrs.map(({ result, direction }) => [result, direction]),
      [
        ['source_unknown', 'inbound'],
        ['agent_source_unknown', 'outbound'],
      ],
    )
    const trace = agents.bench.cdrs[1]?.explanation?.trace
    assert.match(trace?.nearest_miss ?? '', /^\+14155550100 lists front; the call came from 127\.0\.0\.1, without/)
    assert.is(agents.bench.leaks, '')
  },
)

OutboundCalls('that only says it is one is taken from the trunk it comes from', async () => {
  const agents = new OutboundBench({ allowed_addresses: ['127.0.0.1/32'] })
  agents.routing.addAgent('front', {})
  await agents.call(OutboundBench.invite({ 'X-Signalbox-Number': 'forged' }, SDP, NUMBER))
  assert.is(agents.bench.server.last.uri, 'sip:front@127.0.0.1:5090')
  assert.is(agents.bench.calls.count('inbound'), 1)
})

/** An edge whose agent is known by its credentials alone. */
function withDigest(): OutboundBench {
  const agents = new OutboundBench()
  agents.routing.addAgent('front', { auth: { username: 'front-user' } })
  return agents
}

OutboundCalls('from anywhere is asked for credentials without being a call, and taken on with them', async () => {
  for (const lines of [{}, { 'X-Signalbox-Number': NUMBER }]) {
    const agents = withDigest()
    const first = await agents.call(OutboundBench.invite(lines))
    assert.is(first.final?.status, 401)
    assert.is(agents.challenged, 1)
    assert.equal([agents.bench.cdrs.length, agents.bench.counted.length, agents.bench.events.length], [0, 0, 0])
    assert.is(agents.bench.leaks, '')
    const offered = Object.entries(first.final?.headers ?? {}).map(([name, value]) => [
      name.toLowerCase(),
      digestParams(value).get('algorithm'),
    ])
    assert.equal(offered, [
      ['www-authenticate', 'SHA-256'],
      ['www-authenticate', 'MD5'],
    ])
    const Authorization = credentialsFor(first.final, 'front-user', PASSWORD)
    await agents.call(OutboundBench.invite({ ...lines, Authorization }))
    const out = agents.bench.server.last
    assert.is(out.uri, `sip:${DESTINATION}@pbx.example.com`)
    assert.not(JSON.stringify(out.options.headers).includes('Digest'))
    const [call] = agents.bench.calls.list()
    assert.is(call?.agent_id, 'front')
    // The same credentials again prove nothing.
    const again = await agents.call(OutboundBench.invite({ ...lines, Authorization }))
    assert.is(again.final?.status, 401)
    assert.match(JSON.stringify(again.final?.headers), /stale=true/)
  }
})

OutboundCalls('whose user name is not ASCII proves it by the name’s UTF-8', async () => {
  const agents = withDigest()
  agents.routing.addAgent('front', { auth: { username: 'Àgnes' } })
  const first = await agents.call()
  await agents.call(OutboundBench.invite({ Authorization: credentialsFor(first.final, 'Àgnes', PASSWORD) }))
  assert.is(agents.bench.server.out.length, 1)
})

OutboundCalls('[A4] with wrong credentials is refused, without telling which part is wrong', async () => {
  const agents = withDigest()
  const first = await agents.call()
  for (const [user, password] of [
    ['front-user', 'wrong'],
    ['nobody', PASSWORD],
  ] as const) {
    const Authorization = credentialsFor(first.final, user, password)
    const invite = await agents.call(OutboundBench.invite({ Authorization }))
    assert.is(invite.final?.status, 403)
    assert.match(invite.final?.headers['Reason'] ?? '', /AGENT_CREDENTIALS_REFUSED/)
  }
  const [one, other] = agents.bench.cdrs
  assert.equal([one?.result, other?.result], ['agent_credentials_refused', 'agent_credentials_refused'])
  assert.is(one?.end_reason, other?.end_reason)
  assert.not(JSON.stringify(agents.bench.cdrs).includes('Digest'))
  assert.not(JSON.stringify(agents.bench.log).includes('response='))
})

OutboundCalls('is held against each agent of its user name, whose accounts may differ', async () => {
  const agents = withDigest()
  agents.routing.addAgent('aaa', { auth: { username: 'front-user' } })
  agents.routing.addNumber(NUMBER, { outbound_agent_ids: ['aaa', 'front'] })
  let asked = 0
  agents.password = () => Promise.resolve(++asked === 1 ? 'another' : PASSWORD)
  const first = await agents.call()
  await agents.call(OutboundBench.invite({ Authorization: credentialsFor(first.final, 'front-user', PASSWORD) }))
  assert.is(agents.bench.calls.list()[0]?.agent_id, 'front')
})

OutboundCalls(
  'from a trunk’s address to a number on that trunk is inbound also when it presents an agent’s number',
  async () => {
    const agents = withDigest()
    agents.routing.addTrunk('pbx-1', { sip_domain: 'pbx.example.com', allowed_addresses: ['127.0.0.1/32'] })
    await agents.call(OutboundBench.invite({ 'X-Signalbox-Number': NUMBER }, SDP, NUMBER))
    assert.is(agents.bench.server.last.uri, 'sip:front@127.0.0.1:5090')
    assert.is(agents.challenged, 0)
  },
)

OutboundCalls(
  'is asked for the trunk’s credentials before the agent’s where the number it calls has such',
  async () => {
    const asked: string[] = []
    const proofs: TrunkProof[] = [
      { result: 'challenge', headers: {} },
      { result: 'refused', why: '' },
      { result: 'proven' },
    ]
    const agents = new OutboundBench(
      { inbound_auth: { username: 'pbx', realm: 'pbx' } },
      { trunkAuth: () => ({ prove: (_invite, trunk) => (asked.push(trunk.id), Promise.resolve(proofs.shift()!)) }) },
    )
    agents.routing.addAgent('front', { auth: { username: 'front-user' } })
    const first = await agents.call(OutboundBench.invite({}, SDP, NUMBER))
    assert.equal([first.final?.status, agents.challenged, asked.length], [401, 0, 1])
    const second = await agents.call(OutboundBench.invite({}, SDP, NUMBER))
    assert.equal([second.final?.status, agents.challenged, asked.length], [401, 1, 2])
    await agents.call(OutboundBench.invite({}, SDP, NUMBER))
    assert.is(agents.bench.server.last.uri, 'sip:front@127.0.0.1:5090')
  },
)

OutboundCalls(
  'is asked for either’s credentials at once: an agent and a trunk each answer for the realm they know',
  async () => {
    for (const [realm, lines, realms] of [
      ['pbx', {}, ['pbx', 'signalbox', 'signalbox']],
      ['pbx', { 'X-Signalbox-Number': NUMBER }, ['pbx', 'signalbox', 'signalbox']],
      ['signalbox', {}, ['signalbox']],
    ] as const) {
      const headers = { 'WWW-Authenticate': `Digest realm="${realm}", nonce="n", qop="auth", algorithm=SHA-256` }
      const agents = new OutboundBench(
        { inbound_auth: { username: 'pbx', realm } },
        { trunkAuth: () => ({ prove: () => Promise.resolve({ result: 'challenge', headers }) }) },
      )
      agents.routing.addAgent('front', { auth: { username: 'front-user' } })
      const first = await agents.call(OutboundBench.invite(lines, SDP, NUMBER))
      assert.is(first.final?.status, 401)
      const asked = Object.entries(first.final?.headers ?? {}).map(([name, value]) => {
        assert.is(name.toLowerCase(), 'www-authenticate')
        return digestParams(value).get('realm')
      })
      assert.equal(asked, realms)
      assert.is(agents.bench.cdrs.length, 0)
      if (realm === 'signalbox') continue
      const Authorization = credentialsFor(first.final, 'front-user', PASSWORD, NUMBER)
      await agents.call(OutboundBench.invite({ ...lines, Authorization }, SDP, NUMBER))
      assert.is(agents.bench.server.last.uri, `sip:${NUMBER}@pbx.example.com`)
    }
  },
)

OutboundCalls('of a proven agent that presents somebody else’s number is refused for that', async () => {
  const agents = withDigest()
  agents.routing.addAgent('other', { auth: { username: 'other' } })
  agents.routing.addNumber('+14155550101', { outbound_agent_ids: ['other'] })
  const first = await agents.call()
  const Authorization = credentialsFor(first.final, 'front-user', PASSWORD)
  await agents.call(OutboundBench.invite({ Authorization, 'X-Signalbox-Number': '+14155550101' }))
  assert.equal([agents.bench.cdr.result, agents.bench.cdr.agent_id], ['caller_id_not_allowed', 'front'])
})

OutboundCalls('whose password cannot be read is told to come later', async () => {
  const agents = withDigest()
  const first = await agents.call()
  agents.password = () => Promise.reject(new Error('Redis is away'))
  const Authorization = credentialsFor(first.final, 'front-user', PASSWORD)
  const invite = await agents.call(OutboundBench.invite({ Authorization }))
  assert.is(invite.final?.status, 503)
  assert.is(agents.bench.cdr.result, 'routing_unavailable')
})

OutboundCalls('with credentials for somebody else, of nobody known, is refused as inbound routing says', async () => {
  const agents = new OutboundBench()
  agents.routing.addAgent('front', {})
  const Authorization = 'Digest username="x", realm="elsewhere", nonce="n", uri="sip:x", response="0"'
  const invite = await agents.call(OutboundBench.invite({ Authorization }))
  assert.is(invite.final?.status, 403)
  assert.is(agents.bench.cdr.result, 'source_unknown')
  assert.is(agents.challenged, 0)
})

OutboundCalls('is not looked for when a call is inbound', async () => {
  const agents = new OutboundBench({ allowed_addresses: ['127.0.0.1/32'] })
  agents.routing.knownAgents.atAddress = () => {
    throw new Error('was asked')
  }
  await agents.call(OutboundBench.invite({}, SDP, NUMBER))
  assert.is(agents.bench.leaks.includes('errors'), false)
  assert.is(agents.bench.server.out.length, 1)
})

OutboundCalls.run()
