import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Screening, type ScreeningSettings, type SpamAction } from '../../../src/engine/dialog/screening.js'
import { parseUri, type SipUri } from '../../../src/engine/message/uri.js'
import { CoreHarness, nothingLeft, sentOf } from '../../support/core-harness.js'
import { incomingCall, PEER, peerRequest, SDP } from '../../support/dialog-bench.js'

const Suite = suite('Screening')

const spammers = (action: SpamAction, streamAction: SpamAction = action) => ({
  headers: [
    { name: 'User-Agent', values: ['sip-cli', 'friendly-scanner'] },
    { name: 'To', values: ['sipvicious'] },
  ],
  action,
  streamAction,
})

function screened(settings: ScreeningSettings): { harness: CoreHarness; screening: Screening } {
  const screening = new Screening(settings)
  return { harness: new CoreHarness({ settings: { screening } }), screening }
}

const scanner = { more: ['User-Agent: friendly-scanner 1.0'] }

Suite('[10.1/22] [10.2/1] a spammer is known by its User-Agent and gets 603, with or without an application', () => {
  const { harness } = screened({ spammers: spammers('reject') })
  harness.receive(peerRequest('INVITE', scanner))
  harness.appAvailable = false
  harness.receive(peerRequest('OPTIONS', { ...scanner, callId: 'call-2' }))
  assert.equal(
    harness.sent.map(({ message }) => message.kind === 'response' && message.status),
    [603, 603],
  )
  assert.is(harness.app.delivered.length, 0)
})

Suite('[10.3/13] the ACK of a spammer is not answered and nothing is left', () => {
  const { harness } = screened({ spammers: spammers('reject') })
  harness.receive(peerRequest('INVITE', scanner))
  const [refusal] = harness.sentResponses(603)
  harness.receive(peerRequest('ACK', { ...scanner, branch: 'z9hG4bKINVITE1call-1', toTag: refusal!.toTag }))
  harness.receive(peerRequest('ACK', { ...scanner, callId: 'never-seen' }))
  harness.clock.advance(64_000)
  assert.is(harness.sent.length, 1)
  assert.equal(harness.leftovers(), nothingLeft)
})

Suite('discarded, a spammer hears nothing at all, whatever it sends and however often', () => {
  const { harness, screening } = screened({ spammers: spammers('discard') })
  for (const method of ['INVITE', 'INVITE', 'CANCEL', 'BYE', 'REGISTER', 'ACK'])
    harness.receive(peerRequest(method, { ...scanner, branch: 'z9hG4bKone' }))
  assert.equal([harness.sent.length, harness.app.delivered.length], [0, 0])
  assert.equal(harness.leftovers(), nothingLeft)
  assert.is(screening.counts.spammers, 5)
})

Suite('what comes over a stream has an action of its own', () => {
  const { harness } = screened({ spammers: spammers('reject', 'discard') })
  harness.receive(peerRequest('INVITE', { ...scanner, transport: 'TCP' }), harness.flow('tcp', '198.51.100.7', 40_000))
  assert.is(harness.sent.length, 0)
  harness.receive(peerRequest('INVITE', { ...scanner, callId: 'call-2' }))
  assert.is(harness.sentResponses(603).length, 1)
})

Suite('of To and From only the user part counts, and in a dialog nothing does', () => {
  const { harness } = screened({ spammers: spammers('reject') })
  const named = (to: string) => peerRequest('OPTIONS').map((line) => (line.startsWith('To:') ? `To: ${to}` : line))
  harness.receive(named('"sipvicious" <sip:100@sipvicious.example>'))
  assert.is(harness.app.delivered.length, 1)
  harness.receive(
    named('<sip:sipvicious@192.0.2.1>').map((line) => line.replace(/z9hG4bK\S+|call-1/, (found) => `${found}-2`)),
  )
  assert.is(harness.sentResponses(603).length, 1)
  const { dialogId, toTag } = incomingCall({ harness, invite: peerRequest('INVITE', { callId: 'call-3' }) })
  harness.receive(peerRequest('INFO', { ...scanner, callId: 'call-3', cseq: 2, toTag }))
  assert.is(harness.app.last().dialogId, dialogId)
})

Suite('a blacklisted source gets no answer, not even to what cannot be parsed', () => {
  const blacklist = new Set(['198.51.100.7'])
  const { harness, screening } = screened({ blacklist })
  harness.receive(peerRequest('INVITE'))
  harness.receive(peerRequest('BYE', { toTag: 'none' }))
  harness.receive(peerRequest('OPTIONS').filter((line) => !line.startsWith('CSeq')))
  assert.equal([harness.sent.length, harness.app.delivered.length, screening.counts.blacklisted], [0, 0, 3])
  blacklist.clear()
  harness.receive(peerRequest('INVITE'))
  assert.is(harness.app.requests('INVITE').length, 1)
})

Suite('a source blacklisted during its call may end it, and withdraw what it had asked', () => {
  const blacklist = new Set<string>()
  const { harness } = screened({ blacklist })
  const { toTag } = incomingCall({ harness })
  harness.receive(peerRequest('INVITE', { callId: 'call-2' }))
  blacklist.add('198.51.100.7')
  harness.receive(peerRequest('CANCEL', { callId: 'call-2', branch: 'z9hG4bKINVITE1call-2' }))
  harness.receive(peerRequest('BYE', { cseq: 2, toTag }))
  assert.equal([harness.app.requests('CANCEL').length, harness.app.requests('BYE').length], [1, 1])
  assert.is(harness.sentResponses(487).length, 1)
})

Suite('[10.1/23] OPTIONS of the configured User-Agent get 200 without an application', () => {
  const { harness } = screened({ optionsAutoRespond: 'JsSIP 3.8.2' })
  harness.appAvailable = false
  harness.receive(peerRequest('OPTIONS', { more: ['User-Agent: JsSIP 3.8.2'] }))
  harness.receive(peerRequest('OPTIONS', { more: ['User-Agent: JsSIP 3.8'], callId: 'call-2' }))
  harness.receive(peerRequest('INVITE', { more: ['User-Agent: JsSIP 3.8.2'], callId: 'call-3' }))
  assert.equal(
    harness.sent.map(({ message }) => message.kind === 'response' && message.status),
    [200, 503, 100, 503],
  )
})

Suite('a REGISTER to an address is refused where a domain is wanted, in either family', () => {
  const { harness } = screened({ rejectRegisterWithoutRealm: true })
  const to = (host: string) =>
    peerRequest('REGISTER', { callId: host }).map((line, i) => (i === 0 ? `REGISTER sip:${host} SIP/2.0` : line))
  for (const host of ['192.0.2.1', '[2001:db8::1]:5070', 'pbx.example.com']) harness.receive(to(host))
  assert.is(harness.sentResponses(403).length, 2)
  assert.is(harness.app.requests('REGISTER')[0]?.message.callId, 'pbx.example.com')
})

Suite('[10.3/1] a REGISTER that no registrar can take is refused: nonsense Contacts, and * without Expires: 0', () => {
  const harness = new CoreHarness()
  const send = (callId: string, contact: string, ...more: string[]) =>
    harness.receive(peerRequest('REGISTER', { callId, contact, more }))
  send('1', '%')
  send('2', '*', 'Expires: 3600')
  send('3', '*')
  send('4', '*', 'Contact: <sip:ann@198.51.100.7>', 'Expires: 0')
  assert.is(harness.sentResponses(400).length, 4)
  send('5', '*', 'Expires: 0')
  assert.is(harness.app.requests('REGISTER')[0]?.message.callId, '5')
})

Suite('always ringing, an INVITE gets 180 with the To tag of its later answers once an application has it', () => {
  const harness = new CoreHarness({ settings: { alwaysRing: true } })
  harness.receive(peerRequest('INVITE'))
  const [ringing] = harness.sentResponses(180)
  const { sent } = sentOf(harness.respond(harness.app.last().txnId, 200, [], SDP))
  assert.ok(ringing?.toTag)
  assert.is(ringing?.toTag, sent.toTag)
  harness.appAvailable = false
  harness.receive(peerRequest('INVITE', { callId: 'call-2' }))
  assert.is(harness.sentResponses(180).length, 1)
})

Suite('the outbound proxy is the next hop of requests outside dialogs, unless the application names one', () => {
  const outboundProxy = parseUri('sip:198.51.100.99:5070') as SipUri
  const harness = new CoreHarness({ settings: { outboundProxy } })
  sentOf(harness.request('INVITE', 'sip:bob@unknown.example', [], SDP))
  sentOf(harness.request('OPTIONS', PEER, [], '', 'sip:198.51.100.77'))
  sentOf(harness.request('MESSAGE', 'tel:+15551000'))
  assert.equal(
    harness.sent.map(({ to }) => to),
    ['udp:198.51.100.99:5070', 'udp:198.51.100.77:5060', 'udp:198.51.100.99:5070'],
  )
  assert.is(harness.sentRequests('INVITE')[0]?.uri, 'sip:bob@unknown.example')
  assert.not(harness.sentRequests('INVITE')[0]?.headers.has('route'))
})

Suite('requests to the local domain and those below it are refused, and to no other', () => {
  const harness = new CoreHarness({ settings: { localDomain: 'example.com' } })
  harness.targets = [{ protocol: 'udp', address: '198.51.100.7', port: 5060 }]
  for (const uri of ['sip:a@example.com', 'sip:a@PBX.Example.com'])
    assert.equal(harness.request('OPTIONS', uri), { ok: false, reason: 'can not send request to myself' })
  assert.throws(() => harness.request('OPTIONS', 'sip:a@notexample.com'), /expected an answer at once/)
})

Suite('header names that are to be kept reach peers as the application spells them', () => {
  const settings = { keptSpellings: new Set(['p-charge-info', 'tenantid']) }
  const harness = new CoreHarness({ settings })
  sentOf(harness.request('OPTIONS', PEER, ['P-CHARGE-info: 1', 'TenantID: 2', 'otherID: 3']))
  const spellings: string[] = []
  harness.sentRequests('OPTIONS')[0]?.headers.forEach((_name, _value, spelling) => spellings.push(spelling))
  for (const name of ['P-CHARGE-info', 'TenantID', 'Otherid']) assert.ok(spellings.includes(name), name)
})

Suite.run()
