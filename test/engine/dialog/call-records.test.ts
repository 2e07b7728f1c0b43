import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { CallRecords } from '../../../src/engine/dialog/call-record.js'
import type { SipMessage } from '../../../src/engine/message/message.js'
import { CoreHarness, nothingLeft, sentOf } from '../../support/core-harness.js'
import { incomingCall, outgoingCall, PEER, peerRequest, peerResponse, SDP } from '../../support/dialog-bench.js'

const Records = suite('Records of calls')

/** Writes records down as `attempt network INVITE`, `start network uac 200`, `stop application call-rejected 486`. */
class Notes implements CallRecords {
  readonly lines: string[] = []

  attempt(message: SipMessage, source: string): void {
    this.note('attempt', source, message)
  }

  start(message: SipMessage, source: string, role: string): void {
    this.note('start', source, message, role)
  }

  stop(message: SipMessage, source: string, reason: string): void {
    this.note('stop', source, message, reason)
  }

  private note(...parts: [event: string, source: string, message: SipMessage, detail?: string]): void {
    const [event, source, message, detail] = parts
    const what = message.kind === 'request' ? message.method : message.status
    this.lines.push([event, source, ...(detail === undefined ? [] : [detail]), what].join(' '))
  }
}

function bench(): { notes: Notes; harness: CoreHarness } {
  const notes = new Notes()
  return { notes, harness: new CoreHarness({ records: notes }) }
}

/** What was written of it, once everything is over. */
function recordsOf({ notes, harness }: { notes: Notes; harness: CoreHarness }): string[] {
  harness.clock.advance(200_000)
  assert.equal(harness.leftovers(), nothingLeft)
  return notes.lines
}

const UAS = ['attempt network INVITE', 'start application uas 200']
const UAC = ['attempt application INVITE', 'start network uac 200']

Records('of a call that came in: attempt, start as UAS, and a stop with the BYE, whoever sent it', () => {
  const theirs = bench()
  const { toTag } = incomingCall(theirs)
  theirs.harness.receive(peerRequest('BYE', { cseq: 2, toTag }))
  theirs.harness.respond(theirs.harness.app.last().txnId, 200)
  assert.equal(recordsOf(theirs), [...UAS, 'stop network normal-release BYE'])

  const ours = bench()
  const { dialogId } = incomingCall(ours)
  ours.harness.requestInDialog(dialogId, 'BYE')
  ours.harness.receive(peerResponse(ours.harness.sentRequests('BYE')[0]!, 200))
  assert.equal(recordsOf(ours), [...UAS, 'stop application normal-release BYE'])
})

Records(
  'of a call that was placed: attempt, start as UAC, and a stop with the BYE; a challenged BYE is one stop',
  () => {
    const it = bench()
    const { dialogId } = outgoingCall(it)
    it.harness.requestInDialog(dialogId, 'BYE')
    it.harness.receive(peerResponse(it.harness.sentRequests('BYE')[0]!, 407))
    it.harness.requestInDialog(dialogId, 'BYE')
    it.harness.receive(peerResponse(it.harness.sentRequests('BYE')[1]!, 200))
    assert.equal(recordsOf(it), [...UAC, 'stop application normal-release BYE'])
  },
)

Records('of refused calls stop with the refusal, also with ours: no application, none that answers', () => {
  const refused = bench()
  refused.harness.receive(peerRequest('INVITE'))
  refused.harness.respond(refused.harness.app.last().txnId, 486)
  assert.equal(recordsOf(refused), [UAS[0], 'stop application call-rejected 486'])

  const untaken = bench()
  untaken.harness.appAvailable = false
  untaken.harness.receive(peerRequest('INVITE'))
  assert.equal(recordsOf(untaken), [UAS[0], 'stop application call-rejected 503'])

  const forgotten = bench()
  forgotten.harness.receive(peerRequest('INVITE'))
  assert.equal(recordsOf(forgotten), [UAS[0], 'stop application call-rejected 500'])

  const placed = bench()
  placed.harness.request('INVITE', PEER, [], SDP)
  placed.harness.receive(peerResponse(placed.harness.sentRequests('INVITE')[0]!, 404))
  assert.equal(recordsOf(placed), [UAC[0], 'stop network call-rejected 404'])

  const unheard = bench()
  unheard.harness.request('INVITE', PEER, [], SDP)
  assert.equal(recordsOf(unheard), [UAC[0], 'stop network call-rejected 408'])
})

Records('of withdrawn calls stop with the CANCEL that came in, or the 487 to ours', () => {
  const theirs = bench()
  theirs.harness.receive(peerRequest('INVITE'))
  theirs.harness.respond(theirs.harness.app.last().txnId, 180)
  theirs.harness.receive(peerRequest('CANCEL', { branch: 'z9hG4bKINVITE1call-1' }))
  assert.equal(recordsOf(theirs), [UAS[0], 'stop network call-canceled CANCEL'])

  const ours = bench()
  const { txnId } = sentOf(ours.harness.request('INVITE', PEER, [], SDP))
  const invite = ours.harness.sentRequests('INVITE')[0]!
  ours.harness.receive(peerResponse(invite, 180))
  ours.harness.cancel(txnId)
  ours.harness.receive(peerResponse(invite, 487))
  assert.equal(recordsOf(ours), [UAC[0], 'stop network call-canceled 487'])
})

Records(
  'of calls that the server ends say so: no ACK, no refresh, a 200 that crossed a CANCEL, an application that is gone',
  () => {
    const unacknowledged = bench()
    incomingCall({ ...unacknowledged, ack: false })
    assert.equal(recordsOf(unacknowledged), [...UAS, 'stop application system-error-initiated-termination BYE'])

    const crossed = bench()
    const { txnId, dialogId } = sentOf(crossed.harness.request('INVITE', PEER, [], SDP))
    const invite = crossed.harness.sentRequests('INVITE')[0]!
    crossed.harness.receive(peerResponse(invite, 180))
    crossed.harness.cancel(txnId)
    crossed.harness.receive(peerResponse(invite, 200, ['Contact: <sip:bob@198.51.100.7:5060>']))
    crossed.harness.requestInDialog(dialogId, 'ACK')
    assert.equal(recordsOf(crossed), [...UAC, 'stop application system-initiated-termination BYE'])

    const unrefreshed = bench()
    incomingCall({
      ...unrefreshed,
      invite: peerRequest('INVITE', { more: ['Supported: timer', 'Session-Expires: 90;refresher=uac'] }),
    })
    assert.equal(recordsOf(unrefreshed), [...UAS, 'stop application session-expired BYE'])

    const gone = bench()
    incomingCall(gone)
    gone.harness.app.open = false
    gone.harness.core.appGone(gone.harness.app)
    assert.equal(recordsOf(gone), [...UAS, 'stop application system-error-initiated-termination BYE'])
  },
)

Records('are of calls alone: not of other requests, nor of re-INVITEs', () => {
  const it = bench()
  it.harness.receive(peerRequest('OPTIONS'))
  it.harness.respond(it.harness.app.last().txnId, 200)
  const { toTag } = incomingCall({ harness: it.harness, invite: peerRequest('INVITE', { cseq: 2 }) })
  it.harness.receive(peerRequest('ACK', { cseq: 2, branch: 'z9hG4bKack2', toTag }))
  it.harness.receive(peerRequest('INVITE', { cseq: 3, toTag }))
  it.harness.respond(it.harness.app.last().txnId, 488)
  it.harness.receive(peerRequest('BYE', { cseq: 4, toTag }))
  assert.equal(recordsOf(it), [...UAS, 'stop network normal-release BYE'])
})

Records('of a proxied call: one as the callee of its caller, one as the caller of each destination', async () => {
  const it = bench()
  it.harness.receive(peerRequest('INVITE'))
  const options = {
    destinations: ['sip:203.0.113.1', 'sip:203.0.113.2'],
    recordRoute: true,
    followRedirects: false,
    simultaneous: false,
  }
  const text = { startLine: '', headers: [], body: '' }
  await it.harness.core.proxy(it.harness.app.last().txnId, { ...options, text })
  const [first] = it.harness.sentRequests('INVITE')
  it.harness.receive(peerResponse(first!, 486), it.harness.flow('udp', '203.0.113.1', 5060))
  await new Promise((resolve) => setImmediate(resolve))
  const [, second] = it.harness.sentRequests('INVITE')
  it.harness.receive(peerResponse(second!, 200), it.harness.flow('udp', '203.0.113.2', 5060))
  const bye = peerRequest('BYE', { cseq: 2, toTag: 'b1', more: ['Route: <sip:192.0.2.1;lr>'] })
  it.harness.receive(bye.map((line) => line.replace('sip:4155550100@192.0.2.1 SIP', 'sip:bob@203.0.113.2 SIP')))
  assert.equal(recordsOf(it), [
    'attempt network INVITE',
    'attempt application INVITE',
    'stop network call-rejected 486',
    'attempt application INVITE',
    'start network proxy-uac 200',
    'start application proxy-uas 200',
    'stop network normal-release BYE',
    'stop application normal-release BYE',
  ])
})

Records.run()
