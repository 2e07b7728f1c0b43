import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Resolver, type ResolverOptions, SystemClock } from '../../src/engine/index.js'
import type { Trunk } from '../../src/model/trunk.js'
import { CallError } from '../../src/model/verdict.js'
import { TargetHealth } from '../../src/trunks/target-health.js'
import { Targets } from '../../src/trunks/targets.js'
import { ManualClock } from '../support/manual-clock.js'
import { NameServer } from '../support/name-server.js'
import { brief, targetOf, trunkOf } from '../support/trunk-bench.js'

let dns: NameServer
let resolvers: Resolver[]

function startTargets(options: Partial<ResolverOptions> = {}) {
  const clock = new ManualClock()
  const health = new TargetHealth({ clock, avoidMs: 30_000 })
  const resolver = new Resolver({
    clock: new SystemClock(),
    servers: [dns.address],
    supports: (protocol, family) => protocol !== 'tls' && family === 4,
    ...options,
  })
  resolvers.push(resolver)
  const targets = new Targets({ resolver, health })
  const of = async (fields: Partial<Trunk>): Promise<string[]> =>
    (await targets.of(trunkOf('pbx-1', fields))).map(brief)
  return { clock, health, targets, of }
}

async function refusal(promise: Promise<unknown>): Promise<CallError> {
  const outcome = await promise.catch((error: unknown) => error)
  if (outcome instanceof CallError) return outcome
  throw new Error(`no CallError but ${JSON.stringify(outcome)}`)
}

const srv = (port: number, target: string, priority = 10, weight = 10) => ({ priority, weight, port, target })
const naptr = (service: string, replacement: string, order = 10) => ({
  order,
  preference: 10,
  flags: 's',
  service,
  replacement,
})

const Where = suite('Targets')

Where.before.each(async () => {
  dns = await NameServer.start()
  resolvers = []
})

Where.after.each(async () => {
  for (const resolver of resolvers) resolver.close()
  await dns.stop()
})

Where('the outbound proxy goes over the SIP domain, which is not even looked up', async () => {
  const { of } = startTargets()
  dns.a('proxy.example.com', ['192.0.2.7'])
  dns.a('pbx.example.com', ['192.0.2.9'])
  const fields = { sip_domain: 'pbx.example.com', outbound_proxy: 'sip:proxy.example.com' }
  assert.equal(await of(fields), ['udp? 192.0.2.7:5060'])
  assert.not.ok(dns.asked.some((question) => question.includes('pbx.example.com')))
  assert.equal(await of({ sip_domain: 'pbx.example.com' }), ['udp? 192.0.2.9:5060'])
})

Where('a port goes over SRV', async () => {
  const { of } = startTargets()
  dns.a('proxy.example.com', ['192.0.2.7'])
  dns.srv('_sip._udp.proxy.example.com', [srv(5070, 'proxy.example.com')])
  assert.equal(await of({ outbound_proxy: 'proxy.example.com:5065' }), ['udp? 192.0.2.7:5065'])
  assert.equal(await of({ outbound_proxy: 'proxy.example.com:5065;transport=tcp' }), ['tcp 192.0.2.7:5065'])
  assert.is(dns.times('SRV _sip._udp.proxy.example.com'), 0)
  assert.equal(await of({ outbound_proxy: 'proxy.example.com' }), ['udp 192.0.2.7:5070'])
})

Where("the proxy's transport goes over the trunk's, that over NAPTR and SRV, and those over UDP", async () => {
  const { of } = startTargets()
  dns.a('proxy.example.com', ['192.0.2.7'])
  assert.equal(await of({ outbound_proxy: 'proxy.example.com' }), ['udp? 192.0.2.7:5060'])
  dns.srv('_sip._tcp.pbx.example.com', [srv(5061, 'proxy.example.com')])
  dns.srv('_sip._udp.pbx.example.com', [srv(5062, 'proxy.example.com')])
  dns.naptr('pbx.example.com', [
    naptr('SIP+D2T', '_sip._tcp.pbx.example.com'),
    naptr('SIP+D2U', '_sip._udp.pbx.example.com', 20),
  ])
  const sip_domain = 'pbx.example.com'
  assert.equal(await of({ sip_domain }), ['tcp 192.0.2.7:5061', 'udp 192.0.2.7:5062'])
  assert.equal(await of({ sip_domain, transport: 'udp' }), ['udp 192.0.2.7:5062'])
  assert.equal(await of({ outbound_proxy: 'pbx.example.com;transport=tcp', transport: 'udp' }), ['tcp 192.0.2.7:5061'])
})

Where('an IP address is not looked up: UDP that is not settled, and TCP where the engine has no UDP', async () => {
  const { of } = startTargets()
  assert.equal(await of({ outbound_proxy: 'sip:192.0.2.7' }), ['udp? 192.0.2.7:5060'])
  assert.equal(await of({ outbound_proxy: 'sip:192.0.2.7:5065' }), ['udp? 192.0.2.7:5065'])
  assert.equal(await of({ outbound_proxy: 'sip:192.0.2.7:5065', transport: 'udp' }), ['udp 192.0.2.7:5065'])
  assert.equal(await of({ sip_domain: '192.0.2.7', transport: 'tcp' }), ['tcp 192.0.2.7:5060'])
  assert.equal(await startTargets({ supports: () => true }).of({ outbound_proxy: '[2001:db8::1]' }), [
    'udp? 2001:db8::1:5060',
  ])
  const onlyTcp = startTargets({ supports: (protocol) => protocol === 'tcp' })
  assert.equal(await onlyTcp.of({ outbound_proxy: 'sip:192.0.2.7:5065' }), ['tcp 192.0.2.7:5065'])
  assert.equal(dns.asked, [])
})

Where('follows SRV priority, and within it draws by weight (RFC 2782)', async () => {
  const records = [
    srv(5060, 'c.example.com', 20),
    srv(5060, 'a.example.com', 10, 90),
    srv(5060, 'b.example.com', 10, 10),
  ]
  dns.srv('_sip._udp.pbx.example.com', records)
  for (const [name, last] of [
    ['a', 1],
    ['b', 2],
    ['c', 3],
  ] as const)
    dns.a(`${name}.example.com`, [`192.0.2.${last}`])
  const order = (random: number) => startTargets({ random: () => random }).of({ sip_domain: 'pbx.example.com' })
  assert.equal(await order(0.5), ['udp 192.0.2.1:5060', 'udp 192.0.2.2:5060', 'udp 192.0.2.3:5060'])
  assert.equal(await order(0.99), ['udp 192.0.2.2:5060', 'udp 192.0.2.1:5060', 'udp 192.0.2.3:5060'])
})

Where('takes 16 servers at most out of 1,000 records', async () => {
  const { of } = startTargets()
  const addresses = Array.from({ length: 1_000 }, (_, n) => `10.0.${Math.floor(n / 250)}.${(n % 250) + 1}`)
  dns.a('many.example.com', addresses)
  assert.is((await of({ outbound_proxy: 'many.example.com:5060' })).length, 16)
  dns.srv(
    '_sip._udp.pbx.example.com',
    Array.from({ length: 1_000 }, (_, n) => srv(1_000 + n, 'one.example.com', n)),
  )
  dns.a('one.example.com', ['192.0.2.1'])
  const servers = await of({ sip_domain: 'pbx.example.com' })
  assert.equal([servers.length, servers[0], servers[15]], [16, 'udp 192.0.2.1:1000', 'udp 192.0.2.1:1015'])
})

Where('a server that failed is tried last for a while, and never left out', async () => {
  const { of, health, clock } = startTargets({ random: () => 0 })
  dns.srv('_sip._udp.pbx.example.com', [srv(5060, 'a.example.com', 10), srv(5060, 'b.example.com', 20)])
  dns.a('a.example.com', ['192.0.2.1'])
  dns.a('b.example.com', ['192.0.2.2'])
  health.failed(targetOf('udp 192.0.2.1:5060'))
  assert.equal(await of({ sip_domain: 'pbx.example.com' }), ['udp 192.0.2.2:5060', 'udp 192.0.2.1:5060'])
  health.failed(targetOf('udp 192.0.2.2:5060'))
  assert.equal(await of({ sip_domain: 'pbx.example.com' }), ['udp 192.0.2.1:5060', 'udp 192.0.2.2:5060'])
  clock.advance(30_000)
  health.setDown('pbx-1', targetOf('udp 192.0.2.1:5060'), true)
  assert.equal(await of({ sip_domain: 'pbx.example.com' }), ['udp 192.0.2.2:5060', 'udp 192.0.2.1:5060'])
})

Where('says that a trunk without a server to send to cannot be used, and why', async () => {
  const { targets } = startTargets()
  const why = async (fields: Partial<Trunk>) => {
    const { code, message } = await refusal(targets.of(trunkOf('pbx-1', fields)))
    assert.is(code, 'TRUNK_NOT_USABLE')
    return message
  }
  assert.is(await why({}), 'trunk pbx-1: has neither outbound_proxy nor sip_domain')
  assert.match(
    await why({ outbound_proxy: 'https://x', sip_domain: '192.0.2.1' }),
    /outbound_proxy has the scheme "https"/,
  )
  assert.match(await why({ sip_domain: 'a b' }), /sip_domain must be a host name/)
  assert.match(await why({ outbound_proxy: '192.0.2.7;transport=tls' }), /no contact of ours sends by tls/)
  assert.match(await why({ outbound_proxy: '0.0.0.0' }), /nothing may be sent to 0\.0\.0\.0/)
  assert.match(await why({ outbound_proxy: '[2001:db8::1]' }), /no contact of ours sends by udp or tcp over IPv6/)
})

Where('says what was asked and what came back when name servers know no address', async () => {
  const { targets } = startTargets({ timeoutMs: 1_000 })
  const why = async (sip_domain: string) => {
    const { code, message } = await refusal(targets.of(trunkOf('pbx-1', { sip_domain })))
    assert.is(code, 'TRUNK_UNREACHABLE')
    return message
  }
  assert.match(
    await why('nowhere.example.com'),
    /^trunk pbx-1: sip:nowhere\.example\.com: no address found \(asked .*A nowhere\.example\.com: not found/,
  )
  dns.fail('broken.example.com', 'servfail')
  assert.match(await why('broken.example.com:5060'), /A broken\.example\.com: ESERVFAIL/)
  dns.fail('*', 'silent')
  assert.match(await why('mute.example.com'), /no answer/)
})

Where('remembers for a while that there is none', async () => {
  const { targets } = startTargets()
  const ask = () => refusal(targets.of(trunkOf('pbx-1', { sip_domain: 'nowhere.example.com:5060' })))
  await ask()
  const asked = dns.asked.length
  await ask()
  assert.is(dns.asked.length, asked)
})

Where.run()
