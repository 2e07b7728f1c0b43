import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { AddressIndex } from '../../src/store/address-index.js'
import { matchAddress } from '../../src/trunks/identify.js'

const Index = suite('The index of addresses')

Index('finds who has a network with the address in it, the longest prefix first', () => {
  const index = new AddressIndex()
  index.set('all', ['0.0.0.0/0'])
  index.set('site', ['10.1.0.0/16', '2001:db8::/32'])
  index.set('host', ['10.1.2.3'])
  index.set('twin', ['10.1.2.3/32', '10.0.0.0/8'])
  assert.equal(index.find('10.1.2.3'), ['host', 'twin', 'site', 'all'])
  assert.equal(index.find('10.1.9.9'), ['site', 'twin', 'all'])
  assert.equal(index.find('192.0.2.1'), ['all'])
  assert.equal(index.find('2001:db8::9'), ['site'])
  assert.equal(index.find('2001:db9::9'), [])
  assert.equal(index.find('::ffff:10.1.2.3'), ['host', 'twin', 'site', 'all'])
  assert.equal(index.find('nonsense'), [])
})

Index('forgets the networks that were taken away', () => {
  const index = new AddressIndex()
  index.set('a', ['10.0.0.0/8', '192.0.2.1', '192.0.2.1/32'])
  index.set('b', ['192.0.2.1'])
  index.set('a', ['198.51.100.1'])
  assert.equal(index.find('10.0.0.1'), [])
  assert.equal(index.find('192.0.2.1'), ['b'])
  assert.equal(index.find('198.51.100.1'), ['a'])
  index.set('a', [])
  assert.equal(index.find('198.51.100.1'), [])
})

Index('agrees with holding the address against every network', () => {
  let seed = 7
  const random = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    return seed % below
  }
  const address = (): string =>
    random(4) === 0
      ? `2001:db8::${random(4).toString(16)}:${random(0x10000).toString(16)}`
      : `10.${random(3)}.${random(256)}.${random(256)}`
  const index = new AddressIndex()
  const trunks = Array.from({ length: 200 }, (_, i) => ({
    id: `t${i}`,
    allowed_addresses: Array.from({ length: 1 + random(4) }, () => {
      const text = address()
      return `${text}/${text.includes(':') ? 96 + random(33) : 8 + random(25)}`
    }),
  }))
  for (const { id, allowed_addresses } of trunks) index.set(id, allowed_addresses)
  for (let i = 0; i < 300; i++) {
    const source = address()
    const expected = trunks
      .filter((trunk) => matchAddress({ account_id: 'default', ...trunk }, source).matched)
      .map(({ id }) => id)
    assert.equal(index.find(source).sort(), expected.sort(), source)
  }
})

Index.run()
