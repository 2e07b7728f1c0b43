import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseUri, type SipUri } from '../../../src/engine/message/uri.js'
import { RouteSeal } from '../../../src/engine/proxy/route-seal.js'
import type { Flow } from '../../../src/engine/transport/transport.js'
import { CoreHarness } from '../../support/core-harness.js'

const Seal = suite('The seal of our Record-Route')

const [CALLER, CALLEE] = ['198.51.100.7', '198.51.100.8']
const seal = new RouteSeal(Buffer.from('key'))
const route = (text: string): SipUri => parseUri(text) as SipUri

function inDialog(method: string, callId: string, first: string, uri = `sip:bob@${CALLEE}:5060`): string[] {
  return [
    `${method} ${uri} SIP/2.0`,
    `Via: SIP/2.0/UDP ${CALLER}:5060;rport=5060;branch=z9hG4bK${method}${callId}`,
    `Route: ${first}`,
    'Max-Forwards: 70',
    'From: <sip:ann@example.com>;tag=a1',
    'To: <sip:bob@example.com>;tag=b1',
    `Call-ID: ${callId}`,
    `CSeq: 2 ${method}`,
  ]
}

const caller = (harness: CoreHarness): Flow => harness.flow('udp', CALLER, 5060)
const sentTo = (harness: CoreHarness): string[] => harness.sent.map(({ to }) => to)

Seal('fits the call it was made for, with the key it was made with', () => {
  const own = route(`sip:192.0.2.1;lr${seal.paramFor('call-1')}`)
  assert.ok(seal.fits(own, 'call-1'))
  assert.not.ok(seal.fits(own, 'call-2'))
  assert.not.ok(new RouteSeal(Buffer.from('other')).fits(own, 'call-1'))
  for (const text of [
    'sip:192.0.2.1;lr',
    'sip:192.0.2.1;lr;sbs',
    'sip:192.0.2.1;lr;sbs=00',
    `sip:192.0.2.1;lr;sbs=${'0'.repeat(24)}`,
  ])
    assert.not.ok(seal.fits(route(text), 'call-1'), text)
})

Seal('[A16] nothing is passed on for a stranger: no open relay, over any method, also by strict routing', () => {
  for (const method of ['BYE', 'INVITE', 'INFO', 'REFER', 'ACK']) {
    const harness = new CoreHarness({ settings: { routeSeal: seal } })
    for (const first of ['<sip:192.0.2.1;lr>', `<sip:192.0.2.1;lr${seal.paramFor('another call')}>`])
      harness.receive(inDialog(method, `stolen-${method}`, first), caller(harness))
    harness.receive(
      inDialog(method, `strict-${method}`, `<sip:bob@${CALLEE}:5060>`, 'sip:192.0.2.1;lr'),
      caller(harness),
    )
    assert.not.ok(
      sentTo(harness).some((to) => to.includes(CALLEE)),
      method,
    )
    const answers = harness.sent.map(({ message }) => (message.kind === 'response' ? message.status : 0))
    assert.equal([...new Set(answers)], method === 'ACK' ? [] : [403], method)
  }
})

Seal('a request with the seal of its call is passed on, from either side', () => {
  const harness = new CoreHarness({ settings: { routeSeal: seal } })
  harness.receive(inDialog('BYE', 'call-1', `<sip:192.0.2.1;lr${seal.paramFor('call-1')}>`), caller(harness))
  assert.equal(sentTo(harness), [`udp:${CALLEE}:5060`])
})

Seal.run()
