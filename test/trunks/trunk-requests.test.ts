import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Challenged, DigestExchange } from '../../src/trunks/digest/exchange.js'
import { SipServerAway } from '../../src/trunks/sip-client.js'
import { type TrunkRequest, TrunkRequests } from '../../src/trunks/trunk-requests.js'
import { answered, ScriptedClient } from '../support/scripted-client.js'
import { ManualClock } from '../support/manual-clock.js'
import { wait } from '../support/eventually.js'
import { rejection } from '../support/store-bench.js'
import { targetOf } from '../support/trunk-bench.js'

const request: TrunkRequest = {
  trunkId: 'pbx-1',
  method: 'REGISTER',
  uri: 'sip:pbx.example.com',
  headers: { From: '<sip:line@pbx.example.com>', To: '<sip:line@pbx.example.com>' },
  target: targetOf('tcp 192.0.2.1:5065'),
  credentials: { username: 'line', password: 'secret' },
}

const realm = answered(401, { 'WWW-Authenticate': 'Digest realm="pbx", nonce="n"' })

/** An exchange that answers as told; its credentials are the count of challenges answered. */
class ScriptedExchange implements DigestExchange {
  headers: Record<string, string> = {}
  ends: number[] = []
  private answers = 0

  constructor(private readonly refuseAfter = Infinity) {}

  challenged(): Challenged {
    if (this.answers >= this.refuseAfter) return { answered: false, code: 'refused', why: 'not accepted' }
    this.answers += 1
    this.headers = { Authorization: `answer ${this.answers}` }
    return { answered: true }
  }

  ended({ status }: { status: number }): void {
    this.ends.push(status)
  }
}

function start(script: ScriptedClient['script'], exchange = new ScriptedExchange()) {
  const client = new ScriptedClient(script)
  const begun: unknown[] = []
  const clock = new ManualClock()
  const requests = new TrunkRequests({
    client,
    clock,
    sessions: {
      of: (trunkId) => ({
        begin: (digest, credentials) => {
          begun.push([trunkId, digest, credentials])
          return exchange
        },
      }),
    },
  })
  return { client, requests, exchange, begun, clock }
}

const Requests = suite('TrunkRequests')

Requests(
  'answers a challenge once, to the same target, with the same Call-ID and From tag and the next CSeq',
  async () => {
    const { client, requests, exchange, begun } = start((_request, nth) => (nth === 1 ? realm : answered(200)))
    const outcome = await requests.send({ ...request, silenceMs: 4_000 })
    assert.equal([outcome.response.status, outcome.sends, outcome.refused], [200, 2, undefined])
    const [first, second] = client.requests
    assert.match(first?.headers['From'] ?? '', /^<sip:line@pbx\.example\.com>;tag=[0-9a-f]{16}$/)
    assert.equal(second, { ...first, headers: { ...first?.headers, CSeq: '2 REGISTER', Authorization: 'answer 1' } })
    assert.equal([first?.headers['CSeq'], first?.headers['Authorization']], ['1 REGISTER', undefined])
    assert.equal([first?.target, first?.silenceMs], [request.target, 4_000])
    assert.equal(begun, [['pbx-1', { method: 'REGISTER', uri: request.uri, body: '' }, request.credentials]])
    assert.equal(exchange.ends, [200])
  },
)

Requests('carries credentials ahead, and numbers and names that it is given', async () => {
  const exchange = new ScriptedExchange()
  exchange.headers = { 'Proxy-Authorization': 'ahead' }
  const { client, requests } = start((_request, nth) => (nth === 1 ? realm : answered(200)), exchange)
  let cseq = 40
  const nextCseq = () => Promise.resolve((cseq += 5))
  await requests.send({ ...request, callId: 'a@b', fromTag: 'tag', nextCseq })
  const headers = client.requests.map((sent) => sent.headers)
  assert.equal(
    headers.map((sent) => sent['CSeq']),
    ['45 REGISTER', '50 REGISTER'],
  )
  assert.equal(
    headers.map((sent) => sent['Call-ID']),
    ['a@b', 'a@b'],
  )
  assert.is(headers[1]?.['From'], '<sip:line@pbx.example.com>;tag=tag')
  assert.is(headers[0]?.['Proxy-Authorization'], 'ahead')
})

Requests('ends with the challenge when it is not answered, and says why', async () => {
  const { client, requests, exchange } = start(() => realm, new ScriptedExchange(1))
  const outcome = await requests.send(request)
  assert.equal([outcome.response.status, outcome.sends, outcome.refused?.why], [401, 2, 'not accepted'])
  assert.is(client.requests.length, 2)
  assert.equal(exchange.ends, [])
})

Requests('never sends more than 7 times, however often it is challenged', async () => {
  const { client, requests } = start(() => realm)
  assert.equal((await requests.send({ ...request, maxRetries: 100 })).refused?.code, 'refused')
  assert.is(client.requests.length, 7)
  const once = start(() => realm)
  assert.is((await once.requests.send({ ...request, maxRetries: 1 })).sends, 2)
})

Requests('sends nothing without a CSeq, and passes on that the SIP server is away', async () => {
  const fenced = start(() => answered(200))
  const nextCseq = () => Promise.reject(new Error('another edge has it'))
  assert.is((await rejection(fenced.requests.send({ ...request, nextCseq }))).message, 'another edge has it')
  assert.is(fenced.client.requests.length, 0)
  const away = start(() => Promise.reject(new Error('the SIP server is away')))
  assert.is((await rejection(away.requests.send(request))).message, 'the SIP server is away')
})

Requests('gives up when neither an answer comes nor the silence in its place', async () => {
  const { requests, clock } = start(() => new Promise<never>(() => {}))
  const answer = requests.send(request)
  await wait(1)
  clock.advance(32_000)
  assert.is(await Promise.race([answer, wait(1)]), undefined)
  clock.advance(8_000)
  assert.instance(await rejection(answer), SipServerAway)
  assert.is(clock.pending, 0)
})

Requests('gives each request a Call-ID and a From tag of its own when it is given none', async () => {
  const { client, requests } = start(() => answered(200))
  for (let i = 0; i < 3; i++) await requests.send(request)
  const distinct = (name: string) => new Set(client.requests.map(({ headers }) => headers[name])).size
  assert.equal([distinct('Call-ID'), distinct('From')], [3, 3])
})

Requests.run()
