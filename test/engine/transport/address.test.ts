import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isLoopback, isUnicast, octetsOf, sameAddress, scopeOf } from '../../../src/engine/transport/address.js'

const Address = suite('Address')

Address('reads IPv4 and every spelling of IPv6', () => {
  assert.equal(octetsOf('192.0.2.1'), [192, 0, 2, 1])
  assert.equal(octetsOf('::'), new Array(16).fill(0))
  assert.equal(octetsOf('2001:db8::ff:1'), [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0, 1])
  assert.equal(octetsOf('::ffff:192.0.2.1')?.slice(10), [0xff, 0xff, 192, 0, 2, 1])
  assert.equal(octetsOf('fe80::1%eth0')?.slice(0, 2), [0xfe, 0x80])
  for (const text of ['', '192.0.2', '192.0.2.256', 'pbx', '[::1]', '1:2:3']) assert.is(octetsOf(text), undefined, text)
})

Address('knows two spellings of one address, and no two names', () => {
  assert.ok(sameAddress('[2001:DB8:0:0::1]', '2001:db8::1'))
  assert.ok(sameAddress('192.0.2.1', '192.0.2.1'))
  assert.not(sameAddress('2001:db8::1', '2001:db8::2'))
  assert.not(sameAddress('192.0.2.1', '::ffff:192.0.2.1'))
  assert.not(sameAddress('pbx', 'PBX'))
})

Address('belongs to the public network or to a private block, brackets or not', () => {
  const rows: [host: string, scope: string | undefined][] = [
    ['10.1.2.3', '10.0.0.0/8'],
    ['172.15.255.255', 'public'],
    ['172.16.0.1', '172.16.0.0/12'],
    ['172.31.255.255', '172.16.0.0/12'],
    ['172.32.0.1', 'public'],
    ['192.168.7.7', '192.168.0.0/16'],
    ['192.169.0.1', 'public'],
    ['100.64.0.1', '100.64.0.0/10'],
    ['100.128.0.1', 'public'],
    ['127.9.9.9', '127.0.0.0/8'],
    ['[fd00::1]', 'fc00::/7'],
    ['fe80::1', 'fe80::/10'],
    ['[2001:db8::1]', 'public'],
    ['::1', '::1'],
    ['pbx.example.com', undefined],
  ]
  for (const [host, scope] of rows) assert.is(scopeOf(host), scope, host)
})

Address('sends nothing to broadcast, multicast, unspecified or mapped addresses', () => {
  for (const good of ['192.0.2.1', '127.0.0.1', '255.255.255.254', '::1', '2001:db8::1', 'fe80::1']) {
    assert.ok(isUnicast(good), good)
  }
  for (const bad of [
    '255.255.255.255',
    '224.0.1.75',
    '239.1.1.1',
    '0.0.0.0',
    '0.1.2.3',
    '::',
    '0:0::0',
    'ff02::1',
    'pbx',
  ]) {
    assert.not(isUnicast(bad), bad)
  }
  assert.not(isUnicast('::ffff:255.255.255.255'))
})

Address('knows loopback', () => {
  assert.ok(isLoopback('127.0.0.1') && isLoopback('127.9.9.9') && isLoopback('::1') && isLoopback('0::1'))
  assert.not(isLoopback('10.0.0.1') || isLoopback('::2'))
})

Address.run()
