import { writeFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { SystemClock } from '../../../src/engine/clock.js'
import { parseUri } from '../../../src/engine/message/uri.js'
import { nextHopOf } from '../../../src/engine/resolve/next-hop.js'
import { ResolveError } from '../../../src/engine/resolve/resolve-error.js'
import { Resolver } from '../../../src/engine/resolve/resolver.js'
import type { ResolverOptions } from '../../../src/engine/resolve/resolver.js'
import type { Protocol } from '../../../src/engine/transport/transport.js'
import { eventually } from '../../support/eventually.js'
import { ManualClock } from '../../support/manual-clock.js'
import { NameServer } from '../../support/name-server.js'

let dns: NameServer
let resolvers: Resolver[]

function makeResolver(options: Partial<ResolverOptions> = {}): Resolver {
  const resolver = new Resolver({
    clock: new SystemClock(),
    servers: [dns.address],
    supports: (protocol, family) => protocol !== 'tls' && family === 4,
    random: () => 0,
    ...options,
  })
  resolvers.push(resolver)
  return resolver
}

/** Targets of a URI as text: `udp 127.0.0.1:5060`. */
async function targetsOf(resolver: Resolver, text: string): Promise<string[]> {
  const uri = parseUri(text)
  if (uri === undefined || uri.scheme === 'tel') throw new Error(`${text} is no SIP URI`)
  const targets = await resolver.resolve(nextHopOf(uri))
  return targets.map(({ protocol, address, port }) => `${protocol} ${address}:${port}`)
}

async function errorOf(resolver: Resolver, text: string): Promise<ResolveError> {
  const outcome = await targetsOf(resolver, text).catch((error: unknown) => error)
  if (outcome instanceof ResolveError) return outcome
  throw new Error(`${text}: no ResolveError but ${String(outcome)}`)
}

const withTls = (protocol: Protocol, family: 4 | 6): boolean => family === 4 && protocol.length > 0

const Resolve = suite('Resolver')

Resolve.before.each(async () => {
  dns = await NameServer.start()
  resolvers = []
})

Resolve.after.each(async () => {
  for (const resolver of resolvers) resolver.close()
  await dns.stop()
})

Resolve(
  'does not ask about an IP literal: UDP and 5060 unless the URI says otherwise (RFC 3263 4.1, 4.2)',
  async () => {
    const resolver = makeResolver({ supports: () => true })
    assert.equal(await targetsOf(resolver, 'sip:127.0.0.1'), ['udp 127.0.0.1:5060'])
    assert.equal(await targetsOf(resolver, 'sip:127.0.0.1:5080;transport=tcp'), ['tcp 127.0.0.1:5080'])
    assert.equal(await targetsOf(resolver, 'sip:[::1]:5070'), ['udp ::1:5070'])
    assert.equal(await targetsOf(resolver, 'sips:127.0.0.1'), ['tls 127.0.0.1:5061'])
    assert.equal(await targetsOf(resolver, 'sip:127.0.0.1;transport=TLS'), ['tls 127.0.0.1:5061'])
    assert.equal(await targetsOf(resolver, 'sip:pbx.example.com;maddr=127.0.0.9'), ['udp 127.0.0.9:5060'])
    assert.equal(dns.asked, [])
  },
)

Resolve('sends to an IP literal by TCP when no contact of ours has UDP', async () => {
  const resolver = makeResolver({ supports: (protocol) => protocol === 'tcp' })
  assert.equal(await targetsOf(resolver, 'sip:127.0.0.1'), ['tcp 127.0.0.1:5060'])
})

Resolve('asks only for addresses when the URI has a port (RFC 3263 4.1, 4.2)', async () => {
  dns.a('pbx.example.com', ['127.0.0.2', '127.0.0.3'])
  dns.srv('_sip._udp.pbx.example.com', [{ priority: 0, weight: 0, port: 5099, target: 'pbx.example.com' }])
  assert.equal(await targetsOf(makeResolver(), 'sip:pbx.example.com:5065'), [
    'udp 127.0.0.2:5065',
    'udp 127.0.0.3:5065',
  ])
  assert.equal(dns.asked, ['A pbx.example.com'])
})

Resolve('asks for SRV of the transport that the URI names, then for addresses', async () => {
  dns.srv('_sip._tcp.pbx.example.com', [{ priority: 0, weight: 0, port: 5099, target: 'a.example.com' }])
  dns.a('a.example.com', ['127.0.0.2'])
  assert.equal(await targetsOf(makeResolver(), 'sip:pbx.example.com;transport=tcp'), ['tcp 127.0.0.2:5099'])
  assert.equal(dns.asked, ['SRV _sip._tcp.pbx.example.com', 'A a.example.com'])
})

Resolve('falls back to the addresses and the default port when the named transport has no SRV', async () => {
  dns.a('pbx.example.com', ['127.0.0.2'])
  assert.equal(await targetsOf(makeResolver(), 'sip:pbx.example.com;transport=udp'), ['udp 127.0.0.2:5060'])
})

Resolve(
  'follows NAPTR by order and preference, leaving out services no contact of ours has (RFC 3263 4.1)',
  async () => {
    dns.naptr('pbx.example.com', [
      { order: 20, preference: 10, flags: 's', service: 'SIP+D2U', replacement: '_sip._udp.pbx.example.com' },
      { order: 10, preference: 50, flags: 'S', service: 'sip+d2t', replacement: '_sip._tcp.pbx.example.com' },
      { order: 5, preference: 50, flags: 's', service: 'SIPS+D2T', replacement: '_sips._tcp.pbx.example.com' },
      { order: 1, preference: 50, flags: 'u', service: 'E2U+sip', regexp: '!^.*$!sip:x@y!', replacement: '' },
    ])
    dns.srv('_sip._tcp.pbx.example.com', [{ priority: 0, weight: 0, port: 5080, target: 't.example.com' }])
    dns.srv('_sip._udp.pbx.example.com', [{ priority: 0, weight: 0, port: 5090, target: 'u.example.com' }])
    dns.a('t.example.com', ['127.0.0.2'])
    dns.a('u.example.com', ['127.0.0.3'])
    assert.equal(await targetsOf(makeResolver(), 'sip:pbx.example.com'), ['tcp 127.0.0.2:5080', 'udp 127.0.0.3:5090'])
    assert.not(dns.asked.includes('SRV _sips._tcp.pbx.example.com'))
  },
)

Resolve('without NAPTR asks for SRV of each transport we have, UDP first, then for addresses', async () => {
  dns.srv('_sip._udp.pbx.example.com', [{ priority: 0, weight: 0, port: 5090, target: 'u.example.com' }])
  dns.srv('_sip._tcp.pbx.example.com', [{ priority: 0, weight: 0, port: 5080, target: 'u.example.com' }])
  dns.a('u.example.com', ['127.0.0.3'])
  dns.a('plain.example.com', ['127.0.0.4'])
  const resolver = makeResolver()
  assert.equal(await targetsOf(resolver, 'sip:pbx.example.com'), ['udp 127.0.0.3:5090', 'tcp 127.0.0.3:5080'])
  assert.equal(await targetsOf(resolver, 'sip:plain.example.com'), ['udp 127.0.0.4:5060'])
  assert.equal(dns.asked.slice(-4), [
    'NAPTR plain.example.com',
    'SRV _sip._udp.plain.example.com',
    'SRV _sip._tcp.plain.example.com',
    'A plain.example.com',
  ])
})

Resolve('goes by TLS only for a sips URI, and names the domain that the certificate must have', async () => {
  dns.srv('_sips._tcp.pbx.example.com', [{ priority: 0, weight: 0, port: 5071, target: 'host7.provider.example' }])
  dns.a('host7.provider.example', ['127.0.0.5'])
  const [target] = await makeResolver({ supports: withTls }).resolve({ host: 'pbx.example.com', secure: true })
  assert.equal(target, {
    protocol: 'tls',
    address: '127.0.0.5',
    port: 5071,
    serverName: 'pbx.example.com',
    offered: true,
  })
  assert.equal(await targetsOf(makeResolver({ supports: withTls }), 'sips:host7.provider.example:5075'), [
    'tls 127.0.0.5:5075',
  ])
  assert.is((await errorOf(makeResolver(), 'sips:pbx.example.com')).code, 'UNSUPPORTED')
})

Resolve('tries SRV records by priority, and among equals as the draw by weight says (RFC 2782)', async () => {
  dns.srv('_sip._udp.pbx.example.com', [
    { priority: 20, weight: 0, port: 5063, target: 'a.example.com' },
    { priority: 10, weight: 10, port: 5061, target: 'a.example.com' },
    { priority: 10, weight: 30, port: 5062, target: 'a.example.com' },
  ])
  dns.a('a.example.com', ['127.0.0.2'])
  const ports = async (random: number): Promise<string[]> => {
    const targets = await targetsOf(makeResolver({ random: () => random }), 'sip:pbx.example.com;transport=udp')
    return targets.map((target) => target.slice(-4))
  }
  assert.equal(await ports(0), ['5061', '5062', '5063'])
  assert.equal(await ports(0.99), ['5062', '5061', '5063'])
})

Resolve('draws anew for each call, from the records it remembers', async () => {
  const draws = [0, 0, 0.99, 0.99]
  dns.srv('_sip._udp.pbx.example.com', [
    { priority: 1, weight: 10, port: 5061, target: 'a.example.com' },
    { priority: 1, weight: 10, port: 5062, target: 'a.example.com' },
  ])
  dns.a('a.example.com', ['127.0.0.2'])
  const resolver = makeResolver({ random: () => draws.shift() ?? 0 })
  const first = await targetsOf(resolver, 'sip:pbx.example.com;transport=udp')
  const second = await targetsOf(resolver, 'sip:pbx.example.com;transport=udp')
  assert.equal(second, [...first].reverse())
  assert.is(dns.asked.length, 2)
})

Resolve(
  'takes a lone SRV record with the root as target for "no such service" and asks no further (RFC 2782)',
  async () => {
    dns.srv('_sip._udp.pbx.example.com', [{ priority: 0, weight: 0, port: 0, target: '.' }])
    dns.a('pbx.example.com', ['127.0.0.2'])
    const error = await errorOf(makeResolver(), 'sip:pbx.example.com;transport=udp')
    assert.is(error.code, 'NOT_FOUND')
    assert.match(error.message, 'does not offer SIP')
  },
)

Resolve('puts IPv6 addresses first when both families are bound, and asks only for families that are', async () => {
  dns.a('pbx.example.com', ['127.0.0.2'])
  dns.aaaa('pbx.example.com', ['::1'])
  const both = makeResolver({ supports: (protocol) => protocol === 'udp' })
  assert.equal(await targetsOf(both, 'sip:pbx.example.com:5060'), ['udp ::1:5060', 'udp 127.0.0.2:5060'])
  dns.asked.length = 0
  assert.equal(await targetsOf(makeResolver(), 'sip:pbx.example.com:5060'), ['udp 127.0.0.2:5060'])
  assert.equal(dns.asked, ['A pbx.example.com'])
})

Resolve('gives at most 16 targets from a thousand records, also over TCP', async () => {
  const many = Array.from({ length: 1_000 }, (_, i) => `127.1.${i >> 8}.${i & 255}`)
  dns.a('many.example.com', many)
  const servers = Array.from({ length: 1_000 }, (_, i) => ({
    priority: i,
    weight: 0,
    port: 1_000 + i,
    target: 'many.example.com',
  }))
  dns.srv('_sip._udp.many.example.com', servers)
  const resolver = makeResolver()
  assert.is((await targetsOf(resolver, 'sip:many.example.com:5060')).length, 16)
  const bySrv = await targetsOf(resolver, 'sip:many.example.com;transport=udp')
  assert.is(bySrv.length, 16)
  assert.is(new Set(bySrv.map((target) => target.slice(-4))).size, 2, 'the first server does not crowd out the second')
})

Resolve('never gives an address that nothing may be sent to', async () => {
  dns.a('pbx.example.com', ['255.255.255.255', '0.0.0.0', '224.0.1.75', '127.0.0.2'])
  assert.equal(await targetsOf(makeResolver(), 'sip:pbx.example.com:5060'), ['udp 127.0.0.2:5060'])
  assert.is((await errorOf(makeResolver(), 'sip:255.255.255.255')).code, 'INVALID')
  assert.is((await errorOf(makeResolver(), 'sip:224.0.1.75:5060')).code, 'INVALID')
})

Resolve('says of a name that does not exist what was asked', async () => {
  const error = await errorOf(makeResolver(), 'sip:nowhere.example.com;transport=udp')
  assert.is(error.code, 'NOT_FOUND')
  assert.equal(error.asked, ['SRV _sip._udp.nowhere.example.com: not found', 'A nowhere.example.com: not found'])
  assert.match(error.message, 'sip:nowhere.example.com;transport=udp: no address found')
})

Resolve('refuses transports it has not, and host names that only look like one', async () => {
  const resolver = makeResolver()
  assert.is((await errorOf(resolver, 'sip:pbx.example.com;transport=ws')).code, 'UNSUPPORTED')
  assert.is((await errorOf(resolver, 'sips:pbx.example.com;transport=udp')).code, 'UNSUPPORTED')
  assert.is((await errorOf(resolver, 'sip:[::1]')).code, 'UNSUPPORTED')
  for (const host of [
    '127.1',
    '2130706433',
    '0x7f000001',
    'a..b',
    '',
    '-',
    'a b',
    `${'a'.repeat(64)}.com`,
    'x.'.repeat(200),
  ]) {
    const error = await resolver.resolve({ host, secure: false }).catch((reason: unknown) => reason)
    assert.instance(error, ResolveError, host)
    assert.is((error as ResolveError).code, 'INVALID', host)
  }
  assert.equal(dns.asked, [])
})

Resolve('keeps addresses for their time to live, not longer', async () => {
  const clock = new ManualClock()
  const resolver = makeResolver({ clock })
  dns.a('pbx.example.com', ['127.0.0.2'], 60)
  await targetsOf(resolver, 'sip:pbx.example.com:5060')
  dns.a('pbx.example.com', ['127.0.0.3'], 60)
  clock.advance(59_999)
  assert.equal(await targetsOf(resolver, 'sip:pbx.example.com:5060'), ['udp 127.0.0.2:5060'])
  clock.advance(1)
  assert.equal(await targetsOf(resolver, 'sip:pbx.example.com:5060'), ['udp 127.0.0.3:5060'])
  assert.is(clock.pending, 0)
})

Resolve('holds a time to live within its bounds', async () => {
  const clock = new ManualClock()
  const resolver = makeResolver({ clock, minTtlMs: 1_000, maxTtlMs: 10_000 })
  dns.a('zero.example.com', ['127.0.0.2'], 0)
  dns.a('long.example.com', ['127.0.0.2'], 86_400)
  const ask = async (): Promise<void> => {
    await targetsOf(resolver, 'sip:zero.example.com:5060')
    await targetsOf(resolver, 'sip:long.example.com:5060')
  }
  await ask()
  clock.advance(999)
  await ask()
  assert.equal([dns.times('A zero.example.com'), dns.times('A long.example.com')], [1, 1])
  clock.advance(1)
  await ask()
  assert.equal([dns.times('A zero.example.com'), dns.times('A long.example.com')], [2, 1])
  clock.advance(9_000)
  await ask()
  assert.is(dns.times('A long.example.com'), 2)
})

Resolve('keeps SRV and NAPTR records for their time to live, not longer', async () => {
  const clock = new ManualClock()
  const resolver = makeResolver({ clock })
  const pointer = { order: 1, preference: 1, flags: 's', service: 'SIP+D2U', replacement: '_sip._udp.example.com' }
  dns.naptr('pbx.example.com', [pointer], 600)
  dns.srv('_sip._udp.example.com', [{ priority: 0, weight: 0, port: 5070, target: 'u.example.com' }], 300)
  dns.a('u.example.com', ['127.0.0.3'], 3_600)
  const times = (): number[] =>
    ['NAPTR pbx.example.com', 'SRV _sip._udp.example.com', 'A u.example.com'].map((question) => dns.times(question))
  await targetsOf(resolver, 'sip:pbx.example.com')
  clock.advance(299_999)
  await targetsOf(resolver, 'sip:pbx.example.com')
  assert.equal(times(), [1, 1, 1])
  clock.advance(1)
  await targetsOf(resolver, 'sip:pbx.example.com')
  assert.equal(times(), [1, 2, 1])
  clock.advance(300_000)
  await targetsOf(resolver, 'sip:pbx.example.com')
  assert.equal(times(), [2, 3, 1])
})

Resolve('remembers that a name does not exist no longer than the name server says (RFC 2308)', async () => {
  const clock = new ManualClock()
  const resolver = makeResolver({ clock, negativeTtlMs: 10_000 })
  dns.negativeTtlS = 4
  await errorOf(resolver, 'sip:new.example.com:5060')
  clock.advance(3_999)
  await errorOf(resolver, 'sip:new.example.com:5060')
  assert.is(dns.times('A new.example.com'), 1)
  clock.advance(1)
  await errorOf(resolver, 'sip:new.example.com:5060')
  assert.is(dns.times('A new.example.com'), 2)
  dns.negativeTtlS = 86_400
  clock.advance(4_000)
  await errorOf(resolver, 'sip:new.example.com:5060')
  clock.advance(10_000)
  await errorOf(resolver, 'sip:new.example.com:5060')
  assert.is(dns.times('A new.example.com'), 4)
})

Resolve('remembers for a short time that a name does not exist', async () => {
  const clock = new ManualClock()
  const resolver = makeResolver({ clock, negativeTtlMs: 2_000 })
  await errorOf(resolver, 'sip:new.example.com:5060')
  dns.a('new.example.com', ['127.0.0.2'])
  clock.advance(1_999)
  await errorOf(resolver, 'sip:new.example.com:5060')
  assert.is(dns.times('A new.example.com'), 1)
  clock.advance(1)
  assert.equal(await targetsOf(resolver, 'sip:new.example.com:5060'), ['udp 127.0.0.2:5060'])
})

Resolve('serves what it knew while the name servers fail (RFC 8767)', async () => {
  const clock = new ManualClock()
  const resolver = makeResolver({ clock, staleMs: 100_000 })
  dns.a('pbx.example.com', ['127.0.0.2'], 10)
  await targetsOf(resolver, 'sip:pbx.example.com:5060')
  dns.fail('pbx.example.com', 'servfail')
  clock.advance(11_000)
  assert.equal(await targetsOf(resolver, 'sip:pbx.example.com:5060'), ['udp 127.0.0.2:5060'])
  clock.advance(100_000)
  assert.is((await errorOf(resolver, 'sip:pbx.example.com:5060')).code, 'FAILED')
})

Resolve('asks once for all who want to know the same at the same time', async () => {
  dns.a('pbx.example.com', ['127.0.0.2'])
  const resolver = makeResolver()
  const all = await Promise.all(Array.from({ length: 50 }, () => targetsOf(resolver, 'sip:pbx.example.com')))
  assert.ok(all.every((targets) => targets[0] === 'udp 127.0.0.2:5060'))
  assert.is(dns.times('A pbx.example.com'), 1)
  assert.is(dns.times('NAPTR pbx.example.com'), 1)
})

Resolve('holds a bounded number of answers', async () => {
  const resolver = makeResolver({ maxEntries: 10 })
  for (let i = 0; i < 15; i++) await errorOf(resolver, `sip:n${i}.example.com:5060`)
  assert.is(resolver.cached, 10)
})

Resolve('gives up in time when the name server is silent, saying what has no answer', async () => {
  const clock = new ManualClock()
  dns.fail('*', 'silent')
  const resolver = makeResolver({ clock, timeoutMs: 3_000 })
  const failing = errorOf(resolver, 'sip:pbx.example.com:5060')
  await new Promise((resolve) => setImmediate(resolve))
  clock.advance(3_000)
  const error = await failing
  assert.is(error.code, 'TIMEOUT')
  assert.match(error.message, 'not resolved within 3000 ms (asked A pbx.example.com: no answer yet)')
  assert.is(clock.pending, 0)
})

Resolve('goes on to SRV and addresses when a server drops questions for NAPTR', async () => {
  dns.a('pbx.example.com', ['127.0.0.2'])
  const resolver = makeResolver({ timeoutMs: 2_000 })
  dns.fail('pbx.example.com', 'silent')
  dns.srv('_sip._udp.pbx.example.com', [{ priority: 0, weight: 0, port: 5090, target: 'u.example.com' }])
  dns.a('u.example.com', ['127.0.0.3'])
  assert.equal(await targetsOf(resolver, 'sip:pbx.example.com'), ['udp 127.0.0.3:5090'])
})

Resolve('makes a clear error of every bad answer: failure, refusal, garbage, a CNAME that leads round', async () => {
  const resolver = makeResolver({ timeoutMs: 1_000 })
  dns.fail('a.example.com', 'servfail')
  dns.fail('b.example.com', 'refused')
  dns.fail('c.example.com', 'garbage')
  dns.cname('d.example.com', 'e.example.com')
  dns.cname('e.example.com', 'd.example.com')
  for (const name of ['a', 'b', 'c', 'd']) {
    const error = await errorOf(resolver, `sip:${name}.example.com:5060`)
    assert.match(error.message, `sip:${name}.example.com:5060: `)
    assert.ok(['FAILED', 'TIMEOUT', 'NOT_FOUND'].includes(error.code), `${name}: ${error.code}`)
  }
})

Resolve('asks no name server about localhost, IPv4 first', async () => {
  const resolver = makeResolver({ supports: (protocol) => protocol !== 'tls' })
  assert.equal(await targetsOf(resolver, 'sip:localhost:5090'), ['udp 127.0.0.1:5090', 'udp ::1:5090'])
  assert.equal(await targetsOf(resolver, 'sip:localhost;transport=tcp'), ['tcp 127.0.0.1:5060', 'tcp ::1:5060'])
  assert.equal(dns.asked, [])
})

Resolve('takes names in the hosts file before name servers, unless told which servers to ask', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-hosts-'))
  try {
    const hostsPath = join(folder, 'hosts')
    await writeFile(hostsPath, '# ours\n127.0.0.7\tagent-1 Agent-One # first\nnonsense agent-2\n\n')
    const supports: ResolverOptions['supports'] = (protocol, family) => protocol !== 'tls' && family === 4
    const own = new Resolver({ clock: new SystemClock(), supports, hostsPath })
    resolvers.push(own)
    assert.equal(await targetsOf(own, 'sip:agent-one'), ['udp 127.0.0.7:5060'])
    dns.a('agent-one', ['127.0.0.8'])
    assert.equal(await targetsOf(makeResolver({ hostsPath }), 'sip:agent-one:5060'), ['udp 127.0.0.8:5060'])
  } finally {
    await rm(folder, { recursive: true })
  }
})

Resolve(
  'once closed it asks no further: neither what comes next of a question under way nor anything new',
  async () => {
    dns.fail('*', 'silent')
    const clock = new ManualClock()
    const resolver = makeResolver({ clock })
    const waiting = errorOf(resolver, 'sip:pbx.example.com')
    await eventually('the first question', () => dns.asked.length === 1)
    resolver.close()
    assert.is((await waiting).code, 'FAILED')
    assert.is((await errorOf(resolver, 'sip:other.example.com:5070')).code, 'FAILED')
    assert.is(dns.asked.length, 1)
    assert.is(clock.pending, 0)
  },
)

Resolve.run()
