import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { canonicalName, Headers, usualSpelling } from '../../../src/engine/message/headers.js'

const HeaderNames = suite('HeaderNames')

HeaderNames('any case and every registered compact form gives the long lower-case name', () => {
  assert.is(canonicalName('CALL-ID'), 'call-id')
  assert.is(canonicalName('cAlL-iD'), 'call-id')
  const compact: Record<string, string> = {
    a: 'accept-contact',
    b: 'referred-by',
    c: 'content-type',
    d: 'request-disposition',
    e: 'content-encoding',
    f: 'from',
    i: 'call-id',
    j: 'reject-contact',
    k: 'supported',
    l: 'content-length',
    m: 'contact',
    n: 'identity-info',
    o: 'event',
    r: 'refer-to',
    s: 'subject',
    t: 'to',
    u: 'allow-events',
    v: 'via',
    x: 'session-expires',
    y: 'identity',
  }
  for (const [letter, name] of Object.entries(compact)) {
    assert.is(canonicalName(letter), name)
    assert.is(canonicalName(letter.toUpperCase()), name)
  }
})

HeaderNames('an unknown name is only lower-cased, also one that is a property of every object', () => {
  assert.is(canonicalName('X-My-Header'), 'x-my-header')
  assert.is(canonicalName('X-My-Header'), 'x-my-header')
  assert.is(canonicalName('__proto__'), '__proto__')
  assert.is(canonicalName('Constructor'), 'constructor')
  assert.is(canonicalName('z'), 'z')
})

HeaderNames('a flood of invented names changes nothing for the names that are known', () => {
  for (let i = 0; i < 5_000; i++) assert.is(canonicalName(`X-Flood-${i}`), `x-flood-${i}`)
  assert.is(canonicalName('V'), 'via')
  assert.is(canonicalName('X-Late-Comer'), 'x-late-comer')
})

HeaderNames('the usual spelling is the one of the RFCs, and capitals after hyphens for unknown names', () => {
  assert.is(usualSpelling('call-id'), 'Call-ID')
  assert.is(usualSpelling('cseq'), 'CSeq')
  assert.is(usualSpelling('www-authenticate'), 'WWW-Authenticate')
  assert.is(usualSpelling('p-asserted-identity'), 'P-Asserted-Identity')
  assert.is(usualSpelling('sip-etag'), 'SIP-ETag')
  assert.is(usualSpelling('x-my-header'), 'X-My-Header')
  assert.is(usualSpelling('x--1a'), 'X--1a')
})

HeaderNames.run()

const HeaderLines = suite('Headers')

function lines(headers: Headers): string[] {
  const found: string[] = []
  headers.forEach((name, value, spelling) => found.push(`${spelling}: ${value} (${name})`))
  return found
}

HeaderLines('keeps order and spelling', () => {
  const headers = new Headers()
  headers.append('via', 'one', 'v')
  headers.append('X-Thing', 'two')
  headers.append('cseq', '1 INVITE')
  headers.prepend('record-route', '<sip:a>')
  assert.equal(lines(headers), [
    'Record-Route: <sip:a> (record-route)',
    'v: one (via)',
    'X-Thing: two (x-thing)',
    'CSeq: 1 INVITE (cseq)',
  ])
  assert.is(headers.count, 4)
})

HeaderLines('set puts one line in place of the first and removes the others', () => {
  const headers = new Headers()
  for (const [name, value] of [
    ['m', '1'],
    ['x-a', 'a'],
    ['contact', '2'],
    ['x-b', 'b'],
    ['contact', '3'],
  ] as const)
    headers.append(name, value)
  headers.set('contact', 'only')
  assert.equal(lines(headers), ['Contact: only (contact)', 'X-A: a (x-a)', 'X-B: b (x-b)'])
  headers.set('x-c', 'new')
  assert.is(headers.get('x-c'), 'new')
  headers.set('contact', 'short', 'm')
  assert.is(lines(headers)[0], 'm: short (contact)')
})

HeaderLines('get gives the first line, getAll every line, getList every value', () => {
  const headers = new Headers()
  headers.append('contact', '"a, b" <sip:x@y>, <sip:c,d@e>')
  headers.append('contact', ' sip:z@y ')
  assert.is(headers.get('contact'), '"a, b" <sip:x@y>, <sip:c,d@e>')
  assert.is(headers.getAll('contact').length, 2)
  assert.equal(headers.getList('contact'), ['"a, b" <sip:x@y>', '<sip:c,d@e>', 'sip:z@y'])
  assert.is(headers.get('via'), undefined)
  assert.equal(headers.getAll('via'), [])
  assert.is(headers.has('contact'), true)
  assert.is(headers.has('via'), false)
})

HeaderLines('replaceFirst, removeFirst and remove touch only that name', () => {
  const headers = new Headers()
  headers.append('via', '1')
  headers.append('route', 'r')
  headers.append('via', '2')
  headers.replaceFirst('via', '1b')
  assert.equal(headers.getAll('via'), ['1b', '2'])
  headers.removeFirst('via')
  assert.equal(headers.getAll('via'), ['2'])
  headers.removeFirst('nothing')
  headers.remove('via')
  headers.remove('via')
  assert.equal(lines(headers), ['Route: r (route)'])
  headers.replaceFirst('via', 'new')
  assert.equal(headers.getAll('via'), ['new'])
})

HeaderLines('a clone changes on its own', () => {
  const headers = new Headers()
  headers.append('via', '1')
  const copy = headers.clone()
  copy.set('via', '2')
  copy.append('to', 'x')
  assert.equal(lines(headers), ['Via: 1 (via)'])
})

HeaderLines('no value that could split a header gets in, and the error names the header', () => {
  const headers = new Headers()
  headers.append('subject', 'fine')
  for (const value of [
    'a\r\nX-Evil: 1',
    'a\nX',
    'a\rX',
    'a\0b',
    'a\u010aX-Evil: 1',
    'a\u560d\u560aX',
    '"\0"',
    '\\\0',
  ]) {
    for (const put of ['set', 'append', 'prepend', 'replaceFirst'] as const)
      assert.throws(
        () => headers[put]('subject', value),
        (error: unknown) => error instanceof RangeError && /Subject/.test(error.message),
      )
  }
  assert.equal(lines(headers), ['Subject: fine (subject)'])
})

HeaderLines('a NUL escaped in a quoted string stays as it came (RFC 3261 25.1)', () => {
  const headers = new Headers()
  headers.set('to', '"NUL:\\\0" <sip:a@b>')
  assert.is(headers.get('to'), '"NUL:\\\0" <sip:a@b>')
})

HeaderLines('a name that is no token, or a spelling of another header, is refused', () => {
  const headers = new Headers()
  for (const name of ['', 'a b', 'a:b', 'a\r\nb', 'a\u0100'])
    assert.throws(() => headers.append(name, 'x'), /not a token/)
  assert.throws(() => headers.append('via', 'x', 'f'), /cannot be spelled/)
  assert.throws(() => headers.append('via', 'x', 'via: x\r\nfrom'), RangeError)
  assert.is(headers.count, 0)
})

HeaderLines.run()
