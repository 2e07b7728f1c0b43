import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { describeAllowed, matchAddress } from '../../src/trunks/identify.js'

const Identify = suite('A source address')

const match = (address: string, ...allowed_addresses: string[]): boolean =>
  matchAddress({ account_id: 'default', id: 'pbx', allowed_addresses }, address).matched

Identify('is in a network up to the last bit of its prefix', () => {
  const rows: [string, string, boolean][] = [
    ['127.0.0.1', '127.0.0.1', true],
    ['127.0.0.1', '127.0.0.1/32', true],
    ['127.0.0.2', '127.0.0.1/32', false],
    ['10.1.255.255', '10.1.0.0/16', true],
    ['10.2.0.0', '10.1.0.0/16', false],
    ['10.1.2.3', '10.9.9.9/8', true],
    ['192.0.2.127', '192.0.2.0/25', true],
    ['192.0.2.128', '192.0.2.0/25', false],
    ['203.0.113.9', '0.0.0.0/0', true],
    ['2001:db8::1', '::/0', true],
    ['203.0.113.9', '::/0', false],
    ['2001:db8::1', '0.0.0.0/0', false],
    ['2001:db8::1', '2001:db8::/32', true],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1', true],
    ['2001:db9::1', '2001:db8::/32', false],
    ['::1', '::1/128', true],
    ['::2', '::1/128', false],
    ['::ffff:192.0.2.7', '192.0.2.0/24', true],
    ['192.0.2.7', '::ffff:192.0.2.0/120', true],
    ['192.0.2.7', '::ffff:0:0/95', false],
  ]
  for (const [address, network, expected] of rows)
    assert.is(match(address, network), expected, `${address} in ${network}`)
})

Identify('matches any of the networks, and says which', () => {
  const tried = matchAddress(
    { account_id: 'default', id: 'pbx', allowed_addresses: ['192.0.2.0/24', '127.0.0.0/8', '::1'] },
    '127.0.0.9',
  )
  assert.equal(tried, {
    trunk_id: 'pbx',
    account_id: 'default',
    matched: true,
    why: '127.0.0.9 is in 127.0.0.0/8',
    rule: 'address',
  })
})

Identify('that is none is in no network', () => {
  for (const address of [
    '',
    'localhost',
    '127.0.0.1:5060',
    '[::1]',
    '127.1',
    '0177.0.0.1',
    '::1%lo',
    '1'.repeat(70_000),
    '*',
  ])
    assert.is(match(address, '0.0.0.0/0', '::/0'), false, address.slice(0, 20))
})

Identify('is let in by no trunk that allows nothing', () => {
  assert.is(match('127.0.0.1'), false)
  assert.match(
    matchAddress({ account_id: 'default', id: 'x', allowed_addresses: [] }, '127.0.0.1').why,
    'which is empty',
  )
  assert.is(
    describeAllowed({
      allowed_addresses: ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.0.6', '10.0.0.7'],
    }),
    '10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, 10.0.0.5 and 2 more',
  )
})

Identify.run()
