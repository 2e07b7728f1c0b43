import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { type Certificate, TestAuthority } from '../support/certificates.js'
import { eventually } from '../support/eventually.js'
import { freePort } from '../support/free-port.js'
import { inviteText, nextMessage, openTcp, openUdp } from '../support/sip-peer.js'
import { type SrfDialog, type SrfMessage, type Station, startStation } from '../support/srf-app.js'

// An unmodified drachtio-srf on either side, and streams between them.
const Streams = suite('Streams between applications')

const audio = 'v=0\r\no=a 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n'
/** About 40 kB of it. */
const longAudio = audio + Array.from({ length: 1_000 }, (_, n) => `a=x-filler-${n}:${'x'.repeat(24)}\r\n`).join('')

let authority: TestAuthority
let certificate: Certificate
let here: Station
let there: Station
let closing: Array<() => void>

Streams.before(() => {
  authority = TestAuthority.create()
  certificate = authority.issue(['IP:127.0.0.1'])
})

Streams.after(() => authority.close())

async function station(): Promise<Station & { readonly secure: (user: string) => string }> {
  const tlsPort = await freePort()
  const port = await freePort()
  const started = await startStation({
    contacts: [`sip:127.0.0.1:${port};transport=udp,tcp`, `sip:127.0.0.1:${tlsPort};transport=tls`],
    tls: {
      certificate: { pem: certificate.certificate },
      key: { pem: certificate.key },
      ca: { pem: authority.certificate },
      verifyServers: true,
    },
  })
  return {
    ...started,
    port,
    uri: (user, transport = 'udp') => `sip:${user}@127.0.0.1:${port};transport=${transport}`,
    secure: (user) => `sip:${user}@127.0.0.1:${tlsPort};transport=tls`,
  }
}

let secureUri: (user: string) => string

Streams.before.each(async () => {
  closing = []
  here = await station()
  const other = await station()
  there = other
  secureUri = other.secure
})

Streams.after.each(async () => {
  for (const close of closing) close()
  await eventually('every dialog, transaction and timer has ended', () =>
    [here, there].every(({ engine }) => {
      const { dialogs, transactions, timers } = engine.gauges()
      return dialogs + transactions + timers === 0
    }),
  )
  await here.stop()
  await there.stop()
})

/** Answers every call, and gives the INVITEs. */
function answering(localSdp = audio): { invites: SrfMessage[]; dialogs: SrfDialog[] } {
  const invites: SrfMessage[] = []
  const dialogs: SrfDialog[] = []
  there.app.invite((req, res) => {
    invites.push(req)
    void there.app.createUAS(req, res, { localSdp }).then((dialog) => dialogs.push(dialog))
  })
  return { invites, dialogs }
}

Streams('[10.1/8] a very long SDP crosses over TCP, there and back', async () => {
  const { invites } = answering(longAudio)
  const dialog = await here.app.createUAC(there.uri('bob', 'tcp'), { localSdp: longAudio })
  assert.is(invites[0]?.body, longAudio)
  assert.is(dialog.remote.sdp, longAudio)
  await dialog.destroy()
})

Streams('a call over TLS, with a very long SDP, from INVITE to BYE on one connection', async () => {
  const { invites, dialogs } = answering(longAudio)
  const dialog = await here.app.createUAC(secureUri('bob'), { localSdp: longAudio })
  assert.is(dialog.remote.sdp, longAudio)
  assert.match(invites[0]?.get('via') ?? '', 'SIP/2.0/TLS 127.0.0.1:')
  assert.match(invites[0]?.get('contact') ?? '', /<sip:127\.0\.0\.1:\d+;transport=tls>/)
  const far = await eventually('the far dialog', () => dialogs[0])
  assert.is(await far.modify(audio), longAudio)
  assert.equal([here.engine.gauges().tlsConnections, there.engine.gauges().tlsConnections], [1, 1])
  await dialog.destroy()
})

Streams('sips: to another is answered with a sips: Contact, and never leaves over anything but TLS', async () => {
  const { invites } = answering()
  const dialog = await here.app.createUAC(secureUri('bob').replace('sip:', 'sips:').replace(';transport=tls', ''), {
    localSdp: audio,
  })
  assert.match(invites[0]?.get('contact') ?? '', /<sips:127\.0\.0\.1:\d+>/)
  await dialog.destroy()
  const udpOnly = await startStation()
  const refusal = await udpOnly.app
    .createUAC(`sips:bob@127.0.0.1:${there.port}`, { localSdp: audio })
    .catch((error: unknown) => error)
  assert.match(String(refusal), 'requested protocol/transport not available')
  await udpOnly.stop()
})

Streams('a server that proves another name is not sent to: the application hears a 503 that says why', async () => {
  const stranger = TestAuthority.create()
  const other = stranger.issue(['DNS:elsewhere.example.com'])
  const port = await freePort()
  const far = await startStation({
    contacts: [`sip:127.0.0.1:${port};transport=tls`],
    tls: { certificate: { pem: other.certificate }, key: { pem: other.key } },
  })
  const error = (await here.app
    .createUAC(`sip:bob@127.0.0.1:${port};transport=tls`, { localSdp: audio })
    .catch((thrown: unknown) => thrown)) as { status?: number; reason?: string }
  assert.is(error.status, 503)
  assert.match(error.reason ?? '', 'certificate')
  await far.stop()
  stranger.close()
})

Streams('[10.2/20] a very long Request-URI crosses, over UDP and TCP', async () => {
  const { invites } = answering()
  const user = 'u'.repeat(900)
  for (const transport of ['udp', 'tcp']) {
    const uri = `${there.uri(user, transport)};x-token=${'t'.repeat(900)}`
    const dialog = await here.app.createUAC(uri, { localSdp: audio })
    assert.is(invites.at(-1)?.uri, uri)
    await dialog.destroy()
  }
})

Streams('[10.3/18] MESSAGE of several kilobytes in a datagram reaches the application and is answered', async () => {
  const bodies: string[] = []
  there.app.message((req, res) => {
    bodies.push(req.body)
    res.send(200)
  })
  const peer = await openUdp('127.0.0.1', { address: '127.0.0.1', port: there.port })
  closing.push(() => peer.close())
  const body = 'm'.repeat(8_000)
  const { text, callId } = inviteText({
    from: peer.local,
    target: { address: '127.0.0.1', port: there.port },
    protocol: 'udp',
    number: 'bob',
    body,
    contentType: 'text/plain',
  })
  peer.send(text.replace(/^INVITE/, 'MESSAGE').replace('CSeq: 1 INVITE', 'CSeq: 1 MESSAGE'))
  const answer = await nextMessage(peer, 'an answer', (message) => message.callId === callId && message.status >= 200)
  assert.is(answer.status, 200)
  assert.equal(bodies, [body])
})

Streams('the port of TLS does not answer those who speak none, and goes on', async () => {
  const target = { address: '127.0.0.1', port: Number(/:(\d+);/.exec(secureUri('x'))?.[1]) }
  const plain = await openTcp('127.0.0.1', target)
  closing.push(() => plain.close())
  plain.send('OPTIONS sip:x SIP/2.0\r\n\r\n')
  await eventually('it to be closed', () => plain.closed)
  assert.equal(plain.messages, [])
  const beneath = connect(target.port, target.address)
  const secured = connectTls({ socket: beneath, host: target.address, ca: authority.certificate })
  closing.push(() => secured.destroy())
  await new Promise((resolve, reject) => secured.once('secureConnect', resolve).once('error', reject))
})

Streams.run()
