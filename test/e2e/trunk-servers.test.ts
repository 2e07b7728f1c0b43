import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { freshNumber } from '../support/call.js'
import { AGENT, CALLER, TestEdge } from '../support/edge.js'
import { eventually } from '../support/eventually.js'
import { FarDigest } from '../support/far-digest.js'
import { FarEnd, type Heard } from '../support/far-end.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { inviteOver, openUdp } from '../support/sip-peer.js'

const PROXY = '127.0.0.5'
const DOWN = 'signalbox_trunk_targets_down'

const Servers = suite('The servers of a trunk')

let redis: TestRedis
let edges: TestEdge[]
let proxy: FarEnd
let agent: FarEnd

Servers.before(async () => {
  redis = await startRedis()
  const env = {
    SIGNALBOX__SIP__T1_MS: '100',
    SIGNALBOX__TRUNKS__SILENCE_MS: '300',
    SIGNALBOX_SECRET_KEY: '0'.repeat(64),
  }
  edges = await Promise.all([
    TestEdge.start({ redisUrl: redis.url, env }),
    TestEdge.start({ redisUrl: redis.url, env }),
  ])
  proxy = await FarEnd.open({ address: PROXY })
  agent = await FarEnd.open({ address: AGENT })
})

Servers.after(async () => {
  await Promise.all(edges.map((edge) => edge.stop()))
  await Promise.all([proxy.close(), agent.close()])
  await redis.stop()
})

Servers(
  'are asked by OPTIONS at the outbound proxy; silence takes them down, any answer brings them back',
  async () => {
    const [edge] = edges
    assert.ok(edge)
    const digest = new FarDigest({ realm: 'pbx', users: { auth: 'secret' }, nonces: 'once' })
    const answer = (heard: Heard): void => {
      const { kind } = digest.judge(heard.message, 407)
      if (kind === 'ok') proxy.answer(heard, 404, 'Not Found')
      else
        proxy.answer(heard, 407, 'Proxy Authentication Required', { headers: digest.challenge(407, kind === 'stale') })
    }
    proxy.onRequest = answer
    await edge.must('POST', '/v1/numbers', {
      phone_number: freshNumber(),
      sip_domain: 'pbx.example.com',
      username: 'line',
      auth_username: 'auth',
      password: 'secret',
      outbound_proxy: `sip:${PROXY}:${proxy.local.port};transport=tcp`,
      ping: { enabled: true, interval_s: 1 },
    })
    await eventually('OPTIONS is let in', () => digest.accepted >= 2)
    for (const { message, protocol } of proxy.requests('OPTIONS')) {
      assert.equal([protocol, message.requestUri], ['tcp', 'sip:pbx.example.com'])
      assert.match(message.header('from') ?? '', /^<sip:line@pbx\.example\.com>;tag=/)
    }
    const authorized = proxy
      .requests('OPTIONS')
      .filter(({ message }) => message.header('proxy-authorization') !== undefined)
    assert.match(authorized[0]?.message.header('proxy-authorization') ?? '', /username="auth"/)
    const [challenged] = proxy
      .requests('OPTIONS')
      .filter(({ message }) => message.callId === authorized[0]?.message.callId)
    assert.equal(
      [challenged?.message.header('cseq'), authorized[0]?.message.header('cseq')],
      ['1 OPTIONS', '2 OPTIONS'],
    )
    assert.is((await edge.metrics()).count(DOWN), 0)

    proxy.onRequest = undefined
    await eventually('the server is down', async () => (await edge.metrics()).count(DOWN) === 1, 15_000)
    proxy.onRequest = answer
    await eventually('the server is up', async () => (await edge.metrics()).count(DOWN) === 0, 15_000)
    // Log lines are gathered before they are written.
    await eventually('the log says so', () => edge.output.includes('answers OPTIONS again'))
    const lines = edge.output.split('\n').filter((line) => line.includes('OPTIONS'))
    assert.is(lines.filter((line) => line.includes('does not answer OPTIONS')).length, 1)
    assert.is(lines.filter((line) => line.includes('answers OPTIONS again')).length, 1)
    assert.not.match(edge.output, /secret/)
  },
)

Servers(
  'have so many channels over two edges: the next call is refused with 486, and one that ends makes room',
  async () => {
    const number = freshNumber()
    const [one, two] = edges
    assert.ok(one && two)
    agent.onRequest = (heard) => {
      if (heard.message.method === 'INVITE') agent.answer(heard, 486, 'Busy Here')
    }
    await one.addNumber(number, `agent-${number.slice(1)}`, [`sip:agent@${AGENT}:${agent.local.port}`], {
      number: { channel_limit: 1 },
    })
    const call = async (edge: TestEdge) => {
      const peer = await openUdp(CALLER, edge.sip)
      const answer = await inviteOver(peer, { target: edge.sip, protocol: 'udp', number })
      peer.close()
      // While an edge has not heard of the number, the caller is nobody to it, and of those no record is kept.
      if (answer.status === 403) return 'source_unknown'
      return (await edge.cdrOfLegA(answer.callId)).result
    }
    await eventually('the other edge knows the number', async () => (await call(two)) === 'agent_busy')
    agent.onRequest = (heard) => {
      if (heard.message.method === 'INVITE') agent.answer(heard, 180, 'Ringing')
    }
    const before = agent.requests('INVITE').length
    const ringing = await openUdp(CALLER, one.sip)
    const first = inviteOver(ringing, { target: one.sip, protocol: 'udp', number })
    const invite = await eventually('the agent rings', () => agent.requests('INVITE')[before])
    assert.is(await call(two), 'trunk_busy')
    assert.is(await call(one), 'trunk_busy')
    agent.answer(invite, 480, 'Temporarily Unavailable')
    assert.is((await first).status, 480)
    ringing.close()
    agent.onRequest = (heard) => {
      if (heard.message.method === 'INVITE') agent.answer(heard, 486, 'Busy Here')
    }
    await eventually('the channel is free', async () => (await call(two)) === 'agent_busy')
  },
)

Servers.run()
