import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createEngine, nextHopOf, parseUri, ResolveError, Resolver } from '../../../src/engine/index.js'
import { supportsOf, SystemClock, type SipUri } from '../../../src/engine/index.js'
import { NameServer } from '../../support/name-server.js'

const Door = suite('Resolving outside the engine')

let dns: NameServer

Door.before.each(async () => {
  dns = await NameServer.start()
  dns.srv('_sip._udp.pbx.example.com', [{ priority: 0, weight: 0, port: 5090, target: 'u.example.com' }])
  dns.a('u.example.com', ['127.0.0.3'])
})

Door.after.each(() => dns.stop())

const hop = nextHopOf(parseUri('sip:pbx.example.com') as SipUri)
const target = { protocol: 'udp', address: '127.0.0.3', port: 5090, serverName: 'pbx.example.com', offered: true }

Door('an engine tells where it would send, by its own contacts and from its own answers', async () => {
  const engine = createEngine({
    contacts: ['sip:127.0.0.1:0;transport=udp'],
    control: { host: '127.0.0.1', port: 0, secret: 'test-secret' },
    dnsServers: [dns.address],
  })
  await engine.start()
  try {
    assert.equal(await engine.resolve(hop), [target])
    const asked = dns.asked.length
    assert.equal(await engine.resolve(hop), [target])
    assert.is(dns.asked.length, asked)
    const tcp = await engine.resolve({ ...hop, transport: 'tcp' }).catch((error: unknown) => error)
    assert.instance(tcp, ResolveError)
    assert.is((tcp as ResolveError).code, 'UNSUPPORTED')
  } finally {
    await engine.stop()
  }
})

Door('a resolver stands alone beside another SIP server, given what that listens on', async () => {
  const resolver = new Resolver({
    clock: new SystemClock(),
    servers: [dns.address],
    supports: supportsOf(['udp/127.0.0.1:5060']),
  })
  assert.equal(await resolver.resolve(hop), [target])
  resolver.close()
})

Door.run()
