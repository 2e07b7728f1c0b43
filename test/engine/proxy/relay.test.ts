import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Headers } from '../../../src/engine/message/headers.js'
import type { SipMessage, SipRequest } from '../../../src/engine/message/message.js'
import { removeOwnRoutes } from '../../../src/engine/proxy/routes.js'
import type { Flow } from '../../../src/engine/transport/transport.js'
import { CoreHarness, nothingLeft } from '../../support/core-harness.js'

const Relayed = suite('A request in a dialog of others that is routed over us')

const [CALLER, CALLEE] = ['198.51.100.7', '198.51.100.8']

function inDialog(method: string, more: readonly string[] = []): string[] {
  return [
    `${method} sip:bob@${CALLEE}:5060 SIP/2.0`,
    `Via: SIP/2.0/UDP ${CALLER}:5060;rport=5060;branch=z9hG4bKa`,
    'Route: <sip:192.0.2.1;lr>',
    'Max-Forwards: 70',
    'From: <sip:ann@example.com>;tag=a1',
    'To: <sip:bob@example.com>;tag=b1',
    'Call-ID: call-1',
    `CSeq: 2 ${method}`,
    ...more,
  ]
}

/** The answer of its far end, with these Vias. */
function answer(request: SipRequest, vias: readonly string[]): string[] {
  return [
    'SIP/2.0 200 OK',
    ...vias.map((via) => `Via: ${via}`),
    ...['from', 'to', 'call-id', 'cseq'].map((name) => `${name}: ${request.headers.get(name)}`),
  ]
}

const caller = (harness: CoreHarness): Flow => harness.flow('udp', CALLER, 5060)

function passedOn(harness: CoreHarness): SipRequest {
  const { to, message } = harness.sent.at(-1)!
  assert.is(to, `udp:${CALLEE}:5060`)
  return message as SipRequest
}

const statusOf = (message: SipMessage | undefined): number | undefined =>
  message?.kind === 'response' ? message.status : undefined

Relayed('its answer goes to where it came from alone, whatever its far end makes of the Via', () => {
  const harness = new CoreHarness()
  harness.receive(inDialog('BYE'), caller(harness))
  const bye = passedOn(harness)
  const [own = '', via = ''] = bye.headers.getAll('via')
  const before = harness.sent.length
  for (const other of [`${via};received=203.0.113.66`, via.replace('rport=5060', 'rport=53')])
    harness.receive(answer(bye, [own, other]), harness.flow('udp', CALLEE, 5060))
  assert.is(harness.sent.length, before)
  harness.receive(answer(bye, [own, via]), harness.flow('udp', CALLEE, 5060))
  assert.equal([harness.sent.at(-1)!.to, statusOf(harness.lastSent())], [`udp:${CALLER}:5060`, 200])
})

Relayed('its answer finds back also to a peer that is shown another address of ours than the rest', () => {
  const harness = new CoreHarness()
  const flow = caller(harness)
  harness.receive(inDialog('BYE'), { ...flow, binding: { ...flow.binding, contactUri: 'sip:10.0.0.1:5060' } })
  const bye = passedOn(harness)
  harness.receive(answer(bye, bye.headers.getAll('via')), harness.flow('udp', CALLEE, 5060))
  assert.equal([harness.sent.at(-1)!.to, statusOf(harness.lastSent())], [`udp:${CALLER}:5060`, 200])
})

Relayed('is refused when it wants an extension of every proxy (RFC 3261 16.3 step 5)', () => {
  const harness = new CoreHarness()
  harness.receive(inDialog('INFO', ['Proxy-Require: foo, bar']), caller(harness))
  assert.equal([statusOf(harness.lastSent()), harness.lastSent().headers.get('unsupported')], [420, 'foo, bar'])
  harness.receive(inDialog('ACK', ['Proxy-Require: foo']), caller(harness))
  assert.is(passedOn(harness).method, 'ACK')
})

Relayed(
  'goes where its last Route says when a strict router has put our URI into its Request-URI (RFC 3261 16.4)',
  () => {
    const harness = new CoreHarness()
    const strict = (target: string): string[] =>
      inDialog('BYE').map((line, i) =>
        i === 0 ? 'BYE sip:192.0.2.1;lr SIP/2.0' : line.startsWith('Route:') ? `Route: ${target}` : line,
      )
    harness.receive(strict(`<sip:bob@${CALLEE}:5060>`), caller(harness))
    const direct = passedOn(harness)
    assert.equal([direct.uri, direct.headers.has('route')], [`sip:bob@${CALLEE}:5060`, false])
    harness.receive(strict(`<sip:${CALLEE};lr>, <sip:bob@203.0.113.9>`), caller(harness))
    const further = passedOn(harness)
    assert.equal([further.uri, further.headers.get('route')], ['sip:bob@203.0.113.9', `<sip:${CALLEE};lr>`])
  },
)

Relayed('is passed on to nobody where nothing is proxied', () => {
  const harness = new CoreHarness({ settings: { relay: false } })
  harness.receive(inDialog('BYE'), caller(harness))
  harness.receive(inDialog('ACK'), caller(harness))
  assert.equal(
    harness.sent.map(({ message }) => statusOf(message)),
    [481],
  )
  harness.clock.advance(64_000)
  assert.equal(harness.leftovers(), nothingLeft)
})

Relayed('any number of Routes that name us are taken off in linear time', () => {
  const headers = new Headers()
  headers.append('route', '<sip:192.0.2.1;lr>')
  headers.append('route', '<sip:a;lr>,'.repeat(6_000) + '<sip:next.example.com;lr>, <sip:a;lr>')
  const begun = performance.now()
  removeOwnRoutes(headers, (host) => host !== 'next.example.com')
  const tookMs = performance.now() - begun
  assert.equal(headers.getAll('route'), ['<sip:next.example.com;lr>, <sip:a;lr>'])
  // Parted anew for each of them, the line takes seconds.
  assert.ok(tookMs < 500, `${tookMs} ms`)
})

Relayed.run()
