import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readAppText } from '../../../src/engine/dialog/app-text.js'
import { Avoided } from '../../../src/engine/dialog/avoided.js'
import { CoreHarness, nothingLeft, sentOf } from '../../support/core-harness.js'
import { incomingCall, PEER, peerRequest, peerResponse, SDP, statusesOf } from '../../support/dialog-bench.js'
import { ManualClock } from '../../support/manual-clock.js'

const FailOver = suite('Fail-over')

const LARGE = `v=0\r\n${'a=x\r\n'.repeat(300)}`
const target = (host: number) => ({ protocol: 'udp', address: `198.51.100.${host}`, port: 5060 }) as const

/** Sends an INVITE to a name. */
async function invited(harness: CoreHarness) {
  const text = readAppText(`INVITE sip:bob@carrier.example SIP/2.0\r\n\r\n${SDP}`)
  return sentOf(await harness.core.sendRequest(harness.app, 'INVITE', 'sip:bob@carrier.example', text, ''))
}

/** Sends an INVITE to a name; resolves to where it went first. */
async function invite(harness: CoreHarness): Promise<string | undefined> {
  await invited(harness)
  return harness.sent.at(-1)?.to
}

FailOver('an address that answered 503 with a Retry-After comes last for that time (RFC 3261 21.5.4)', async () => {
  const harness = new CoreHarness()
  harness.targets = [target(1), target(2)]
  assert.is(await invite(harness), 'udp:198.51.100.1:5060')
  harness.receive(
    peerResponse(harness.sentRequests('INVITE').at(-1)!, 503, ['Retry-After: 60 (busy);duration=3']),
    harness.flow('udp', '198.51.100.1', 5060),
  )
  assert.is(harness.sent.at(-1)?.to, 'udp:198.51.100.2:5060')
  harness.clock.advance(59_000)
  assert.is(await invite(harness), 'udp:198.51.100.2:5060')
  harness.clock.advance(1_000)
  assert.is(await invite(harness), 'udp:198.51.100.1:5060')
})

FailOver('without a Retry-After, or with nonsense in it, nothing is remembered', async () => {
  for (const more of [[], ['Retry-After: soon'], ['Retry-After: -5']]) {
    const harness = new CoreHarness()
    harness.targets = [target(1), target(2)]
    await invite(harness)
    harness.receive(peerResponse(harness.sentRequests('INVITE').at(-1)!, 503, more))
    assert.is(await invite(harness), 'udp:198.51.100.1:5060', more.join())
  }
})

FailOver('when all are overloaded they are tried all the same', async () => {
  const harness = new CoreHarness()
  harness.targets = [target(1)]
  await invite(harness)
  harness.receive(peerResponse(harness.sentRequests('INVITE').at(-1)!, 503, ['Retry-After: 60']))
  assert.equal(statusesOf(harness), [503])
  assert.is(await invite(harness), 'udp:198.51.100.1:5060')
})

FailOver('a peer that did not take TCP for a large request gets the next ones by UDP at once', () => {
  const harness = new CoreHarness()
  harness.unreachable.add('tcp:198.51.100.7:5060')
  sentOf(harness.request('INVITE', PEER, [], LARGE))
  harness.clock.advance(1)
  assert.equal(
    harness.sent.map(({ to }) => to),
    ['udp:198.51.100.7:5060'],
  )
  harness.unreachable.clear()
  sentOf(harness.request('INVITE', PEER, [], LARGE))
  assert.is(harness.sent.at(-1)?.to, 'udp:198.51.100.7:5060', 'no time is lost on TCP')
  sentOf(harness.request('INVITE', 'sip:bob@198.51.100.8', [], LARGE))
  assert.is(harness.sent.at(-1)?.to, 'tcp:198.51.100.8:5060', 'others are not concerned')
  harness.clock.advance(600_000)
  sentOf(harness.request('INVITE', PEER, [], LARGE))
  assert.is(harness.sent.at(-1)?.to, 'tcp:198.51.100.7:5060', 'in ten minutes it is tried again')
})

FailOver('nor is a listener tried again that takes connections and does not speak SIP', () => {
  const harness = new CoreHarness()
  sentOf(harness.request('OPTIONS', PEER, ['Content-Type: text/plain'], LARGE))
  assert.is(harness.sent.at(-1)?.to, 'tcp:198.51.100.7:5060')
  harness.clock.advance(32_000)
  assert.is(harness.sent.at(-1)?.to, 'udp:198.51.100.7:5060')
  sentOf(harness.request('OPTIONS', PEER, ['Content-Type: text/plain'], LARGE))
  assert.is(harness.sent.at(-1)?.to, 'udp:198.51.100.7:5060')
})

FailOver('each try names in its Contact the transport it leaves by, and is else the same request', async () => {
  for (const [method, given, udp, tcp] of [
    ['INVITE', [], '<sip:192.0.2.1:5060>', '<sip:192.0.2.1:5060;transport=tcp>'],
    [
      'REGISTER',
      ['Contact: <sip:me@localhost;x=1>;expires=300'],
      '<sip:me@192.0.2.1:5060;x=1>;expires=300',
      '<sip:me@192.0.2.1:5060;transport=tcp;x=1>;expires=300',
    ],
    ['REGISTER', ['Contact: *', 'Expires: 0'], '*', '*'],
    ['OPTIONS', [], undefined, undefined],
  ] as const) {
    const harness = new CoreHarness()
    harness.targets = [
      target(1),
      { ...target(2), protocol: 'tcp' },
      { ...target(3), protocol: 'udp' },
      { ...target(4), protocol: 'tcp' },
    ]
    const text = readAppText(
      [`${method} sip:carrier.example SIP/2.0`, 'From: <sip:me@localhost>', ...given, '', ''].join('\r\n'),
    )
    sentOf(await harness.core.sendRequest(harness.app, method, 'sip:carrier.example', text, ''))
    for (let i = 0; i < 3; i++) {
      const { to, message } = harness.sent.at(-1)!
      const [protocol, address = '', port] = to.split(':')
      harness.receive(peerResponse(message as never, 503), harness.flow(protocol as 'udp', address, Number(port)))
    }
    const tries = harness.sentRequests(method)
    assert.equal(
      tries.map(({ headers }) => headers.get('contact')),
      [udp, tcp, udp, tcp],
    )
    assert.equal(
      tries.map(({ headers }) => headers.get('via')?.split(' ')[0]),
      ['SIP/2.0/UDP', 'SIP/2.0/TCP', 'SIP/2.0/UDP', 'SIP/2.0/TCP'],
    )
    for (const name of ['from', 'to', 'call-id', 'cseq'] as const)
      assert.is(new Set(tries.map(({ headers }) => headers.get(name))).size, 1, name)
  }
})

FailOver('the dialog goes on with the Contact of the try that was answered', async () => {
  const harness = new CoreHarness()
  harness.targets = [target(1), { ...target(2), protocol: 'tcp' }]
  const { dialogId } = await invited(harness)
  harness.receive(peerResponse(harness.sentRequests('INVITE')[0]!, 503))
  const flow = harness.flow('tcp', '198.51.100.2', 5060)
  harness.receive(
    peerResponse(harness.sentRequests('INVITE')[1]!, 200, ['Contact: <sip:bob@198.51.100.2;transport=tcp>']),
    flow,
  )
  sentOf(harness.requestInDialog(dialogId, 'ACK'))
  sentOf(harness.requestInDialog(dialogId, 'INVITE', [], SDP))
  assert.is(harness.sentRequests('INVITE').at(-1)?.headers.get('contact'), '<sip:192.0.2.1:5060;transport=tcp>')
})

FailOver('a request that leaves UDP for being large says so in its Contact', () => {
  const harness = new CoreHarness()
  sentOf(harness.request('INVITE', PEER, [], LARGE))
  assert.is(harness.sentRequests('INVITE')[0]?.headers.get('contact'), '<sip:192.0.2.1:5060;transport=tcp>')
})

FailOver('many headers make a request large too', () => {
  const harness = new CoreHarness()
  sentOf(harness.request('OPTIONS', PEER, [`Identity: ${'x'.repeat(1_300)}`]))
  assert.is(harness.sent.at(-1)?.to, 'tcp:198.51.100.7:5060')
})

FailOver('a large request in a dialog leaves UDP too, unless the Contact names it', () => {
  const { harness, dialogId } = incomingCall()
  sentOf(harness.requestInDialog(dialogId, 'INVITE', [], LARGE))
  assert.is(harness.sent.at(-1)?.to, 'tcp:198.51.100.7:5060')
  sentOf(harness.requestInDialog(dialogId, 'INFO'))
  assert.is(harness.sent.at(-1)?.to, 'udp:198.51.100.7:5060')
})

FailOver('a CANCEL ends the search: a 503 after it is the answer', async () => {
  const harness = new CoreHarness()
  harness.targets = [target(1), target(2)]
  const { txnId } = await invited(harness)
  sentOf(harness.cancel(txnId))
  harness.receive(peerResponse(harness.sentRequests('INVITE')[0]!, 503))
  assert.is(harness.sentRequests('INVITE').length, 1)
  assert.equal(statusesOf(harness), [503])
  harness.clock.advance(100_000)
  assert.equal(harness.leftovers(), nothingLeft)
})

FailOver('only an INVITE can be cancelled', () => {
  const harness = new CoreHarness()
  const { txnId } = sentOf(harness.request('OPTIONS', PEER))
  assert.not(harness.cancel(txnId).ok)
  harness.receive(peerResponse(harness.sentRequests('OPTIONS')[0]!, 200))
  assert.equal(statusesOf(harness), [200])
})

FailOver(
  'a connection that closes before any response: the next address, or a 503, and not 32 s of waiting',
  async () => {
    const harness = new CoreHarness()
    harness.targets = [1, 2].map((host) => ({ ...target(host), protocol: 'tcp' }) as const)
    const { txnId } = await invited(harness)
    harness.close(harness.flow('tcp', '198.51.100.1', 5060))
    assert.is(harness.sent.at(-1)?.to, 'tcp:198.51.100.2:5060')
    harness.close(harness.flow('tcp', '198.51.100.2', 5060))
    harness.clock.advance(1)
    assert.equal([harness.app.last().txnId, statusesOf(harness)], [txnId, [503]])
    const [first] = harness.sentRequests('INVITE')
    harness.receive(peerResponse(first!, 180))
    assert.is(harness.sentRequests('CANCEL').length, 1, 'should it ring all the same, it is told')
    harness.clock.advance(100_000)
    assert.equal(statusesOf(harness), [503])
    assert.equal(harness.leftovers(), nothingLeft)
  },
)

FailOver('one that closes after a 1xx changes nothing: the answer may come on another', async () => {
  const harness = new CoreHarness()
  sentOf(harness.request('INVITE', `${PEER};transport=tcp`, [], SDP))
  const invite = harness.sentRequests('INVITE')[0]!
  harness.receive(peerResponse(invite, 100, [], ''))
  harness.close(harness.flow('tcp', '198.51.100.7', 5060))
  harness.clock.advance(10)
  assert.equal(statusesOf(harness), [])
  harness.receive(peerResponse(invite, 486), harness.flow('tcp', '198.51.100.7', 44_000))
  assert.equal(statusesOf(harness), [486])
})

FailOver('in a dialog: a request whose connection closed goes by the Contact', () => {
  const harness = new CoreHarness()
  const connection = harness.flow('tcp', '198.51.100.7', 40_000)
  harness.receive(peerRequest('INVITE', { transport: 'TCP' }), connection)
  const { dialogId, sent } = sentOf(harness.respond(harness.app.last().txnId, 200))
  harness.receive(peerRequest('ACK', { toTag: sent.toTag, transport: 'TCP' }), connection)
  sentOf(harness.requestInDialog(dialogId, 'BYE'))
  harness.close(connection)
  assert.is(harness.sent.at(-1)?.to, 'udp:198.51.100.7:5060')
  harness.receive(peerResponse(harness.sentRequests('BYE').at(-1)!, 200))
  assert.equal(statusesOf(harness), [200])
  harness.clock.advance(64_000)
  assert.equal(harness.leftovers(), nothingLeft)
})

FailOver('remembers a thousand addresses at most, the newest', () => {
  const clock = new ManualClock()
  const avoided = new Avoided(clock)
  const address = (i: number) => ({ protocol: 'udp', address: `10.0.${i >> 8}.${i & 255}`, port: 5060 }) as const
  for (let i = 0; i < 1_500; i++) avoided.add(address(i), 1_000)
  assert.not(avoided.has(address(499)))
  assert.ok(avoided.has(address(500)))
  assert.ok(avoided.has(address(1_499)))
  clock.advance(1_000)
  assert.not(avoided.has(address(1_499)))
})

FailOver.run()
