import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CoreHarness, sentOf } from '../../support/core-harness.js'
import { outgoingCall, PEER, PEER_CONTACT, peerRequest, peerResponse, SDP } from '../../support/dialog-bench.js'

const Preloaded = suite('Preloaded route')

const ROUTES = [
  'Route: <sip:edge.example@198.51.100.20:5070;transport=udp;lr>, "Second, hop" <sip:198.51.100.21;lr>;x="<1>"',
  'Route: <sips:198.51.100.22;lr>',
]
const VALUES = ROUTES.map((line) => line.slice('Route: '.length))

Preloaded('is dropped in silence unless it is allowed, as drachtio-server does', () => {
  const harness = new CoreHarness()
  sentOf(harness.request('OPTIONS', PEER, ROUTES))
  sentOf(harness.request('OPTIONS', PEER, ['Route: nonsense']))
  for (const { to, message } of harness.sent) {
    assert.is(to, 'udp:198.51.100.7:5060')
    assert.not(message.headers.has('route'))
  }
})

Preloaded(
  'keeps its values and their order; the first is the next hop and the Request-URI stays (RFC 3261 8.1.2)',
  () => {
    for (const method of ['INVITE', 'REGISTER', 'OPTIONS', 'MESSAGE']) {
      const harness = new CoreHarness({ appRoutes: true })
      sentOf(harness.request(method, PEER, ROUTES))
      const [request] = harness.sentRequests(method)
      assert.equal([harness.sent[0]?.to, request?.uri], ['udp:198.51.100.20:5070', PEER], method)
      assert.equal(request?.headers.getAll('route'), VALUES, method)
    }
  },
)

Preloaded('goes to the proxy where one is given, the route whole', () => {
  const harness = new CoreHarness({ appRoutes: true })
  sentOf(harness.request('INVITE', PEER, ROUTES, SDP, 'sip:198.51.100.9:5065;transport=tcp'))
  assert.is(harness.sent[0]?.to, 'tcp:198.51.100.9:5065')
  assert.equal(harness.sentRequests('INVITE')[0]?.headers.getAll('route'), VALUES)
})

Preloaded('takes a tel: Request-URI to its first hop', () => {
  const harness = new CoreHarness({ appRoutes: true })
  sentOf(harness.request('INVITE', 'tel:+14155550100', ROUTES, SDP))
  assert.is(harness.sent[0]?.to, 'udp:198.51.100.20:5070')
  assert.not(harness.request('INVITE', 'tel:+14155550100', [], SDP).ok)
})

Preloaded('is refused when any value is no SIP URI in brackets, and nothing is sent', () => {
  for (const value of [
    '',
    'sip:198.51.100.20;lr',
    'sip:198.51.100.20;lr;x="<"',
    'tel:+14155550100',
    '<tel:+14155550100>',
    '<http://198.51.100.20>',
    '<sip:198.51.100.20',
    '<sip:198.51.100.20>>',
    '<sip:>',
    '<sip:198.51.100.20;lr>,',
    '<sip:198.51.100.20;lr>,,<sip:198.51.100.21;lr>',
    '<sip:198.51.100.20;lr>, nonsense',
    '*',
  ]) {
    const harness = new CoreHarness({ appRoutes: true })
    for (const proxy of ['', 'sip:198.51.100.9']) {
      const outcome = harness.request('INVITE', PEER, ['Route: <sip:198.51.100.1;lr>', `Route: ${value}`], SDP, proxy)
      assert.equal(outcome, { ok: false, reason: 'invalid Route header' }, value)
    }
    assert.is(harness.sent.length, 0)
  }
})

Preloaded('is on the CANCEL and on the ACK to a refusal too (RFC 3261 9.1, 17.1.1.3)', () => {
  const harness = new CoreHarness({ appRoutes: true })
  const { txnId } = sentOf(harness.request('INVITE', PEER, ROUTES, SDP))
  const invite = harness.sentRequests('INVITE')[0]!
  harness.receive(peerResponse(invite, 180))
  sentOf(harness.cancel(txnId))
  harness.receive(peerResponse(invite, 487))
  for (const method of ['CANCEL', 'ACK']) {
    const [request] = harness.sentRequests(method)
    assert.equal([request?.uri, request?.headers.getAll('route')], [PEER, VALUES], method)
  }
  assert.ok(harness.sent.every(({ to }) => to === 'udp:198.51.100.20:5070'))
})

Preloaded('ends with the answer: its dialog follows Record-Route alone (RFC 3261 12.1.2)', () => {
  const harness = new CoreHarness({ appRoutes: true })
  const { dialogId } = outgoingCall({ harness, headers: ROUTES })
  const ack = harness.sentRequests('ACK')[0]
  assert.equal([ack?.headers.has('route'), harness.sent.at(-1)?.to], [false, 'udp:198.51.100.7:5060'])
  sentOf(harness.requestInDialog(dialogId, 'INFO', ROUTES))
  assert.not(harness.sentRequests('INFO')[0]?.headers.has('route'), 'nor may the application route in a dialog')

  const other = new CoreHarness({ appRoutes: true })
  outgoingCall({ harness: other, headers: ROUTES, more: [PEER_CONTACT, 'Record-Route: <sip:198.51.100.30;lr>'] })
  assert.equal(other.sentRequests('ACK')[0]?.headers.getAll('route'), ['<sip:198.51.100.30;lr>'])
})

Preloaded('means nothing on a response', () => {
  const harness = new CoreHarness({ appRoutes: true })
  harness.receive(peerRequest('INVITE'))
  const { sent } = sentOf(harness.respond(harness.app.last().txnId, 200, ROUTES, SDP))
  assert.not(sent.headers.has('route'))
})

Preloaded('to this engine itself is refused', () => {
  const harness = new CoreHarness({ appRoutes: true })
  assert.not(harness.request('OPTIONS', PEER, ['Route: <sip:192.0.2.1;lr>']).ok)
})

Preloaded.run()
