import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { formatNextHop, nextHopOf, parseOutboundProxy, parseSipDomain } from '../../src/trunks/next-hop.js'
import { hostileValues } from '../support/hostile-values.js'

const NextHop = suite('NextHop')

const shown = (text: string, transport: 'udp' | 'tcp' | 'tls' | null = null): string => {
  const parsed = parseOutboundProxy(text, transport)
  return parsed.ok ? formatNextHop(parsed.hop) : `refused: ${parsed.why}`
}

const accepted: [given: string, hop: string][] = [
  ['sip:proxy.example.com', 'sip:proxy.example.com'],
  ['proxy.example.com', 'sip:proxy.example.com'],
  ['sip:proxy.example.com;lr', 'sip:proxy.example.com'],
  ['sip:proxy.example.com:5070', 'sip:proxy.example.com:5070;transport=udp'],
  ['proxy.example.com:5070', 'sip:proxy.example.com:5070;transport=udp'],
  ['sip:192.0.2.7', 'sip:192.0.2.7:5060;transport=udp'],
  ['sip:192.0.2.7:5065', 'sip:192.0.2.7:5065;transport=udp'],
  ['192.0.2.7:5065', 'sip:192.0.2.7:5065;transport=udp'],
  ['sip:127.0.0.1:5065;transport=tcp', 'sip:127.0.0.1:5065;transport=tcp'],
  ['127.0.0.1:5065;transport=TCP', 'sip:127.0.0.1:5065;transport=tcp'],
  ['sip:proxy.example.com;transport=tcp', 'sip:proxy.example.com;transport=tcp'],
  ['sip:proxy.example.com;transport=tcp;lr', 'sip:proxy.example.com;transport=tcp'],
  ['sip:proxy.example.com;lr;transport=tls', 'sip:proxy.example.com;transport=tls'],
  ['sips:proxy.example.com', 'sip:proxy.example.com;transport=tls'],
  ['sips:192.0.2.7', 'sip:192.0.2.7:5061;transport=tls'],
  ['sip:[2001:db8::1]:5080', 'sip:[2001:db8::1]:5080;transport=udp'],
  ['[2001:db8::1]', 'sip:[2001:db8::1]:5060;transport=udp'],
]

for (const [given, hop] of accepted)
  NextHop(`reads the outbound proxy "${given}" as ${hop}`, () => {
    assert.is(shown(given), hop)
  })

NextHop("the trunk's transport stands where the proxy names none, and only there", () => {
  assert.is(shown('sip:proxy.example.com', 'tcp'), 'sip:proxy.example.com;transport=tcp')
  assert.is(shown('sip:192.0.2.7', 'tls'), 'sip:192.0.2.7:5061;transport=tls')
  assert.is(shown('sip:proxy.example.com;transport=udp', 'tcp'), 'sip:proxy.example.com;transport=udp')
})

const refused: [given: string, why: RegExp][] = [
  ['', /empty/],
  ['<sip:proxy.example.com>', /angle brackets/],
  ['sip:a.example.com, sip:b.example.com', /commas/],
  ['https://proxy.example.com', /scheme "https"/],
  ['tel:+14155550100', /scheme "tel"/],
  ['sip:user@proxy.example.com', /user part/],
  ['sip:proxy.example.com?Route=x', /headers/],
  ['sip:proxy.example.com;maddr=127.0.0.9', /parameter "maddr"/],
  ['sip:proxy.example.com;transport=ws', /"ws" is not one of udp, tcp, tls/],
  ['sips:proxy.example.com;transport=udp', /sips over udp/],
  ['sip:proxy.example.com:0', /a port outside 1 to 65535/],
  ['sip:proxy.example.com:65536', /a port outside 1 to 65535/],
  ['127.1', /neither a host name nor an IP address|not a SIP address/],
  ['2130706433', /neither a host name nor an IP address|not a SIP address/],
  ['0x7f000001', /neither a host name nor an IP address|not a SIP address/],
  ['0177.0.0.1', /neither a host name nor an IP address|not a SIP address/],
  ['a'.repeat(301), /longer than 300/],
]

for (const [given, why] of refused)
  NextHop(`refuses the outbound proxy "${given.slice(0, 50)}" with the reason and an example`, () => {
    const parsed = parseOutboundProxy(given)
    assert.not.ok(parsed.ok)
    if (parsed.ok) return
    assert.match(parsed.why, why)
    assert.match(parsed.why, 'for example sip:proxy.example.com:5060;transport=tcp')
  })

NextHop('refuses every hostile value', () => {
  for (const value of hostileValues) {
    // A plain name is a host like any other.
    if (value === 'constructor') continue
    assert.not.ok(parseOutboundProxy(value).ok, JSON.stringify(value.slice(0, 60)))
    assert.not.ok(parseSipDomain(value).ok, JSON.stringify(value.slice(0, 60)))
  }
})

NextHop('an outbound proxy overrides the SIP domain; without either there is no next hop', () => {
  const trunk = { outbound_proxy: null, sip_domain: null, transport: null }
  assert.is(nextHopOf(trunk), undefined)
  assert.equal(nextHopOf({ ...trunk, sip_domain: 'pbx.example.com' }), { host: 'pbx.example.com', from: 'sip_domain' })
  const hop = nextHopOf({ ...trunk, sip_domain: 'pbx.example.com', outbound_proxy: '192.0.2.7' })
  assert.equal(hop, { host: '192.0.2.7', port: 5060, transport: 'udp', assumed: true, from: 'outbound_proxy' })
})

NextHop('a stored proxy that cannot be read gives no next hop, not the SIP domain', () => {
  assert.is(nextHopOf({ outbound_proxy: 'https://x', sip_domain: 'pbx.example.com', transport: null }), undefined)
})

NextHop.run()
