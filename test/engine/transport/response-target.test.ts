import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseVia } from '../../../src/engine/message/via.js'
import { responseTarget } from '../../../src/engine/transport/response-target.js'
import type { Protocol } from '../../../src/engine/transport/transport.js'

const ResponseTarget = suite('ResponseTarget')

const rows: [protocol: Protocol, via: string, source: string, expected: string, why: string][] = [
  ['udp', 'SIP/2.0/UDP 192.0.2.1;rport=5060', '192.0.2.1 5060', '192.0.2.1 5060', 'the source'],
  ['udp', 'SIP/2.0/UDP 10.0.0.1:5090;rport=40000;received=192.0.2.1', '192.0.2.1 40000', '192.0.2.1 40000', 'RFC 3581'],
  ['udp', 'SIP/2.0/UDP pbx.example.com:5090', '192.0.2.1 40000', '192.0.2.1 40000', 'rport counts as asked for'],
  [
    'udp',
    'SIP/2.0/UDP 192.0.2.1:5090;maddr=192.0.2.7',
    '192.0.2.1 40000',
    '192.0.2.1 40000',
    'the source, whomever maddr names',
  ],
  ['udp', 'SIP/2.0/UDP 192.0.2.1;maddr=192.0.2.7', '192.0.2.1 40000', '192.0.2.1 40000', 'no maddr'],
  [
    'udp',
    'SIP/2.0/UDP [2001:db8::1];maddr=[2001:db8::7]',
    '2001:db8::1 40000',
    '2001:db8::1 40000',
    'no maddr of IPv6',
  ],
  [
    'udp',
    'SIP/2.0/UDP 192.0.2.1;maddr=255.255.255.255',
    '192.0.2.1 5060',
    '192.0.2.1 5060',
    'no broadcast (RFC 4475 bcast)',
  ],
  ['udp', 'SIP/2.0/UDP 192.0.2.1;maddr=224.0.1.75;ttl=16', '192.0.2.1 5060', '192.0.2.1 5060', 'no multicast'],
  ['udp', 'SIP/2.0/UDP 192.0.2.1;maddr=0.0.0.0', '192.0.2.1 5060', '192.0.2.1 5060', 'not to ourselves'],
  ['udp', 'SIP/2.0/UDP 192.0.2.1;maddr=[::1]', '192.0.2.1 5060', '192.0.2.1 5060', 'not to the other family'],
  ['udp', 'SIP/2.0/UDP 192.0.2.1;maddr=pbx.example.com', '192.0.2.1 5060', '192.0.2.1 5060', 'no names'],
  [
    'udp',
    'SIP/2.0/UDP 192.0.2.1;received=255.255.255.255',
    '192.0.2.1 5060',
    '192.0.2.1 5060',
    'the source, whatever it says',
  ],
  ['tcp', 'SIP/2.0/TCP 192.0.2.1;rport=40000', '192.0.2.1 40000', '192.0.2.1 5060', 'the port it listens on'],
  [
    'tcp',
    'SIP/2.0/TCP 10.0.0.1:5090;received=192.0.2.1',
    '192.0.2.1 40000',
    '192.0.2.1 5090',
    'received and sent-by port',
  ],
  ['tcp', 'SIP/2.0/TCP 192.0.2.1;maddr=192.0.2.7', '192.0.2.1 40000', '192.0.2.1 5060', 'no maddr over a stream'],
  ['tls', 'SIP/2.0/TLS 192.0.2.1', '192.0.2.1 40000', '192.0.2.1 5061', 'the default port of TLS'],
]

for (const [protocol, text, source, expected, why] of rows) {
  ResponseTarget(`${protocol} from ${source}, ${text}: ${why}`, () => {
    const via = parseVia(text)
    if (via === undefined) throw new Error(`${text} is no Via`)
    const [remoteAddress = '', remotePort = ''] = source.split(' ')
    const target = responseTarget(via, { protocol, remoteAddress, remotePort: Number(remotePort) })
    assert.is(`${target.address} ${target.port}`, expected)
    assert.is(target.protocol, protocol)
  })
}

ResponseTarget.run()
