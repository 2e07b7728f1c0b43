import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { AuthenticatedInvites } from '../../src/edge/authenticated-invite.js'
import { InviteAttempt } from '../../src/edge/invite-attempt.js'
import type { OutgoingInvite, OutgoingInviteOptions, PendingOffer, SipDialog } from '../../src/edge/sip-server.js'
import { paramsOf, provesPassword } from '../support/digest-peer.js'
import { TestIdentity } from '../support/identity.js'
import { ManualClock } from '../support/manual-clock.js'
import { trunkOf } from '../support/trunk-bench.js'
import { turn } from './bench.js'
import { type Dialog, Response, ScriptedServer, SDP } from './scripted-server.js'

const Inviting = suite('An INVITE with credentials')

const URI = 'sip:+13125550199@pbx.example.com'
const headers = { From: '<sip:line@pbx.example.com>;tag=mine', 'Call-ID': 'call-1', CSeq: '77 INVITE' }
const challenge = (nonce: string, realm = 'pbx', more = '') => ({
  'Proxy-Authenticate': `Digest realm="${realm}", nonce="${nonce}", qop="auth", algorithm=SHA-256${more}`,
})

class InviteBench {
  readonly server = new ScriptedServer()
  readonly identity = new TestIdentity()
  readonly events: string[] = []
  invite: OutgoingInvite | undefined
  dialog: SipDialog | undefined
  offer: PendingOffer | undefined

  async send(more: Partial<OutgoingInviteOptions> = {}): Promise<this> {
    const invites = new AuthenticatedInvites(this.server, { of: () => Promise.resolve(this.identity) })
    const options = { headers, body: SDP, proxy: 'sip:127.0.0.1:5090;transport=tcp', ...more }
    invites.invite(trunkOf('pbx-1'), URI, options, undefined, {
      sent: (invite) => {
        this.invite = invite
        this.events.push('sent')
      },
      provisional: ({ status }) => this.events.push(String(status)),
      answered: (dialog) => {
        this.dialog = dialog
        this.events.push('answered')
      },
      offered: (offer) => {
        this.offer = offer
        this.events.push('offered')
      },
      failed: (why, response) => this.events.push(`failed ${response?.status ?? ''}: ${why}`),
    })
    await turn()
    return this
  }

  /** Headers of each INVITE that was sent. */
  get credentials(): string[] {
    return this.server.out.map(({ options }) => options.headers['Proxy-Authorization'] ?? '')
  }
}

Inviting(
  'is sent again when it is challenged: the same Call-ID and From, the next CSeq, to the same server',
  async () => {
    const bench = await new InviteBench().send({ silenceMs: 4_000 })
    bench.server.last.refuse(407, 'Proxy Authentication Required', challenge('n1'))
    bench.server.last.ring()
    bench.server.last.answer()
    assert.equal(bench.events, ['sent', '180', 'answered'])
    const [first, second] = bench.server.out
    assert.equal(first?.options.headers, headers)
    const { 'Proxy-Authorization': credentials = '', ...others } = second?.options.headers ?? {}
    assert.equal(others, { ...headers, CSeq: '78 INVITE' })
    assert.ok(provesPassword(credentials, 'INVITE', 'geheim'))
    assert.equal([paramsOf(credentials).uri, paramsOf(credentials).username], [URI, 'line'])
    for (const sent of [first, second]) {
      assert.equal([sent?.uri, sent?.options.proxy, sent?.options.body], [URI, 'sip:127.0.0.1:5090;transport=tcp', SDP])
      assert.is(sent?.options.silenceMs, 4_000)
    }
  },
)

Inviting('sent by a name, its retry goes to the server that challenged', async () => {
  for (const more of [{ proxy: 'sip:pbx.example.com;transport=tcp' }, { proxy: undefined }]) {
    const bench = new InviteBench()
    bench.identity.hosts = ['pbx.example.com']
    await bench.send(more as Partial<OutgoingInviteOptions>)
    bench.server.last.refuse(407, 'Proxy Authentication Required', challenge('n1'))
    assert.is(bench.server.last.options.proxy, 'sip:127.0.0.1:5090;transport=udp')
  }
})

Inviting('[A7] a second challenge without stale is the end, and says why', async () => {
  const bench = await new InviteBench().send()
  for (const nonce of ['n1', 'n2']) bench.server.last.refuse(407, 'Proxy Authentication Required', challenge(nonce))
  assert.is(bench.server.out.length, 2)
  assert.equal(bench.events, ['sent', 'failed 407: the credentials for realm "pbx" were not accepted'])
  assert.is(bench.identity.refusals, 1)
})

Inviting('a stale nonce is one more try with the new one', async () => {
  const bench = await new InviteBench().send()
  bench.server.last.refuse(407, 'Proxy Authentication Required', challenge('n1'))
  bench.server.last.refuse(407, 'Proxy Authentication Required', challenge('n2', 'pbx', ', stale=true'))
  bench.server.last.answer()
  assert.equal(
    bench.server.out.map(({ options }) => options.headers['CSeq']),
    ['77 INVITE', '78 INVITE', '79 INVITE'],
  )
  assert.equal(bench.events, ['sent', 'answered'])
})

Inviting('shows credentials ahead once a nonce is known', async () => {
  const bench = new InviteBench()
  bench.identity.knowing('pbx', 'old')
  await bench.send()
  bench.server.last.answer()
  assert.is(paramsOf(bench.credentials[0] ?? '').nonce, 'old')
  assert.is(bench.server.out.length, 1)
})

Inviting('a CANCEL between a challenge and its answer means that there is none', async () => {
  const bench = await new InviteBench().send()
  bench.invite?.cancel({ Reason: 'x' })
  bench.server.last.refuse(407, 'Proxy Authentication Required', challenge('n1'))
  assert.is(bench.server.out.length, 1)
  assert.equal(bench.events, ['sent', 'failed 407: 407 Proxy Authentication Required'])
})

Inviting('a CANCEL reaches the try that is under way, also one that is not on the wire yet', async () => {
  const bench = await new InviteBench().send()
  bench.server.last.refuse(407, 'Proxy Authentication Required', challenge('n1'))
  bench.invite?.cancel({ Reason: 'x' })
  assert.equal(
    bench.server.out.map(({ cancelled }) => cancelled),
    [undefined, { Reason: 'x' }],
  )
  const late = await new InviteBench().send()
  late.server.echoes = false
  late.server.last.refuse(407, 'Proxy Authentication Required', challenge('n1'))
  late.invite?.cancel({ Reason: 'x' })
  assert.is(late.server.last.cancelled, undefined)
  late.server.last.echo()
  assert.equal(late.server.last.cancelled, { Reason: 'x' })
  assert.equal(late.events, ['sent'])
})

Inviting('that is given up while who we are is still being found is never sent', async () => {
  const bench = new InviteBench()
  let found = (): void => {}
  const invites = new AuthenticatedInvites(bench.server, {
    of: () => new Promise((resolve) => (found = () => resolve(bench.identity))),
  })
  const given: string[] = []
  const attempt = new InviteAttempt(
    {
      clock: new ManualClock(),
      cancelWaitMs: 1_000,
      run: (handler) => handler(),
      send: (events) => invites.invite(trunkOf('pbx-1'), URI, { headers, body: SDP }, undefined, events),
    },
    {
      sent: () => assert.unreachable(),
      provisional: () => assert.unreachable(),
      answered: () => assert.unreachable(),
      offered: () => assert.unreachable(),
      failed: () => assert.unreachable(),
      givenUp: (status, reason) => given.push(`${status} ${reason}`),
    },
  )
  attempt.start()
  attempt.cancel({})
  found()
  await turn()
  assert.equal(bench.server.out, [])
  assert.equal(given, ['0 given up before it was sent'])
})

Inviting('without credentials, or with a challenge that is none of ours, the challenge is the end', async () => {
  const bare = new InviteBench()
  bare.identity.credentials = undefined
  await bare.send()
  bare.server.last.refuse(407, 'Proxy Authentication Required', challenge('n1'))
  assert.equal(bare.events, ['sent', 'failed 407: there are no credentials'])
  const basic = await new InviteBench().send()
  basic.server.last.refuse(401, 'Unauthorized', { 'WWW-Authenticate': 'Basic realm="x"' })
  assert.equal(basic.events, ['sent', 'failed 401: WWW-Authenticate: another scheme than Digest'])
})

Inviting('[A6] is not answered to whom it was not sent', async () => {
  const strange = await new InviteBench().send({ proxy: 'sip:192.0.2.1:5060' })
  const response = Object.assign(new Response(407, 'No', challenge('n1')), { sourceAddress: '203.0.113.66' })
  strange.server.last.events.failed('407 No', response)
  assert.equal(strange.events, ['sent', 'failed 407: challenged by 203.0.113.66, which is no server of this trunk'])
  const knowing = new InviteBench()
  knowing.identity.knowing('pbx')
  await knowing.send({ proxy: 'sip:192.0.2.1:5060' })
  knowing.server.last.events.failed('407 No', response)
  await turn()
  assert.is(knowing.server.out.length, 1, 'not even for a realm of this trunk')
  const other = new InviteBench()
  other.identity.knowing('pbx').servers = ['203.0.113.66']
  await other.send({ proxy: 'sip:192.0.2.1:5060' })
  other.server.last.events.failed('407 No', response)
  await turn()
  assert.is(other.server.out.length, 2, 'another server of this trunk may ask for its realm')
  const gone = new InviteBench()
  gone.identity.knowing('pbx').servers = ['203.0.113.66']
  await gone.send({ proxy: 'sip:192.0.2.1:5060' })
  gone.server.last.events.failed('407 No', response)
  gone.invite?.cancel({})
  await turn()
  assert.is(gone.server.out.length, 1, 'a CANCEL while its servers are looked up')
  assert.equal(gone.events, ['sent', 'failed 407: 407 No'])
})

Inviting('without an offer, the dialog that comes with the ACK answers challenges too', async () => {
  const bench = await new InviteBench().send({ body: '' })
  bench.server.last.refuse(407, 'Proxy Authentication Required', challenge('n1'))
  bench.server.last.offer()
  bench.offer?.acknowledge(SDP, (_error, dialog) => (bench.dialog = dialog))
  const inner = bench.server.last.dialog as Dialog
  inner.byeAnswers.push(new Response(407, 'No', challenge('n2')))
  bench.dialog?.bye({})
  assert.is(inner.byes.length, 2)
  assert.ok(provesPassword(inner.byes[1]?.['Proxy-Authorization'] ?? '', 'BYE', 'geheim'))
})

Inviting('fails like any other when it cannot be sent', async () => {
  const bench = await new InviteBench().send()
  bench.server.last.fail('no transport')
  assert.equal(bench.events, ['sent', 'failed : no transport'])
})

Inviting.run()
