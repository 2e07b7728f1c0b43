/** RFC 4475 and RFC 5118 as the parser sees them, over datagrams and streams; skipped when the corpora are not there. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { StreamFramer } from '../../../src/engine/message/framing.js'
import { createResponse, serialise, type SipMessage, SipRequest } from '../../../src/engine/message/message.js'
import { defaultLimits, parseDatagram } from '../../../src/engine/message/parse.js'
import { parseNameAddr } from '../../../src/engine/message/name-addr.js'
import { parseUri, type SipUri, unescapeUser } from '../../../src/engine/message/uri.js'
import { findCorpora, readCorpus } from '../../support/corpora.js'

const accepted = 'accepted'
const dropped = 'dropped'

/**
 * Verdict of the parser where `expected.json` leaves it no choice, by name of the message. Those that are not listed are well-formed:
 * what becomes of them (404, 415, 416, 420, 483, 501 ...) is for the core to say.
 */
const rfc4475: Readonly<Record<string, string>> = {
  badinv01: '400',
  clerr: '400',
  ncl: '400',
  scalar02: '400',
  scalarlg: dropped,
  quotbal: '400',
  ltgtruri: '400',
  lwsruri: '400',
  lwsstart: '400',
  trws: '400',
  escruri: '400',
  regbadct: '400',
  badaspec: '400',
  baddn: '400',
  badvers: '505',
  mismatch01: '400',
  mismatch02: '400',
  bigcode: dropped,
  insuf: '400',
  multi01: '400',
  mcl01: '400',
}

/** Where a stream has another verdict: the peer is waited for and then answered, or Content-Length is missing (18.3). */
const rfc4475Streams: Readonly<Record<string, string>> = {
  clerr: 'broken 400',
  baddn: 'broken 400',
  ncl: 'broken 400',
  mcl01: 'broken 400',
  inv2543: 'broken 411',
}

const rfc5118: Readonly<Record<string, string>> = { 'ipv6-bad': '400' }

function overDatagram(bytes: Buffer): string {
  const parsed = parseDatagram(bytes, defaultLimits)
  if (parsed === undefined) return dropped
  if (parsed.ok) return accepted
  return parsed.request === undefined ? dropped : answer(parsed.request, parsed.status)
}

/** The status, once the answer was made and is itself well-formed SIP. */
function answer(request: SipRequest, status: number): string {
  const text = serialise(createResponse(request, status, undefined, 'local'))
  assert.is(text.startsWith(`SIP/2.0 ${status} `), true)
  assert.not.ok(/[^\r]\n|\r[^\n]/.test(text))
  return String(status)
}

/** First verdict over a stream that then goes quiet. */
function overStream(bytes: Buffer, chunk: number): string {
  const verdicts: string[] = []
  const framer = new StreamFramer(defaultLimits, {
    message: (parsed) => {
      if (parsed.ok) verdicts.push(accepted)
      else verdicts.push(parsed.request === undefined ? dropped : answer(parsed.request, parsed.status))
    },
    ping: () => undefined,
    broken: (_, request, status) =>
      verdicts.push(request === undefined ? dropped : `broken ${answer(request, status ?? 0)}`),
  })
  for (let at = 0; at < bytes.length; at += chunk) framer.push(bytes.subarray(at, at + chunk))
  framer.timeOut()
  return verdicts[0] ?? dropped
}

const Torture = suite('Torture')
const folder = findCorpora()
const check = folder === undefined ? Torture.skip : Torture

function read(...path: string[]): Buffer {
  return readCorpus(folder ?? '', ...path)
}

function names(corpus: string): string[] {
  if (folder === undefined) return []
  const content = JSON.parse(read(corpus, 'expected.json').toString()) as
    { name: string }[] | { cases: { name: string }[] }
  return (Array.isArray(content) ? content : content.cases).map((entry) => entry.name)
}

function message(...path: string[]): SipMessage {
  const parsed = parseDatagram(read(...path), defaultLimits)
  if (parsed?.ok !== true) throw new Error(`${path.join('/')} is refused`)
  return parsed.message
}

function requestUri(of: SipMessage): SipUri {
  const uri = of.kind === 'request' ? parseUri(of.uri) : undefined
  if (uri === undefined || uri.scheme === 'tel') throw new Error('no SIP Request-URI')
  return uri
}

const rfc4475Names = names('rfc4475')
for (const name of rfc4475Names)
  check(`B1: RFC 4475 ${name}: ${rfc4475[name] ?? accepted}`, () => {
    const bytes = read('rfc4475', `${name}.dat`)
    const expected = rfc4475[name] ?? accepted
    assert.is(overDatagram(bytes), expected)
    for (const chunk of [bytes.length, 1, 97]) assert.is(overStream(bytes, chunk), rfc4475Streams[name] ?? expected)
  })

const rfc5118Names = names('rfc5118')
for (const name of rfc5118Names)
  check(`B2: RFC 5118 ${name}: ${rfc5118[name] ?? accepted}`, () => {
    const bytes = read('rfc5118', 'wire', `${name}.dat`)
    assert.is(overDatagram(bytes), rfc5118[name] ?? accepted)
    for (const chunk of [bytes.length, 1]) assert.is(overStream(bytes, chunk), rfc5118[name] ?? accepted)
  })

check('both corpora are whole', () => {
  assert.is(rfc4475Names.length, 49)
  assert.is(rfc5118Names.length, 12)
})

check('wsinv: folded and compact headers say what they say', () => {
  const wsinv = message('rfc4475', 'wsinv.dat')
  assert.is(wsinv.toTag, '1918181833n')
  assert.is(wsinv.maxForwards, 68)
  assert.is(wsinv.headers.getList('via').length, 3)
  assert.is(wsinv.headers.get('newfangledheader'), 'newfangled value continued newfangled value')
  assert.is(wsinv.headers.get('unknownheaderwithunusualvalue'), ';;,,;;,;')
  assert.is(wsinv.headers.get('subject'), '')
  assert.is(wsinv.body.length, 150)
})

check('intmeth: NUL in a quoted string survives a round trip', () => {
  const intmeth = message('rfc4475', 'intmeth.dat')
  assert.is(intmeth.to.displayName, 'BEL:\x07 NUL:\0 DEL:\x7f')
  assert.is(serialise(intmeth).includes('NUL:\\\0'), true)
})

check('esc01, semiuri, escnull: the user part is unescaped once and cut by nothing', () => {
  assert.is(unescapeUser(requestUri(message('rfc4475', 'esc01.dat')).user ?? ''), 'sips:user@example.com')
  assert.is(unescapeUser(requestUri(message('rfc4475', 'semiuri.dat')).user ?? ''), 'user;par=u@example.net')
  const contacts = message('rfc4475', 'escnull.dat').headers.getAll('contact')
  const users = contacts.map((value) => requestUri(new SipRequest('', parseNameAddr(value)?.uri ?? '')).user ?? '')
  assert.equal(users.map(unescapeUser), ['\0', '\0\0'])
})

check('esc02: a percent sign in a header name or method is no escape', () => {
  const esc02 = message('rfc4475', 'esc02.dat')
  assert.is(esc02.kind === 'request' && esc02.method, 'RE%47IST%45R')
  assert.is(esc02.headers.getAll('contact').length, 2)
})

check('dblreq: in a datagram what follows the body is noise', () => {
  const dblreq = message('rfc4475', 'dblreq.dat')
  assert.is(dblreq.cseq.method, 'REGISTER')
  assert.is(dblreq.body, '')
})

check('mpart01: the binary body is untouched', () => {
  const bytes = read('rfc4475', 'mpart01.dat')
  const { body } = message('rfc4475', 'mpart01.dat')
  assert.is(Buffer.from(body, 'latin1').equals(bytes.subarray(bytes.length - 553)), true)
})

check('port-ambiguous and port-unambiguous: a port stands outside the brackets', () => {
  const ambiguous = requestUri(message('rfc5118', 'wire', 'port-ambiguous.dat'))
  assert.equal([ambiguous.host, ambiguous.port], ['[2001:db8::10:5070]', undefined])
  const unambiguous = requestUri(message('rfc5118', 'wire', 'port-unambiguous.dat'))
  assert.equal([unambiguous.host, unambiguous.port], ['[2001:db8::10]', 5070])
})

Torture.run()
