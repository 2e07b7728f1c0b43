import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { findOwnBinding, readRoutes, readSeconds } from '../../../src/trunks/registration/bindings.js'
import { HOME, OWN, TOKEN } from '../../support/registration-bench.js'

const Bindings = suite('Bindings in a 200')

const own = { token: TOKEN, addresses: new Set([HOME]) }
const find = (header: string | undefined, fallbackS = 300) => findOwnBinding(header, own, fallbackS)

Bindings('the one with our token is ours among several, and its expires counts (RFC 3261 10.2.1.1)', () => {
  const header = `<sip:desk@192.0.2.9>;expires=3000, <${OWN}>;q=1;expires=60, "A, B" <sip:b@192.0.2.9>;expires=10`
  assert.equal(find(header), { contact: OWN, expiresS: 60 })
})

Bindings('the token is known in the user part alone, and in the parameter alone', () => {
  assert.is(find(`<sip:${TOKEN}@10.0.0.1:1024>;expires=50`)?.expiresS, 50)
  assert.is(find(`<sip:+14155550100@10.0.0.1;sbt=${TOKEN}>;expires=51`)?.expiresS, 51)
  assert.is(find(`<sip:${TOKEN.toUpperCase()}@10.0.0.1>;expires=52`)?.expiresS, 52)
})

Bindings('of two with our token the one at our own address is ours, whichever ends later', () => {
  const other = `sip:${TOKEN}@192.0.2.44:5060;sbt=${TOKEN}`
  assert.equal(find(`<${other}>;expires=290,<${OWN}>;expires=60`), { contact: OWN, expiresS: 60 })
})

Bindings('behind an address translation the one that ends last is ours', () => {
  const at = (host: string): string => `sip:${TOKEN}@${host}`
  assert.is(find(`<${at('203.0.113.1:40001')}>;expires=12,<${at('203.0.113.1:40002')}>;expires=300`)?.expiresS, 300)
})

Bindings('without the token a Contact at our address is ours; any other is not', () => {
  assert.is(find(`<sip:100@${HOME}>;expires=30,<sip:desk@192.0.2.9>;expires=3000`)?.expiresS, 30)
  assert.is(find('<sip:desk@192.0.2.9>;expires=3000'), undefined)
})

Bindings('the Contact of another trunk of ours at our address is not ours', () => {
  const other = `sbt${'b3'.repeat(10)}`
  assert.is(find(`<sip:${other}@${HOME}>;expires=30`), undefined)
  assert.is(find(`<sip:100@${HOME};sbt=${other}>;expires=30`), undefined)
})

Bindings('of two with our token elsewhere, the one that was not there before is ours', () => {
  const [before, now] = [`sip:${TOKEN}@203.0.113.1:40001`, `sip:${TOKEN}@203.0.113.1:40002`]
  const both = `<${before}>;expires=300,<${now}>;expires=300`
  assert.is(findOwnBinding(both, { ...own, former: before }, 300)?.contact, now)
  assert.is(findOwnBinding(`<${before}>;expires=300`, { ...own, former: before }, 300)?.contact, before)
})

Bindings('a Contact of another device that is malformed hides nothing', () => {
  for (const other of [
    '<sip:b o b@192.0.2.9>',
    'sip:bob@192.0.2.9?x=y',
    'bob',
    '<sip:bob@192.0.2.9>;=',
    '"Bob" sip:b@h',
  ])
    assert.is(find(`${other}, <${OWN}>;expires=60`)?.expiresS, 60, other)
})

Bindings('a Contact without expires has what the Expires header, or the request, says', () => {
  assert.is(find(`<${OWN}>`, 77)?.expiresS, 77)
  assert.is(find(`<${OWN}>;expires=soon`, 77)?.expiresS, 77)
  assert.is(find(`<${OWN}>;expires="60"`, 77)?.expiresS, 60, 'some quote it')
})

Bindings('hostile headers are no binding, and absurd times are cut', () => {
  for (const header of [
    undefined,
    '',
    '*',
    '<',
    'x'.repeat(70_000),
    `<${OWN}`,
    '<sip:>;expires=1',
    '<tel:+1>;expires=1',
  ])
    assert.is(find(header), undefined)
  assert.is(find(`<${OWN}>;expires=4294967295`)?.expiresS, 604_800)
  assert.is(find(`<${OWN}>;expires=0`)?.expiresS, 0)
  const many = Array.from({ length: 3_000 }, (_, i) => `<sip:u${i}@h>`).join(',')
  assert.is(find(many), undefined)
})

Bindings('seconds are digits alone', () => {
  assert.is(readSeconds(' 60 '), 60)
  for (const text of ['', '-1', '1e3', '0x10', '60s', '99999999999', undefined]) assert.is(readSeconds(text), undefined)
})

Bindings('Service-Route and Path are read in order, whole or not at all (RFC 3608, RFC 3327)', () => {
  assert.equal(readRoutes('<sip:edge1.example.com;lr>, <sip:[2001:db8::1]:5070;transport=tcp;lr>'), [
    'sip:edge1.example.com;lr',
    'sip:[2001:db8::1]:5070;transport=tcp;lr',
  ])
  assert.equal(readRoutes(undefined), [])
  const nine = Array.from({ length: 9 }, () => '<sip:h;lr>').join(',')
  for (const header of ['<http://evil/>', '<sip:ok;lr>, <tel:+1>', '<sip:a b>', nine, `<sip:${'h'.repeat(600)}>`])
    assert.is(readRoutes(header), undefined, header.slice(0, 30))
})

Bindings.run()
