import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { NatSettings } from '../../../src/engine/dialog/peer-way.js'
import { createBinding } from '../../../src/engine/transport/binding.js'
import { CoreHarness, nothingLeft, sentOf } from '../../support/core-harness.js'
import {
  incomingCall,
  outgoingCall,
  PEER,
  PEER_CONTACT,
  peerRequest,
  peerResponse,
  SDP,
  statusesOf,
} from '../../support/dialog-bench.js'

const Way = suite('The way of requests in a dialog')

const NAT_CONTACT = '<sip:ann@10.0.0.9:5062>'

Way('follows a caller that moved behind its NAT: to where its re-INVITE came from', () => {
  const { harness, toTag, dialogId } = incomingCall({ invite: peerRequest('INVITE', { contact: NAT_CONTACT }) })
  const moved = harness.flow('udp', '198.51.100.7', 6_001)
  harness.receive(peerRequest('INVITE', { cseq: 2, toTag, contact: NAT_CONTACT }), moved)
  sentOf(harness.respond(harness.app.last().txnId, 200, [], SDP))
  harness.receive(peerRequest('ACK', { cseq: 2, toTag, branch: 'z9hG4bKack2' }), moved)
  sentOf(harness.requestInDialog(dialogId, 'INFO'))
  assert.equal(
    [harness.sent.at(-1)?.to, harness.sentRequests('INFO')[0]?.uri],
    ['udp:198.51.100.7:6001', 'sip:ann@10.0.0.9:5062'],
  )
})

Way('and to its Contact when that can be reached again', () => {
  const { harness, toTag, dialogId } = incomingCall({ invite: peerRequest('INVITE', { contact: NAT_CONTACT }) })
  const direct = harness.flow('udp', '198.51.100.99', 5060)
  harness.receive(peerRequest('UPDATE', { cseq: 2, toTag, contact: '<sip:ann@198.51.100.99>' }), direct)
  sentOf(harness.requestInDialog(dialogId, 'INFO'))
  assert.is(harness.sent.at(-1)?.to, 'udp:198.51.100.7:5060', 'not before the UPDATE is accepted')
  sentOf(harness.respond(harness.app.last().txnId, 200))
  sentOf(harness.requestInDialog(dialogId, 'OPTIONS'))
  assert.is(harness.sent.at(-1)?.to, 'udp:198.51.100.99:5060')
})

Way('a refused re-INVITE changes no target, neither way (RFC 3261 12.2)', () => {
  const { harness, toTag, dialogId } = incomingCall()
  harness.receive(peerRequest('INVITE', { cseq: 2, toTag, contact: '<sip:elsewhere@198.51.100.88>' }))
  sentOf(harness.respond(harness.app.last().txnId, 488))
  sentOf(harness.requestInDialog(dialogId, 'INVITE', [], SDP))
  const [reInvite] = harness.sentRequests('INVITE')
  harness.receive(peerResponse(reInvite!, 180, ['Contact: <sip:elsewhere@198.51.100.88>']))
  harness.receive(peerResponse(reInvite!, 491, ['Contact: <sip:elsewhere@198.51.100.88>']))
  sentOf(harness.requestInDialog(dialogId, 'INFO'))
  assert.is(harness.sentRequests('INFO')[0]?.uri, 'sip:ann@198.51.100.7:5060')
})

Way('a caller that comes back on another connection is reached on that', () => {
  const harness = new CoreHarness()
  const first = harness.flow('tcp', '198.51.100.7', 40_000)
  harness.receive(peerRequest('INVITE', { transport: 'TCP' }), first)
  const { dialogId, sent } = sentOf(harness.respond(harness.app.last().txnId, 200))
  harness.receive(peerRequest('ACK', { toTag: sent.toTag, transport: 'TCP' }), first)
  first.open = false
  const second = harness.flow('tcp', '198.51.100.7', 40_001)
  harness.receive(peerRequest('INFO', { cseq: 2, toTag: sent.toTag, transport: 'TCP' }), second)
  sentOf(harness.requestInDialog(dialogId, 'BYE'))
  assert.is(harness.sent.at(-1)?.to, 'tcp:198.51.100.7:40001')
})

Way('a connection that breaks under a request: it goes by the Contact, once', () => {
  const harness = new CoreHarness()
  const connection = harness.flow('tcp', '198.51.100.7', 40_000)
  harness.receive(peerRequest('INVITE', { transport: 'TCP' }), connection)
  const { dialogId, sent } = sentOf(harness.respond(harness.app.last().txnId, 200))
  harness.receive(peerRequest('ACK', { toTag: sent.toTag, transport: 'TCP' }), connection)
  harness.unreachable.add('tcp:198.51.100.7:40000')
  const { txnId } = sentOf(harness.requestInDialog(dialogId, 'BYE'))
  harness.clock.advance(1)
  assert.is(harness.sent.at(-1)?.to, 'udp:198.51.100.7:5060')
  const [bye] = harness.sentRequests('BYE')
  assert.is(bye?.headers.getAll('via').length, 1)
  harness.receive(peerResponse(bye!, 200))
  assert.equal([harness.app.last().txnId, statusesOf(harness)], [txnId, [200]])
  harness.clock.advance(64_000)
  assert.equal(harness.leftovers(), nothingLeft)
})

Way('when the Contact cannot be reached either the application hears 503', () => {
  const harness = new CoreHarness()
  const connection = harness.flow('tcp', '198.51.100.7', 40_000)
  harness.receive(peerRequest('INVITE', { transport: 'TCP' }), connection)
  const { dialogId, sent } = sentOf(harness.respond(harness.app.last().txnId, 200))
  harness.receive(peerRequest('ACK', { toTag: sent.toTag, transport: 'TCP' }), connection)
  harness.unreachable.add('tcp:198.51.100.7:40000')
  harness.unreachable.add('udp:198.51.100.7:5060')
  sentOf(harness.requestInDialog(dialogId, 'BYE'))
  harness.clock.advance(10)
  assert.equal(statusesOf(harness), [503])
  harness.clock.advance(64_000)
  assert.equal(harness.leftovers(), nothingLeft)
})

Way("the callee's connection serves the dialog only when its Contact is at the other end of it", () => {
  const tcp = `${PEER};transport=tcp`
  const at = (contact: string): string | undefined => {
    const { harness } = outgoingCall({ uri: tcp, more: [`Contact: <${contact}>`] })
    return harness.sent.at(-1)?.to
  }
  assert.is(at(tcp), 'tcp:198.51.100.7:5060')
  assert.is(at('sip:bob@198.51.100.7:5060'), 'tcp:198.51.100.7:5060')
  assert.is(at('sip:bob@198.51.100.7:5070;transport=tcp'), 'tcp:198.51.100.7:5070')
  assert.is(at('sip:bob@198.51.100.7:5060;transport=udp'), 'udp:198.51.100.7:5060')
})

Way('a repeated 200 whose ACK went by a connection that is gone gets it by another way', () => {
  const { harness, invite, flow } = outgoingCall({
    uri: `${PEER};transport=tcp`,
    more: ['Contact: <sip:bob@198.51.100.7:5060;transport=tcp>'],
  })
  flow.open = false
  harness.receive(peerResponse(invite, 200, [PEER_CONTACT]), harness.flow('tcp', '198.51.100.7', 50_000))
  const acks = harness.sentRequests('ACK')
  assert.is(acks.length, 2)
  assert.is.not(acks[0]?.topVia.params.get('branch'), acks[1]?.topVia.params.get('branch'))
})

Way('the ACK carries the credentials of its INVITE (RFC 3261 13.2.2.4), or those the application gives', () => {
  const credentials = 'Digest username="u", realm="r", nonce="n", uri="sip:x", response="0"'
  const { harness } = outgoingCall({ headers: [`Proxy-Authorization: ${credentials}`] })
  assert.is(harness.sentRequests('ACK')[0]?.headers.get('proxy-authorization'), credentials)
  const other = outgoingCall({ headers: [`Proxy-Authorization: ${credentials}`], ack: false })
  sentOf(other.harness.requestInDialog(other.dialogId, 'ACK', ['Proxy-Authorization: mine']))
  assert.equal(other.harness.sentRequests('ACK')[0]?.headers.getAll('proxy-authorization'), ['mine'])
})

Way('the ACK of a re-INVITE has its number after other requests were sent, and goes to the new target', () => {
  const { harness, dialogId } = outgoingCall()
  sentOf(harness.requestInDialog(dialogId, 'INVITE', [], SDP))
  const reInvite = harness.sentRequests('INVITE').at(-1)!
  harness.receive(peerResponse(reInvite, 200, ['Contact: <sip:bob@198.51.100.44:5060>']))
  sentOf(harness.requestInDialog(dialogId, 'OPTIONS'))
  sentOf(harness.requestInDialog(dialogId, 'ACK'))
  const ack = harness.sentRequests('ACK').at(-1)!
  assert.equal(
    [ack.cseq.number, ack.uri, harness.sent.at(-1)?.to],
    [reInvite.cseq.number, 'sip:bob@198.51.100.44:5060', 'udp:198.51.100.44:5060'],
  )
  harness.receive(peerResponse(reInvite, 200, ['Contact: <sip:bob@198.51.100.44:5060>']))
  assert.is(harness.sentRequests('ACK').at(-1)?.cseq.number, reInvite.cseq.number)
})

Way('an answer to a re-INVITE repeats the Contact the dialog has, unless the application gives another', () => {
  const harness = new CoreHarness()
  harness.receive(peerRequest('INVITE'))
  const { sent } = sentOf(harness.respond(harness.app.last().txnId, 200, ['Contact: <sip:agent-7@localhost>'], SDP))
  const contact = sent.headers.get('contact')
  assert.is(contact, '<sip:agent-7@192.0.2.1:5060>')
  harness.receive(peerRequest('ACK', { toTag: sent.toTag }))
  harness.receive(peerRequest('INVITE', { cseq: 2, toTag: sent.toTag }))
  assert.is(sentOf(harness.respond(harness.app.last().txnId, 200, [], SDP)).sent.headers.get('contact'), contact)
})

Way('a Contact at localhost says by which transport we are reached', () => {
  const { invite } = outgoingCall({ uri: `${PEER};transport=tcp`, headers: ['Contact: <sip:100@localhost>'] })
  assert.is(invite.headers.get('contact'), '<sip:100@192.0.2.1:5060;transport=tcp>')
  const named = outgoingCall({ uri: `${PEER};transport=tcp`, headers: ['Contact: <sip:100@localhost;transport=udp>'] })
  assert.is(named.invite.headers.get('contact'), '<sip:100@192.0.2.1:5060;transport=udp>')
  const list = new CoreHarness()
  const { sent } = sentOf(list.request('REGISTER', PEER, ['Contact: <sip:a@localhost>, "B" <sip:b@localhost>;q=0.5']))
  assert.is(sent.headers.get('contact'), '<sip:a@192.0.2.1:5060>, "B" <sip:b@192.0.2.1:5060>;q=0.5')
})

Way('a caller without Contact over IPv6 is reached at its source', () => {
  const harness = new CoreHarness()
  const flow = harness.flow('udp', '2001:db8::7', 5062)
  harness.receive(
    peerRequest('INVITE').filter((line) => !line.startsWith('Contact')),
    flow,
  )
  const { dialogId, sent } = sentOf(harness.respond(harness.app.last().txnId, 200))
  harness.receive(peerRequest('ACK', { toTag: sent.toTag }), flow)
  sentOf(harness.requestInDialog(dialogId, 'BYE'))
  assert.is(harness.sentRequests('BYE')[0]?.uri, 'sip:[2001:db8::7]:5062')
})

Way('requests of a dialog leave from the contact the peer knows, when there are several', () => {
  const harness = new CoreHarness()
  const flow = harness.flow('udp', '198.51.100.7', 5060, 5080)
  harness.receive(peerRequest('INVITE'), flow)
  const { dialogId, sent } = sentOf(harness.respond(harness.app.last().txnId, 200))
  harness.receive(peerRequest('ACK', { toTag: sent.toTag }), flow)
  sentOf(harness.requestInDialog(dialogId, 'BYE'))
  assert.match(harness.sentRequests('BYE')[0]?.headers.get('via') ?? '', /192\.0\.2\.1:5080/)
})

Way('glare: an INVITE of the peer in the early dialog of ours gets 491, a second UPDATE 500 with Retry-After', () => {
  const harness = new CoreHarness()
  sentOf(harness.request('INVITE', PEER, [], SDP))
  const invite = harness.sentRequests('INVITE')[0]!
  harness.receive(peerResponse(invite, 180, [PEER_CONTACT]))
  const inEarly = { callId: invite.callId, fromTag: 'b1', toTag: invite.fromTag }
  harness.receive(peerRequest('INVITE', { ...inEarly, cseq: 10 }))
  assert.is(harness.sentResponses(491).length, 1)
  harness.receive(peerRequest('UPDATE', { ...inEarly, cseq: 11 }))
  harness.receive(peerRequest('UPDATE', { ...inEarly, cseq: 12 }))
  assert.is(harness.app.requests('UPDATE').length, 1)
  assert.ok(harness.sentResponses(500)[0]?.headers.has('retry-after'))
})

Way('a SUBSCRIBE answered 2xx in a ringing call does not make that an answered one', () => {
  const harness = new CoreHarness()
  harness.receive(peerRequest('INVITE'))
  const { txnId } = harness.app.last()
  const { sent } = sentOf(harness.respond(txnId, 180))
  harness.receive(peerRequest('SUBSCRIBE', { cseq: 2, toTag: sent.toTag, more: ['Event: dialog'] }))
  sentOf(harness.respond(harness.app.last().txnId, 200))
  sentOf(harness.respond(txnId, 486))
  harness.receive(peerRequest('ACK', { branch: 'z9hG4bKINVITE1call-1', toTag: sent.toTag }))
  harness.clock.advance(64_000)
  assert.equal(harness.leftovers(), nothingLeft)
})

Way('a re-INVITE of an application can be cancelled by its transaction id', () => {
  const { harness, dialogId } = incomingCall()
  const { txnId } = sentOf(harness.requestInDialog(dialogId, 'INVITE', [], SDP))
  const [reInvite] = harness.sentRequests('INVITE')
  harness.receive(peerResponse(reInvite!, 180))
  const { sent } = sentOf(harness.cancel(txnId, ['Reason: SIP;cause=200', 'Require: x', 'Content-Disposition: render']))
  const [cancel] = harness.sentRequests('CANCEL')
  assert.equal([cancel?.toTag, cancel?.cseq.number], [reInvite?.toTag, reInvite?.cseq.number])
  assert.is(cancel?.headers.get('reason'), 'SIP;cause=200')
  assert.not(cancel?.headers.has('require') || cancel?.headers.has('content-disposition'))
  const lines: string[][] = [[], []]
  cancel?.headers.forEach((name, value) => name !== 'content-length' && lines[0]!.push(`${name}: ${value}`))
  sent.headers.forEach((name, value) => lines[1]!.push(`${name}: ${value}`))
  assert.equal(lines[0], lines[1], 'the echo is what was sent')
  harness.receive(peerResponse(reInvite!, 487))
  assert.not(harness.cancel(txnId).ok)
})

/** Where the ACK of an answered call goes. The answer comes from `source`. */
function ackTarget(options: {
  contact: string
  source?: string
  route?: string
  nat?: NatSettings
  uri?: string
}): string | undefined {
  const { contact, source = '198.51.100.7', route, nat, uri = `sip:bob@${source}` } = options
  const harness = new CoreHarness({ settings: { nat } })
  const proxy = `sip:${source}`
  const { dialogId } = sentOf(harness.request('INVITE', uri, [], SDP, proxy))
  const invite = harness.sentRequests('INVITE').at(-1)!
  const more = [`Contact: <${contact}>`, ...(route === undefined ? [] : [`Record-Route: <${route}>`])]
  harness.receive(peerResponse(invite, 200, more), harness.flow('udp', source, 5060))
  sentOf(harness.requestInDialog(dialogId, 'ACK'))
  return harness.sent.at(-1)?.to.replace(/^udp:|:5060$/g, '')
}

Way(
  'a callee whose Contact lies in another private network than its answer came from is reached where that came from',
  () => {
    assert.is(ackTarget({ contact: 'sip:bob@10.0.0.9' }), '198.51.100.7')
    assert.is(ackTarget({ contact: 'sip:bob@172.17.0.2', source: '10.1.1.1' }), '10.1.1.1', 'a container')
    assert.is(ackTarget({ contact: 'sip:bob@203.0.113.5', source: '10.1.1.1' }), '10.1.1.1', 'its external address')
    assert.is(ackTarget({ contact: 'sip:bob@203.0.113.5' }), '203.0.113.5', 'two public addresses may both be right')
    assert.is(
      ackTarget({ contact: 'sip:bob@10.9.9.9', source: '10.1.1.1' }),
      '10.9.9.9',
      'and so may two of one network',
    )
    assert.is(ackTarget({ contact: 'sip:bob@172.32.0.1' }), '172.32.0.1', 'not all of 172 is private')
  },
)

Way('so is one behind a proxy whose Route is a private address, and with a public Route that is followed', () => {
  const contact = 'sip:bob@10.0.0.9'
  assert.is(ackTarget({ contact, route: 'sip:10.0.0.1;lr' }), '198.51.100.7')
  assert.is(ackTarget({ contact, route: 'sip:203.0.113.1;lr' }), '203.0.113.1')
  assert.is(ackTarget({ contact, source: '10.1.1.1', route: 'sip:203.0.113.1;lr' }), '203.0.113.1')
})

Way('containers that are called by the name feature-server are reached at their Contact', () => {
  const contact = 'sip:fs@192.168.3.4'
  assert.is(ackTarget({ contact, source: '172.20.0.9', uri: 'sip:feature-server' }), '192.168.3.4')
  assert.is(ackTarget({ contact, source: '172.20.0.9', uri: 'sip:other-server' }), '172.20.0.9')
})

Way('without NAT detection dialogs follow Contact and Record-Route alone, in both roles', () => {
  const nat = { detection: false, aggressive: true }
  assert.is(ackTarget({ contact: 'sip:bob@10.0.0.9', nat }), '10.0.0.9')
  const harness = new CoreHarness({ settings: { nat } })
  const { dialogId } = incomingCall({ harness, invite: peerRequest('INVITE', { contact: '<sip:ann@198.51.100.99>' }) })
  sentOf(harness.requestInDialog(dialogId, 'BYE'))
  assert.is(harness.sent.at(-1)?.to, 'udp:198.51.100.99:5060')
})

Way(
  'detecting aggressively, nat=yes in the first Route, or without routes in the Contact of a callee, is believed',
  () => {
    const nat = { aggressive: true }
    assert.is(ackTarget({ contact: 'sip:bob@203.0.113.5;nat=yes', nat }), '198.51.100.7')
    assert.is(ackTarget({ contact: 'sip:bob@203.0.113.5;nat=yes' }), '203.0.113.5')
    assert.is(ackTarget({ contact: 'sip:bob@203.0.113.5', route: 'sip:203.0.113.1;lr;nat=yes', nat }), '198.51.100.7')
    assert.is(ackTarget({ contact: 'sip:bob@203.0.113.5;nat=yes', route: 'sip:203.0.113.1;lr', nat }), '203.0.113.1')
    const behindProxy = (settings: NatSettings): string | undefined => {
      const harness = new CoreHarness({ settings: { nat: settings } })
      const more = ['Record-Route: <sip:203.0.113.1;lr;nat=yes>']
      const { dialogId } = incomingCall({ harness, invite: peerRequest('INVITE', { more }) })
      sentOf(harness.requestInDialog(dialogId, 'BYE'))
      return harness.sent.at(-1)?.to
    }
    assert.is(behindProxy(nat), 'udp:198.51.100.7:5060')
    assert.is(behindProxy({}), 'udp:203.0.113.1:5060')
  },
)

Way('on TLS a sip: peer is answered with a sip: Contact when that is wanted', () => {
  const contactOf = (bestEffortTls: boolean, contact: string): string | undefined => {
    const harness = new CoreHarness({ settings: { bestEffortTls } })
    const option = { text: 'sips:test', protocol: 'tls', sips: true, host: '192.0.2.1', port: 5061 } as const
    const flow = { ...harness.flow('tls', '198.51.100.7', 40_000), binding: createBinding(option, '192.0.2.1', 5061) }
    harness.receive(peerRequest('INVITE', { contact, transport: 'TLS' }), flow)
    return sentOf(harness.respond(harness.app.last().txnId, 200, [], SDP)).sent.headers.get('contact')
  }
  assert.is(contactOf(true, '<sip:ann@198.51.100.7>'), '<sip:192.0.2.1:5061;transport=tls>')
  assert.is(contactOf(true, '<sips:ann@198.51.100.7>'), '<sips:192.0.2.1>')
  assert.is(contactOf(false, '<sip:ann@198.51.100.7>'), '<sips:192.0.2.1>')
})

Way.run()
