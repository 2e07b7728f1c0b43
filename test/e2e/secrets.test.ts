// time limit: 90 s
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Carrier } from '../support/carrier.js'
import { CALLER, TestEdge } from '../support/edge.js'
import { sdp } from '../support/far-call.js'
import { leaksIn, openFiles, textBelow } from '../support/leaks.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { agentOn, callOut } from '../support/trunk-edge.js'

const Secrets = suite('Secrets')

const TRUNK_PASSWORD = 'trunk-password-4711'
const INBOUND_PASSWORD = 'inbound-password-4711'
const AGENT_PASSWORD = 'agent-password-4711'
const SRTP_KEY = 'd0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj'
const NUMBER = '+14155570001'

let redis: TestRedis
let edge: TestEdge
let carrier: Carrier
let agent: Carrier

Secrets.before(async () => {
  redis = await startRedis()
  edge = await TestEdge.start({ redisUrl: redis.url, env: { LOG_LEVEL: 'debug', SIGNALBOX__SIP__T1_MS: '100' } })
  carrier = await Carrier.open({ address: CALLER, auth: { realm: 'carrier', users: { u: TRUNK_PASSWORD } } })
  agent = await agentOn(edge, 'front', { auth: { username: 'front', password: AGENT_PASSWORD } })
})

Secrets.after(async () => {
  await edge?.stop()
  await carrier?.close()
  await agent?.close()
  await redis?.stop()
})

Secrets('the search finds what it is to find', () => {
  const [secret] = [TRUNK_PASSWORD]
  assert.is(leaksIn(`x ${secret} y`, [secret]).length, 1)
  assert.is(leaksIn('Digest username="u", response="0123456789abcdef0123456789abcdef"').length, 1)
  assert.is(leaksIn(`a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${SRTP_KEY}`).length, 1)
  assert.is(leaksIn(`Contact: <sip:sbt${'a'.repeat(20)}@h>`).length, 1)
  assert.equal(leaksIn('Authorization: *** a=crypto:*** Bearer ***', [secret]), [])
})

Secrets(
  '[A14] with every message in the log, no password, digest response, key or token is in logs, metrics, answers, records, events or Redis',
  async () => {
    await edge.must('POST', '/v1/numbers', {
      phone_number: NUMBER,
      sip_domain: 'far.example.com',
      username: 'u',
      password: TRUNK_PASSWORD,
      inbound_auth: { username: 'in', password: INBOUND_PASSWORD },
      outbound_proxy: `sip:${CALLER}:${carrier.port}`,
      register: { enabled: true, expires: 60 },
      outbound_agent_ids: ['front'],
    })
    await carrier.registered('u@far.example.com').catch(() => undefined)
    const body = sdp(agent.address, [`a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${SRTP_KEY}`])
    const call = await callOut(agent, edge, { from: NUMBER, to: '+13125550199', body })
    assert.is(call.status, 200)
    call.send('BYE')
    await call.final('BYE')
    assert.ok(carrier.withCredentials('INVITE').length > 0, 'credentials were shown')

    const answers: string[] = []
    for (const path of [
      ...[
        '/metrics',
        '/v1/agents',
        '/v1/trunks',
        '/v1/numbers',
        '/v1/registrations',
        '/v1/cdrs',
        '/v1/calls',
        '/openapi.json',
      ],
      ...['/v1/agents/front', `/v1/numbers/${encodeURIComponent(NUMBER)}`, '/v1/secret-key'],
    ])
      answers.push(JSON.stringify((await edge.api('GET', path)).body))
    const events = await redis.cli('XRANGE', 'signalbox:events', '-', '+')
    const records = await redis.cli('XRANGE', 'signalbox:cdrs', '-', '+')
    assert.ok(events.length > 100 && records.length > 100)
    const kept = textBelow(redis.folder)
    assert.ok(kept.includes('signalbox:trunk:'), 'what Redis keeps is read')
    assert.ok(edge.output.includes('INVITE sip:'), 'messages are in the log')

    // Some carriers' realm, and ours: with either of these one is as good as with the password.
    const md5 = (text: string): string => createHash('md5').update(text).digest('hex')
    const derived = [
      md5(`u:carrier:${TRUNK_PASSWORD}`),
      md5(`in:signalbox:${INBOUND_PASSWORD}`),
      md5(`front:signalbox:${AGENT_PASSWORD}`),
    ]
    const secrets = [TRUNK_PASSWORD, INBOUND_PASSWORD, AGENT_PASSWORD, SRTP_KEY, edge.token, ...derived]
    const places = { output: edge.output, answers: answers.join('\n'), events, records }
    for (const [place, text] of Object.entries(places)) assert.equal(leaksIn(text, secrets), [], place)
    // A registration's record has its Contact, which is how calls that come back are known.
    for (const secret of secrets) assert.not.ok(kept.includes(secret), 'Redis')
  },
)

Secrets('[A14] the data folder is its owner’s alone, and so is each file in it', () => {
  assert.equal(openFiles(edge.dataFolder), [])
})

const Packages = suite('Packages')

Packages(
  '[A17] there is a lock file, every package in it has a checksum, and none runs a script when it is installed',
  () => {
    const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
      packages: Record<string, { integrity?: string; link?: boolean; hasInstallScript?: boolean }>
    }
    const packages = Object.entries(lock.packages).filter(([name]) => name !== '')
    assert.ok(packages.length > 50)
    assert.equal(
      packages.filter(([, one]) => one.integrity === undefined && one.link !== true).map(([name]) => name),
      [],
    )
    assert.equal(
      packages.filter(([, one]) => one.hasInstallScript === true).map(([name]) => name),
      [],
    )
  },
)

Packages('[A17] what is installed is what package.json and the lock file ask for', () => {
  if (!existsSync('node_modules')) return
  execFileSync('npm', ['ls', '--all', '--offline'], { stdio: ['ignore', 'ignore', 'pipe'] })
})

Secrets.run()
Packages.run()
