// time limit: 120 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createApp, type App } from '../../src/app.js'
import { loadConfig } from '../../src/config/index.js'
import type { Cdr } from '../../src/model/call.js'
import { Carrier } from '../support/carrier.js'
import { findCorpora, readCorpus } from '../support/corpora.js'
import { AGENT, CALLER, EDGE } from '../support/edge.js'
import { eventually, wait } from '../support/eventually.js'
import { freePort } from '../support/free-port.js'
import { NameServer } from '../support/name-server.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { SocketWatch } from '../support/socket-watch.js'
import { temporaryFolder } from '../support/temporary-folder.js'

// The edge in this process, so that every socket it opens is seen. It may call one agent, one carrier and one registrar on loopback, each
// by address and port, and nothing else that is not public.
const Destinations = suite('Destinations that input names')

const TOKEN = 'token-of-the-tests-0123456789'
const AT = '2026-01-01T00:00:00.000Z'
const fallback = {
  literals: [
    '127.0.0.1',
    '127.1',
    '2130706433',
    '0x7f000001',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '10.0.0.1',
    '169.254.169.254',
    'localhost',
  ],
  ports: [0, 22, 443, 6379, 65536],
}

const watch = new SocketWatch()
const dnsPorts = new Set<number>()
let app: App
let redis: TestRedis
let names: NameServer
let agent: Carrier
let carrier: Carrier
let sipPort: number
let url: string
let literals: readonly string[]
let ports: readonly number[]
let numbers = 0

Destinations.before(async () => {
  const corpora = findCorpora()
  const list =
    corpora === undefined
      ? fallback
      : (JSON.parse(readCorpus(corpora, 'guards', 'ssrf-destinations.json').toString()) as typeof fallback)
  literals = list.literals
  ports = list.ports
  redis = await startRedis()
  names = await NameServer.start()
  agent = await Carrier.open({ address: AGENT })
  agent.calls.recordRoute = null
  carrier = await Carrier.open({ address: CALLER })
  carrier.calls.recordRoute = null
  sipPort = await freePort(EDGE)
  const httpPort = await freePort(EDGE)
  url = `http://${EDGE}:${httpPort}`
  const config = loadConfig({
    env: {
      SIP_CONTACTS: `sip:${EDGE}:${sipPort};transport=udp,tcp`,
      HTTP_LISTEN: `${EDGE}:${httpPort}`,
      REDIS_URL: redis.url,
      SIGNALBOX_DATA_DIR: temporaryFolder(),
      SIGNALBOX_ADMIN_TOKEN: TOKEN,
      LOG_LEVEL: 'silent',
      SIGNALBOX__DNS__SERVERS: names.address,
      // The test runs in this process too, and may hold its event loop up.
      SIGNALBOX__LIMITS__SHED_DELAY_MS: '0',
      SIGNALBOX__SIP__T1_MS: '50',
      SIGNALBOX__TRUNKS__SILENCE_MS: '300',
      SIGNALBOX__REGISTRATION__RESPONSE_TIMEOUT_MS: '500',
      SIGNALBOX__ACCESS__ALLOWED_NETWORKS: `${AGENT}:${agent.port},${CALLER}:${carrier.port}`,
    },
  })
  app = createApp(config)
  await app.start()
  for (const port of [agent.port, carrier.port, redis.port, httpPort, sipPort, portOf(names.address)])
    dnsPorts.add(port)
  await must('PUT', '/v1/agents/front', {
    sip_uri: `sip:agent@${AGENT}:${agent.port}`,
    allowed_addresses: [`${AGENT}/32`],
  })
  watch.unwatched.add(portOf(names.address))
  watch.start()
})

Destinations.after(async () => {
  await app?.stop()
  watch.stop()
  await agent?.close()
  await carrier?.close()
  await names?.stop()
  await redis?.stop()
})

const portOf = (address: string): number => Number(address.slice(address.lastIndexOf(':') + 1))

interface Problem {
  readonly errors?: readonly { readonly field: string; readonly message: string }[]
}

async function api<T = Problem>(method: string, path: string, body?: unknown): Promise<{ status: number; body: T }> {
  const response = await fetch(url + path, {
    method,
    headers: {
      authorization: `Bearer ${TOKEN}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, body: (text === '' ? undefined : JSON.parse(text)) as T }
}

async function must<T = Record<string, unknown>>(method: string, path: string, body?: unknown): Promise<T> {
  const answer = await api<T>(method, path, body)
  assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
  return answer.body
}

/** Nothing was sent to anybody but the test's own parties. */
function nothingElse(what: string): void {
  assert.equal(watch.besides(dnsPorts), [], what)
}

const freshNumber = (): string => `+1415557${String(1_000 + ++numbers)}`

/** What stands in Redis for a number, its trunk that may call from the carrier's address, and its agent. */
async function write(
  number: string,
  parts: { trunk?: object; agent?: object },
): Promise<{ trunk: string; agent: string }> {
  const id = number.slice(1)
  const trunk = { id: `t${id}`, allowed_addresses: [`${CALLER}/32`], created_at: AT, updated_at: AT, ...parts.trunk }
  const answers = {
    id: `a${id}`,
    sip_uri: `sip:agent@${AGENT}:${agent.port}`,
    created_at: AT,
    updated_at: AT,
    ...parts.agent,
  }
  await redis.cli('SET', `signalbox:trunk:${trunk.id}`, JSON.stringify(trunk))
  await redis.cli('SET', `signalbox:agent:${answers.id}`, JSON.stringify(answers))
  await redis.cli(
    ...['HSET', `signalbox:did:${number}`, 'trunk_id', trunk.id, 'inbound_agent_id', answers.id],
    ...['outbound_agent_ids', '["front"]'],
  )
  return { trunk: trunk.id, agent: answers.id }
}

/** A call from the carrier to a number, or from the agent by way of a number's trunk; its final status. */
async function call(from: Carrier, to: string, headers: readonly string[] = []) {
  const edge = { address: EDGE, port: sipPort }
  const placed = from.place(
    `sip:${to}@${EDGE}:${sipPort}`,
    { protocol: 'udp', remote: edge, connection: 0 },
    { from: `x@${from.address}`, to: `${to}@${EDGE}`, headers },
  )
  await placed.final('INVITE')
  return placed
}

const cdrOf = (number: string): Promise<Cdr> =>
  eventually(`a record of ${number}`, async () => {
    const { items } = await must<{ items: Cdr[] }>('GET', `/v1/cdrs?phone_number=${encodeURIComponent(number)}`)
    return items[0]
  })

Destinations(
  '[A9] what is named by address and port works: a call reaches the agent, and one leaves by the carrier',
  async () => {
    const number = freshNumber()
    await must('POST', '/v1/numbers', {
      phone_number: number,
      outbound_proxy: `sip:${CALLER}:${carrier.port}`,
      allowed_addresses: [`${CALLER}/32`],
      inbound_agent_id: 'front',
      outbound_agent_ids: ['front'],
    })
    const inbound = await call(carrier, number)
    assert.is(inbound.status, 200)
    inbound.send('BYE')
    await inbound.final('BYE')
    const outbound = await call(agent, '+13125550199', [`X-Signalbox-Number: ${number}`])
    assert.is(outbound.status, 200)
    outbound.send('BYE')
    await outbound.final('BYE')
    nothingElse('only the two parties')
    for (const { port } of [agent, carrier])
      assert.ok(
        watch.opened.some((opened) => opened.port === port),
        'it is seen',
      )
  },
)

Destinations(
  '[A9] every forbidden literal is refused by the API with the field that names it, in each field that names a destination',
  async () => {
    const seen = watch.opened.length
    for (const literal of literals) {
      for (const [method, path, field, body] of [
        ['PUT', '/v1/agents/bad', 'sip_uri', { sip_uri: `sip:a@${literal}` }],
        ['PUT', '/v1/agents/bad', 'sip_uri', { sip_uri: `sip:a@${literal}:5070;transport=tcp` }],
        [
          'PUT',
          '/v1/agents/bad',
          'fallback_sip_uris[0]',
          { sip_uri: 'sip:a@203.0.113.5', fallback_sip_uris: [`sip:${literal}`] },
        ],
        ['POST', '/v1/numbers', 'outbound_proxy', { phone_number: '+14155550100', outbound_proxy: literal }],
        [
          'POST',
          '/v1/numbers',
          'outbound_proxy',
          { phone_number: '+14155550100', outbound_proxy: `sip:${literal};transport=tcp;lr` },
        ],
        ['POST', '/v1/numbers', 'sip_domain', { phone_number: '+14155550100', sip_domain: literal }],
        ['POST', '/v1/numbers', 'termination_uri', { phone_number: '+14155550100', termination_uri: `sip:${literal}` }],
      ] as const) {
        const answer = await api(method, path, body)
        const shown = `${field} ${literal}: ${answer.status} ${JSON.stringify(answer.body)}`
        assert.is(answer.status, 400, shown)
        const named = answer.body.errors?.map((error) => error.field) ?? []
        // What a termination URI names is the SIP domain.
        assert.ok(named.includes(field) || (field === 'termination_uri' && named.includes('sip_domain')), shown)
      }
    }
    for (const port of ports)
      for (const [method, path, field, body] of [
        ['PUT', '/v1/agents/bad', 'sip_uri', { sip_uri: `sip:a@203.0.113.5:${port}` }],
        ['PUT', '/v1/agents/bad', 'sip_uri', { sip_uri: `sip:a@${AGENT}:${port}` }],
        [
          'POST',
          '/v1/numbers',
          'outbound_proxy',
          { phone_number: '+14155550100', outbound_proxy: `sip:pbx.example.com:${port}` },
        ],
        ['POST', '/v1/numbers', 'sip_domain', { phone_number: '+14155550100', sip_domain: `203.0.113.5:${port}` }],
      ] as const) {
        const answer = await api(method, path, body)
        assert.is(answer.status, 400, `${field} ${port}`)
        assert.ok(
          answer.body.errors?.some((error) => error.field === field),
          `${field} ${port}`,
        )
      }
    assert.is((await api('GET', '/v1/agents/bad')).status, 404)
    assert.equal(
      watch.opened.slice(seen).filter(({ protocol, port }) => protocol === 'udp' && port !== portOf(names.address)),
      [],
    )
    nothingElse('no socket')
  },
)

Destinations(
  '[A9] records that others wrote to Redis with such destinations are marked rejected, and calls say why',
  async () => {
    const hosts = [
      ...literals.filter((literal) => !/^(?:\d+|127\.1|0x.*|0177.*|.*%25.*)$/.test(literal)),
      `203.0.113.5:6379`,
    ]
    for (const host of hosts) {
      const number = freshNumber()
      const ids = await write(number, {
        agent: { sip_uri: `sip:a@${host}` },
        trunk: {
          outbound_proxy: `sip:${host}`,
          register: { enabled: true, expires: 60 },
          username: 'u',
          ping: { enabled: true, interval_s: 1 },
        },
      })
      const inbound = await call(carrier, number)
      assert.ok(inbound.status >= 400, `${host}: ${inbound.status}`)
      const record = await cdrOf(number)
      assert.ok(
        ['agent_address_refused', 'agent_unreachable'].includes(record.result),
        `${host}: ${record.result} ${record.end_reason}`,
      )
      const view = await must<{ rejected: string | null }>('GET', `/v1/agents/${ids.agent}`)
      assert.ok(view.rejected?.startsWith('sip_uri: '), `${host}: ${view.rejected}`)
      const trunk = await must<{ rejected: string | null }>('GET', `/v1/trunks/${ids.trunk}`)
      assert.type(trunk.rejected, 'string', host)
      const outbound = await call(agent, '+13125550199', [`X-Signalbox-Number: ${number}`])
      assert.ok(outbound.status >= 400, `${host}: ${outbound.status}`)
      await redis.cli('DEL', `signalbox:trunk:${ids.trunk}`, `signalbox:agent:${ids.agent}`, `signalbox:did:${number}`)
    }
    nothingElse('no socket')
  },
)

Destinations(
  '[A9] names that lead there are refused when they resolve: rebinding, one bad record among good ones, SRV, NAPTR',
  async () => {
    names.a('rebind.test', ['203.0.113.5'], 0)
    names.a('mixed.test', ['203.0.113.5', '10.0.0.1'])
    names.srv('_sip._udp.srv.test', [{ priority: 1, weight: 1, port: 6379, target: 'home.test' }])
    names.a('home.test', ['127.0.0.1'])
    names.naptr('naptr.test', [
      { order: 1, preference: 1, flags: 's', service: 'SIP+D2U', replacement: '_sip._udp.localhost' },
    ])
    names.srv('_sip._udp.localhost', [{ priority: 1, weight: 1, port: 5060, target: 'localhost' }])
    for (const name of ['mixed.test', 'srv.test', 'naptr.test', 'home.test']) {
      const number = freshNumber()
      const view = await must<{ trunk: { id: string } }>('POST', '/v1/numbers', {
        phone_number: number,
        outbound_proxy: `sip:${name}`,
        outbound_agent_ids: ['front'],
      })
      const outbound = await call(agent, '+13125550199', [`X-Signalbox-Number: ${number}`])
      assert.is(outbound.status, 503, name)
      assert.is((await cdrOf(number)).result, 'trunk_address_refused', name)
      const trunk = await must<{ rejected: string | null }>('GET', `/v1/trunks/${view.trunk.id}`)
      assert.match(trunk.rejected ?? '', `${name} leads to`)
      const inboundNumber = freshNumber()
      const id = `agent-${name.replace('.', '-')}`
      await must('PUT', `/v1/agents/${id}`, { sip_uri: `sip:a@${name}` })
      await must('POST', '/v1/numbers', {
        phone_number: inboundNumber,
        allowed_addresses: [`${CALLER}/32`],
        inbound_agent_id: id,
      })
      assert.is((await call(carrier, inboundNumber)).status, 503, name)
      assert.is((await cdrOf(inboundNumber)).result, 'agent_address_refused', name)
    }
    nothingElse('no socket')

    // The first answer is public: whoever is called then is looked at again, each time.
    const number = freshNumber()
    const view = await must<{ trunk: { id: string } }>('POST', '/v1/numbers', {
      phone_number: number,
      outbound_proxy: 'sip:rebind.test:5062',
      outbound_agent_ids: ['front'],
    })
    const { items } = await must<{ items: { target: string }[] }>('GET', `/v1/trunks/${view.trunk.id}/servers`)
    assert.is(items[0]?.target.includes('203.0.113.5'), true)
    names.a('rebind.test', ['127.0.0.1'], 0)
    await wait(1_100)
    const outbound = await call(agent, '+13125550199', [`X-Signalbox-Number: ${number}`])
    assert.is(outbound.status, 503)
    assert.is((await cdrOf(number)).result, 'trunk_address_refused')
    nothingElse('no socket')
  },
)

Destinations(
  '[A9] the Contact of a 302, a Service-Route, a Refer-To and the Contact of a 200 lead nowhere they should not',
  async () => {
    const number = freshNumber()
    await must('POST', '/v1/numbers', {
      phone_number: number,
      sip_domain: 'far.example.com',
      outbound_proxy: `sip:${CALLER}:${carrier.port}`,
      allowed_addresses: [`${CALLER}/32`],
      username: 'u',
      register: { enabled: true, expires: 60 },
      inbound_agent_id: 'front',
      outbound_agent_ids: ['front'],
    })
    carrier.registrar.play.headers = ['Service-Route: <sip:127.0.0.1:6379;lr>', 'Path: <sip:10.0.0.1;lr>']
    await carrier.registered('u@far.example.com').catch(() => undefined)
    const presented = [`X-Signalbox-Number: ${number}`]

    carrier.calls.outcome = 302
    for (const host of ['127.0.0.1:6379', '10.0.0.1', '[::ffff:127.0.0.1]', 'localhost', '203.0.113.5:22']) {
      carrier.calls.headers = [`Contact: <sip:+13125550100@${host}>`]
      const redirected = await call(agent, '+13125550199', presented)
      assert.is(redirected.status, 503, host)
    }
    carrier.calls.outcome = 'answer'
    carrier.calls.headers = []

    // ACK and BYE to a callee go where its answer came from, whatever its Contact says.
    carrier.calls.contact = '<sip:x@127.0.0.1:6379>'
    const answered = await call(agent, '+13125550199', presented)
    assert.is(answered.status, 200)
    const far = [...carrier.dialogs.values()].at(-1)!
    await far.heard('ACK')
    answered.send('BYE')
    await answered.final('BYE')
    await far.heard('BYE')
    carrier.calls.contact = undefined

    const inbound = await call(carrier, number)
    assert.is(inbound.status, 200)
    for (const host of ['127.0.0.1:6379', '10.0.0.1', 'localhost', 'metadata.google.internal', '203.0.113.5:6379']) {
      const before = inbound.responses.length
      inbound.send('REFER', '', [`Refer-To: <sip:x@${host}>`])
      const answer = await eventually('an answer to REFER', () =>
        inbound.responses.slice(before).find(({ message }) => message.method === 'REFER'),
      )
      assert.is(answer.message.status, 403, host)
    }
    inbound.send('BYE')
    await inbound.final('BYE')
    nothingElse('no socket')
  },
)

Destinations(
  '[B8] headers of our own reach the agent only as we write them, however a caller spells them',
  async () => {
    const number = freshNumber()
    await must('POST', '/v1/numbers', {
      phone_number: number,
      allowed_addresses: [`${CALLER}/32`],
      inbound_agent_id: 'front',
    })
    const before = agent.dialogs.size
    const names = [
      'X-Signalbox-Caller',
      'x-SIGNALBOX-caller',
      'X-Signalbox_Evil',
      'X.Signalbox.Evil',
      'XSignalbox-Evil',
    ]
    const smuggled = [
      ...names.map((name) => `${name}: evil`),
      'X-Signalbox-Trunk\t: evil',
      'X-Signalbox-Trunk : evil',
      'X-Signalbox-Evil:\r\n evil',
      'X-Fine: a\r\n X-Signalbox-Evil: evil-folded',
      'X-Other: fine',
    ]
    const placed = await call(carrier, number, smuggled)
    assert.ok([200, 400].includes(placed.status), String(placed.status))
    if (placed.status === 400) return assert.is(agent.dialogs.size, before)
    const invite = [...agent.dialogs.values()].at(-1)!.invite.raw
    const lines = invite.split('\r\n').filter((line) => /signal.?box/i.test(line.split(':')[0] ?? ''))
    assert.not.ok(
      lines.some((line) => line.includes('evil')),
      lines.join('\n'),
    )
    placed.send('BYE')
    await placed.final('BYE')
  },
)

Destinations.run()
