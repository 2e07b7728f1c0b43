import { copyFileSync } from 'node:fs'
import type { Server } from 'node:net'
import { join } from 'node:path'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Certificate, TestAuthority } from '../support/certificates.js'
import { AGENT, CALLER, EDGE, TestEdge } from '../support/edge.js'
import { eventually } from '../support/eventually.js'
import { freePort } from '../support/free-port.js'
import { NameServer } from '../support/name-server.js'
import { credentials } from '../support/pbx.js'
import { followUp, inviteText, listenTls, nextMessage, openTls, peerOn, type SipPeer } from '../support/sip-peer.js'
import type { SipText } from '../support/sip-text.js'
import { agentOn, callOut, registrationIn } from '../support/trunk-edge.js'

// The edge asks everybody for a certificate, and shows its own.
const Tls = suite('Calls over TLS')

type Peer = SipPeer & { readonly socket: TLSSocket }

let authority: TestAuthority
/** Of a carrier that the edge does not know but by its trunk. */
let carriers: TestAuthority
let names: NameServer
let edge: TestEdge
let tlsPort = 0
let caller: Certificate
let live: { certificate: string; key: string }
const servers: Server[] = []
const peers: Peer[] = []

const use = ({ certificateFile, keyFile }: Certificate): void => {
  copyFileSync(certificateFile, live.certificate)
  copyFileSync(keyFile, live.key)
}

/** A server of a peer that asks the edge for its certificate; whoever connected, in order. */
async function serve(
  address: string,
  certificate: Certificate,
  trusted = authority,
): Promise<{ port: number; peers: Peer[] }> {
  const own: Peer[] = []
  const options = { requestCert: true, rejectUnauthorized: true, ca: trusted.certificate }
  const { port, server } = await listenTls(
    address,
    certificate,
    (socket) => {
      const peer = Object.assign(peerOn(socket), { socket })
      own.push(peer)
      peers.push(peer)
    },
    options,
  )
  servers.push(server)
  return { port, peers: own }
}

async function dial(options: ConnectionOptions = { cert: caller.certificate, key: caller.key }): Promise<Peer> {
  const target = { address: EDGE, port: tlsPort }
  const peer = await openTls(CALLER, target, { ca: authority.certificate, servername: 'edge.example.com', ...options })
  peers.push(peer)
  return peer
}

/** An answer to a request as it came. */
function reply(request: SipText, status: number, more: readonly string[] = [], body = ''): string {
  const copied = ['via', 'record-route', 'from', 'call-id', 'cseq'].flatMap((name) =>
    request.all(name).map((value) => `${name}: ${value}`),
  )
  const to = request.toTag === '' ? `${request.header('to')};tag=far` : request.header('to')
  const type = body === '' ? [] : ['content-type: application/sdp']
  return [
    `SIP/2.0 ${status} Whatever`,
    ...copied,
    `to: ${to}`,
    ...more,
    ...type,
    `content-length: ${body.length}`,
    '',
    body,
  ].join('\r\n')
}

const SDP = 'v=0\r\no=- 1 1 IN IP4 127.0.0.3\r\ns=-\r\nc=IN IP4 127.0.0.3\r\nt=0 0\r\nm=audio 41000 RTP/AVP 0\r\n'

const isA = (method: string) => (message: SipText) => message.status === 0 && message.method === method

/** Calls a number from a connection; the final answer, acknowledged. */
async function call(from: Peer, number: string): Promise<{ answer: SipText; invite: string; callId: string }> {
  const { text, callId } = inviteText({
    from: from.local,
    target: { address: EDGE, port: tlsPort },
    protocol: 'tls',
    number,
  })
  from.send(text)
  const answer = await nextMessage(
    from,
    'a final answer',
    (message) => message.callId === callId && message.status >= 200,
    10_000,
  )
  from.send(followUp(text, 'ACK', answer))
  return { answer, invite: text, callId }
}

Tls.before(async () => {
  authority = TestAuthority.create()
  carriers = TestAuthority.create()
  const { certificateFile, keyFile } = carriers.issue(['DNS:customer.example.com'])
  live = { certificate: join(authority.folder, 'live.pem'), key: join(authority.folder, 'live.key') }
  use(authority.issue(['DNS:edge.example.com']))
  caller = authority.issue(['DNS:carrier.example.com'])
  names = await NameServer.start()
  names.a('agent.example.com', [AGENT])
  names.a('carrier.example.com', [CALLER])
  const sipPort = await freePort(EDGE)
  tlsPort = await freePort(EDGE)
  edge = await TestEdge.start({
    sipPort,
    env: {
      SIP_CONTACTS: `sip:${EDGE}:${sipPort};transport=udp,tcp,sip:${EDGE}:${tlsPort};transport=tls`,
      SIGNALBOX__DNS__SERVERS: names.address,
      SIGNALBOX__SIP__T1_MS: '100',
      SIGNALBOX__SIP__TLS__CERTIFICATE_FILE: live.certificate,
      SIGNALBOX__SIP__TLS__KEY_FILE: live.key,
      SIGNALBOX__SIP__TLS__CA_FILE: authority.certificateFile,
      SIGNALBOX__SIP__TLS__CLIENT_CERTIFICATES: 'require',
      SIGNALBOX__SIP__TLS__NAMED_CERTIFICATES: JSON.stringify({
        customer: { certificate_file: certificateFile, key_file: keyFile },
      }),
      SIGNALBOX__SIP__PING_INTERVAL_S: '1',
      SIGNALBOX__SIP__PONG_TIMEOUT_MS: '500',
      SIGNALBOX__REGISTRATION__RETRY_BASE_S: '1',
    },
  })
})

Tls.after(async () => {
  await edge?.stop()
  for (const { socket } of peers) socket.destroy()
  for (const server of servers) server.close()
  await names?.stop()
  authority?.close()
  carriers?.close()
})

Tls('[A12] a call from a carrier to an agent, both over TLS, goes on while the certificate is changed', async () => {
  const agent = await serve(AGENT, authority.issue(['DNS:agent.example.com']))
  await edge.addNumber('+14155550140', 'secure', [`sip:bot@agent.example.com:${agent.port};transport=tls`])
  const carrier = await dial()
  const calling = call(carrier, '+14155550140')
  const far = await eventually('a connection to the agent', () => agent.peers[0])
  assert.is(far.socket.servername, 'agent.example.com')
  assert.is(far.socket.getPeerCertificate().subjectaltname, 'DNS:edge.example.com')
  const invite = await nextMessage(far, 'an INVITE', isA('INVITE'))
  assert.is(invite.requestUri, `sip:bot@agent.example.com:${agent.port};transport=tls`)
  assert.match(invite.header('via') ?? '', `SIP/2.0/TLS ${EDGE}:${tlsPort};branch=`)
  assert.match(invite.header('contact') ?? '', `${EDGE}:${tlsPort};transport=tls`)
  far.send(reply(invite, 200, [`contact: <sip:bot@${AGENT}:${agent.port};transport=tls>`], SDP))
  const { answer, invite: sent, callId } = await calling
  assert.is(answer.status, 200)
  assert.match(answer.header('contact') ?? '', `${EDGE}:${tlsPort};transport=tls`)
  await nextMessage(far, 'an ACK', isA('ACK'))
  assert.is((await edge.metrics()).sum('signalbox_engine_tls_connections'), 2)

  use(authority.issue(['DNS:edge.example.com', 'DNS:next.example.com']))
  edge.child.kill('SIGHUP')
  await eventually('a handshake with the new certificate', async () => {
    const other = await dial()
    const { subjectaltname } = other.socket.getPeerCertificate()
    other.close()
    return subjectaltname?.includes('next.example.com')
  })

  carrier.send(followUp(sent, 'BYE', answer, `sip:${EDGE}:${tlsPort};transport=tls`))
  const bye = await nextMessage(far, 'the BYE', isA('BYE'))
  far.send(reply(bye, 200))
  await nextMessage(carrier, 'its answer', ({ status, method }) => status === 200 && method === 'BYE')
  assert.is(agent.peers.length, 1)
  const cdr = await edge.cdrOfLegA(callId)
  assert.is(cdr.result, 'answered')
  assert.equal(await edge.settle(10_000), {})
})

Tls('[A12] a peer without a certificate, or with old versions alone, does not get in', async () => {
  const counted = async (): Promise<number> =>
    (await edge.metrics()).sum('signalbox_engine_tls_handshakes_failed_total') ?? Number.NaN
  const before = await counted()
  for (const options of [
    { maxVersion: 'TLSv1.2' },
    {
      cert: caller.certificate,
      key: caller.key,
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'ALL:@SECLEVEL=0',
    },
  ] as const)
    assert.match(String(await dial(options).catch((error: unknown) => error)), /SSL/)
  await eventually('both to be counted', async () => (await counted()) === before + 2)
  await eventually('a line of it', () => edge.output.includes('TLS handshake failed: '))
})

for (const [what, number, issue, says] of [
  ['for another name', '+14155550141', () => authority.issue(['DNS:other.example.com']), 'not for agent.example.com'],
  [
    'that has expired',
    '+14155550142',
    () => authority.issue(['DNS:agent.example.com'], { expired: true }),
    'certificate has expired',
  ],
] as const)
  Tls(`[A12] an agent with a certificate ${what} is not called: its next address is`, async () => {
    const bad = await serve(AGENT, issue())
    const good = await serve(AGENT, authority.issue(['DNS:agent.example.com']))
    const uri = (port: number): string => `sips:bot@agent.example.com:${port}`
    await edge.addNumber(number, `agent-${number.slice(1)}`, [uri(bad.port), uri(good.port)])
    const carrier = await dial()
    const calling = call(carrier, number)
    const far = await eventually('a connection to the good one', () => good.peers[0])
    const invite = await nextMessage(far, 'an INVITE', isA('INVITE'))
    assert.match(invite.header('contact') ?? '', `sips:`)
    far.send(reply(invite, 486))
    const { answer, callId } = await calling
    assert.is(answer.status, 486)
    assert.is(bad.peers.flatMap(({ messages }) => messages).length, 0)
    const trace = JSON.stringify(await edge.cdrOfLegA(callId))
    assert.match(trace, says)
  })

Tls('a trunk registers over TLS, and on a new connection at once when its server answers pings no more', async () => {
  const pbx = await serve(CALLER, authority.issue(['DNS:carrier.example.com']))
  const { trunk_id: trunkId } = await edge.must<{ trunk_id: string }>('POST', '/v1/numbers', {
    phone_number: '+14155550143',
    sip_domain: 'pbx.example.com',
    username: 'u',
    outbound_proxy: `sip:carrier.example.com:${pbx.port};transport=tls`,
    register: { enabled: true, expires: 300 },
  })
  const accept = async (peer: Peer): Promise<SipText> => {
    const register = await nextMessage(peer, 'a REGISTER', isA('REGISTER'))
    peer.send(reply(register, 200, [`contact: ${register.header('contact')};expires=300`]))
    return register
  }
  const first = await eventually('a connection', () => pbx.peers[0])
  let answers = true
  let pings = 0
  first.socket.on('data', (bytes: Buffer) => {
    if (bytes.toString('latin1') !== '\r\n\r\n') return
    pings++
    if (answers) first.send('\r\n')
    answers = false
  })
  const register = await accept(first)
  assert.is(first.socket.servername, 'carrier.example.com')
  assert.match(
    register.header('contact') ?? '',
    new RegExp(`@${EDGE}:${tlsPort};.*transport=tls|@${EDGE}:${tlsPort};transport=tls`),
  )
  await registrationIn(edge, trunkId, ['registered'])
  const second = await eventually('another connection', () => pbx.peers[1], 10_000)
  assert.is(pings, 2)
  assert.ok(first.closed)
  await accept(second)
  assert.is((await edge.metrics()).sum('signalbox_engine_dead_connections_total'), 1)
})

Tls(
  '[A12] a trunk has authorities, a certificate and a name of its own; a server that is another is passed over, and the trunk tells',
  async () => {
    const bad = await serve(CALLER, carriers.issue(['DNS:other.example.net']), carriers)
    const good = await serve(CALLER, carriers.issue(['DNS:sip.example.net']), carriers)
    names.a('server.example.net', [CALLER])
    names.srv('_sips._tcp.sip.example.net', [
      { priority: 1, weight: 1, port: bad.port, target: 'server.example.net' },
      { priority: 2, weight: 1, port: good.port, target: 'server.example.net' },
    ])
    const trunk = {
      sip_domain: 'sip.example.net',
      username: 'u',
      outbound_proxy: 'sip:sip.example.net;transport=tls',
      tls: { ca: carriers.certificate, client_certificate: 'customer' },
      media_encryption: 'required',
    }
    const imported = await edge.must<{ trunk_id: string }>('POST', '/v1/numbers', {
      phone_number: '+14155550144',
      ...trunk,
      register: { enabled: true, expires: 300 },
    })
    const far = await eventually('a connection to the good one', () => good.peers[0], 10_000)
    const register = await nextMessage(far, 'a REGISTER', isA('REGISTER'))
    far.send(reply(register, 200, [`contact: ${register.header('contact')};expires=300`]))
    assert.is(far.socket.getPeerCertificate().subjectaltname, 'DNS:customer.example.com')
    await registrationIn(edge, imported.trunk_id, ['registered'])
    assert.is(bad.peers.flatMap(({ messages }) => messages).length, 0)
    interface View {
      readonly tls_state: { readonly peer_name: string; readonly problem: string | null; readonly verified_at: string }
      readonly warnings: string[]
    }
    const view = await edge.must<View>('GET', `/v1/trunks/${imported.trunk_id}`)
    assert.is(view.tls_state.peer_name, 'sip.example.net')
    assert.is(view.tls_state.problem, null)
    assert.match(view.warnings.join(), 'the certificate of its server ends at')
    const metrics = await edge.metrics()
    for (const certificate of ['server', 'client:customer', 'peers']) {
      const left = metrics.sum('signalbox_tls_certificate_expiry_seconds', { certificate }) ?? 0
      assert.ok(left > 0 && left <= 2 * 86_400, `${certificate}: ${left}`)
    }

    const agent = await agentOn(edge, 'placer')
    const pinned = await edge.must<{ trunk_id: string }>('POST', '/v1/numbers', {
      phone_number: '+14155550145',
      outbound_agent_ids: ['placer'],
      ...trunk,
      tls: { ...trunk.tls, pinned_name: 'elsewhere.example.net' },
    })
    const crypto = 'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj'
    const placing = { from: '+14155550145', to: '+13125550199' }
    const inClear = await callOut(agent, edge, { ...placing, body: SDP })
    const encrypted = await callOut(agent, edge, { ...placing, body: `${SDP.replace('/AVP', '/SAVP')}${crypto}\r\n` })
    await agent.close()
    const records = await eventually('both records', async () => {
      const found = await edge.cdrs('+14155550145')
      return found.length === 2 ? found : undefined
    })
    const of = (callId: string) => records.find((record) => record.leg_a_call_id === callId)
    assert.is(of(inClear.callId)?.result, 'media_not_encrypted')
    assert.is(of(inClear.callId)?.leg_a_status, 488)
    const failed = of(encrypted.callId)
    assert.is(failed?.result, 'trunk_unreachable')
    assert.is(failed?.attempts.length, 2)
    for (const { reason } of failed?.attempts ?? []) assert.match(reason, 'not for elsewhere.example.net')
    const { tls_state } = await edge.must<View>('GET', `/v1/trunks/${pinned.trunk_id}`)
    assert.match(tls_state.problem ?? '', '.example.net, not for elsewhere.example.net')
  },
)

Tls(
  'a PBX that registers to the edge over TLS is called on that connection, whatever its certificate says',
  async () => {
    const pbx = await dial()
    const number = '+14155550146'
    await edge.must('POST', '/v1/numbers', {
      phone_number: number,
      register_in: true,
      inbound_auth: { username: 'line', password: 'secret of the line' },
      outbound_agent_ids: ['placer'],
    })
    const agent = await agentOn(edge, 'placer')
    const uri = `sip:${EDGE}:${tlsPort}`
    const register = async (cseq: number, more: string[] = []): Promise<SipText> => {
      pbx.send(
        [
          `REGISTER ${uri} SIP/2.0`,
          `Via: SIP/2.0/TLS ${CALLER}:5061;rport;branch=z9hG4bK-line-${cseq}`,
          'Max-Forwards: 70',
          `From: <sip:line@${EDGE}>;tag=line`,
          `To: <sip:line@${EDGE}>`,
          'Call-ID: line-over-tls',
          `CSeq: ${cseq} REGISTER`,
          `Contact: <sip:line@10.0.0.7:5061;transport=tls>`,
          ...more,
          'Content-Length: 0',
          '',
          '',
        ].join('\r\n'),
      )
      const isAnswer = (message: SipText): boolean => message.header('cseq') === `${cseq} REGISTER`
      return nextMessage(pbx, 'an answer', isAnswer)
    }
    const challenge = (await register(1)).header('www-authenticate') ?? ''
    const answer = await register(2, [`Authorization: ${credentials(challenge, uri, 'line', 'secret of the line')}`])
    assert.is(answer.status, 200)
    const calling = callOut(agent, edge, { from: number, to: '+13125550199', body: SDP })
    const invite = await nextMessage(pbx, 'an INVITE', isA('INVITE'))
    pbx.send(reply(invite, 486))
    await calling
    await agent.close()
  },
)

Tls.run()
