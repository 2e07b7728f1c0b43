import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Headers } from '../../../src/engine/message/headers.js'
import {
  createResponse,
  reasonPhrase,
  serialise,
  SipRequest,
  SipResponse,
} from '../../../src/engine/message/message.js'
import { defaultLimits, parseDatagram } from '../../../src/engine/message/parse.js'
import { replaceTopVia, withParams } from '../../../src/engine/message/via.js'
import { sipRequest } from '../../support/sip-lines.js'

function requestOf(bytes: Buffer): SipRequest {
  const parsed = parseDatagram(bytes, defaultLimits)
  if (parsed?.ok !== true || parsed.message.kind !== 'request') throw new Error('no request')
  return parsed.message
}

const Message = suite('Message')

Message('what routing needs is read from the headers', () => {
  const request = requestOf(sipRequest({ headers: { To: 'To: sip:bob@example.com;tag=8;x' } }))
  assert.is(request.topVia.host, '192.0.2.1')
  assert.is(request.from.displayName, 'Alice')
  assert.is(request.fromTag, '1928301774')
  assert.is(request.toTag, '8')
  assert.is(request.to.uri, 'sip:bob@example.com')
  assert.equal(request.cseq, { number: 314_159, method: 'OPTIONS' })
  assert.is(request.callId, 'a84b4c76e66710@192.0.2.1')
  assert.is(request.maxForwards, 70)
})

Message('a header that is changed is read anew, and one that is not is read once', () => {
  const request = requestOf(sipRequest())
  const { from } = request
  replaceTopVia(request.headers, withParams(request.topVia, { received: '192.0.2.9' }))
  assert.is(request.topVia.params.get('received'), '192.0.2.9')
  assert.is(request.from, from)
  request.headers.set('from', '<sip:c@d>;tag=9')
  assert.is(request.fromTag, '9')
  request.headers.set('cseq', '2 OPTIONS')
  assert.is(request.cseq.number, 2)
  request.headers.set('to', '<sip:e@f>;tag=t')
  assert.is(request.toTag, 't')
  request.headers.remove('max-forwards')
  assert.is(request.maxForwards, undefined)
})

Message('one that lacks everything gives empty answers and throws nothing', () => {
  const request = new SipRequest('OPTIONS', 'sip:a@b')
  for (let again = 0; again < 2; again++) {
    assert.is(request.topVia.host, '')
    assert.is(request.from.uri, '')
    assert.is(request.fromTag, '')
    assert.is(request.toTag, '')
    assert.is(request.callId, '')
    assert.equal(request.cseq, { number: 0, method: '' })
    request.headers.set('via', 'garbage')
    request.headers.set('from', '"')
    request.headers.set('to', '<')
    request.headers.set('cseq', 'x')
    request.headers.set('max-forwards', '256')
  }
  assert.is(request.maxForwards, undefined)
  assert.is(request.findFrom(), undefined)
})

Message('a clone changes on its own', () => {
  const request = requestOf(sipRequest())
  const copy = request.clone()
  copy.headers.set('to', '<sip:x@y>')
  assert.is(request.to.uri, 'sip:bob@example.com')
  assert.is(copy.to.uri, 'sip:x@y')
  const response = new SipResponse(200)
  response.clone().headers.set('to', 'x')
  assert.is(response.headers.count, 0)
})

Message.run()

const Serialise = suite('Serialise')

Serialise('a message that is read goes out byte for byte: order, spelling, unknown headers, UTF-8', () => {
  const text =
    'INVITE sip:a@b SIP/2.0\r\nv: SIP/2.0/UDP a;branch=z9hG4bK1\r\nX-oDd: J\xc3\xb6rg, "q" ;; x\r\nf: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\n' +
    'CALL-id: 1\r\nl: 3\r\nCSeq: 1 INVITE\r\nSubject: \r\n\r\n\0\xff\n'
  assert.is(serialise(requestOf(Buffer.from(text, 'latin1'))), text)
})

Serialise('Content-Length is the real length, once, where the first one was', () => {
  const headers = new Headers()
  headers.append('content-length', '99', 'l')
  headers.append('x-a', '1')
  headers.append('content-length', '98')
  assert.is(serialise(new SipResponse(200, 'OK', headers, 'four')), 'SIP/2.0 200 OK\r\nl: 4\r\nX-A: 1\r\n\r\nfour')
  assert.is(serialise(new SipResponse(200, 'OK')), 'SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n')
})

Serialise('a start line that could split is refused', () => {
  for (const uri of ['', 'sip:a b', 'sip:a\r\nX: y', 'sip:a\n', 'sip:\0', 'sip:\u010a'])
    assert.throws(() => serialise(new SipRequest('OPTIONS', uri)), RangeError)
  for (const method of ['', 'A B', 'A\r\n', 'A\u010a'])
    assert.throws(() => serialise(new SipRequest(method, 'sip:a')), RangeError)
  for (const reason of ['a\r\nX: y', 'a\0', 'a\u010a'])
    assert.throws(() => serialise(new SipResponse(200, reason)), RangeError)
  for (const status of [0, 99, 700, 200.5, NaN])
    assert.throws(() => serialise(new SipResponse(status, 'x')), RangeError)
})

Serialise.run()

const CreateResponse = suite('CreateResponse')

const invite = sipRequest({
  startLine: 'INVITE sip:bob@example.com SIP/2.0',
  headers: {
    CSeq: 'CSeq: 1 INVITE',
    Via: 'v: SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/UDP b',
    To: 't: "Bob" <sip:bob@example.com>;x=y',
  },
  extra: [
    'Via: SIP/2.0/UDP c',
    'Record-Route: <sip:p1;lr>',
    'Timestamp: 54',
    'Contact: <sip:a@b>',
    'Subject: x',
    'Record-Route: <sip:p2;lr>',
  ],
})

CreateResponse('copies all Vias, From, To with the tag, Call-ID and CSeq (8.2.6), and nothing else', () => {
  const response = createResponse(requestOf(invite), 486, undefined, 'abc')
  assert.is(
    serialise(response),
    'SIP/2.0 486 Busy Here\r\nv: SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/UDP b\r\nFrom: "Alice" <sip:alice@example.com>;tag=1928301774\r\n' +
      't: "Bob" <sip:bob@example.com>;x=y;tag=abc\r\nCall-ID: a84b4c76e66710@192.0.2.1\r\nCSeq: 1 INVITE\r\nVia: SIP/2.0/UDP c\r\n' +
      'Content-Length: 0\r\n\r\n',
  )
  assert.is(response.toTag, 'abc')
})

CreateResponse('copies Timestamp into a 100 and Record-Route from 101 to 299 (12.1.1)', () => {
  const request = requestOf(invite)
  assert.is(createResponse(request, 100).headers.get('timestamp'), '54')
  assert.is(createResponse(request, 180).headers.get('timestamp'), undefined)
  for (const [status, routes] of [
    [100, 0],
    [101, 2],
    [180, 2],
    [200, 2],
    [299, 2],
    [300, 0],
    [486, 0],
  ] as const)
    assert.is(createResponse(request, status).headers.getAll('record-route').length, routes, `${status}`)
})

CreateResponse('leaves a To that has a tag, and one that cannot be read, as they came', () => {
  assert.is(
    createResponse(requestOf(sipRequest({ headers: { To: 'To: <sip:b@c>;tag=own' } })), 200, 'OK', 'new').headers.get(
      'to',
    ),
    '<sip:b@c>;tag=own',
  )
  const headers = new Headers()
  headers.append('to', '"open <sip:b@c>')
  assert.is(
    createResponse(new SipRequest('INVITE', 'x', headers), 400, undefined, 'new').headers.get('to'),
    '"open <sip:b@c>',
  )
})

CreateResponse('copies one From, To, Call-ID and CSeq of a request that has several', () => {
  const headers = new Headers()
  for (const name of ['via', 'via', 'from', 'from', 'to', 'to', 'call-id', 'call-id', 'cseq', 'cseq'])
    headers.append(name, '<sip:a@b>')
  assert.is(createResponse(new SipRequest('INVITE', 'x', headers), 400, undefined, 't').headers.count, 6)
})

CreateResponse('takes no tag that is no token', () => {
  for (const tag of ['', 'a b', 'a;x=y', 'a\r\nX: y'])
    assert.throws(() => createResponse(requestOf(invite), 200, 'OK', tag), RangeError)
})

CreateResponse('has a reason phrase for every status', () => {
  assert.is(reasonPhrase(487), 'Request Terminated')
  assert.is(reasonPhrase(100), 'Trying')
  assert.is(reasonPhrase(599), 'Server Failure')
  assert.is(reasonPhrase(299), 'Success')
  assert.is(reasonPhrase(999), '')
})

CreateResponse.run()
