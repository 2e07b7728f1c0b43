import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { AuthenticatedDialog } from '../../src/edge/authenticated-dialog.js'
import {
  type LegCredentials,
  PlacedLeg,
  PlacedPolicy,
  ReceivedLeg,
  ReceivedPolicy,
} from '../../src/edge/leg-credentials.js'
import type { RequestFailure, RequestOutcome } from '../../src/edge/sip-server.js'
import { paramsOf, provesPassword } from '../support/digest-peer.js'
import { TestIdentity } from '../support/identity.js'
import { turn } from './bench.js'
import { ANSWER, Dialog, Message, Response, SDP } from './scripted-server.js'

const InDialog = suite('Challenges inside a dialog')

const TARGET = 'sip:far@127.0.0.1:5090'
const challenge = (nonce: string, realm = 'pbx', more = '') => ({
  'WWW-Authenticate': `Digest realm="${realm}", nonce="${nonce}", qop="auth"${more}`,
})

class DialogBench {
  readonly inner = new Dialog('call-1')
  readonly done: { failure: RequestFailure | undefined; outcome: RequestOutcome | undefined }[] = []
  readonly dialog: AuthenticatedDialog

  constructor(
    readonly identity: TestIdentity,
    credentials: LegCredentials,
    established: Record<string, string> = { Contact: `<${TARGET}>` },
  ) {
    this.dialog = new AuthenticatedDialog(this.inner, credentials, new Message(established))
  }

  request(method: string, body = '', headers: Record<string, string> = {}): this {
    this.dialog.request({ method, headers, body }, (failure, outcome) => this.done.push({ failure, outcome }))
    return this
  }

  respond(status: number, lines: Record<string, string> = {}, body = ''): void {
    this.inner.sent.at(-1)?.respond(status, 'x', lines, body)
  }

  get statuses(): (number | undefined)[] {
    return this.done.map(({ outcome }) => outcome?.response.status)
  }

  credentials(at: number): string {
    return this.inner.sent[at]?.request.headers['Authorization'] ?? ''
  }
}

function placed(established?: Record<string, string>, identity = new TestIdentity()): DialogBench {
  const leg = new PlacedLeg(identity)
  leg.policy.sentTo('127.0.0.1')
  return new DialogBench(identity, leg, established)
}

function received(identity = new TestIdentity()): DialogBench {
  return new DialogBench(identity, new ReceivedLeg(() => Promise.resolve(identity)), {})
}

for (const method of ['INVITE', 'UPDATE', 'INFO', 'REFER', 'MESSAGE', 'NOTIFY', 'OPTIONS'])
  InDialog(`${method} is sent again with credentials, once a challenge`, () => {
    const bench = placed().request(method, SDP, { 'X-A': 'b' })
    assert.is(bench.credentials(0), '')
    bench.respond(401, challenge('n1'))
    assert.equal(bench.statuses, [])
    assert.ok(provesPassword(bench.credentials(1), method, 'geheim'))
    assert.is(paramsOf(bench.credentials(1)).uri, TARGET)
    assert.is(bench.inner.sent[1]?.request.headers['X-A'], 'b')
    bench.respond(200, {}, ANSWER)
    assert.equal(bench.statuses, [200])
    bench.request(method)
    assert.equal(
      [paramsOf(bench.credentials(2)).nonce, paramsOf(bench.credentials(2)).nc],
      ['n1', '00000002'],
      'the next one shows them ahead',
    )
    bench.respond(401, challenge('n2'))
    bench.respond(401, challenge('n3'))
    assert.equal([bench.inner.sent.length, ...bench.statuses], [4, 200, 401])
    assert.is(bench.identity.refusals, 1)
  })

InDialog('the 200 of a re-INVITE without an offer comes with its ACK to send, after a challenge too', () => {
  const bench = placed().request('INVITE')
  bench.respond(401, challenge('n1'))
  bench.respond(200, {}, SDP)
  bench.done[0]?.outcome?.acknowledge?.(ANSWER, {})
  assert.is(bench.inner.sent[1]?.ack, ANSWER)
})

InDialog('a request that cannot be sent again ends as one that cannot be sent', () => {
  const bench = placed().request('INFO')
  bench.respond(401, challenge('n1'))
  bench.inner.sent[1]?.fail({ dialogGone: true, message: 'gone' })
  assert.equal(bench.done[0]?.failure, { dialogGone: true, message: 'gone' })
})

InDialog('BYE answers a challenge once, and shows credentials ahead', () => {
  const bench = placed()
  bench.inner.byeAnswers.push(new Response(401, 'x', challenge('n1')), new Response(401, 'x', challenge('n2')))
  const ended: unknown[] = []
  bench.dialog.bye({ Reason: 'r' }, (outcome) => ended.push(outcome?.response.status))
  assert.equal(bench.inner.byes[0], { Reason: 'r' })
  assert.is(bench.inner.byes[1]?.['Reason'], 'r')
  assert.ok(provesPassword(bench.inner.byes[1]?.['Authorization'] ?? '', 'BYE', 'geheim'))
  assert.equal([bench.inner.byes.length, ...ended], [2, 401])
  const ahead = placed(undefined, new TestIdentity().knowing('pbx'))
  ahead.dialog.bye({})
  assert.ok(provesPassword(ahead.inner.byes[0]?.['Proxy-Authorization'] ?? '', 'BYE', 'geheim'))
})

InDialog('credentials cover the Request-URI as it was sent, wherever the far end has moved', () => {
  const bench = placed(undefined, new TestIdentity().knowing('pbx'))
  const uriOf = (at: number): string =>
    paramsOf(bench.inner.sent[at]?.request.headers['Proxy-Authorization'] ?? bench.credentials(at)).uri ?? ''
  bench.dialog.listen({ request: () => {}, acknowledged: () => {}, ended: () => {} })
  bench.request('INFO')
  assert.is(uriOf(0), TARGET)
  bench.respond(200)
  bench.inner.receive('INVITE', { Contact: '"x" <sip:moved@127.0.0.1:5091>;q=1' }, SDP)
  bench.request('INFO')
  assert.is(uriOf(1), 'sip:moved@127.0.0.1:5091')
  bench.inner.remoteTarget = 'sip:elsewhere@127.0.0.1'
  bench.respond(401, challenge('n1'))
  assert.ok(provesPassword(bench.credentials(2), 'INFO', 'geheim'))
  assert.is(paramsOf(bench.credentials(2)).uri, 'sip:elsewhere@127.0.0.1')
})

InDialog('a far end that moves with each challenge does not go on for ever', () => {
  const bench = placed().request('INFO')
  for (let at = 0; at < 20 && bench.done.length === 0; at++) {
    bench.inner.remoteTarget = `sip:far-${at}@127.0.0.1`
    bench.respond(401, challenge(`n${at}`))
  }
  assert.equal(bench.statuses, [401])
  assert.ok(bench.inner.sent.length <= 6)
})

InDialog('nothing is shown ahead where the dialog leads past the trunk’s own servers', () => {
  for (const established of [
    { Contact: '<sip:far@203.0.113.9>' },
    { Contact: `<${TARGET}>`, 'Record-Route': '<sip:127.0.0.1;lr>, <sip:203.0.113.9;lr>' },
    { Contact: `<${TARGET}>`, 'Record-Route': `${'<sip:127.0.0.1;lr>, '.repeat(300)}<sip:203.0.113.9;lr>` },
    { Contact: 'nonsense <<' },
    {},
  ]) {
    const bench = placed(established as Record<string, string>, new TestIdentity().knowing('pbx')).request('INFO')
    assert.equal(bench.inner.sent[0]?.request.headers, {}, JSON.stringify(established))
  }
  const identity = new TestIdentity().knowing('pbx')
  identity.hosts.push('sbc.example.com')
  for (const established of [
    { Contact: '<sip:far@SBC.example.com>' },
    { Contact: '<sip:far@203.0.113.9>', 'Record-Route': '<sip:a;lr>, <sip:127.0.0.1;lr>' },
  ])
    assert.ok(placed(established, identity).request('INFO').inner.sent[0]?.request.headers['Proxy-Authorization'])
})

InDialog('[A6] a stranger on a leg we placed gets no answer, not for a realm of the trunk either', () => {
  const identity = new TestIdentity().knowing('pbx')
  identity.allowed = ['198.51.100.7']
  const policy = new PlacedPolicy(identity)
  policy.sentTo('192.0.2.1')
  policy.sentTo('2001:db8::1')
  const from = (sourceAddress: string) => ({ sourceAddress })
  assert.ok(policy.mayAnswer(from('192.0.2.1'), ['any']))
  assert.ok(policy.mayAnswer(from('2001:DB8:0::1'), ['any']))
  assert.not(policy.mayAnswer(from('203.0.113.9'), ['pbx']))
  assert.not(policy.mayAnswer(from('203.0.113.9'), ['any']))
  assert.ok(policy.mayAnswer(from('198.51.100.7'), ['pbx']), 'an address that calls from the trunk may come from')
  assert.not(policy.mayAnswer(from('198.51.100.7'), ['pbx', 'any']), 'one realm of its own beside ours')
  policy.answered(['any'])
  assert.ok(policy.mayAnswer(from('198.51.100.7'), ['any']))
  for (let at = 0; at < 100; at++) policy.answered([`r${at}`])
  assert.not(policy.mayAnswer(from('198.51.100.7'), ['r99']), 'what a leg remembers is bounded')
})

InDialog('[A6] a callee that a dialog leads to directly gets no answer for the trunk’s realm', async () => {
  const identity = new TestIdentity()
  identity.hosts = []
  const leg = new PlacedLeg(identity)
  leg.policy.sentTo('192.0.2.1')
  leg.policy.answered(['pbx'])
  // Its responses come from 127.0.0.1, which is none of the trunk's servers; then it is.
  for (const servers of [['192.0.2.2'], ['127.0.0.1']]) {
    identity.servers = servers
    const bench = new DialogBench(identity, leg)
    bench.inner.byeAnswers.push(new Response(401, 'x', challenge('n1')))
    bench.dialog.bye({})
    await turn()
    assert.is(bench.inner.byes.length, servers[0] === '127.0.0.1' ? 2 : 1)
  }
})

InDialog('on a leg that came from a trunk, one of its servers that asks for a realm of it is answered', async () => {
  const bench = received(new TestIdentity().knowing('pbx')).request('INFO')
  assert.equal(bench.inner.sent[0]?.request.headers, {}, 'nothing is shown ahead')
  bench.respond(401, challenge('n1'))
  await turn()
  assert.ok(provesPassword(bench.credentials(1), 'INFO', 'geheim'))
  bench.respond(200)
  assert.equal(bench.statuses, [200])
  bench.inner.byeAnswers.push(new Response(401, 'x', challenge('n2')))
  bench.dialog.bye({})
  await turn()
  assert.equal(bench.inner.byes.length, 2)
  assert.equal(bench.inner.byes[0], {})
  assert.ok(provesPassword(bench.inner.byes[1]?.['Authorization'] ?? '', 'BYE', 'geheim'))
})

InDialog('[A6] on a leg that came from a trunk, nobody else gets an answer', async () => {
  const policy = new ReceivedPolicy(new TestIdentity().knowing('pbx').session, ['192.0.2.1', '2001:db8::1'])
  assert.ok(policy.mayAnswer({ sourceAddress: '2001:db8:0:0::1' }, ['pbx']))
  assert.not(policy.mayAnswer({ sourceAddress: '192.0.2.1' }, ['other']))
  assert.not(policy.mayAnswer({ sourceAddress: '192.0.2.1' }, ['pbx', 'other']))
  assert.not(policy.mayAnswer({ sourceAddress: '192.0.2.2' }, ['pbx']))
  const elsewhere = new TestIdentity().knowing('pbx')
  elsewhere.servers = ['192.0.2.1']
  for (const identity of [new TestIdentity(), new TestIdentity().knowing('other'), elsewhere]) {
    const bench = received(identity).request('INFO')
    bench.respond(401, challenge('n1'))
    await turn()
    bench.inner.byeAnswers.push(new Response(401, 'x', challenge('n2')))
    bench.dialog.bye({})
    await turn()
    assert.equal([bench.inner.sent.length, bench.inner.byes.length, ...bench.statuses], [1, 1, 401])
  }
})

InDialog('what cannot be looked up is not answered', async () => {
  const bench = new DialogBench(new TestIdentity(), new ReceivedLeg(() => Promise.reject(new Error('away'))), {})
  bench.request('INFO').respond(401, challenge('n1'))
  await turn()
  assert.equal(bench.statuses, [401])
})

InDialog.run()
