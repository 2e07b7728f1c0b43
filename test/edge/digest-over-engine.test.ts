import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { AuthenticatedInvites } from '../../src/edge/authenticated-invite.js'
import { Calls } from '../../src/edge/calls.js'
import { DrachtioServer } from '../../src/edge/drachtio.js'
import { Edge } from '../../src/edge/edge.js'
import { defaultEdgeSettings } from '../../src/edge/settings.js'
import type { OutgoingInvite, RequestOutcome, SipDialog } from '../../src/edge/sip-server.js'
import { createEngine, type Engine, SystemClock } from '../../src/engine/index.js'
import { headerLines } from '../../src/trunks/digest/header-lines.js'
import { ChallengingPeer, type PeerAnswer } from '../support/challenging-peer.js'
import { paramsOf, provesPassword } from '../support/digest-peer.js'
import { eventually, wait } from '../support/eventually.js'
import { freePort } from '../support/free-port.js'
import { TestIdentity } from '../support/identity.js'
import type { SipText } from '../support/sip-text.js'
import { shortTimers } from '../support/srf-app.js'
import { trunkOf } from '../support/trunk-bench.js'
import { Bench, NUMBER } from './bench.js'
import { ANSWER, SDP } from './scripted-server.js'

const OverEngine = suite('Digest on drachtio-srf and the engine')

const SECRET = 'digest-test'
const PASSWORD = 'geheim'
const logged: string[] = []
const note = (fields: object, message: string): void => void logged.push(`${message} ${JSON.stringify(fields)}`)
const logger = { debug: note, info: note, warn: note, error: note }

let engine: Engine
let server: DrachtioServer
let port: number
let peer: ChallengingPeer
let agent: ChallengingPeer
let identity: TestIdentity
let calls: Calls

OverEngine.before(async () => {
  ;[peer, agent] = await Promise.all([ChallengingPeer.start(), ChallengingPeer.start('127.0.0.2')])
  port = await freePort()
  engine = createEngine({
    contacts: [`sip:127.0.0.1:${port};transport=udp,tcp`],
    control: { host: '127.0.0.1', port: 0, secret: SECRET },
    timers: shortTimers,
    echoGapMs: 0,
  })
  const { control } = await engine.start()
  server = new DrachtioServer({ ...control, secret: SECRET, logger })
  calls = new Calls({ maxCalls: 100 })
  const quiet = (): void => {}
  const { decision } = new Bench({ targets: [`sip:agent@127.0.0.2:${agent.port}`] })
  const edge = new Edge({
    srf: server,
    router: { decide: () => Promise.resolve(decision) },
    calls,
    cdrs: { append: quiet },
    metrics: {
      callsTotal: { inc: quiet },
      callsActive: { inc: quiet, dec: quiet },
      inviteRelaySeconds: { observe: quiet },
      setupSeconds: { observe: quiet },
    },
    logger,
    clock: new SystemClock(),
    settings: { ...defaultEdgeSettings, acknowledgeTimeoutMs: 1_280 },
    identities: { of: () => Promise.resolve(identity) },
  })
  edge.start()
  await server.connect()
})

OverEngine.after(async () => {
  server.disconnect()
  await engine.stop()
  peer.close()
  agent.close()
})

/** A test that must leave no dialog, nothing in the library and no secret in the log. */
function scenario(title: string, run: () => Promise<void>): void {
  OverEngine(title, async () => {
    for (const far of [peer, agent]) {
      far.requests.length = 0
      far.answer = () => ({ status: '200 OK' })
    }
    identity = new TestIdentity()
    await run()
    await eventually('no dialog is left', () => engine.gauges().dialogs === 0 && calls.size === 0)
    const { _dialogs } = server.library as unknown as { _dialogs: Map<string, unknown> }
    await eventually('drachtio-srf holds no dialog', () => _dialogs.size === 0)
    const log = logged.join('\n')
    for (const secret of [PASSWORD, 'response=', 'Digest ']) assert.not(log.includes(secret), secret)
  })
}

const digest = (nonce: string, realm = 'pbx', more = ''): string =>
  `Digest realm="${realm}", nonce="${nonce}", qop="auth", algorithm=SHA-256${more}`
const proxyChallenge = (nonce: string): PeerAnswer => ({
  status: '407 Proxy Authentication Required',
  headers: [`Proxy-Authenticate: ${digest(nonce)}`],
})
const serverChallenge = (nonce: string, realm = 'pbx'): PeerAnswer => ({
  status: '401 Unauthorized',
  headers: [`WWW-Authenticate: ${digest(nonce, realm)}`],
})
const ok = (request: SipText): PeerAnswer =>
  request.method === 'INVITE' ? { status: '200 OK', body: request.body === '' ? SDP : ANSWER } : { status: '200 OK' }

/** Whether the request shows that we know the password, for the nonce and for its own Request-URI. */
function proves(request: SipText, nonce: string): boolean {
  return [...request.all('authorization'), ...request.all('proxy-authorization')].some((value) => {
    const params = paramsOf(value)
    return (
      params.nonce === nonce &&
      params.uri === request.requestUri &&
      params.username === 'line' &&
      provesPassword(value, request.method, PASSWORD, request.body)
    )
  })
}

interface Placed {
  readonly events: string[]
  invite?: OutgoingInvite
  dialog?: SipDialog
}

/** Places a call by way of the peer. */
function place(body = SDP, more: Record<string, string> = {}): Placed {
  const placed: Placed = { events: [] }
  const headers = {
    From: `"Zoë" <sip:line@127.0.0.1>;tag=mine`,
    To: '<sip:+1555@127.0.0.1>',
    'Call-ID': `call-${Math.random()}`,
    CSeq: '41 INVITE',
    ...more,
  }
  new AuthenticatedInvites(server, { of: () => Promise.resolve(identity) }).invite(
    trunkOf('pbx-1'),
    `sip:+1555@127.0.0.1:${peer.port}`,
    { headers, body, proxy: `sip:127.0.0.1:${peer.port};transport=udp` },
    undefined,
    {
      sent: (invite) => {
        placed.invite = invite
        placed.events.push('sent')
      },
      provisional: ({ status }) => placed.events.push(String(status)),
      answered: (dialog) => {
        placed.dialog = dialog
        dialog.listen({ request: () => {}, acknowledged: () => {}, ended: () => {} })
        placed.events.push('answered')
      },
      offered: (offer) =>
        offer.acknowledge(ANSWER, (_error, dialog) => {
          if (dialog === undefined) return
          placed.dialog = dialog
          dialog.listen({ request: () => {}, acknowledged: () => {}, ended: () => {} })
          placed.events.push('offered')
        }),
      failed: (why, response) => placed.events.push(`failed ${response?.status ?? ''} ${why}`),
    },
  )
  return placed
}

const dialogOf = (placed: Placed): Promise<SipDialog> => eventually('the dialog', () => placed.dialog)

const hangUp = (dialog: SipDialog): Promise<RequestOutcome | undefined> =>
  new Promise((resolve) => dialog.bye({ Reason: 'Q.850;cause=16' }, resolve))

const ask = (dialog: SipDialog, method: string, body = ''): Promise<RequestOutcome> =>
  new Promise((resolve, reject) =>
    dialog.request({ method, headers: {}, body }, (failure, outcome) =>
      outcome === undefined ? reject(new Error(failure?.message)) : resolve(outcome),
    ),
  )

scenario('INVITE 407, again, 200, ACK, BYE 401, again, 200', async () => {
  peer.answer = (request) => {
    if (request.method === 'INVITE') return proves(request, 'n1') ? ok(request) : proxyChallenge('n1')
    return proves(request, 'n2') ? ok(request) : serverChallenge('n2')
  }
  const dialog = await dialogOf(place())
  await eventually('the ACK of the 200', () => peer.of('ACK').length === 2)
  const outcome = await hangUp(dialog)
  assert.is(outcome?.response.status, 200)
  const [first, second] = peer.of('INVITE')
  for (const name of ['call-id', 'from', 'to']) assert.is(first?.header(name), second?.header(name), name)
  assert.match(second?.header('from') ?? '', 'Zoë')
  assert.equal(
    [...peer.of('INVITE'), ...peer.of('BYE')].map((request) => request.header('cseq')),
    ['41 INVITE', '42 INVITE', '43 BYE', '44 BYE'],
  )
  assert.is.not(first?.header('via'), second?.header('via'))
  const [ahead, bye] = peer.of('BYE')
  assert.ok(ahead && proves(ahead, 'n1'), 'the nonce of the INVITE was shown ahead')
  assert.is(paramsOf(ahead?.header('proxy-authorization') ?? '').nc, '00000002')
  assert.is(bye?.header('reason'), 'Q.850;cause=16')
})

scenario(
  'a re-INVITE with an offer, without one, UPDATE, INFO and the others are sent again when challenged',
  async () => {
    let count = 0
    const wanted = new Map<string, string>()
    peer.answer = (request) => {
      const nonce = wanted.get(request.callId)
      if (request.header('to')?.includes('tag=') !== true || request.method === 'BYE') return ok(request)
      if (nonce !== undefined && proves(request, nonce)) {
        wanted.delete(request.callId)
        return ok(request)
      }
      count += 1
      wanted.set(request.callId, `n${count}`)
      return serverChallenge(`n${count}`)
    }
    const dialog = await dialogOf(place())
    assert.is((await ask(dialog, 'INVITE', SDP)).response.status, 200)
    const offered = await ask(dialog, 'INVITE')
    assert.is(offered.response.body, SDP)
    offered.acknowledge?.(ANSWER, {})
    const answer = await eventually('the ACK with the answer', () => peer.of('ACK').find(({ body }) => body === ANSWER))
    assert.is(answer.header('cseq')?.split(' ')[0], peer.of('INVITE').at(-1)?.header('cseq')?.split(' ')[0])
    for (const method of ['UPDATE', 'INFO', 'REFER', 'MESSAGE', 'NOTIFY', 'OPTIONS']) {
      assert.is((await ask(dialog, method)).response.status, 200, method)
      assert.is(peer.of(method).length, 2, method)
    }
    assert.is(peer.of('INVITE').length, 5)
    await hangUp(dialog)
  },
)

scenario('[A7] a challenge loop ends after one retry, on INVITE, in the dialog and on BYE', async () => {
  let count = 0
  const loop = (): PeerAnswer => proxyChallenge(`n${(count += 1)}`)
  peer.answer = loop
  const refused = place()
  await eventually('the end', () => refused.events.length === 2)
  assert.equal(refused.events, ['sent', 'failed 407 the credentials for realm "pbx" were not accepted'])
  assert.is(peer.of('INVITE').length, 2)
  peer.answer = ok
  const dialog = await dialogOf(place())
  peer.answer = loop
  assert.is((await ask(dialog, 'INFO')).response.status, 407)
  assert.is(peer.of('INFO').length, 2)
  assert.is((await hangUp(dialog))?.response.status, 407)
  await wait(100)
  assert.is(peer.of('BYE').length, 2)
})

scenario('challenges of two realms in one response are answered in two lines', async () => {
  peer.answer = (request) =>
    proves(request, 'n1') && proves(request, 'n2')
      ? ok(request)
      : {
          status: '407 Proxy Authentication Required',
          headers: [
            `Proxy-Authenticate: ${digest('n1', 'a, b')}`,
            `Proxy-Authenticate: ${digest('n2', 'ü "c"'.replaceAll('"', '\\"'))}`,
          ],
        }
  const dialog = await dialogOf(place())
  assert.is(peer.of('INVITE')[1]?.all('proxy-authorization').length, 2)
  await hangUp(dialog)
  assert.is(peer.of('BYE').length, 1, 'both go ahead')
})

scenario('CANCEL reaches the try with credentials; before it, there is none', async () => {
  peer.answer = (request) => {
    if (request.method !== 'INVITE') return ok(request)
    return proves(request, 'n1') ? { status: '180 Ringing' } : proxyChallenge('n1')
  }
  const placed = place()
  await eventually('it rings', () => placed.events.includes('180'))
  placed.invite?.cancel({})
  const cancel = await eventually('the CANCEL', () => peer.of('CANCEL')[0])
  assert.is(cancel.header('cseq'), '42 CANCEL')
  peer.send(
    ['SIP/2.0 487 Request Terminated', ...finalLines(peer.of('INVITE')[1]!), 'Content-Length: 0', '', ''].join('\r\n'),
    port,
  )
  await eventually('the end', () => placed.events.at(-1)?.startsWith('failed 487'))
})

scenario('an INVITE without an offer is sent again, and its dialog answers challenges', async () => {
  peer.answer = (request) => {
    if (request.method === 'BYE') return proves(request, 'n2') ? ok(request) : serverChallenge('n2')
    return proves(request, 'n1') ? ok(request) : proxyChallenge('n1')
  }
  const dialog = await dialogOf(place(''))
  assert.is((await hangUp(dialog))?.response.status, 200)
  assert.is(peer.of('BYE').length, 2)
})

/** A call from the peer, a trunk, to the agent, up to the caller's ACK. */
async function callIn(): Promise<void> {
  agent.answer = ok
  const callId = `in-${Math.random()}`
  const request = (method: string, toTag: string, body: string): string =>
    [
      `${method} sip:${NUMBER}@127.0.0.1:${port} SIP/2.0`,
      `Via: SIP/2.0/UDP 127.0.0.1:${peer.port};branch=z9hG4bK${Math.random()};rport`,
      'Max-Forwards: 70',
      `From: <sip:+13125550199@127.0.0.1>;tag=trunk`,
      `To: <sip:${NUMBER}@127.0.0.1>${toTag === '' ? '' : `;tag=${toTag}`}`,
      `Call-ID: ${callId}`,
      `CSeq: 1 ${method}`,
      peer.contact,
      ...(body === '' ? [] : ['Content-Type: application/sdp']),
      `Content-Length: ${body.length}`,
      '',
      body,
    ].join('\r\n')
  peer.send(request('INVITE', '', SDP), port)
  const answer = await eventually('the 200', () => peer.responses.find(({ status }) => status === 200))
  peer.send(request('ACK', answer.toTag, ''), port)
  await eventually('the call is up', () => agent.of('ACK').length > 0)
}

/** The agent sends a request inside its dialog. */
function fromAgent(method: string): void {
  const invite = agent.of('INVITE')[0]!
  const target = /<([^>]+)>/.exec(invite.header('contact') ?? '')?.[1] ?? ''
  const text = [
    `${method} ${target} SIP/2.0`,
    `Via: SIP/2.0/UDP ${agent.address}:${agent.port};branch=z9hG4bK${Math.random()};rport`,
    'Max-Forwards: 70',
    `From: ${invite.header('to') ?? ''};tag=peer`,
    `To: ${invite.header('from') ?? ''}`,
    `Call-ID: ${invite.callId}`,
    `CSeq: ${method === 'BYE' ? 9 : 8} ${method}`,
    agent.contact,
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n')
  agent.send(text, port)
}

scenario('in a call that came from a trunk, its own server and realm are answered', async () => {
  identity.knowing('pbx')
  await callIn()
  peer.answer = (request) => (proves(request, 'n1') ? ok(request) : serverChallenge('n1'))
  fromAgent('INFO')
  await eventually('the INFO’s answer', () =>
    agent.responses.some(({ method, status }) => method === 'INFO' && status === 200),
  )
  assert.equal(
    peer.of('INFO').map((request) => request.header('authorization') !== undefined),
    [false, true],
  )
  fromAgent('BYE')
  await eventually('the second BYE', () => peer.of('BYE').length === 2)
  assert.ok(proves(peer.of('BYE')[1]!, 'n1'))
})

for (const [title, prepare] of [
  ['a realm it has never asked for', () => identity.knowing('other')],
  ['a server that is none of its', () => (identity.knowing('pbx').servers = ['127.0.0.9'])],
] as const)
  scenario(`[A6] in a call that came from a trunk, ${title} is never answered`, async () => {
    prepare()
    await callIn()
    peer.answer = () => serverChallenge('n1')
    fromAgent('INFO')
    await eventually('the INFO’s answer', () => agent.responses.some(({ method }) => method === 'INFO'))
    fromAgent('BYE')
    await eventually('the BYE', () => peer.of('BYE').length === 1)
    await wait(150)
    for (const request of peer.requests.filter(({ status }) => status === 0))
      assert.is(request.header('authorization'), undefined, request.method)
    assert.equal([peer.of('INFO').length, peer.of('BYE').length], [1, 1])
  })

scenario('[A6] an agent that challenges us is never answered, whatever trunk the call came from', async () => {
  identity.knowing('pbx')
  identity.servers.push('127.0.0.2')
  await callIn()
  agent.answer = () => serverChallenge('n1')
  const invite = peer.responses.find(({ status }) => status === 200)!
  const hangUpText = [
    `BYE sip:${NUMBER}@127.0.0.1:${port} SIP/2.0`,
    `Via: SIP/2.0/UDP 127.0.0.1:${peer.port};branch=z9hG4bK${Math.random()};rport`,
    'Max-Forwards: 70',
    `From: ${invite.header('from') ?? ''}`,
    `To: ${invite.header('to') ?? ''}`,
    `Call-ID: ${invite.callId}`,
    'CSeq: 2 BYE',
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n')
  peer.send(hangUpText, port)
  await eventually('the BYE to the agent', () => agent.of('BYE').length === 1)
  await wait(150)
  assert.is(agent.of('BYE').length, 1)
  for (const request of agent.requests.filter(({ status }) => status === 0))
    for (const name of ['authorization', 'proxy-authorization']) assert.is(request.header(name), undefined)
})

/** Header lines of a response that a test sends by hand. */
function finalLines(request: SipText): string[] {
  return request.headers
    .filter(([name]) => ['via', 'from', 'to', 'call-id', 'cseq'].includes(name))
    .map(([name, value]) => `${name}: ${value}${name === 'to' ? ';tag=peer' : ''}`)
}

scenario('several challenges of ours go out in a line each', async () => {
  server.onRequest((request) =>
    request.answer(401, 'Unauthorized', {
      headers: {
        'X-One': 'a',
        ...headerLines('WWW-Authenticate', ['Digest realm="a, b"', 'Digest realm="c"', 'Digest d=e']),
      },
    }),
  )
  const text = [
    `OPTIONS sip:127.0.0.1:${port} SIP/2.0`,
    `Via: SIP/2.0/UDP 127.0.0.1:${peer.port};branch=z9hG4bKx1;rport`,
    'Max-Forwards: 70',
    'From: <sip:a@127.0.0.1>;tag=1',
    'To: <sip:b@127.0.0.1>',
    'Call-ID: lines',
    'CSeq: 1 OPTIONS',
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n')
  peer.send(text, port)
  const answer = await eventually('the 401', () => peer.responses[0])
  assert.equal(answer.all('www-authenticate'), ['Digest realm="a, b"', 'Digest realm="c"', 'Digest d=e'])
  assert.equal([answer.status, answer.header('x-one')], [401, 'a'])
})

OverEngine.run()
