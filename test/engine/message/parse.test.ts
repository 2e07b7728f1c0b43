import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createResponse, serialise, type SipMessage } from '../../../src/engine/message/message.js'
import { defaultLimits, type Limits, parseDatagram, type Parsed } from '../../../src/engine/message/parse.js'
import { sipRequest, withHeader } from '../../support/sip-lines.js'

type Refusal = Extract<Parsed, { ok: false }>

function parse(bytes: Buffer | string, limits: Partial<Limits> = {}): Parsed | undefined {
  return parseDatagram(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes, {
    ...defaultLimits,
    ...limits,
  })
}

function accepted(bytes: Buffer | string): SipMessage {
  const parsed = parse(bytes)
  if (parsed?.ok !== true) throw new Error(`refused: ${parsed?.reason ?? 'no SIP'}`)
  return parsed.message
}

function refused(bytes: Buffer | string, limits: Partial<Limits> = {}): Refusal {
  const parsed = parse(bytes, limits)
  if (parsed === undefined || parsed.ok) throw new Error(parsed === undefined ? 'no SIP' : 'accepted')
  return parsed
}

const Datagram = suite('ParseDatagram')

Datagram('a request gives method, Request-URI, headers and body', () => {
  const message = accepted(
    sipRequest({
      startLine: 'MESSAGE sip:bob@example.com;x SIP/2.0',
      headers: { CSeq: 'CSeq: 1 MESSAGE' },
      body: 'a\r\n\0\xff',
    }),
  )
  assert.is(message.kind === 'request' && message.method, 'MESSAGE')
  assert.is(message.kind === 'request' && message.uri, 'sip:bob@example.com;x')
  assert.is(message.body, 'a\r\n\0\xff')
  assert.is(message.headers.count, 7)
})

Datagram('a response gives status and reason phrase, which may be empty, UTF-8, or gone with its space', () => {
  for (const [line, status, reason] of [
    ['SIP/2.0 200 OK', 200, 'OK'],
    ['SIP/2.0 100 ', 100, ''],
    ['SIP/2.0 100', 100, ''],
    ['sip/2.0 699 \xd0\xbf\xd1\x80 = 2**3', 699, '\xd0\xbf\xd1\x80 = 2**3'],
  ] as const) {
    const message = accepted(sipRequest({ startLine: line }))
    assert.is(message.kind === 'response' && message.status, status)
    assert.is(message.kind === 'response' && message.reason, reason)
  }
})

Datagram('unknown methods and methods with odd characters are read as they are, case included', () => {
  for (const method of ["!interesting-Method0123456789_*+`.%indeed'~", 'RE%47IST%45R', 'options']) {
    const message = accepted(
      sipRequest({ startLine: `${method} sip:a@b SIP/2.0`, headers: { CSeq: `CSeq: 1 ${method}` } }),
    )
    assert.is(message.kind === 'request' && message.method, method)
  }
})

Datagram('lines are unfolded, names come in any case and compact, space may stand before the colon', () => {
  const message = accepted(
    sipRequest({
      headers: {
        To: 'TO :\r\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n',
        From: 'f   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8',
        'Max-Forwards': 'MaX-fOrWaRdS: 0068',
        'Content-Length': 'l\t: 0',
        CSeq: 'cseq: 0009\r\n  OPTIONS',
        Via: 'v  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw',
      },
      extra: [
        's :',
        'NewFangledHeader:   newfangled value\r\n\tcontinued  newfangled value  ',
        'X-Fold: a\r\n \r\n \r\n b',
      ],
    }),
  )
  assert.is(message.toTag, '1918181833n')
  assert.is(message.fromTag, '98asjd8')
  assert.is(message.from.displayName, 'J Rosenberg \\"')
  assert.is(message.maxForwards, 68)
  assert.equal(message.cseq, { number: 9, method: 'OPTIONS' })
  assert.is(message.topVia.host, '192.0.2.2')
  assert.is(message.headers.get('subject'), '')
  assert.is(message.headers.get('newfangledheader'), 'newfangled value continued  newfangled value')
  assert.is(message.headers.get('x-fold'), 'a b')
})

Datagram('values stay as they came: bytes above 127, quotes, an escaped NUL', () => {
  const message = accepted(sipRequest({ extra: ['X-A: \xef\xbb\xbf\xff "a, b" ;; <x> =', 'X-B: "a\\\0b"'] }))
  assert.is(message.headers.get('x-a'), '\xef\xbb\xbf\xff "a, b" ;; <x> =')
  assert.is(message.headers.get('x-b'), '"a\\\0b"')
})

Datagram('CRLFs before the start line are passed over (7.5)', () => {
  assert.is(accepted(Buffer.concat([Buffer.from('\r\n\r\n\r\n'), sipRequest()])).kind, 'request')
})

Datagram('what is no SIP at all is nothing: empty, line ends, zeros, STUN, RTP, TLS', () => {
  for (const bytes of [
    '',
    '\r\n',
    '\r\n\r\n',
    '\0\0\0\0',
    '\0\x01\0\x08!\x12\xa4B',
    '\x80\0\x12\x34',
    '\x16\x03\x01',
    ' x',
    '\n',
  ])
    assert.is(parse(bytes), undefined, JSON.stringify(bytes))
})

Datagram('text that is no SIP is refused without an answer', () => {
  for (const text of [
    'x',
    'hello\r\n\r\n',
    'GET / HTTP/1.1\r\nVia: SIP/2.0/UDP a\r\n\r\n',
    'OPTIONS\r\n\r\n',
    'OPTIONS sip:a@b\r\n\r\n',
    'SIP/2.0\r\n\r\n',
    'a: b\r\n\r\n',
  ])
    assert.is(refused(text).request, undefined, text)
})

const badStartLines: [string, number][] = [
  ['OPTIONS  sip:a@b  SIP/2.0', 400],
  ['OPTIONS sip:a@b SIP/2.0  ', 400],
  ['OPTIONS sip:a@b; lr SIP/2.0', 400],
  ['OPTIONS\tsip:a@b SIP/2.0', 400],
  ['OPTIONS sip:a@b\tSIP/2.0', 400],
  ['OPTIONS SIP/2.0', 400],
  ['OPTIONS  SIP/2.0', 400],
  ['OPTIONS sip:a@b SIP/', 400],
  ['OPTIONS sip:a@b SIP/2', 400],
  ['OPTIONS sip:a@b SIP/2.0.1', 400],
  ['OPTIONS sip:a@b SIP/x.y', 400],
  ['OPTIONS <sip:a@b> SIP/2.0', 400],
  ['OPTIONS sip:a@b?Route=%3Csip:example.com%3E SIP/2.0', 400],
  ['OPTIONS sip:2001:db8::10 SIP/2.0', 400],
  ['OPTIONS * SIP/2.0', 400],
  ['OPTIONS a@b SIP/2.0', 400],
  ['OPTIONS sip:a\0@b SIP/2.0', 400],
  ['OPTIONS sip:a@b;x="\x01" SIP/2.0', 400],
  ['OPTIONS sip:a@b SIP/7.0', 505],
  ['OPTIONS sip:a@b SIP/2.1', 505],
  ['OPTIONS sip:a@b sip/1.0', 505],
  ['OPTIONS sip:a@b SIP/2.00', 505],
]
for (const [startLine, status] of badStartLines)
  Datagram(`${JSON.stringify(startLine)} is refused with ${status}, and can be answered`, () => {
    const refusal = refused(sipRequest({ startLine }))
    assert.is(refusal.status, status)
    assert.is(refusal.request?.method, 'OPTIONS')
  })

Datagram('the version may be in lower case (7.1), and an unknown scheme is for the core', () => {
  assert.is(accepted(sipRequest({ startLine: 'OPTIONS sip:a@b sip/2.0' })).kind, 'request')
  assert.is(
    accepted(sipRequest({ startLine: 'OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0' })).kind,
    'request',
  )
  assert.is(accepted(sipRequest({ startLine: 'OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0' })).kind, 'request')
})

for (const line of [
  'SIP/2.0 4294967301 better not',
  'SIP/2.0 99 x',
  'SIP/2.0 700 x',
  'SIP/2.0 2OO OK',
  'SIP/2.0 1e2 x',
  'SIP/2.0  200 OK',
  'SIP/2.0 20',
  'SIP/3.0 200 OK',
  'SIP/2.0 200 a\0b',
  'SIP/2.0 -20 x',
])
  Datagram(`${JSON.stringify(line)} is dropped in silence`, () => {
    const refusal = refused(sipRequest({ startLine: line }))
    assert.is(refusal.request, undefined)
    assert.is(refusal.fault, 'start-line')
  })

const badHeaders: [string, string, string][] = [
  ['Via', 'Via: SIP/2.0/UDP 192.0.2.15;;,;,,', 'Bad Via Header'],
  ['Via', 'Via: SIP/2.0/UDP a, SIP/2.0/UDP', 'Bad Via Header'],
  ['Via', 'Via: SIP/2.0/UDP a\r\nVia: SIP/2.0/UDP b;;', 'Bad Via Header'],
  ['From', 'From: "open <sip:a@b>;tag=1', 'Bad From Header'],
  ['From', 'From: Bell, Alexander <sip:a.g.bell@example.com>;tag=43', 'Bad From Header'],
  ['From', 'From: <sip:a@b>;tag=1;tag=2', 'Bad From Header'],
  ['From', 'From:', 'Bad From Header'],
  ['To', 'To: "Watson, Thomas" < sip:t.watson@example.org >', 'Bad To Header'],
  ['To', 'To: <sip:a@b>, <sip:c@d>', 'Bad To Header'],
  ['To', 'To: *', 'Bad To Header'],
  ['Call-ID', 'Call-ID:', 'Bad Call-ID Header'],
  ['Call-ID', 'Call-ID: a b', 'Bad Call-ID Header'],
  ['Call-ID', 'Call-ID: a|b', 'Bad Call-ID Header'],
  ['Call-ID', 'Call-ID: a;from-tag=b', 'Bad Call-ID Header'],
  ['Call-ID', 'Call-ID: a,b', 'Bad Call-ID Header'],
  ['Call-ID', 'Call-ID: \xe9', 'Bad Call-ID Header'],
  ['CSeq', 'CSeq: 36893488147419103232 OPTIONS', 'Bad CSeq Header'],
  ['CSeq', 'CSeq: 1', 'Bad CSeq Header'],
  ['Max-Forwards', 'Max-Forwards: 256', 'Bad Max-Forwards Header'],
  ['Max-Forwards', 'Max-Forwards: -1', 'Bad Max-Forwards Header'],
  ['Max-Forwards', 'Max-Forwards:', 'Bad Max-Forwards Header'],
  ['Max-Forwards', 'Max-Forwards: 70, 70', 'Bad Max-Forwards Header'],
  ['Expires', 'Expires: 4294967296', 'Bad Expires Header'],
  ['Expires', 'Expires: soon', 'Bad Expires Header'],
  ['Contact', 'Contact: "Joe" <sip:joe@example.org>;;;;', 'Bad Contact Header'],
  ['Contact', 'Contact: sip:user@example.com?Route=%3Csip:sip.example.com%3E', 'Bad Contact Header'],
  ['Contact', 'Contact: *, <sip:a@b>', 'Bad Contact Header'],
  ['Contact', 'Contact:', 'Bad Contact Header'],
  ['Route', 'Route: <sip:a@b', 'Bad Route Header'],
  ['Record-Route', 'Record-Route: <sip:a@b>,', 'Bad Record-Route Header'],
  ['From', '', 'Missing From Header'],
  ['To', '', 'Missing To Header'],
  ['Call-ID', '', 'Missing Call-ID Header'],
  ['CSeq', '', 'Missing CSeq Header'],
  ['From', 'From: <sip:a@b>;tag=1\r\nf: <sip:a@b>;tag=1', 'Repeated From Header'],
  ['To', 'To: <sip:a@b>\r\nt: <sip:c@d>', 'Repeated To Header'],
  ['Call-ID', 'Call-ID: 1\r\ni: 1', 'Repeated Call-ID Header'],
  ['CSeq', 'CSeq: 1 OPTIONS\r\nCSEQ: 1 OPTIONS', 'Repeated CSeq Header'],
  ['Max-Forwards', 'Max-Forwards: 70\r\nMax-Forwards: 5', 'Repeated Max-Forwards Header'],
]
for (const [name, line, reason] of badHeaders)
  Datagram(`${JSON.stringify(line)} for ${name}: 400 ${reason}, and the answer can be made and sent`, () => {
    const refusal = refused(withHeader(name, line))
    assert.is(refusal.status, 400)
    assert.is(refusal.reason, reason)
    const answer = serialise(createResponse(refusal.request!, refusal.status, refusal.reason, 'tag'))
    const read = parse(answer)
    assert.is(answer.split('\r\n')[0], `SIP/2.0 400 ${reason}`)
    assert.is(refusal.request?.topVia.host === '', false)
    assert.is.not(read, undefined)
  })

Datagram(
  'well-formed for sure: no Max-Forwards, no From tag, Contact *, foreign schemes, huge but legal numbers',
  () => {
    accepted(withHeader('Max-Forwards', ''))
    accepted(withHeader('From', 'From: <sip:+13035551111@ift.client.example.net;user=phone>'))
    accepted(withHeader('Contact', 'Contact: *'))
    accepted(withHeader('Contact', 'Contact: <sip:a@b>;q=1, sip:c@d;expires=280297596632815'))
    accepted(withHeader('Contact', 'Contact: <name:John_Smith>\r\nm: <sip:a@b>'))
    accepted(withHeader('To', 'To: isbn:2983792873'))
    accepted(withHeader('From', 'From: <http://www.example.com>;tag=3234233'))
    accepted(withHeader('Expires', 'Expires: 4294967295'))
    accepted(withHeader('CSeq', 'CSeq: 2147483647 OPTIONS'))
    accepted(withHeader('Call-ID', 'Call-ID: intmeth.word%ZK-!.*_+\'@word`~)(><:\\/"][?}{'))
    accepted(withHeader('Date', 'Date: Fri, 01 Jan 2010 16:00:00 EST'))
    accepted(withHeader('Authorization', 'Authorization: NoOneKnowsThisScheme opaque-data=here'))
  },
)

Datagram('a CSeq of another method is a fault of its own, so that the core may say 501 instead', () => {
  const refusal = refused(sipRequest({ startLine: 'NEWMETHOD sip:a@b SIP/2.0', headers: { CSeq: 'CSeq: 8 INVITE' } }))
  assert.is(refusal.status, 400)
  assert.is(refusal.fault, 'cseq-method')
  assert.is(refusal.request?.method, 'NEWMETHOD')
})

Datagram('nothing is answered to an ACK, to a response, or where the top Via tells no address', () => {
  for (const bytes of [
    sipRequest({ startLine: 'ACK sip:a@b SIP/2.0' }),
    sipRequest({ startLine: 'SIP/2.0 200 OK', headers: { To: 'To: <' } }),
    withHeader('Via', ''),
    withHeader('Via', 'Via: garbage'),
    withHeader('Via', 'Via: SIP/2.0/UDP'),
    withHeader('Via', 'Via: SIP/2.0/UDP a:99999'),
  ])
    assert.is(refused(bytes).request, undefined)
})

Datagram('a malformed top Via is cut down to what can be read, so that the answer has a way to go', () => {
  const { request } = refused(
    withHeader('Via', 'v: SIP/2.0/UDP 192.0.2.15:5070;branch=z9hG4bKx;;,;,,\r\nVia: SIP/2.0/UDP b'),
  )
  assert.equal(request?.headers.getAll('via'), ['SIP/2.0/UDP 192.0.2.15:5070;branch=z9hG4bKx', 'SIP/2.0/UDP b'])
  assert.is(request?.topVia.port, 5070)
})

const badLines = [
  'No-Colon',
  ': empty name',
  'Bad Name: x',
  'B\xe9d: x',
  'Bad(Name): x',
  'X: a\0b',
  'X: "a\0b"',
  'X: \\\0',
  ' Folded-Nothing: x',
  'X\0: y',
  'From\r\n : x',
]
for (const line of badLines)
  Datagram(`the header line ${JSON.stringify(line)} is refused`, () => {
    const startLine = 'OPTIONS sip:a@b SIP/2.0'
    const first = line.startsWith(' ')
    const refusal = refused(
      first ? sipRequest({ startLine: `${startLine}\r\n${line}` }) : sipRequest({ extra: [line] }),
    )
    assert.is(refusal.fault, 'header-line')
    assert.is(refusal.status, 400)
    assert.ok(refusal.request)
  })

Datagram('a line that ends in LF or CR alone is refused, wherever it is', () => {
  const good = sipRequest({ body: 'x' }).toString('latin1')
  for (const text of [
    good.replaceAll('\r\n', '\n'),
    good.replaceAll('\r\n', '\r'),
    good.replace('\r\n', '\n'),
    good.replace('70\r\n', '70\n'),
    good.replace('70\r\n', '70\r'),
    good.replace('70\r\n', '70\nX-Evil: 1\r\n'),
    good.replace('70\r\n', '70\r\r\n'),
    good.replace('\r\n\r\n', '\r\n\n'),
    good.replace('\r\n\r\n', '\n\n'),
    good.replace('\r\n\r\n', '\n\r\n'),
    good.replace('Max', 'X: a\n b\r\nMax'),
  ]) {
    const refusal = refused(text)
    assert.is(refusal.fault, 'line-end', JSON.stringify(text))
    assert.is(refusal.status, 400)
  }
})

Datagram('a message without its empty line is refused', () => {
  const text = sipRequest().toString('latin1')
  for (const cut of [text.slice(0, -2), text.slice(0, -4), text.slice(0, -1)]) assert.is(refused(cut).status, 400)
})

Datagram('no answer can be split: a refused header with NUL or a bare line end does not come back', () => {
  for (const line of ['To: <sip:a@b>\rX-Evil: 1', 'To: <sip:a@b>\nX-Evil: 1', 'To: "\0" <sip:a@b>']) {
    const refusal = refused(withHeader('To', line))
    const answer = serialise(createResponse(refusal.request!, refusal.status, refusal.reason, 'tag'))
    assert.not.ok(/Evil|\0|[^\r]\n|\r[^\n]/.test(answer), answer)
  }
})

Datagram.run()

const Length = suite('ContentLength')

function withLength(line: string, body = '12345'): Parsed | undefined {
  return parse(sipRequest({ headers: { 'Content-Length': line }, body }))
}

Length('without one the body is the rest of the datagram (18.3)', () => {
  const parsed = withLength('')
  assert.is(parsed?.ok && parsed.message.body, '12345')
})

Length('a smaller one cuts the body, and what follows is noise, a request too', () => {
  const parsed = withLength('Content-Length: 2', '12INVITE sip:a@b SIP/2.0\r\n\r\n')
  assert.is(parsed?.ok && parsed.message.body, '12')
})

Length('equal ones agree: leading zeros, two lines, a list', () => {
  for (const line of [
    'Content-Length: 00005',
    'Content-Length: 5\r\nl: 05',
    'Content-Length: 5, 5',
    'Content-Length:5',
    `Content-Length: ${'0'.repeat(100)}5`,
  ]) {
    const parsed = withLength(line)
    assert.is(parsed?.ok && parsed.message.body, '12345', line)
  }
})

for (const value of [
  '6',
  '9999',
  '-999',
  '-1',
  '+5',
  '0x5',
  '5.0',
  '5e0',
  '',
  ' ',
  '5 5',
  '5;x',
  '5,6',
  '5,',
  ',5',
  'five',
  '4294967301',
  '18446744073709551621',
  '9'.repeat(1_000),
  'Infinity',
  'NaN',
  '\xb2',
])
  Length(`'${value.slice(0, 30)}' is refused with 400`, () => {
    const parsed = withLength(`Content-Length: ${value}`)
    assert.is(parsed?.ok, false)
    assert.is(parsed?.ok === false && parsed.status, 400)
    assert.is(parsed?.ok === false && parsed.fault, 'content-length')
    assert.is(parsed?.ok === false && parsed.request !== undefined, true)
  })

Length('two that differ are refused with 400', () => {
  const parsed = withLength('Content-Length: 5\r\nContent-Length: 2')
  assert.is(parsed?.ok === false && parsed.fault, 'content-length')
})

Length.run()

const LimitsOfAMessage = suite('Limits')

LimitsOfAMessage('what is just within the limits passes', () => {
  const bytes = sipRequest({ extra: ['X: 12345678'], body: '12345' })
  const startLine = 'OPTIONS sip:bob@example.com SIP/2.0'.length
  assert.is(
    parse(bytes, { maxMessageBytes: bytes.length, maxHeaders: 8, maxStartLineBytes: startLine, maxBodyBytes: 5 })?.ok,
    true,
  )
})

LimitsOfAMessage('each limit has its own answer', () => {
  const bytes = sipRequest({ extra: [`X-Long: ${'x'.repeat(200)}`], body: '12345' })
  const cases: [Partial<Limits>, number, string][] = [
    [{ maxMessageBytes: bytes.length - 1 }, 513, 'message-size'],
    [{ maxHeaders: 7 }, 513, 'header-count'],
    [{ maxHeaderLineBytes: 100 }, 513, 'header-length'],
    [{ maxStartLineBytes: 20 }, 414, 'start-line-length'],
    [{ maxBodyBytes: 4 }, 413, 'body-size'],
  ]
  for (const [limits, status, fault] of cases) {
    const refusal = refused(bytes, limits)
    assert.is(refusal.status, status)
    assert.is(refusal.fault, fault)
    assert.is(refusal.request?.callId, 'a84b4c76e66710@192.0.2.1')
  }
})

LimitsOfAMessage('a folded line counts as one header, with all its bytes', () => {
  const folded = sipRequest({ extra: [`X: a${'\r\n b'.repeat(50)}`] })
  assert.is(parse(folded, { maxHeaders: 8 })?.ok, true)
  assert.is(refused(folded, { maxHeaderLineBytes: 100 }).fault, 'header-length')
})

LimitsOfAMessage('a header line of exactly the limit passes', () => {
  const line = `X: ${'x'.repeat(297)}`
  assert.is(parse(sipRequest({ extra: [line] }), { maxHeaderLineBytes: 300 })?.ok, true)
  assert.is(refused(sipRequest({ extra: [`${line}x`] }), { maxHeaderLineBytes: 300 }).fault, 'header-length')
})

LimitsOfAMessage.run()
