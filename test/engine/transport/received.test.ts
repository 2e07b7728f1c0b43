import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { stamped } from '../../../src/engine/transport/received.js'

const Received = suite('Received')

const rows: [title: string, value: string, address: string, port: number, expected: string][] = [
  [
    'rport is filled though it was not asked for',
    'SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa',
    '192.0.2.1',
    5060,
    'SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa;rport=5060',
  ],
  [
    'received is added when sent-by is another address',
    'SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKa',
    '192.0.2.1',
    40_000,
    'SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKa;rport=40000;received=192.0.2.1',
  ],
  [
    'received is added when sent-by is a name (18.2.1)',
    'SIP/2.0/TCP pbx.example.com;branch=z9hG4bKa',
    '192.0.2.1',
    5060,
    'SIP/2.0/TCP pbx.example.com;branch=z9hG4bKa;rport=5060;received=192.0.2.1',
  ],
  [
    'asking for rport brings received, though it is the same address (RFC 3581 section 4)',
    'SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bKa',
    '192.0.2.1',
    5060,
    'SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa;rport=5060;received=192.0.2.1',
  ],
  [
    'what the peer wrote there itself is replaced',
    'SIP/2.0/UDP 192.0.2.1;Received = 255.255.255.255;branch=z9hG4bKa;rport=1',
    '192.0.2.1',
    5060,
    'SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa;rport=5060;received=192.0.2.1',
  ],
  [
    'the entries after the first stay as they came',
    'SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa , SIP/2.0/UDP 192.0.2.9;received=1.2.3.4',
    '192.0.2.1',
    5060,
    'SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa ;rport=5060, SIP/2.0/UDP 192.0.2.9;received=1.2.3.4',
  ],
  [
    'separators inside quotes separate nothing',
    'SIP/2.0/UDP 192.0.2.1;x="a,b;received=\\"c";branch=z9hG4bKa, SIP/2.0/UDP 192.0.2.9',
    '192.0.2.1',
    5060,
    'SIP/2.0/UDP 192.0.2.1;x="a,b;received=\\"c";branch=z9hG4bKa;rport=5060, SIP/2.0/UDP 192.0.2.9',
  ],
  [
    'white space around slashes and colon is allowed (RFC 4475 3.1.1.1)',
    'SIP / 2.0 / UDP  192.0.2.2 : 5060 ;branch=390skdjuw',
    '192.0.2.2',
    5060,
    'SIP / 2.0 / UDP  192.0.2.2 : 5060;branch=390skdjuw;rport=5060',
  ],
  [
    'IPv6 is the same address however it is spelled, and received has no brackets (RFC 5118 4.5)',
    'SIP/2.0/UDP [2001:DB8:0::1]:5060;branch=z9hG4bKa',
    '2001:db8::1',
    5060,
    'SIP/2.0/UDP [2001:DB8:0::1]:5060;branch=z9hG4bKa;rport=5060',
  ],
  [
    'another IPv6 address is noted',
    'SIP/2.0/UDP [2001:db8::2];branch=z9hG4bKa',
    '2001:db8::1',
    5061,
    'SIP/2.0/UDP [2001:db8::2];branch=z9hG4bKa;rport=5061;received=2001:db8::1',
  ],
  [
    'a Via without parameters gets them',
    'SIP/2.0/UDP 192.0.2.1',
    '192.0.2.1',
    5060,
    'SIP/2.0/UDP 192.0.2.1;rport=5060',
  ],
]

for (const [title, value, address, port, expected] of rows) {
  Received(title, () => assert.is(stamped(value, address, port), expected))
}

Received('takes time in proportion to the length, whatever the value', () => {
  const hostile = ['"'.repeat(200_000), ';'.repeat(200_000), 'a;"\\'.repeat(50_000), ','.repeat(200_000)]
  const started = performance.now()
  for (const value of hostile) stamped(`SIP/2.0/UDP 192.0.2.1;${value}`, '192.0.2.1', 5060)
  assert.ok(performance.now() - started < 500)
})

Received.run()
