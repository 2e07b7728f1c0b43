import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { TrunkAuth } from '../../src/edge/trunk-auth.js'
import { DigestSession } from '../../src/trunks/digest/session.js'
import { DigestVerifier } from '../../src/trunks/digest/verifier.js'
import { RoutingBench } from '../support/routing-bench.js'
import { Bench, type BenchOptions, NUMBER, turn } from './bench.js'
import { type Incoming, Message } from './scripted-server.js'
import { OutboundBench } from './outbound-bench.js'

const Proving = suite('A trunk that calls with credentials')

const ann = { username: 'pbx-ü', password: 'geheim' }
const inbound_auth = { username: ann.username, realm: 'trunks' }

/** An edge that knows no address of the trunk of its number, which has `inbound_auth`. */
class AuthBench {
  readonly routing = new RoutingBench()
  readonly bench: Bench
  challenged = 0
  password: () => Promise<string | undefined> = () => Promise.resolve(ann.password)

  constructor(options: Partial<BenchOptions> = {}) {
    const { routing } = this
    routing.addTrunk('pbx-1', { allowed_addresses: ['192.0.2.1/32'], inbound_auth })
    this.bench = new Bench({
      decide: (request) => routing.router.decide(request),
      trunkAuth: ({ clock }) =>
        new TrunkAuth({
          verifier: new DigestVerifier({ clock }),
          metrics: { challenges: { inc: ({ of }) => void (this.challenged += of === 'trunk' ? 1 : 0) } },
          passwordOf: () => this.password(),
        }),
      ...options,
    })
  }

  async call(lines: Record<string, string> = {}): Promise<Incoming> {
    const invite = Bench.invite(lines)
    this.bench.server.receive(invite)
    for (let i = 0; i < 12; i++) await turn()
    return invite
  }
}

/** The Authorization that answers a 401. */
function answer(invite: Incoming, credentials = ann, uri = invite.uri): string {
  const { status = 0, headers = {} } = invite.final ?? {}
  const exchange = new DigestSession().begin({ method: 'INVITE', uri, body: invite.body }, credentials)
  const challenge = new Message(headers)
  exchange.challenged({ status, header: (name) => challenge.header(name) })
  return exchange.headers['Authorization'] ?? ''
}

Proving('is asked with 401, SHA-256 before MD5, and its call is routed when it answers: one record', async () => {
  const auth = new AuthBench()
  const { bench } = auth
  const first = await auth.call()
  assert.is(first.final?.status, 401)
  assert.equal(
    Object.entries(first.final?.headers ?? {}).map(([name, value]) => [
      name.toLowerCase(),
      /realm="trunks".*algorithm=(.*)/.exec(value)?.[1],
    ]),
    [
      ['www-authenticate', 'SHA-256'],
      ['www-authenticate', 'MD5'],
    ],
  )
  assert.equal([auth.challenged, bench.cdrs.length, bench.calls.size], [1, 0, 0], 'a challenged INVITE is no call')
  const second = await auth.call({ Authorization: answer(first), CSeq: '2 INVITE' })
  assert.is(second.final, undefined)
  bench.server.last.answer()
  bench.server.callerDialogs[0]?.acknowledge()
  bench.server.callerDialogs[0]?.hangUp()
  assert.equal([bench.cdr.result, bench.cdr.trunk_id, bench.cdr.phone_number], ['answered', 'pbx-1', NUMBER])
  assert.match(JSON.stringify(bench.cdr), '"identified_by":"digest"')
  assert.is(bench.leaks, '')
  assert.not(/geheim|response=/.test(JSON.stringify([bench.log, bench.cdrs, bench.events])))
})

Proving(
  '[A4] is refused with one text when its password or name is wrong, and asked anew for used credentials',
  async () => {
    const auth = new AuthBench()
    const texts = new Set<string>()
    for (const wrong of [
      { ...ann, password: 'x' },
      { ...ann, username: 'x' },
    ]) {
      const first = await auth.call()
      const refused = await auth.call({ Authorization: answer(first, wrong) })
      assert.equal([refused.final?.status, auth.bench.cdrs.at(-1)?.result], [403, 'agent_credentials_refused'])
      texts.add(JSON.stringify(refused.final))
    }
    assert.is(texts.size, 1)
    const first = await auth.call()
    const Authorization = answer(first)
    await auth.call({ Authorization })
    const replayed = await auth.call({ Authorization, 'Call-ID': 'other' })
    assert.is(replayed.final?.status, 401)
    assert.match(Object.values(replayed.final?.headers ?? {})[0] ?? '', 'stale=true')
    assert.is(auth.bench.server.out.length, 1)
  },
)

Proving('is refused while its password cannot be read, or there is none', async () => {
  for (const password of [() => Promise.resolve(undefined), () => Promise.reject(new Error('away'))]) {
    const auth = new AuthBench()
    const first = await auth.call()
    auth.password = password
    assert.is((await auth.call({ Authorization: answer(first) })).final?.status, 403)
  }
})

Proving('is not asked when its address is known, or the trunk of the number has no inbound_auth', async () => {
  const known = new AuthBench()
  known.routing.addTrunk('pbx-1', { allowed_addresses: ['127.0.0.1/32'], inbound_auth })
  assert.is((await known.call()).final, undefined)
  const none = new AuthBench()
  none.routing.addTrunk('pbx-1', { allowed_addresses: [] })
  assert.is((await none.call()).final?.status, 403)
})

Proving('is asked beside agents: whoever is none of them', async () => {
  const agents = new OutboundBench()
  const { routing } = agents
  const auth = new AuthBench({
    decide: (request) => routing.router.decide(request),
    outbound: () => ({ take: (_received, otherwise) => otherwise(() => assert.unreachable(), 'nobody') }),
  })
  routing.addTrunk('pbx-1', { inbound_auth })
  const first = await auth.call()
  assert.is(first.final?.status, 401)
  await auth.call({ Authorization: answer(first) })
  assert.is(auth.bench.server.out.length, 1)
  const said = await auth.call({ 'X-Signalbox-Number': NUMBER })
  assert.is(said.final?.status, 401)
})

Proving.run()
