import { connect as connectTcp } from 'node:net'
import type { ConnectionOptions, SecureVersion } from 'node:tls'
import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createResponse, serialise } from '../../../src/engine/message/message.js'
import { parseContact } from '../../../src/engine/transport/contact.js'
import type { TlsSettings } from '../../../src/engine/transport/tls-settings.js'
import type { TransportError } from '../../../src/engine/transport/transport.js'
import type { Transports, TransportsOptions } from '../../../src/engine/transport/transports.js'
import { type Certificate, TestAuthority } from '../../support/certificates.js'
import { eventually } from '../../support/eventually.js'
import { outcome, TlsBench, type TlsPeer, tlsTarget } from '../../support/tls-bench.js'
import { optionsText } from '../../support/transport-bench.js'

const Tls = suite('TLS')

let authority: TestAuthority
let stranger: TestAuthority
let ours: Certificate
let bench: TlsBench

Tls.before(() => {
  authority = TestAuthority.create()
  stranger = TestAuthority.create()
  ours = authority.issue(['DNS:edge.example.com', 'IP:127.0.0.1'])
})

Tls.before.each(() => {
  bench = new TlsBench()
})

Tls.after.each(async () => {
  await bench.close()
})

Tls.after(() => {
  authority.close()
  stranger.close()
})

const withOurs = (more: Partial<TlsSettings> = {}): TlsSettings => ({
  certificate: { pem: ours.certificate },
  key: { pem: ours.key },
  ...more,
})

async function start(
  tls: Partial<TlsSettings> = {},
  more: Partial<TransportsOptions> = {},
): Promise<{ transports: Transports; port: number }> {
  const transports = await bench.start('sip:127.0.0.1:0;transport=tls', { tls: withOurs(tls), ...more })
  return { transports, port: transports.bindings[0]?.port ?? 0 }
}

const failureTo = (tls: TlsSettings | undefined): Promise<TransportError> =>
  bench.start('sips:127.0.0.1:0', tls === undefined ? {} : { tls }).then(
    () => Promise.reject(new Error('it started')),
    (error: unknown) => error as TransportError,
  )

/** A peer that connects and trusts the authority. Rejects when the handshake fails. */
const dial = (port: number, options: ConnectionOptions = {}): Promise<TlsPeer> =>
  bench.tlsPeer(port, { ca: authority.certificate, servername: 'edge.example.com', ...options })

function answerAll(): void {
  bench.onArrival = ({ parsed, flow }) => {
    if (parsed.ok && parsed.message.kind === 'request') flow.send(serialise(createResponse(parsed.message, 200)))
  }
}

// What listens

Tls('a contact over TLS is called so, its port is told, and requests are answered on their connection', async () => {
  answerAll()
  const { transports, port } = await start()
  const binding = transports.bindings[0]
  assert.is(binding?.contactUri, `sip:127.0.0.1:${port};transport=tls`)
  assert.is(binding?.sentBy, `127.0.0.1:${port}`)
  const peer = await dial(port)
  peer.send(optionsText(1, 'SIP/2.0/TLS pbx.example.com;branch=z9hG4bKx'))
  const { flow, parsed } = await bench.arrived(1)
  assert.is(flow.protocol, 'tls')
  assert.ok(parsed.ok)
  await eventually('the answer', () => peer.received.startsWith('SIP/2.0 200'))
  assert.match(
    peer.received,
    `via: SIP/2.0/TLS pbx.example.com;branch=z9hG4bKx;rport=${peer.port}`.replace('via', 'Via'),
  )
  assert.is(transports.tlsConnections, 1)
  assert.is(transports.connections, 1)
})

Tls('a sips: contact makes our Contact a sips: URI', async () => {
  const transports = await bench.start('sips:127.0.0.1:0', { tls: withOurs() })
  const [binding] = transports.bindings
  assert.is(binding?.contactUri, `sips:127.0.0.1:${binding?.port}`)
})

Tls('every problem with our certificates is told at the start with the file that has it', async () => {
  const other = authority.issue(['DNS:other.example.com'])
  const [empty, missing] = [join(authority.folder, 'empty.pem'), join(authority.folder, 'missing.pem')]
  writeFileSync(empty, 'nothing\n')
  const files = { certificate: { file: ours.certificateFile }, key: { file: ours.keyFile } }
  for (const [settings, message] of [
    [undefined, 'contact sips:127.0.0.1:0 needs a certificate and its key'],
    [{ ...files, certificate: { file: missing } }, `TLS: certificate ${missing} cannot be read (ENOENT)`],
    [{ ...files, certificate: { file: empty } }, `TLS: certificate ${empty} holds no certificate in PEM form`],
    [{ ...files, key: { file: empty } }, `TLS: key ${empty} holds no private key in PEM form without a passphrase`],
    [
      { ...files, key: { file: other.keyFile } },
      `TLS: key ${other.keyFile} is not the key of certificate ${ours.certificateFile}`,
    ],
    [{ ...files, ca: { file: empty } }, `TLS: CA ${empty} holds no certificate in PEM form`],
    [
      { ...files, clientCertificates: 'require' },
      'TLS: client certificates (require) need a CA to verify them against',
    ],
    [{ ...files, ciphers: 'NOPE' }, 'TLS: cipher list "NOPE": error:0A0000B9:SSL routines::no cipher match'],
  ] as const) {
    const error = await failureTo(settings)
    assert.is(error.message, message)
    assert.is(error.code, 'BAD_TLS')
  }
})

Tls('[A12] versions before 1.2 are refused unless they are asked for', async () => {
  const old = (version: SecureVersion): ConnectionOptions => ({
    minVersion: version,
    maxVersion: version,
    ciphers: 'DEFAULT:@SECLEVEL=0',
  })
  const { port, transports } = await start()
  for (const version of ['TLSv1', 'TLSv1.1'] as const) await refused(dial(port, old(version)))
  await eventually('both to be counted', () => transports.counters.failedHandshakes === 2)
  await dial(port, { maxVersion: 'TLSv1.2' })
  await dial(port, { minVersion: 'TLSv1.3' })
  const lenient = await start({ minVersion: 'TLSv1' })
  const peer = await dial(lenient.port, old('TLSv1'))
  assert.is(peer.socket.getProtocol(), 'TLSv1')
})

const refused = (handshake: Promise<unknown>): Promise<void> =>
  handshake.then(
    () => Promise.reject(new Error('the handshake succeeded')),
    () => undefined,
  )

Tls('a handshake that fails or never comes costs its own connection alone, and is told with its peer', async () => {
  answerAll()
  const { port, transports } = await start({}, { handshakeTimeoutMs: 300 })
  const good = await dial(port)
  const mute = connectTcp(port, '127.0.0.1')
  const plain = connectTcp(port, '127.0.0.1', () => plain.write('OPTIONS sip:a SIP/2.0\r\n\r\n'))
  for (const socket of [mute, plain]) {
    bench.closeLater(() => void socket.destroy())
    socket.on('error', () => undefined).resume()
  }
  await eventually('both to be closed', () => mute.closed && plain.closed)
  await eventually('both to be told', () => bench.failedHandshakes.length === 2)
  assert.equal(bench.failedHandshakes.map(({ why }) => why).sort(), ['TLS handshake timeout', 'wrong version number'])
  assert.ok(bench.failedHandshakes.every(({ address, at }) => address === '127.0.0.1' && at > 0))
  good.send(optionsText())
  await eventually('the answer', () => good.received.startsWith('SIP/2.0 200'))
  assert.is(transports.connections, 1)
})

Tls('streams count against the caps from the moment they connect, handshake or not', async () => {
  const { port, transports } = await start({}, { maxConnectionsPerAddress: 2, handshakeTimeoutMs: 60_000 })
  const waiting = [1, 2].map(() => connectTcp(port, '127.0.0.1').on('error', () => undefined))
  bench.closeLater(() => waiting.forEach((socket) => socket.destroy()))
  await eventually('two to be counted', () => transports.connections === 2)
  await refused(dial(port))
  assert.is(transports.counters.refusedConnections, 1)
  // Whoever ends within the handshake does not keep its place for the time of one.
  waiting.forEach((socket) => socket.end())
  await eventually('both to be gone', () => transports.connections === 0)
  await dial(port)
})

Tls('stops at once while handshakes are under way', async () => {
  const { port, transports } = await start()
  const waiting = connectTcp(port, '127.0.0.1').on('error', () => undefined)
  bench.closeLater(() => void waiting.destroy())
  await eventually('it to be counted', () => transports.connections === 1)
  await transports.stop()
  assert.is(transports.connections, 0)
})

// Certificates of clients

Tls('[A12] a client without a good certificate gets in with none and ask, and not with require', async () => {
  const ca = { pem: authority.certificate }
  const bad = stranger.issue(['DNS:pbx.example.com'])
  const good = authority.issue(['DNS:pbx.example.com'])
  const shown = ({ certificate, key }: Certificate): ConnectionOptions => ({
    cert: certificate,
    key,
    maxVersion: 'TLSv1.2',
  })
  const anonymous: ConnectionOptions = { maxVersion: 'TLSv1.2' }
  const asking = await start({ ca, clientCertificates: 'ask' })
  await dial(asking.port, anonymous)
  await dial(asking.port, shown(bad))
  const strict = await start({ ca, clientCertificates: 'require' })
  await refused(dial(strict.port, anonymous))
  await refusedLater(dial(strict.port, shown(bad)))
  await eventually('both to be told', () => bench.failedHandshakes.length === 2)
  assert.match(
    bench.failedHandshakes.map(({ why }) => why).join(),
    /peer did not return a certificate.*client certificate: /,
  )
  answerAll()
  const peer = await dial(strict.port, shown(good))
  peer.send(optionsText())
  await eventually('the answer', () => peer.received.startsWith('SIP/2.0 200'))
})

/** The server may find its peer unfit only after the peer thinks that all is well. */
const refusedLater = (handshake: Promise<TlsPeer>): Promise<unknown> =>
  handshake.then(
    (peer) => eventually('the connection to be closed', () => peer.closed),
    () => undefined,
  )

Tls(
  'a client is reached on its own connection by a name that its certificate speaks for, and by no other',
  async () => {
    const { port, transports } = await start({
      ca: { pem: authority.certificate },
      clientCertificates: 'ask',
      verifyServers: true,
    })
    const { certificate: cert, key } = authority.issue(['DNS:pbx.example.com'])
    const peer = await dial(port, { cert, key })
    peer.send(optionsText())
    const { flow } = await bench.arrived(1)
    assert.is(transports.flowTo(tlsTarget(peer.port, 'pbx.example.com')), flow)
    assert.is(transports.flowTo(tlsTarget(peer.port)), flow)
    assert.is.not(transports.flowTo(tlsTarget(peer.port, 'other.example.com')), flow)
  },
)

// Reload

Tls('[A12] after a reload handshakes get the new certificate, and connections in being stay', async () => {
  answerAll()
  const files = { certificate: join(authority.folder, 'live.pem'), key: join(authority.folder, 'live.key') }
  const use = (certificate: Certificate): void => {
    copyFileSync(certificate.certificateFile, files.certificate)
    copyFileSync(certificate.keyFile, files.key)
  }
  use(ours)
  const { port, transports } = await start({ certificate: { file: files.certificate }, key: { file: files.key } })
  const before = await dial(port)
  const next = authority.issue(['DNS:edge.example.com', 'DNS:new.example.com'])
  use(next)
  const shown = await transports.reloadTls()
  assert.is(shown?.names, 'DNS:edge.example.com, DNS:new.example.com')
  const after = await dial(port)
  assert.match(after.socket.getPeerCertificate().subjectaltname ?? '', 'new.example.com')
  before.send(optionsText())
  await eventually('the answer', () => before.received.startsWith('SIP/2.0 200'))

  writeFileSync(files.key, 'half a')
  const error = await transports.reloadTls().catch((thrown: unknown) => thrown as TransportError)
  assert.is(
    (error as TransportError).message,
    `TLS: key ${files.key} holds no private key in PEM form without a passphrase`,
  )
  const still = await dial(port)
  assert.match(still.socket.getPeerCertificate().subjectaltname ?? '', 'new.example.com')
})

Tls('without a contact over TLS there is nothing to reload', async () => {
  const transports = await bench.start()
  assert.is(await transports.reloadTls(), undefined)
})

// Connections of ours

Tls(
  'a server that proves the name that was dialled gets the request; it is told the name in the handshake',
  async () => {
    const { transports } = await start({ ca: { pem: authority.certificate }, verifyServers: true })
    const carrier = await bench.tlsServer(authority.issue(['DNS:sip.example.com', 'IP:127.0.0.1']))
    assert.is(await outcome(transports, tlsTarget(carrier.port, 'sip.example.com'), carrier), undefined)
    assert.equal(carrier.names, ['sip.example.com'])
    assert.is(transports.tlsConnections, 1)
  },
)

Tls('a literal address is no name for the handshake, and the certificate must hold it', async () => {
  const { transports } = await start({ ca: { pem: authority.certificate }, verifyServers: true })
  const carrier = await bench.tlsServer(authority.issue(['IP:127.0.0.1']))
  assert.is(await outcome(transports, tlsTarget(carrier.port), carrier), undefined)
  assert.equal(carrier.names, ['false'])
  const named = await bench.tlsServer(authority.issue(['DNS:sip.example.com']))
  assert.is((await outcome(transports, tlsTarget(named.port), named))?.code, 'TLS_PEER_REFUSED')
})

for (const [what, issue, expected] of [
  [
    'for another name',
    () => authority.issue(['DNS:other.example.com']),
    /is for other\.example\.com, not for sip\.example\.com/,
  ],
  [
    'with a wildcard',
    () => authority.issue(['DNS:*.example.com']),
    /is for \*\.example\.com, not for sip\.example\.com/,
  ],
  ['that has expired', () => authority.issue(['DNS:sip.example.com'], { expired: true }), /certificate has expired/],
  ['of nobody we trust', () => stranger.issue(['DNS:sip.example.com']), /unable to (get local issuer|verify)/],
] as const)
  Tls(
    `[A12] a server with a certificate ${what} gets nothing when servers are verified, and all when they are not`,
    async () => {
      const carrier = await bench.tlsServer(issue())
      const strict = await start({ ca: { pem: authority.certificate }, verifyServers: true })
      const error = await outcome(strict.transports, tlsTarget(carrier.port, 'sip.example.com'), carrier)
      assert.is(error?.code, 'TLS_PEER_REFUSED')
      assert.match(error?.message ?? '', expected)
      assert.match(error?.message ?? '', `tls 127.0.0.1:${carrier.port}`)
      assert.is(carrier.received, '')
      const lenient = await start()
      assert.is(await outcome(lenient.transports, tlsTarget(carrier.port, 'sip.example.com'), carrier), undefined)
    },
  )

Tls('a peer that speaks no TLS, or only old versions, fails what was to be sent', async () => {
  const { transports } = await start()
  const plain = await bench.tcpServer()
  const old = await bench.tlsServer(ours, {
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT:@SECLEVEL=0',
  })
  const first = outcome(transports, tlsTarget(plain.port))
  await eventually('a connection', () => plain.peers[0])
  plain.peers[0]?.send('SIP/2.0 400 What\r\n\r\n')
  assert.is((await first)?.code, 'TLS_HANDSHAKE_FAILED')
  assert.is((await outcome(transports, tlsTarget(old.port), old))?.code, 'TLS_HANDSHAKE_FAILED')
  assert.is((await outcome(transports, tlsTarget(1)))?.code, 'CONNECT_FAILED')
})

Tls('a peer that says nothing in the handshake fails what was to be sent in time', async () => {
  const { transports } = await start({}, { handshakeTimeoutMs: 1_000 })
  const plain = await bench.tcpServer()
  const failing = outcome(transports, tlsTarget(plain.port))
  await eventually('a connection', () => plain.peers[0]?.received)
  bench.clock.advance(1_000)
  const error = await failing
  assert.is(error?.code, 'CONNECT_TIMEOUT')
  assert.match(error?.message ?? '', 'no TLS handshake within 1000 ms')
})

Tls('shows its own certificate to servers that ask for one', async () => {
  const { transports } = await start()
  const carrier = await bench.tlsServer(authority.issue(['DNS:sip.example.com']), {
    requestCert: true,
    rejectUnauthorized: true,
    ca: authority.certificate,
  })
  assert.is(await outcome(transports, tlsTarget(carrier.port, 'sip.example.com'), carrier), undefined)
  assert.is(carrier.peers[0]?.socket.getPeerCertificate().subjectaltname, 'DNS:edge.example.com, IP Address:127.0.0.1')
})

Tls(
  '[A12] one address that serves several names has a connection for each, and one for all that its certificate speaks for',
  async () => {
    const { transports } = await start({ ca: { pem: authority.certificate }, verifyServers: true })
    const carrier = await bench.tlsServer(authority.issue(['DNS:a.example.com', 'DNS:b.example.com']), {
      SNICallback: (name, done) => done(null, name === 'c.example.com' ? other : undefined),
    })
    const { createSecureContext } = await import('node:tls')
    const { certificate: cert, key } = authority.issue(['DNS:c.example.com'])
    const other = createSecureContext({ cert, key })
    assert.is(await outcome(transports, tlsTarget(carrier.port, 'a.example.com'), carrier), undefined)
    const flow = transports.flowTo(tlsTarget(carrier.port, 'a.example.com'))
    assert.is(transports.flowTo(tlsTarget(carrier.port, 'b.example.com')), flow)
    assert.is(transports.flowTo(tlsTarget(carrier.port)), flow)
    assert.is(await outcome(transports, tlsTarget(carrier.port, 'c.example.com'), carrier), undefined)
    assert.is.not(transports.flowTo(tlsTarget(carrier.port, 'c.example.com')), flow)
    assert.is(transports.flowTo(tlsTarget(carrier.port, 'a.example.com')), flow)
    assert.equal(carrier.names, ['a.example.com', 'c.example.com'])
  },
)

Tls('the answer to a request whose connection is gone goes to the host of its Via, by that name', async () => {
  const { port, transports } = await start({ ca: { pem: authority.certificate }, verifyServers: true })
  const carrier = await bench.tlsServer(authority.issue(['DNS:sip.example.com']))
  const peer = await dial(port)
  peer.send(optionsText(1, `SIP/2.0/TLS sip.example.com:${carrier.port};branch=z9hG4bKx`))
  const { flow, parsed } = await bench.arrived(1)
  if (!parsed.ok || parsed.message.kind !== 'request') throw new Error('no request')
  const answer = serialise(createResponse(parsed.message, 200))
  flow.send(answer)
  peer.socket.end()
  await eventually('the connection to be gone', () => transports.connections === 0)
  transports.flowForResponse(parsed.message.topVia, flow)?.send(answer)
  await eventually('the answer', () => carrier.peers[0]?.received.startsWith('SIP/2.0 200'))
})

Tls(
  'UDP, TCP and TLS of one contact without a port have their own defaults; with one, TCP and TLS are told that they cannot share it',
  () => {
    const ports = parseContact('sip:127.0.0.1;transport=udp,tcp,tls').map(({ protocol, port }) => `${protocol} ${port}`)
    assert.equal(ports, ['udp 5060', 'tcp 5060', 'tls 5061'])
    assert.throws(() => parseContact('sip:127.0.0.1:5070;transport=tcp,tls'), /tcp and tls cannot share a port/)
  },
)

Tls.run()
