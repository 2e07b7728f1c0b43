import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { allowedNetwork, DestinationPolicy } from '../../src/model/destinations.js'
import { findCorpora, readCorpus } from '../support/corpora.js'

const Destinations = suite('Destinations')

const closed = new DestinationPolicy({ allowed: [] })
const local = new DestinationPolicy({ allowed: ['127.0.0.0/8', '::1/128'] })

const refused = (policy: DestinationPolicy, address: string, port = 5060): boolean =>
  policy.refusal(address, port) !== undefined

Destinations(
  '[A9] nobody is called on loopback, in a private network, or where no server is, unless the configuration names it',
  () => {
    for (const address of [
      ...[
        '127.0.0.1',
        '127.255.255.254',
        '::1',
        '10.0.0.1',
        '172.16.0.1',
        '172.31.255.255',
        '192.168.0.1',
        '100.64.0.1',
      ],
      ...['169.254.1.1', '169.254.169.254', 'fe80::1', 'fd00::1', 'fc00::1', 'fec0::1', '198.18.0.1', '198.19.255.255'],
      ...['0.0.0.0', '0.1.2.3', '224.0.0.1', '239.1.1.1', '255.255.255.255', '240.0.0.1', '::', 'ff02::1', '192.0.0.8'],
      ...[
        '::ffff:127.0.0.1',
        '::ffff:7f00:1',
        '::ffff:10.0.0.1',
        '64:ff9b::7f00:1',
        '64:ff9b::10.0.0.1',
        '2002:7f00:1::1',
      ],
      ...[
        '2002:a9fe:a9fe::',
        '::7f00:1',
        '64:ff9b:1::1',
        '2001:0:1:2::3',
        'fd00:ec2::254',
        '100.100.100.200',
        'nonsense',
        '',
      ],
    ])
      assert.ok(refused(closed, address), address)
    for (const address of [
      '203.0.113.5',
      '8.8.8.8',
      '172.32.0.1',
      '100.128.0.1',
      '198.20.0.1',
      '2001:db8::1',
      '2606:4700::1',
      '64:ff9b::808:808',
    ])
      assert.is(closed.refusal(address, 5060), undefined, address)
  },
)

Destinations('what is named may be called, and nothing else', () => {
  assert.not.ok(refused(local, '127.0.0.3'))
  assert.not.ok(refused(local, '::1'))
  assert.ok(refused(local, '10.0.0.1'))
  assert.ok(refused(local, '64:ff9b::7f00:1'), 'a translator is another machine')
  const office = new DestinationPolicy({ allowed: ['10.1.0.0/16', '240.0.0.1'] })
  assert.not.ok(refused(office, '10.1.2.3', 5070))
  assert.not.ok(refused(office, '240.0.0.1'))
  assert.ok(refused(office, '10.2.0.1'))
  const all = new DestinationPolicy({ allowed: ['0.0.0.0/0', '::/0'] })
  for (const address of ['0.0.0.0', '224.0.0.1', '255.255.255.255', 'ff02::1', '::']) assert.ok(refused(all, address))
  assert.not.ok(refused(all, '192.168.1.1'))
})

Destinations('[A9] a metadata address is named by an entry of its own, not by a network around it', () => {
  const wide = ['0.0.0.0/0', '::/0', '169.254.0.0/16', '100.64.0.0/10', 'fd00::/8']
  const all = new DestinationPolicy({ allowed: wide })
  const own = new DestinationPolicy({ allowed: [...wide, '168.63.129.16', 'fd00:ec2::254/128'] })
  const metadata = ['169.254.169.254', '169.254.170.2', '100.100.100.200', '168.63.129.16', '192.0.0.192']
  for (const address of [
    ...metadata,
    'fd00:ec2::254',
    'fd20:ce::254',
    '::ffff:169.254.169.254',
    '64:ff9b::a9fe:a9fe',
  ]) {
    assert.match(closed.refusal(address, 5060)!, 'a metadata address', address)
    assert.ok(refused(all, address), address)
  }
  assert.not.ok(refused(own, '168.63.129.16'))
  assert.not.ok(refused(own, 'fd00:ec2::254'))
  assert.ok(refused(own, '169.254.169.254'))
  assert.not.ok(refused(all, '169.254.1.1'))
  assert.not.ok(refused(all, '100.64.0.1'))
})

Destinations('the refusal says what the address is and what to add', () => {
  assert.match(
    closed.refusal('10.0.0.1', 5060)!,
    /10\.0\.0\.1 is a private address: add it to access\.allowed_networks/,
  )
  assert.match(
    closed.refusal('203.0.113.5', 6379)!,
    /203\.0\.113\.5:6379 is a port of Redis.*add "203\.0\.113\.5:6379"/,
  )
  assert.match(closed.refusal('2001:db8::1', 443)!, /add "\[2001:db8::1\]:443"/)
})

Destinations('[A9] ports of known services are refused on every address, unless an entry names them', () => {
  for (const port of [22, 25, 53, 80, 443, 2375, 3306, 5432, 6379, 9022, 9200, 11211, 27017]) {
    assert.ok(refused(closed, '203.0.113.5', port), String(port))
    assert.ok(refused(local, '127.0.0.1', port), String(port))
  }
  const named = new DestinationPolicy({ allowed: ['203.0.113.0/24:443', '127.0.0.1:5090', '[::1]:80'] })
  assert.not.ok(refused(named, '203.0.113.5', 443))
  assert.ok(refused(named, '203.0.114.5', 443))
  assert.ok(refused(named, '203.0.113.5', 80))
  assert.not.ok(refused(named, '127.0.0.1', 5090))
  assert.ok(refused(named, '127.0.0.1', 5091))
  assert.not.ok(refused(named, '::1', 80))
})

Destinations('services of the edge itself are closed where loopback is named', () => {
  const policy = new DestinationPolicy({ allowed: ['127.0.0.0/8'], ownServices: ['127.0.0.1:8080'] })
  policy.close(['127.0.0.1:40001', '::1:40001'])
  assert.match(policy.refusal('127.0.0.1', 8080)!, 'this edge itself')
  assert.ok(refused(policy, '127.0.0.1', 40001))
  assert.not.ok(refused(policy, '127.0.0.3', 40001))
})

Destinations(
  'a peer is answered where its messages come from, whatever network that is in; not on ports of services',
  () => {
    const peer = { address: '10.0.0.5', port: 5062 }
    assert.is(closed.refusal('10.0.0.5', 5062, peer), undefined)
    assert.is(closed.refusal('10.0.0.5', 5060, peer), undefined)
    assert.ok(closed.refusal('10.0.0.5', 6379, peer))
    assert.ok(closed.refusal('10.0.0.6', 5062, peer))
    assert.ok(closed.refusal('224.0.0.1', 5062, { address: '224.0.0.1', port: 5062 }))
  },
)

Destinations(
  '[A9] hosts of records: every odd spelling of an address is refused, and so are names that mean this machine',
  () => {
    for (const host of [
      '127.1',
      '2130706433',
      '0x7f000001',
      '0177.0.0.1',
      '0x7f.1',
      '127.0.0.1.',
      '1',
      '256.1.1.1',
      '0x',
    ])
      assert.match(local.hostRefusal(host) ?? '', 'unusual spelling', host)
    assert.match(local.hostRefusal('fe80::1%25lo')!, 'zone')
    for (const host of [
      'localhost',
      'localhost.',
      'LOCALHOST',
      'a.localhost',
      'metadata.google.internal',
      'Metadata.Google.Internal.',
    ])
      assert.ok(closed.hostRefusal(host), host)
    assert.is(local.hostRefusal('localhost'), undefined)
    assert.ok(local.hostRefusal('metadata.google.internal'))
    assert.ok(local.hostRefusal('[64:ff9b::7f00:1]'))
    assert.is(local.hostRefusal('[::1]', 5060), undefined)
    for (const host of ['pbx.example.com', '127.example.com', '0x7f.example.com', 'a1', '203.0.113.5'])
      assert.is(closed.hostRefusal(host), undefined, host)
    assert.match(closed.hostRefusal('pbx.example.com', 6379)!, 'Redis')
  },
)

Destinations('entries of the configuration are networks, with a port or without; others are refused', () => {
  for (const good of [
    '10.0.0.0/8',
    '10.1.2.3',
    '10.1.2.3:5062',
    '10.0.0.0/8:5060',
    'fd00::/8',
    '[fd00::/8]:5060',
    '[::1]:1',
  ])
    assert.ok(allowedNetwork.safeParse(good).success, good)
  for (const bad of [
    '',
    'localhost',
    '10.0.0.0/33',
    '10.0.0.1:0',
    '10.0.0.1:65536',
    '10.0.0.1:x',
    '[fd00::/8]',
    '::1:5060:',
    '*',
    'fd00::/8:5060',
  ])
    assert.not.ok(allowedNetwork.safeParse(bad).success, bad)
})

const corpora = findCorpora()
if (corpora !== undefined)
  Destinations('[A9] every literal and port of the list of forbidden destinations is refused', () => {
    const text = readCorpus(corpora, 'guards', 'ssrf-destinations.json').toString()
    const { literals, ports } = JSON.parse(text) as { literals: string[]; ports: number[] }
    for (const literal of literals) assert.ok(closed.hostRefusal(literal), literal)
    for (const port of ports.filter((port) => port > 0 && port < 65_536))
      assert.ok(closed.hostRefusal('203.0.113.5', port), String(port))
  })

Destinations.run()
