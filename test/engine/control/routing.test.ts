import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { InstructionError, readInstruction } from '../../../src/engine/control/instruction.js'
import { readHandlers, readTarget } from '../../../src/engine/control/request-handlers.js'
import { routingUrl } from '../../../src/engine/control/routing-query.js'
import { ControlError } from '../../../src/engine/control/secret.js'
import { SipRequest } from '../../../src/engine/message/message.js'
import type { Flow } from '../../../src/engine/transport/transport.js'

const Routing = suite('Request handlers')

const FLOW = { protocol: 'udp', remoteAddress: '192.0.2.9' } as Flow

function requestWith(uri: string, headers: Readonly<Record<string, string>> = {}): SipRequest {
  const request = new SipRequest('INVITE', uri)
  for (const [name, value] of Object.entries(headers)) request.headers.append(name, value)
  return request
}

Routing(
  'ask with the URL of the handler, the fields of drachtio-server, then the parameters of the Request-URI',
  () => {
    const request = requestWith('sip:+1%20555@pbx.example.com:5070;transport=tcp;lr;x=a%20b', {
      from: '"Ann" <sip:ann@example.org>;tag=1',
      to: '<sip:bob@example.com>',
      'content-type': 'application/sdp; charset=utf-8',
    })
    assert.is(
      routingUrl(new URL('http://127.0.0.1:3000/hook'), request, FLOW).href,
      'http://127.0.0.1:3000/hook/?method=INVITE&domain=pbx.example.com&protocol=udp&source_address=192.0.2.9' +
        '&fromUser=ann&toUser=bob&uriUser=%2B1%2520555&contentType=application%2Fsdp' +
        '&uri=sip%3A%2B1%2520555%40pbx.example.com%3A5070%3Btransport%3Dtcp%3Blr%3Bx%3Da%2520b&transport=tcp&lr=&x=a%2520b',
    )
  },
)

Routing(
  'ask with empty fields for what a request has not, keep a query of their own, and escape bytes as they are',
  () => {
    const empty = routingUrl(new URL('https://h.example/?key=1'), requestWith('sip:127.0.0.1'), FLOW)
    assert.is(
      empty.href,
      'https://h.example/?key=1&method=INVITE&domain=127.0.0.1&protocol=udp&source_address=192.0.2.9&fromUser=&toUser=&uriUser=&contentType=&uri=sip%3A127.0.0.1',
    )
    const hostile = routingUrl(
      new URL('http://h.example'),
      requestWith('tel:+14155550100;x=%26a', { from: '<sip:a&b=c@x>', to: 'nonsense \xe2\x98\x8e' }),
      FLOW,
    )
    assert.is(hostile.searchParams.get('fromUser'), 'a&b=c')
    assert.is(hostile.searchParams.get('toUser'), '')
    assert.is(hostile.searchParams.get('uriUser'), '+14155550100')
    assert.equal(hostile.searchParams.getAll('method'), ['INVITE'])
  },
)

Routing('tell nothing of what a caller says under a name of theirs', () => {
  const request = requestWith('sip:bob@127.0.0.1;source_address=10.0.0.1;Domain=x;key=2;color=red')
  const asked = routingUrl(new URL('https://h.example/?key=1'), request, FLOW).searchParams
  assert.equal(asked.getAll('source_address'), ['192.0.2.9'])
  assert.equal([asked.getAll('key'), asked.has('Domain'), asked.get('color')], [['1'], false, 'red'])
})

Routing('are taken by method in any case or *, with an HTTP URL or an application to dial', () => {
  const handlers = readHandlers([
    { method: 'invite', url: 'http://127.0.0.1:3000', httpMethod: 'POST' },
    { method: 'REGISTER', url: 'tcp://127.0.0.1:3041' },
    { method: '*', url: 'tls://[::1]:3042/', verifyPeer: true },
  ])
  assert.equal([...handlers.keys()], ['INVITE', 'REGISTER', '*'])
  const [first, second, third] = [...handlers.values()]
  assert.is(first?.kind === 'http' && first.post && !first.verifyPeer, true)
  assert.equal(second, {
    verifyPeer: false,
    verifyApplications: false,
    kind: 'dial',
    target: { host: '127.0.0.1', port: 3041, tls: false },
  })
  assert.equal(third, {
    verifyPeer: true,
    verifyApplications: false,
    kind: 'dial',
    target: { host: '::1', port: 3042, tls: true },
  })
})

Routing('that are wrong are refused by name, without showing what may be a password', () => {
  for (const [handler, why] of [
    [{ method: 'INVITE', url: 'ftp://x' }, /INVITE: its URL begins/],
    [{ method: 'INVITE', url: 'http://user:hidden@[' }, /its URL is none/],
    [{ method: 'INVITE', url: 'tcp://127.0.0.1' }, /tcp:\/\/host:port/],
    [{ method: 'INVITE', url: 'tls://127.0.0.1:70000' }, /tcp:\/\/host:port/],
    [{ method: 'in vite', url: 'http://x' }, /neither a SIP method/],
    [{ method: 'INVITE', url: 'http://x', httpMethod: 'PUT' as 'GET' }, /GET or POST/],
  ] as const)
    assert.throws(
      () => readHandlers([handler]),
      (error: unknown) =>
        error instanceof ControlError &&
        error.code === 'BAD_REQUEST_HANDLER' &&
        why.test(error.message) &&
        !error.message.includes('hidden'),
      handler.url,
    )
  assert.throws(() => readHandlers(['a', 'b'].map((host) => ({ method: '*', url: `http://${host}` }))), /there are two/)
})

Routing('name an application as host:port, with a transport or without', () => {
  assert.equal(readTarget('app.example:9022'), { host: 'app.example', port: 9022, tls: false })
  assert.equal(readTarget('127.0.0.1:9022;transport=tls'), { host: '127.0.0.1', port: 9022, tls: true })
  for (const text of [
    '',
    'host',
    'host:',
    'host:0',
    'host:65536',
    'a b:1',
    '[1]:5',
    'h:1;transport=udp',
    'u@h:1',
    'h:1/x',
  ])
    assert.is(readTarget(text), undefined, text)
})

Routing('may reject, redirect, proxy and route', () => {
  const read = (action: string, data: object): unknown => readInstruction(JSON.stringify({ action, data }))
  assert.equal(read('reject', { status: 486 }), { action: 'answer', status: 486, reason: undefined, contacts: [] })
  assert.equal(read('reject', { status: 603, reason: 'Nö' }), {
    action: 'answer',
    status: 603,
    reason: 'N\xc3\xb6',
    contacts: [],
  })
  assert.equal(read('redirect', { contact: 'sip:a@b' }), {
    action: 'answer',
    status: 302,
    reason: 'Moved',
    contacts: ['sip:a@b'],
  })
  assert.equal(read('proxy', { destination: ['sip:a', 'sip:b'], recordRoute: true, finalTimeout: '500ms' }), {
    action: 'proxy',
    options: {
      destinations: ['sip:a', 'sip:b'],
      recordRoute: true,
      followRedirects: true,
      simultaneous: false,
      provisionalTimeoutMs: 5_000,
      finalTimeoutMs: 500,
      text: { startLine: '', headers: [], body: '' },
    },
  })
  assert.equal(read('route', { uri: 'h:1;transport=tcp' }), {
    action: 'dial',
    target: { host: 'h', port: 1, tls: false },
  })
  assert.equal(read('route', { tag: 'blue' }), { action: 'tag', tag: 'blue' })
})

Routing('that answer anything else are told what is wrong', () => {
  for (const [text, why] of [
    ['', /empty/],
    ['<html>', /no JSON/],
    ['[1]', /no JSON object/],
    ['null', /no JSON object/],
    ['['.repeat(60_000), /no JSON/],
    ['{"action":"reject"}', /"data"/],
    ['{"action":"reject","data":[]}', /"data"/],
    ['{"action":"boo","data":{}}', /"action"/],
    ['{"action":"reject","data":{"status":"486"}}', /"status"/],
    ['{"action":"reject","data":{"status":180}}', /"status"/],
    ['{"action":"reject","data":{"status":486.5}}', /"status"/],
    ['{"action":"reject","data":{"status":486,"reason":7}}', /"reason"/],
    ['{"action":"redirect","data":{}}', /"contact"/],
    ['{"action":"redirect","data":{"contact":[1]}}', /"contact"/],
    ['{"action":"proxy","data":{"destination":[]}}', /"destination"/],
    ['{"action":"proxy","data":{"destination":"sip:a","recordRoute":"no"}}', /"recordRoute"/],
    ['{"action":"proxy","data":{"destination":"sip:a","provisionalTimeout":"soon"}}', /"provisionalTimeout"/],
    ['{"action":"route","data":{}}', /"route"/],
    ['{"action":"route","data":{"uri":"nowhere"}}', /"uri"/],
  ] as const)
    assert.throws(
      () => readInstruction(text),
      (error: unknown) => error instanceof InstructionError && why.test(error.message),
      text.slice(0, 80),
    )
})

Routing.run()
