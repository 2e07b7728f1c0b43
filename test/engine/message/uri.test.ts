import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  escapeUser,
  formatUri,
  isRequestUri,
  parseUri,
  sameUri,
  type SipUri,
  unescapeUser,
  uriScheme,
} from '../../../src/engine/message/uri.js'

function sip(text: string): SipUri {
  const uri = parseUri(text)
  if (uri === undefined || uri.scheme === 'tel') throw new Error(`not a SIP URI: ${text}`)
  return uri
}

const Uri = suite('Uri')

Uri('a SIP URI is taken apart', () => {
  const uri = sip('sips:alice:secret@Example.COM:5061;transport=TCP;lr;maddr=[::1]?Subject=a%20b&x=')
  assert.is(uri.scheme, 'sips')
  assert.is(uri.user, 'alice')
  assert.is(uri.password, 'secret')
  assert.is(uri.host, 'Example.COM')
  assert.is(uri.port, 5061)
  assert.equal(
    [...uri.params],
    [
      ['transport', 'TCP'],
      ['lr', ''],
      ['maddr', '[::1]'],
    ],
  )
  assert.is(uri.headers, 'Subject=a%20b&x=')
})

Uri('only the host is needed, and the scheme comes in any case', () => {
  assert.equal({ ...sip('SIP:example.com') }, { scheme: 'sip', host: 'example.com', params: new Map() })
})

Uri('the user part may hold ; / ? and the rest of its grammar; it is not cut at the semicolon', () => {
  assert.is(sip('sip:user;par=u%40example.net@example.com').user, 'user;par=u%40example.net')
  const odd = sip(
    "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
  )
  assert.is(odd.user, "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*")
  assert.is(odd.password, "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)")
  assert.is(sip('sip:*67#1@example.com').user, '*67#1')
})

Uri('escapes are undone once, and %00 cuts nothing off', () => {
  const uri = sip('sip:sips%3Auser%40example.com@example.net')
  assert.is(uri.user, 'sips%3Auser%40example.com')
  assert.is(uri.host, 'example.net')
  assert.is(unescapeUser(uri.user ?? ''), 'sips:user@example.com')
  assert.is(unescapeUser('%2541'), '%41')
  assert.is(unescapeUser('null-%00-null'), 'null-\0-null')
  assert.is(unescapeUser('%Z%4%'), '%Z%4%')
  assert.is(unescapeUser('%%41%4'), '%A%4')
})

Uri('needless escapes in parameters are undone, so that lr is found however it is written', () => {
  const uri = sip('sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31')
  assert.is(uri.params.get('lr'), '')
  assert.is(uri.params.get('name'), 'value%2541')
  assert.is(sip('sip:a@b;%4Cr').params.has('lr'), true)
})

Uri('IPv6 hosts keep their brackets; a port is what follows them (RFC 5118 4.3, 4.4)', () => {
  assert.is(sip('sip:[2001:db8::10:5070]').host, '[2001:db8::10:5070]')
  assert.is(sip('sip:[2001:db8::10:5070]').port, undefined)
  assert.is(sip('sip:[2001:db8::10]:5070').port, 5070)
  assert.is(sip('sip:ted@[::ffff:192.0.2.2]').host, '[::ffff:192.0.2.2]')
})

Uri('the third colon of the old grammar is tolerated and not repeated (RFC 5118 4.10)', () => {
  assert.is(sip('sip:user@[2001:db8:::192.0.2.1]').host, '[2001:db8::192.0.2.1]')
  assert.is(sip('sip:user@[:::192.0.2.1]').host, '[::192.0.2.1]')
})

const goodHosts = [
  'a', 'a.b', 'a.b.', 'a-b.c', 'xn--bcher-kva.example', '1.2.3.4', '255.255.255.255', '1a', '3f2a1b9c7d5e', 'my_host.local', '1.2.3.4a',
  '[::]', '[::1]', '[1::]', '[1:2:3:4:5:6:7:8]', '[1:2:3:4:5:6:7::]', '[::2:3:4:5:6:7:8]', '[1:2:3:4:5:6:1.2.3.4]', '[fe80::1:2]',
  '[::FFFF:1.2.3.4]', '[1::1.2.3.4]',
] // prettier-ignore
const badHosts = [
  '', '.', '.a', 'a..b', '-a', 'a-', 'a-.b', '1.2.3', '1.2.3.4.5', '256.1.1.1', '1.2.3.1234', '911', 'a b', 'a!', 'é', '2001:db8::10',
  '[', '[]', '[:]', '[:::]', '[::1', '::1', '[1:2]', '[1::2::3]', '[12345::]', '[1:2:3:4:5:6:7:8:9]', '[1:2:3:4:5:6:7:8::]',
  '[::1.2.3]', '[::1.2.3.256]', '[1.2.3.4::]', '[1:2:3:4:5:6:7:1.2.3.4]', '[1:]', '[fe80::1%eth0]', '[2001:db8:::1]', `[${'0:'.repeat(40)}]`,
] // prettier-ignore

for (const host of goodHosts) Uri(`host ${host} is one`, () => assert.is(sip(`sip:u@${host}`).host, host))

for (const host of badHosts)
  Uri(`host '${host.slice(0, 50)}' is none`, () => {
    assert.is(parseUri(`sip:u@${host}`), undefined)
    assert.is(parseUri(`sip:${host}`), undefined)
  })

Uri('a host name is at most 255 characters', () => {
  const label = `${'a'.repeat(50)}.`
  assert.is.not(parseUri(`sip:u@${label.repeat(4)}example`), undefined)
  assert.is(parseUri(`sip:u@${label.repeat(5)}example`), undefined)
})

Uri('a port is a number from 1 to 65535', () => {
  assert.is(sip('sip:a:65535').port, 65_535)
  assert.is(sip('sip:a:005060').port, 5060)
  for (const port of ['', '0', '65536', '99999999999999999999', '-1', '+1', '0x10', '50 60', '5060a'])
    assert.is(parseUri(`sip:u@a:${port}`), undefined, port)
})

const malformed = [
  '', 'sip', 'sip:', 'sip:@host', 'sip::pw@host', 'sip:a@', 'sip:a@b@c', 'sip: a@b', 'sip:a@b ', ' sip:a@b', '<sip:a@b>', 'sip:a@b>',
  'sip:a%4@b', 'sip:a%zz@b', 'sip:%@b', 'sip:a@b;', 'sip:a@b;=x', 'sip:a@b;x=', 'sip:a@b;;x', 'sip:a@b; lr', 'sip:a@b;x=a=b', 'sip:a@b;x="y"',
  'sip:a@b;x=%4', 'sip:a@b?', 'sip:a@b?x', 'sip:a@b?=y', 'sip:a@b?x=y&', 'sip:a@b?x=y&&z=1', 'sip:a@b?x=@', 'sip:a@b\r\nX: y', 'sip:a\0@b',
  'sip:a"b@c', 'sip:a<b@c', 'sip:é@c', 'sip:a\u0141@c', 'sip:a@b;x=\u0141', 'sip:a@b,c', 'sipx:a@b', 'sip:a:b:c@d', 'sip:a|b@c',
] // prettier-ignore
for (const text of malformed) Uri(`${JSON.stringify(text)} is malformed`, () => assert.is(parseUri(text), undefined))

Uri('a parameter that comes twice is malformed, unless it says the same (19.1.1)', () => {
  assert.is(parseUri('sip:a@b;transport=udp;transport=tcp'), undefined)
  assert.is(parseUri('sip:a@b;transport=udp;Transport'), undefined)
  assert.is(sip('sip:a@b;lr;x;LR').params.size, 2)
})

Uri('parameters named like properties of every object are just parameters', () => {
  assert.is(sip('sip:a@b;__proto__=x;constructor').params.get('__proto__'), 'x')
})

Uri('the scheme of any URI is told', () => {
  assert.is(uriScheme('soap.beep://192.0.2.103:3002'), 'soap.beep')
  assert.is(uriScheme('nobodyKnowsThisScheme:totallyopaquecontent'), 'nobodyknowsthisscheme')
  assert.is(uriScheme('SIPS:x'), 'sips')
  for (const text of ['', ':', '1a:b', 'no scheme:', '<sip:a>', 'abc', 'é:x'])
    assert.is(uriScheme(text), undefined, text)
})

Uri('a Request-URI has no headers; a foreign scheme is left to the core', () => {
  assert.is(isRequestUri('sip:user@example.com;unknownparam'), true)
  assert.is(isRequestUri('sip:us?er@example.com'), true)
  assert.is(isRequestUri('sip:user@example.com?Route=%3Csip:example.com%3E'), false)
  assert.is(isRequestUri('sip:example.com?a=b'), false)
  assert.is(isRequestUri('soap.beep://192.0.2.103:3002'), true)
  assert.is(isRequestUri('tel:+1-415-555-0100'), true)
  for (const text of ['*', '<sip:a@b>', 'sip:2001:db8::10', 'tel:', 'x:', 'x:a<b', 'x:a"b', 'x:\x7f'])
    assert.is(isRequestUri(text), false, text)
})

Uri('tel URIs: global and local numbers, visual separators, parameters (RFC 3966)', () => {
  const tel = parseUri('tel:+1-(415).555-0100;ext=22;phone-context=+1')
  assert.equal(tel && { ...tel, params: [...tel.params] }, {
    scheme: 'tel',
    number: '+1-(415).555-0100',
    params: [
      ['ext', '22'],
      ['phone-context', '+1'],
    ],
  })
  assert.is.not(parseUri('TEL:863-1234;phone-context=example.com'), undefined)
  assert.is.not(parseUri('tel:*67#A'), undefined)
  for (const text of ['tel:', 'tel:+', 'tel:-', 'tel:+1A', 'tel:1 2', 'tel:x', 'tel:+1@host', 'tel:+1;', 'tel:+1?x=y'])
    assert.is(parseUri(text), undefined, text)
})

Uri('what is formatted is read back the same', () => {
  for (const text of [
    'sip:example.com',
    'sips:a:b@[::1]:5061;lr;x=y?a=b&c=%20',
    "sip:u;p=1/?,#'@h.x",
    'tel:+1-415;ext=1',
    'sip:%00@h',
  ])
    assert.is(formatUri(parseUri(text)!), text)
})

Uri('formatting lets nothing through that is no part of a URI', () => {
  const base = sip('sip:a@b')
  assert.is(formatUri({ ...base, user: 'a b@c\r\n"<>%' }), 'sip:a%20b%40c%0D%0A%22%3C%3E%25@b')
  assert.is(formatUri({ ...base, user: 'a%20b' }), 'sip:a%20b@b')
  assert.is(formatUri({ ...base, user: '' }), 'sip:b')
  assert.throws(() => formatUri({ ...base, host: 'b;maddr=c' }), RangeError)
  assert.throws(() => formatUri({ ...base, host: '' }), RangeError)
  for (const port of [0, -1, 65_536, 1.5, NaN]) assert.throws(() => formatUri({ ...base, port }), RangeError)
  assert.throws(() => formatUri({ ...base, params: new Map([['x', 'y;z']]) }), RangeError)
  assert.throws(() => formatUri({ ...base, params: new Map([['x;y', '']]) }), RangeError)
  assert.throws(() => formatUri({ ...base, params: new Map([['x=1', '']]) }), RangeError)
  assert.throws(() => formatUri({ ...base, params: new Map([['', 'y']]) }), RangeError)
  assert.throws(() => formatUri({ ...base, headers: 'a=b\r\n' }), RangeError)
  assert.throws(() => formatUri({ ...base, user: 'a\u0141' }), RangeError)
  assert.throws(() => formatUri({ scheme: 'tel', number: '1;x=y', params: new Map() }), RangeError)
})

Uri('any text becomes a user part and back', () => {
  const text = 'a%41 b"<>@:;\0\r\nÿ#'
  const user = escapeUser(text)
  assert.is(sip(`sip:${user}@h`).user, user)
  assert.is(unescapeUser(user), text)
})

Uri.run()

const SameUri = suite('SameUri')

const same = [
  ['sip:%61lice@atlanta.com;transport=TCP', 'sip:alice@AtlanTa.CoM;Transport=tcp'],
  ['sip:carol@chicago.com', 'sip:carol@chicago.com;newparam=5'],
  ['sip:carol@chicago.com', 'sip:carol@chicago.com;security=on'],
  ['sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com', 'sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com'],
  ['sip:alice@atlanta.com?subject=project%20x&priority=urgent', 'sip:alice@atlanta.com?priority=urgent&subject=project%20x'],
  ['sip:a%2fb@c', 'sip:a%2Fb@c'],
] as const // prettier-ignore
const different = [
  ['SIP:ALICE@AtLanTa.CoM;Transport=udp', 'sip:alice@AtLanTa.CoM;Transport=UDP'],
  ['sip:bob@biloxi.com', 'sip:bob@biloxi.com:5060'],
  ['sip:bob@biloxi.com', 'sip:bob@biloxi.com;transport=udp'],
  ['sip:bob@biloxi.com', 'sip:bob@biloxi.com:6000;transport=tcp'],
  ['sip:carol@chicago.com', 'sip:carol@chicago.com?Subject=next%20meeting'],
  ['sip:bob@phone21.boxesbybob.com', 'sip:bob@192.0.2.4'],
  ['sip:carol@chicago.com;security=on', 'sip:carol@chicago.com;security=off'],
  ['sip:a@b', 'sips:a@b'],
  ['sip:a@b', 'sip:a:pw@b'],
  ['sip:b', 'sip:a@b'],
  ['sip:a@b', 'sip:a@b;maddr=c'],
  ['sip:a%2Fb@c', 'sip:a/b@c'],
] as const // prettier-ignore

for (const [a, b] of same)
  SameUri(`${a} is ${b} (19.1.4)`, () => assert.ok(sameUri(sip(a), sip(b)) && sameUri(sip(b), sip(a))))
for (const [a, b] of different)
  SameUri(`${a} is not ${b} (19.1.4)`, () => assert.not.ok(sameUri(sip(a), sip(b)) || sameUri(sip(b), sip(a))))

SameUri.run()
