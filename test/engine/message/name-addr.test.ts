import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  formatNameAddr,
  parseNameAddr,
  parseNameAddrList,
  splitList,
  withTag,
} from '../../../src/engine/message/name-addr.js'

const NameAddress = suite('NameAddr')

function plain(value: string): [string | undefined, string, Record<string, string>] | undefined {
  const address = parseNameAddr(value)
  return address && [address.displayName, address.uri, Object.fromEntries(address.params)]
}

const wellFormed: [string, [string | undefined, string, Record<string, string>]][] = [
  ['<sip:a@b>', [undefined, 'sip:a@b', {}]],
  ['sip:a@b', [undefined, 'sip:a@b', {}]],
  ['sip:a@b;tag=1', [undefined, 'sip:a@b', { tag: '1' }]],
  ['<sip:a@b;tag=1>;TAG=2', [undefined, 'sip:a@b;tag=1', { tag: '2' }]],
  ['"Bell, Alexander" <sip:a@b>;tag=43', ['Bell, Alexander', 'sip:a@b', { tag: '43' }]],
  ['caller<sip:caller@example.com>;tag=323', ['caller', 'sip:caller@example.com', { tag: '323' }]],
  ['A. Bell  <sip:a@b>', ['A. Bell', 'sip:a@b', {}]],
  ["token1~` token2'+_ token3*%!.- <sip:m@e.com>", ["token1~` token2'+_ token3*%!.-", 'sip:m@e.com', {}]],
  ['"J Rosenberg \\\\\\"" <sip:j@e.com> ; tag = 98asjd8', ['J Rosenberg \\"', 'sip:j@e.com', { tag: '98asjd8' }]],
  ['"" <sip:a@b>', ['', 'sip:a@b', {}]],
  ['""<sip:a@b>', ['', 'sip:a@b', {}]],
  ['"<sip:evil@x>" <sip:a@b>', ['<sip:evil@x>', 'sip:a@b', {}]],
  ['"NUL:\\\0" <sip:a@b>', ['NUL:\0', 'sip:a@b', {}]],
  ['M\xc3\xbcller <sip:a@b>', ['M\xc3\xbcller', 'sip:a@b', {}]],
  ['"M\xc3\xbcller" <sip:a@b>', ['M\xc3\xbcller', 'sip:a@b', {}]],
  ['<sip:a@b>;x="q;,\\"z";y', [undefined, 'sip:a@b', { x: '"q;,\\"z"', y: '' }]],
  ['<sip:a@b?Route=%3Csip:c%3E>', [undefined, 'sip:a@b?Route=%3Csip:c%3E', {}]],
  ['<sip:a,b;c?d@e>', [undefined, 'sip:a,b;c?d@e', {}]],
  ['<http://www.example.com/x?y;z,w>;tag=3', [undefined, 'http://www.example.com/x?y;z,w', { tag: '3' }]],
  ['isbn:2983792873', [undefined, 'isbn:2983792873', {}]],
  ['<tel:+1-415;phone-context=x>;a', [undefined, 'tel:+1-415;phone-context=x', { a: '' }]],
  ['<sip:a@b>;received=[::1];other=::1', [undefined, 'sip:a@b', { received: '[::1]', other: '::1' }]],
  ['  <sip:a@b>  ;  lr  ', [undefined, 'sip:a@b', { lr: '' }]],
  ['\t<sip:a@b>\t;\tlr\t=\tx\t', [undefined, 'sip:a@b', { lr: 'x' }]],
]
for (const [value, expected] of wellFormed)
  NameAddress(`${JSON.stringify(value)} is read`, () => assert.equal(plain(value), expected))

const malformed = [
  '', ' ', '*', '<', '<>', '<sip:a@b', 'sip:a@b>', '<sip:a@b>>', '< sip:a@b >', '<sip:a@b >', 'Bell, Alexander <sip:a@b>', '"open <sip:a@b>',
  '"a" "b" <sip:a@b>', '"a" sip:a@b', 'a sip:a@b', 'alice', '"alice"', '<alice>', '<sip:a@b> x', '<sip:a@b>;', '<sip:a@b>;;x', '<sip:a@b>;=x',
  '<sip:a@b>;x=', '<sip:a@b>;x= ;y', '<sip:a@b>;x="y', '<sip:a@b>;x=y z', '<sip:a@b>;x=a"b"', '<sip:a@b>;tag=1;tag=2', 'sip:a@b?Route=x',
  'sip:a@b?Route=%3Csip:c%3E', '<sip:a@b>,', ',<sip:a@b>', '<sip:a@b>,<sip:c@d>', 'sip:a b@c', '<sip:a@2001:db8::1>', '<sip:a@b;x=1;x=2>',
  '"a\x01b" <sip:a@b>', '"a\0b" <sip:a@b>', '"a\\\r" <sip:a@b>', '"a\nb" <sip:a@b>', 'a\0 <sip:a@b>', 'a@b <sip:a@b>', '<tel:>', '<x:>', '<x:a b>',
  '\u0141 <sip:a@b>', '"\u0141" <sip:a@b>', '<sip:a@b>;x=\u0141',
] // prettier-ignore
for (const value of malformed)
  NameAddress(`${JSON.stringify(value)} is malformed`, () => assert.is(parseNameAddr(value), undefined))

NameAddress('a list is parted at its own commas only, and any bad value spoils it', () => {
  assert.equal(
    parseNameAddrList('"a, <b>" <sip:a@b>;x="1,2" ,<sip:c,d@e>,sip:f@g;q=0.5')?.map((address) => address.uri),
    ['sip:a@b', 'sip:c,d@e', 'sip:f@g'],
  )
  for (const value of [
    '',
    ',',
    '<sip:a@b>,',
    ',<sip:a@b>',
    '<sip:a@b>,,<sip:c@d>',
    '<sip:a@b> <sip:c@d>',
    '<sip:a@b>,x',
  ])
    assert.is(parseNameAddrList(value), undefined, value)
})

NameAddress('what is formatted is read back the same', () => {
  for (const [value] of wellFormed) {
    const address = parseNameAddr(value)!
    if (address.displayName?.includes('\0')) continue
    const again = parseNameAddr(formatNameAddr(address))!
    assert.equal(
      [again.displayName, again.uri, [...again.params]],
      [address.displayName, address.uri, [...address.params]],
    )
  }
})

NameAddress('a hostile display name stays one display name, without CR, LF or NUL', () => {
  const value = formatNameAddr({
    displayName: '"><sip:evil@127.0.0.9>\r\nX-Evil: 1\0\\\u010a',
    uri: 'sip:a@b',
    params: new Map(),
  })
  assert.is(value, '"\\"><sip:evil@127.0.0.9>  X-Evil: 1 \\\\ " <sip:a@b>')
  assert.is(parseNameAddr(value)?.uri, 'sip:a@b')
})

NameAddress('a URI or parameter that would break out is refused', () => {
  const params = new Map<string, string>()
  for (const uri of ['', 'a@b', 'sip:a@b>;tag=x', 'sip:a@b\r\nX: y', 'sip:a b@c', 'x:\u010a'])
    assert.throws(() => formatNameAddr({ uri, params }), RangeError)
  for (const [name, text] of [
    ['a b', ''],
    ['a', 'b;c'],
    ['a', '"b'],
    ['a', '"b"c'],
    ['a', 'b\r\nX: y'],
    ['a', '\u010a'],
    ['', 'x'],
  ] as const)
    assert.throws(
      () => formatNameAddr({ uri: 'sip:a@b', params: new Map([[name, text]]) }),
      RangeError,
      `${name}=${text}`,
    )
})

NameAddress('withTag sets the one tag', () => {
  const address = parseNameAddr('"A" <sip:a@b>;tag=old;x=1')!
  assert.is(formatNameAddr(withTag(address, 'new')), '"A" <sip:a@b>;tag=new;x=1')
  assert.is(address.params.get('tag'), 'old')
  for (const tag of ['', 'a b', 'a;b', 'a\r\n']) assert.throws(() => withTag(address, tag), RangeError)
})

NameAddress('splitList keeps quoted commas and leaves out empty values', () => {
  assert.equal(splitList(' a , "b,c\\",d" ,, <e,f>;g , '), ['a', '"b,c\\",d"', '<e,f>;g'])
  assert.equal(splitList(''), [])
  assert.equal(splitList('"open, a'), ['"open, a'])
  assert.equal(splitList('"ends with a backslash\\'), ['"ends with a backslash\\'])
})

NameAddress.run()
