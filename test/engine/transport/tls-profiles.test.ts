import { createHash, X509Certificate } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Hops } from '../../../src/engine/dialog/hops.js'
import type { Resolver } from '../../../src/engine/resolve/resolver.js'
import type { TlsProfile } from '../../../src/engine/transport/tls-profiles.js'
import { TlsProfiles } from '../../../src/engine/transport/tls-profiles.js'
import type { Target, TransportError } from '../../../src/engine/transport/transport.js'
import type { Transports } from '../../../src/engine/transport/transports.js'
import { type Certificate, TestAuthority } from '../../support/certificates.js'
import { outcome as outcomeOf, TlsBench, type TlsServer, tlsTarget } from '../../support/tls-bench.js'
import { optionsText } from '../../support/transport-bench.js'

const Profiles = suite('TLS profiles')

let authority: TestAuthority
/** Of a carrier that no machine knows. */
let carriers: TestAuthority
let ours: Certificate
let other: Certificate
let bench: TlsBench
let transports: Transports

Profiles.before(() => {
  authority = TestAuthority.create()
  carriers = TestAuthority.create()
  ours = authority.issue(['DNS:edge.example.com'])
  other = carriers.issue(['DNS:customer.example.com'])
})

Profiles.before.each(async () => {
  bench = new TlsBench()
  transports = await bench.start('sip:127.0.0.1:0;transport=tls', {
    tls: {
      certificate: { pem: ours.certificate },
      key: { pem: ours.key },
      ca: { pem: authority.certificate },
      named: { carrier: { certificate: { pem: other.certificate }, key: { pem: other.key } } },
      clientCertificates: 'ask',
      verifyServers: true,
    },
  })
})

Profiles.after.each(async () => {
  await bench.close()
})

Profiles.after(() => {
  authority.close()
  carriers.close()
})

const to = (port: number, tlsProfile?: string, serverName?: string): Target => tlsTarget(port, serverName, tlsProfile)

/** What becomes of a request: the error it failed with, or undefined when it arrived. */
const outcome = (target: Target, server: TlsServer): Promise<TransportError | undefined> =>
  outcomeOf(transports, target, server)

function profile(id: string, fields: TlsProfile): string {
  transports.tlsProfiles.set(id, fields)
  return id
}

Profiles(
  '[A12] the authorities of a profile vouch for its servers, in place of those that vouch for all others',
  async () => {
    const own = profile('own', { ca: carriers.certificate })
    const carrier = await bench.tlsServer(carriers.issue(['DNS:sip.example.com']))
    const refused = await outcome(to(carrier.port, undefined, 'sip.example.com'), carrier)
    assert.is(refused?.code, 'TLS_PEER_REFUSED')
    assert.match(refused?.message ?? '', /unable to .* \(it is for sip\.example\.com; sip\.example\.com was expected\)/)
    assert.is(await outcome(to(carrier.port, own, 'sip.example.com'), carrier), undefined)
    const common = await bench.tlsServer(authority.issue(['DNS:sip.example.com']))
    assert.is((await outcome(to(common.port, own, 'sip.example.com'), common))?.code, 'TLS_PEER_REFUSED')
    const expired = await bench.tlsServer(carriers.issue(['DNS:sip.example.com'], { expired: true }))
    assert.match((await outcome(to(expired.port, own, 'sip.example.com'), expired))?.message ?? '', 'has expired')
    const broken = profile('broken', { ca: carriers.certificate.replace(/\n.{20}/, '\nAAAAAAAAAAAAAAAAAAAA') })
    assert.is((await outcome(to(common.port, broken, 'sip.example.com'), common))?.code, 'TLS_PEER_REFUSED')
  },
)

Profiles('a server name is told in the handshake and must be proven; a pinned name must be in its place', async () => {
  const carrier = await bench.tlsServer(carriers.issue(['DNS:sip.example.com']))
  const named = profile('named', { ca: carriers.certificate, serverName: 'sip.example.com' })
  assert.is(await outcome(to(carrier.port, named), carrier), undefined, 'dialled by its address')
  assert.equal(carrier.names, ['sip.example.com'])
  const pinned = profile('pinned', { ca: carriers.certificate, pinnedName: 'sip.example.com' })
  assert.is(await outcome(to(carrier.port, pinned, 'pbx.example.net'), carrier), undefined)
  assert.equal(carrier.names, ['sip.example.com', 'pbx.example.net'])
  const wrong = profile('wrong', { ca: carriers.certificate, pinnedName: 'pbx.example.net' })
  const refused = await outcome(to(carrier.port, wrong, 'sip.example.com'), carrier)
  assert.match(refused?.message ?? '', 'its certificate is for sip.example.com, not for pbx.example.net')
})

Profiles('a pin is the hash of a certificate or of a public key; without verification it alone decides', async () => {
  const certificate = carriers.issue(['DNS:pbx'])
  const carrier = await bench.tlsServer(certificate)
  const x509 = new X509Certificate(certificate.certificate)
  const hash = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
  const pins = [hash(x509.raw), hash(x509.publicKey.export({ type: 'spki', format: 'der' }))]
  for (const pin of pins) {
    const id = profile(pin, { pins: ['00'.repeat(32), pin], verify: false })
    assert.is(await outcome(to(carrier.port, id), carrier), undefined)
  }
  const other = profile('other', { pins: ['00'.repeat(32)], verify: false })
  const refused = await outcome(to(carrier.port, other), carrier)
  assert.is(refused?.code, 'TLS_PEER_REFUSED')
  assert.match(refused?.message ?? '', 'its certificate, for pbx, is none of those that are pinned')
  const both = profile('both', { pins })
  assert.match((await outcome(to(carrier.port, both, 'pbx'), carrier))?.message ?? '', 'is not accepted')
  const none = profile('none', { verify: false })
  assert.is(await outcome(to(carrier.port, none), carrier), undefined)
})

Profiles(
  '[A12] the certificate that a profile names is shown to servers that require one; one that is not there fails',
  async () => {
    const mutual = { requestCert: true, rejectUnauthorized: true, ca: carriers.certificate }
    const carrier = await bench.tlsServer(carriers.issue(['DNS:sip.example.com']), mutual)
    const shown = profile('shown', { ca: carriers.certificate, clientCertificate: 'carrier' })
    assert.is(await outcome(to(carrier.port, shown, 'sip.example.com'), carrier), undefined)
    const { socket } = carrier.peers[0]!
    assert.is(socket.getPeerCertificate().subjectaltname, 'DNS:customer.example.com')
    const missing = profile('missing', { ca: carriers.certificate, clientCertificate: 'nobody' })
    const error = await outcome(to(carrier.port, missing, 'sip.example.com'), carrier)
    assert.is(error?.code, 'BAD_TLS')
    assert.match(error?.message ?? '', 'there is no certificate named nobody')
    assert.is((await outcome(to(carrier.port, 'unheard-of', 'sip.example.com'), carrier))?.code, 'BAD_TLS')
  },
)

Profiles(
  '[A12] a connection serves its own profile alone, and there each name that its certificate speaks for',
  async () => {
    const carrier = await bench.tlsServer(carriers.issue(['DNS:a.example.com', 'DNS:b.example.com']))
    const one = profile('one', { ca: carriers.certificate })
    const two = profile('two', { ca: carriers.certificate, clientCertificate: 'carrier' })
    const loose = profile('loose', { verify: false })
    assert.is(await outcome(to(carrier.port, one, 'a.example.com'), carrier), undefined)
    const flow = transports.flowTo(to(carrier.port, one, 'a.example.com'))
    assert.is(transports.flowTo(to(carrier.port, one, 'a.example.com')), flow)
    assert.is(carrier.peers.length, 1)
    for (const target of [
      to(carrier.port, two, 'a.example.com'),
      to(carrier.port, loose, 'a.example.com'),
      to(carrier.port, undefined, 'a.example.com'),
      to(carrier.port),
      to(carrier.port, one),
      to(carrier.port, one, 'c.example.com'),
    ])
      assert.is.not(transports.flowTo(target), flow, JSON.stringify(target))
    assert.is(await outcome(to(carrier.port, loose, 'a.example.com'), carrier), undefined)
    const unverified = transports.flowTo(to(carrier.port, loose, 'a.example.com'))
    assert.is.not(transports.flowTo(to(carrier.port, loose, 'b.example.com')), unverified, 'nothing was proven')
  },
)

Profiles(
  '[A12] a connection that a peer opened carries requests to a name only if its certificate proves that name',
  async () => {
    const dial = async (options: object): Promise<number> => {
      const peer = await bench.tlsPeer(transports.bindings[0]!.port, { rejectUnauthorized: false, ...options })
      const before = bench.arrivals.length
      peer.send(optionsText(1, 'SIP/2.0/TLS 127.0.0.1;branch=z9hG4bKx'))
      await bench.arrived(before + 1)
      return peer.port
    }
    const carrier = authority.issue(['DNS:carrier.example.com', 'IP:127.0.0.1'])
    const [anonymous, known] = [await dial({}), await dial({ cert: carrier.certificate, key: carrier.key })]
    const [first, second] = bench.arrivals.map(({ flow }) => flow)
    const reused = (port: number, ...rest: [string?, string?]) => transports.flowTo(to(port, ...rest))
    assert.is(reused(anonymous), first, 'a dialog goes back the way it came')
    assert.is.not(reused(anonymous, undefined, 'carrier.example.com'), first)
    assert.is.not(reused(anonymous, undefined, '127.0.0.1'), first, 'dialled by its address, it must prove that')
    assert.is(reused(known, undefined, 'carrier.example.com'), second)
    assert.is(reused(known, undefined, '127.0.0.1'), second)
    assert.is.not(reused(known, undefined, 'other.example.com'), second)
    assert.is.not(reused(known, profile('any', { ca: authority.certificate }), 'carrier.example.com'), second)
  },
)

Profiles('what a server showed last is remembered: whom for, until when, and why it was refused', async () => {
  const own = profile('own', { ca: carriers.certificate })
  const good = await bench.tlsServer(carriers.issue(['DNS:sip.example.com']))
  await outcome(to(good.port, own, 'sip.example.com'), good)
  const seen = transports.tlsPeers.of(own, 'SIP.example.com')!
  assert.is(seen.names, 'sip.example.com')
  assert.ok(seen.notAfter! > new Date())
  assert.equal(seen.verifiedAt, bench.clock.date())
  assert.is(seen.problem, undefined)
  const bad = await bench.tlsServer(carriers.issue(['DNS:bad.example.com', `DNS:${'x'.repeat(63)}.${'y'.repeat(63)}`]))
  await outcome(to(bad.port, own, 'sip.example.com'), bad)
  const after = transports.tlsPeers.of(own, 'sip.example.com')!
  assert.match(after.names!, /^bad\.example\.com, x{63}\.$/)
  assert.match(after.problem!, 'not for sip.example.com')
  assert.equal(after.verifiedAt, seen.verifiedAt)
  const again = await bench.tlsServer(carriers.issue(['DNS:sip.example.com']))
  await outcome(to(again.port, own, 'sip.example.com'), again)
  assert.is(transports.tlsPeers.of(own, 'sip.example.com')?.problem, undefined)
  assert.equal(transports.certificates?.own.names, 'DNS:edge.example.com')
  assert.equal([...transports.certificates!.named.keys()], ['carrier'])
})

Profiles('the application that dials may name a profile and a name; what a peer wrote names neither', () => {
  const binding = transports.bindings[0]!
  const hops = new Hops(
    { bindingFor: () => binding, refusal: () => undefined } as unknown as Transports,
    { resolve: () => Promise.reject(new Error('not asked')) } as unknown as Resolver,
  )
  const uri = Hops.parse('sip:192.0.2.7;transport=tls;x-signalbox-tls-name=a.example.com;x-signalbox-tls=loose')!
  const connected = Hops.parse('sip:192.0.2.7;transport=tls;x-signalbox-connected')!
  const targetOf = (from?: 'application' | 'target', to = uri) => {
    const found = hops.find(to, undefined, from)
    if (found instanceof Promise || !found.ok) throw new Error('no way')
    return found.ways[0]!.target
  }
  const target = { protocol: 'tls', address: '192.0.2.7', port: 5061 }
  assert.equal(targetOf('application'), { ...target, serverName: 'a.example.com', tlsProfile: 'loose' })
  assert.equal(targetOf('target'), { ...target, serverName: '192.0.2.7' })
  assert.equal(targetOf(), target)
  assert.equal(targetOf('application', connected), target, 'who is connected from there')
  assert.equal(targetOf('target', connected), { ...target, serverName: '192.0.2.7' })
})

Profiles('profiles are bounded, those in use stay, and an id never comes to mean another', () => {
  const profiles = new TlsProfiles()
  profiles.set('a', { verify: false })
  for (let n = 0; n < 30_000; n++) {
    profiles.set(String(n), {})
    if (n % 1_000 === 0) profiles.set('a', {})
  }
  assert.equal(profiles.get('a'), { verify: false })
  assert.is(profiles.get('0'), undefined)
  assert.equal(profiles.get('29999'), {})
})

Profiles.run()
