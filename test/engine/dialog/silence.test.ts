import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readAppText } from '../../../src/engine/dialog/app-text.js'
import { CoreHarness, nothingLeft, sentOf } from '../../support/core-harness.js'
import { methodsOf, PEER, PEER_CONTACT, peerResponse, SDP, statusesOf } from '../../support/dialog-bench.js'

const Silence = suite('Silence limit')

const PROXY = 'sip:198.51.100.9:5065;x-signalbox-silence=4000'

/** Sends a request by way of a proxy that may be silent for 4 s, unless `proxy` says otherwise. */
function sent(harness: CoreHarness, method: string, proxy = PROXY) {
  return sentOf(harness.request(method, PEER, [], method === 'INVITE' ? SDP : '', proxy))
}

Silence('a target that is wholly silent for that long: the application gets a 408', () => {
  for (const method of ['INVITE', 'REGISTER', 'OPTIONS']) {
    const harness = new CoreHarness()
    const { txnId } = sent(harness, method)
    harness.clock.advance(3_999)
    assert.equal(statusesOf(harness), [], method)
    const before = harness.sent.length
    assert.ok(before > 1, 'it was repeated meanwhile')
    harness.clock.advance(2)
    assert.equal([statusesOf(harness), harness.app.last().txnId], [[408], txnId], method)
    harness.clock.advance(27_998)
    assert.is(harness.sent.length, before, `${method} is not sent again`)
    assert.equal(statusesOf(harness), [408])
    harness.clock.advance(1)
    assert.equal(harness.leftovers(), nothingLeft)
  }
})

Silence('nothing of a request other than INVITE is left after it', () => {
  const harness = new CoreHarness()
  sent(harness, 'REGISTER')
  harness.clock.advance(4_001)
  assert.equal(harness.leftovers(), nothingLeft)
  harness.receive(peerResponse(harness.sentRequests('REGISTER')[0]!, 200))
  assert.equal([statusesOf(harness), harness.leftovers()], [[408], nothingLeft])
})

Silence('a 100 alone ends the wait for a first word', () => {
  const harness = new CoreHarness()
  sent(harness, 'INVITE')
  harness.receive(peerResponse(harness.sentRequests('INVITE')[0]!, 100, [], ''))
  harness.clock.advance(100_000)
  assert.equal(statusesOf(harness), [])
})

Silence('what stands in the proxy field never leaves', () => {
  const harness = new CoreHarness()
  sent(harness, 'INVITE')
  const invite = harness.sentRequests('INVITE')[0]!
  assert.equal([harness.sent[0]?.to, invite.uri], ['udp:198.51.100.9:5065', PEER])
  invite.headers.forEach((name, value) => assert.not.match(value, 'silence', name))
})

Silence('other values than 100 to 32000 in digits are no limit', () => {
  for (const value of ['99', '32001', '4000.5', '+400', '-400', '4e3', '040000', 'soon', '']) {
    const harness = new CoreHarness()
    sent(harness, 'OPTIONS', `sip:198.51.100.9;x-signalbox-silence${value && `=${value}`}`)
    harness.clock.advance(31_999)
    assert.equal(statusesOf(harness), [], value)
    harness.clock.advance(2)
    assert.equal(statusesOf(harness), [408], value)
    assert.equal(harness.leftovers(), nothingLeft)
  }
})

Silence('only the proxy field sets one: in a Request-URI it is a parameter like any other', () => {
  const harness = new CoreHarness()
  sentOf(harness.request('OPTIONS', `${PEER};x-signalbox-silence=100`))
  harness.clock.advance(1_000)
  assert.equal(statusesOf(harness), [])
})

Silence('each address has its own: all silent ones are gone through', async () => {
  const harness = new CoreHarness()
  harness.targets = [1, 2, 3].map((host) => ({ protocol: 'udp', address: `198.51.100.${host}`, port: 5060 }))
  const proxy = 'sip:carrier.example;x-signalbox-silence=1000'
  sentOf(await harness.core.sendRequest(harness.app, 'INVITE', PEER, readAppText(`INVITE\r\n\r\n${SDP}`), proxy))
  const tried = (): string[] => [...new Set(harness.sent.map(({ to }) => to.split(':')[1]!))]
  harness.clock.advance(999)
  assert.equal(tried(), ['198.51.100.1'])
  harness.clock.advance(1)
  assert.equal(tried(), ['198.51.100.1', '198.51.100.2'])
  harness.clock.advance(1_000)
  const third = harness.sentRequests('INVITE').at(-1)!
  assert.equal(tried(), ['198.51.100.1', '198.51.100.2', '198.51.100.3'])
  harness.clock.advance(900)
  harness.receive(peerResponse(third, 486), harness.flow('udp', '198.51.100.3', 5060))
  harness.clock.advance(32_000)
  assert.equal([statusesOf(harness), harness.leftovers()], [[486], nothingLeft])
})

Silence('an INVITE that rings afterwards gets a CANCEL', () => {
  const harness = new CoreHarness()
  sent(harness, 'INVITE')
  harness.clock.advance(4_001)
  const invite = harness.sentRequests('INVITE')[0]!
  harness.receive(peerResponse(invite, 180))
  const cancel = harness.sentRequests('CANCEL')[0]!
  assert.equal([cancel.topVia.params.get('branch'), cancel.uri], [invite.topVia.params.get('branch'), PEER])
  harness.receive(peerResponse(cancel, 200))
  harness.receive(peerResponse(invite, 487))
  assert.is(methodsOf(harness).at(-1), 'ACK')
  harness.clock.advance(40_000)
  assert.equal([statusesOf(harness), harness.leftovers()], [[408], nothingLeft])
})

Silence('one that is answered afterwards is acknowledged and hung up, the CANCEL before it or not', () => {
  for (const rings of [true, false]) {
    const harness = new CoreHarness()
    sent(harness, 'INVITE')
    harness.clock.advance(4_001)
    const invite = harness.sentRequests('INVITE')[0]!
    if (rings) harness.receive(peerResponse(invite, 180))
    const before = harness.sent.length
    harness.receive(peerResponse(invite, 200, [PEER_CONTACT]))
    assert.equal(methodsOf(harness).slice(before), ['ACK', 'BYE'])
    harness.receive(peerResponse(invite, 200, [PEER_CONTACT]))
    assert.equal(methodsOf(harness).slice(before), ['ACK', 'BYE', 'ACK'])
    const bye = harness.sentRequests('BYE')[0]!
    assert.equal([bye.toTag, bye.cseq.number], ['b1', invite.cseq.number + 1])
    harness.receive(peerResponse(bye, 200))
    harness.clock.advance(64_000)
    assert.equal([statusesOf(harness), harness.leftovers()], [[408], nothingLeft])
  }
})

Silence('an answer of the silent address beside that of the next one is hung up too, and the call stands', async () => {
  const harness = new CoreHarness()
  harness.targets = [1, 2].map((host) => ({ protocol: 'udp', address: `198.51.100.${host}`, port: 5060 }))
  const proxy = 'sip:carrier.example;x-signalbox-silence=1000'
  const text = readAppText(`INVITE\r\n\r\n${SDP}`)
  const { dialogId } = sentOf(await harness.core.sendRequest(harness.app, 'INVITE', PEER, text, proxy))
  const first = harness.sentRequests('INVITE')[0]!
  harness.clock.advance(1_000)
  const second = harness.sentRequests('INVITE').at(-1)!
  harness.receive(peerResponse(second, 200, [PEER_CONTACT]), harness.flow('udp', '198.51.100.2', 5060))
  sentOf(harness.requestInDialog(dialogId, 'ACK'))
  harness.receive(
    peerResponse(first, 200, ['Contact: <sip:late@198.51.100.1>'], 'late'),
    harness.flow('udp', '198.51.100.1', 5060),
  )
  assert.equal(
    harness.sent.slice(-2).map(({ to, message }) => [to, message.toTag]),
    [
      ['udp:198.51.100.1:5060', 'late'],
      ['udp:198.51.100.1:5060', 'late'],
    ],
  )
  sentOf(harness.requestInDialog(dialogId, 'BYE'))
  assert.is(harness.sentRequests('BYE').at(-1)?.toTag, 'b1')
  assert.equal(statusesOf(harness), [200])
})

Silence(
  'a CANCEL of the application before it: the 408 comes all the same, and no other address is tried',
  async () => {
    const harness = new CoreHarness()
    harness.targets = [1, 2].map((host) => ({ protocol: 'udp', address: `198.51.100.${host}`, port: 5060 }))
    const text = readAppText(`INVITE\r\n\r\n${SDP}`)
    const proxy = 'sip:carrier.example;x-signalbox-silence=1000'
    const { txnId } = sentOf(await harness.core.sendRequest(harness.app, 'INVITE', PEER, text, proxy))
    sentOf(harness.cancel(txnId))
    harness.clock.advance(32_001)
    assert.equal(statusesOf(harness), [408])
    assert.ok(harness.sent.every(({ to }) => to === 'udp:198.51.100.1:5060'))
    assert.equal(harness.leftovers(), nothingLeft)
  },
)

Silence('over a connection too, and one that closes first ends the wait at once', () => {
  const harness = new CoreHarness()
  sent(harness, 'REGISTER', `${PROXY};transport=tcp`)
  harness.clock.advance(4_001)
  assert.equal(statusesOf(harness), [408])
  sent(harness, 'REGISTER', `${PROXY};transport=tcp`)
  harness.close(harness.flow('tcp', '198.51.100.9', 5065))
  harness.clock.advance(1)
  assert.equal([statusesOf(harness), harness.leftovers()], [[408, 503], nothingLeft])
})

Silence('when the engine stops, no limit runs on and nothing is told or sent', () => {
  const harness = new CoreHarness()
  sent(harness, 'INVITE')
  sent(harness, 'REGISTER', `${PROXY};transport=tcp`)
  const before = harness.sent.length
  harness.core.stop()
  harness.close(harness.flow('tcp', '198.51.100.9', 5065))
  assert.is(harness.clock.pending, 0)
  harness.clock.advance(64_000)
  assert.equal([harness.sent.length, statusesOf(harness)], [before, []])
})

Silence.run()
