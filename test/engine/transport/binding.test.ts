import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { chooseBinding, createBinding, seenFrom } from '../../../src/engine/transport/binding.js'
import type { LocalBinding } from '../../../src/engine/transport/binding.js'
import type { ContactOption } from '../../../src/engine/transport/contact.js'
import type { Protocol } from '../../../src/engine/transport/transport.js'

function bind(address: string, extra: Partial<ContactOption> & { port?: number } = {}): LocalBinding {
  const option: ContactOption = { text: 'sip:test', protocol: 'udp', host: address, port: 5060, ...extra }
  return createBinding(option, address, option.port)
}

const Binding = suite('Binding')

Binding('leaves the default port out of Via and Contact, and brackets IPv6', () => {
  const rows: [binding: LocalBinding, sentBy: string, contactUri: string][] = [
    [bind('192.0.2.1'), '192.0.2.1', 'sip:192.0.2.1'],
    [bind('192.0.2.1', { port: 5080 }), '192.0.2.1:5080', 'sip:192.0.2.1:5080'],
    [bind('192.0.2.1', { protocol: 'tcp' }), '192.0.2.1', 'sip:192.0.2.1;transport=tcp'],
    [bind('::1', { port: 5080, protocol: 'tcp' }), '[::1]:5080', 'sip:[::1]:5080;transport=tcp'],
    [bind('192.0.2.1', { protocol: 'tls', port: 5061 }), '192.0.2.1', 'sip:192.0.2.1:5061;transport=tls'],
    [bind('192.0.2.1', { protocol: 'tls', sips: true, port: 5061 }), '192.0.2.1', 'sips:192.0.2.1'],
  ]
  for (const [binding, sentBy, contactUri] of rows) {
    assert.is(binding.sentBy, sentBy)
    assert.is(binding.contactUri, contactUri)
  }
})

Binding('shows the external address to peers, of its own family only', () => {
  const binding = bind('10.0.0.1', { externalIp: '192.0.2.1' })
  assert.equal([binding.address, binding.advertisedHost, binding.external], ['10.0.0.1', '192.0.2.1', true])
  assert.is(bind('2001:db8::1', { externalIp: '192.0.2.1' }).advertisedHost, '[2001:db8::1]')
})

Binding('shows no external address on a loopback address that * stands for', () => {
  assert.is(bind('127.0.0.1', { host: '*', externalIp: '192.0.2.1' }).advertisedHost, '127.0.0.1')
  assert.is(bind('127.0.0.1', { host: '0.0.0.0', externalIp: '192.0.2.1' }).advertisedHost, '127.0.0.1')
  assert.is(bind('127.0.0.1', { externalIp: '192.0.2.1' }).advertisedHost, '192.0.2.1')
})

const bindings: Record<string, LocalBinding> = {
  loopback: bind('127.0.0.1'),
  office: bind('10.1.0.1'),
  data: bind('10.2.0.1'),
  natted: bind('172.16.0.1', { externalIp: '192.0.2.99' }),
  public: bind('203.0.113.7'),
  tcp: bind('10.1.0.1', { protocol: 'tcp' }),
  v6: bind('2001:db8::1'),
  v6loopback: bind('::1'),
  carrier: bind('10.3.0.1', { localNet: '198.51.100.0/24' }),
}

const choices: [address: string, protocol: Protocol, among: string[], expected: string | undefined, why: string][] = [
  ['10.2.9.9', 'udp', ['loopback', 'office', 'data'], 'data', 'most equal leading octets'],
  ['10.9.9.9', 'udp', ['loopback', 'office', 'data'], 'office', 'the first contact among equals'],
  ['10.1.9.9', 'tcp', ['office', 'tcp'], 'tcp', 'the protocol'],
  ['10.1.9.9', 'tls', ['office', 'tcp'], undefined, 'none for a protocol without a contact'],
  ['198.51.100.9', 'udp', ['office', 'natted', 'loopback'], 'natted', 'one with an external address among equals'],
  ['198.51.100.9', 'udp', ['public', 'natted', 'carrier'], 'carrier', 'the local net before all else'],
  ['203.0.200.9', 'udp', ['natted', 'public'], 'public', 'equal octets before an external address'],
  ['127.0.0.5', 'udp', ['office', 'loopback'], 'loopback', 'loopback for a loopback address'],
  ['127.0.0.5', 'udp', ['office'], 'office', 'any for a loopback address when there is no loopback'],
  ['192.0.2.5', 'udp', ['loopback', 'office'], 'office', 'loopback last'],
  ['192.0.2.5', 'udp', ['loopback'], 'loopback', 'loopback when there is no other'],
  ['2001:db8::9', 'udp', ['office', 'v6loopback', 'v6'], 'v6', 'the family'],
  ['2001:db8::9', 'udp', ['office'], undefined, 'none for a family without a contact'],
  ['pbx.example.com', 'udp', ['office'], undefined, 'none for what is no address'],
]

for (const [address, protocol, among, expected, why] of choices) {
  Binding(`${protocol} to ${address} from ${among.join(', ')}: ${why}`, () => {
    const candidates = among.flatMap((name) => bindings[name] ?? [])
    assert.is(chooseBinding(candidates, { protocol, address }), expected === undefined ? undefined : bindings[expected])
  })
}

Binding('a private address is the one for its own private block, unless a local net says otherwise', () => {
  const [office, lan, carrier] = [
    bind('10.1.0.1'),
    bind('192.168.1.1'),
    bind('10.3.0.1', { localNet: '198.51.100.0/25' }),
  ]
  const choose = (address: string) =>
    chooseBinding([bind('203.0.113.7'), office, lan, carrier], { protocol: 'udp', address })
  assert.is(choose('192.168.200.9'), lan)
  assert.is(choose('10.200.0.9'), office)
  assert.is(choose('198.51.100.127'), carrier)
  assert.is(choose('198.51.100.128')?.address, '203.0.113.7')
})

Binding('within its local net a binding is seen by its own address when that is wanted', () => {
  const option = { text: 'sip:test', protocol: 'udp', host: '10.0.0.1', port: 5060, externalIp: '192.0.2.1' } as const
  const wanted = createBinding(option, '10.0.0.1', 5060, { localInside: true })
  const seen = (address: string) => seenFrom(wanted, address).sentBy
  assert.equal(['10.9.9.9', '203.0.113.9', '192.168.0.1'].map(seen), ['10.0.0.1', '192.0.2.1', '192.0.2.1'])
  const usual = createBinding(option, '10.0.0.1', 5060)
  assert.is(seenFrom(usual, '10.9.9.9').sentBy, '192.0.2.1')
})

Binding('refuses a local net that is no CIDR block, naming the contact', () => {
  for (const localNet of ['10.0.0.0/33', '10.0.0.0/', 'office', '10.0.0/8', '::/129']) {
    assert.throws(() => bind('10.0.0.1', { localNet }), /contact "sip:test": local net .* is no CIDR block/)
  }
})

Binding.run()
