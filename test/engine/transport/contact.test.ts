import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseContact, parseContacts } from '../../../src/engine/transport/contact.js'

const short = (text: string): string[] =>
  parseContact(text).map(({ protocol, host, port }) => `${protocol} ${host} ${port}`)

const Contact = suite('Contact')

const accepted: [text: string, expected: string[]][] = [
  ['sip:127.0.0.1:5060;transport=udp,tcp', ['udp 127.0.0.1 5060', 'tcp 127.0.0.1 5060']],
  ['sip:127.0.0.1', ['udp 127.0.0.1 5060', 'tcp 127.0.0.1 5060']],
  ['sip:*;transport=udp', ['udp * 5060']],
  ['sip:*:5080', ['udp * 5080', 'tcp * 5080']],
  ['sip:[::1]:5070;transport=tcp', ['tcp ::1 5070']],
  ['sip:[2001:DB8::1]', ['udp 2001:db8::1 5060', 'tcp 2001:db8::1 5060']],
  ['SIP:Edge.Example.com;Transport=UDP', ['udp edge.example.com 5060']],
  [' sip:127.0.0.1:0;transport=udp,udp ', ['udp 127.0.0.1 0']],
  ['sips:127.0.0.1', ['tls 127.0.0.1 5061']],
  ['sips:127.0.0.1:443;transport=tcp', ['tls 127.0.0.1 443']],
  ['sip:127.0.0.1;transport=tls', ['tls 127.0.0.1 5061']],
]

for (const [text, expected] of accepted) Contact(`reads ${text}`, () => assert.equal(short(text), expected))

const refused: [text: string, why: string][] = [
  ['127.0.0.1:5060', 'it must begin with sip: or sips:'],
  ['', 'it must begin with sip: or sips:'],
  ['tel:+14155550100', 'it must begin with sip: or sips:'],
  ['sip:edge@127.0.0.1', 'a contact has no user part'],
  ['sip:127.0.0.1;transport=ws', 'transport ws (WebSocket) is not supported'],
  ['sips:127.0.0.1;transport=wss', 'transport wss (WebSocket) is not supported'],
  ['sip:127.0.0.1;transport=sctp', 'transport "sctp" is not known'],
  ['sip:127.0.0.1;transport=', 'transport "" is not known'],
  ['sip:127.0.0.1;transport=udp;transport=tcp', 'transport is given twice'],
  ['sips:127.0.0.1;transport=udp', 'sips cannot run over udp'],
  ['sip:127.0.0.1;lr', 'parameter "lr" is not known'],
  ['sip:127.0.0.1:70000', 'port 70000 is above 65535'],
  ['sip:127.0.0.1:', '":" is no port'],
  ['sip:127.0.0.1:5060:1', '":5060:1" is no port'],
  ['sip:::1', '"" is neither an address'],
  ['sip:[fe80::1%eth0]', '"[fe80::1%eth0]" is neither an address'],
  ['sip:[127.0.0.1]', '"[127.0.0.1]" is neither an address'],
  ['sip:[::1', '"[" is neither an address'],
  ['sip:127.1', '"127.1" is neither an address'],
  ['sip:bad host', '"bad host" is neither an address'],
]

for (const [text, why] of refused) {
  Contact(`refuses ${JSON.stringify(text)}, saying why`, () => {
    assert.throws(
      () => parseContact(text),
      (error: Error) => error.message.startsWith(`contact ${JSON.stringify(text)}: `) && error.message.includes(why),
    )
  })
}

Contact('reads a list in which commas separate both contacts and transports', () => {
  const options = parseContacts('sip:127.0.0.1:5060;transport=udp,tcp, sip:[::1]:5060;transport=udp,sip:127.0.0.2')
  assert.equal(
    options.map(({ protocol, host }) => `${protocol} ${host}`),
    ['udp 127.0.0.1', 'tcp 127.0.0.1', 'udp ::1', 'udp 127.0.0.2', 'tcp 127.0.0.2'],
  )
})

Contact('carries the external address and the local net', () => {
  const [option] = parseContact('sip:10.0.0.1;transport=udp', { externalIp: '192.0.2.1', localNet: '10.0.0.0/8' })
  assert.is(option?.externalIp, '192.0.2.1')
  assert.is(option?.localNet, '10.0.0.0/8')
})

Contact.run()
