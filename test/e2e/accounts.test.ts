import { Redis } from 'ioredis'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Cdr } from '../../src/model/call.js'
import { runCli } from '../support/cli-run.js'
import { AGENT, CALLER, TestEdge } from '../support/edge.js'
import { eventually } from '../support/eventually.js'
import { hostileValues } from '../support/hostile-values.js'
import { keysOf, OUR_KEY } from '../support/redis-keys.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { inviteOver, inviteText, openUdp, type SipPeer } from '../support/sip-peer.js'
import type { SipText } from '../support/sip-text.js'
import { askAs, assertNothingOf, makeTenant, mustAs, type Tenant } from '../support/tenant.js'

const Accounts = suite('Two accounts')

/** An address that only one account has a trunk at. */
const OWN_CARRIER = '127.0.0.7'
/** What stands in the place of an id that is not there. */
const NOBODY = 'zz-nobody'
const NO_NUMBER = '+14155559999'

let edge: TestEdge
let redis: TestRedis
let acme: Tenant
let umbra: Tenant
let silent: SipPeer
let carrier: SipPeer
const closing: { close(): void }[] = []

const kept = <T extends { close(): void }>(part: T): T => (closing.push(part), part)

const ask = (token: string, method: string, path: string, body?: unknown) => askAs(edge, token, method, path, body)
const must = (token: string, method: string, path: string, body?: unknown) => mustAs(edge, token, method, path, body)

const call = (peer: SipPeer, number: string, headers: string[] = []): Promise<SipText> =>
  inviteOver(peer, { target: edge.sip, protocol: 'udp', number, headers })

Accounts.before(async () => {
  redis = await startRedis()
  edge = await TestEdge.start({ redisUrl: redis.url })
  silent = kept(await openUdp(AGENT, edge.sip))
  carrier = kept(await openUdp(CALLER, edge.sip))
  acme = await makeTenant(edge, silent.local.port, 'acme', '+14155550101')
  umbra = await makeTenant(edge, silent.local.port, 'umbra', '+14155550202')
  closing.push(acme.agent, acme.carrier, umbra.agent, umbra.carrier)
})

Accounts.after(async () => {
  closing.forEach((part) => part.close())
  await edge.stop()
  await redis.stop()
})

Accounts(
  'calls from the carrier of both reach the agent of the number that was called, which both call `front`',
  async () => {
    for (const [mine, other] of [
      [acme, umbra],
      [umbra, acme],
    ] as const) {
      const before = other.agent.requests.length
      const answer = await call(carrier, mine.number)
      assert.is(answer.status, 486)
      assert.ok(mine.agent.requests.some((request) => request.method === 'INVITE'))
      assert.is(other.agent.requests.length, before)
      const cdr = await edge.cdrOfLegA(answer.callId)
      assert.equal([cdr.account_id, cdr.trunk_id, cdr.agent_id], [mine.account, mine.trunkId, 'front'])
      umbra.secrets.push(...(mine === umbra ? [cdr.call_id] : []))
      assertNothingOf({ ...other, secrets: other.secrets.slice(0, 3) }, JSON.stringify(cdr), 'the record')
    }
  },
)

Accounts('a call from a trunk of one to a number of the other is as one to a number that nobody has', async () => {
  const peer = kept(await openUdp(OWN_CARRIER, edge.sip))
  await must(acme.token, 'PATCH', `/v1/trunks/${acme.trunkId}`, {
    allowed_addresses: [`${CALLER}/32`, `${OWN_CARRIER}/32`],
  })
  await eventually(
    'the trunk is known at its other address',
    async () => (await call(peer, acme.number)).status === 486,
  )
  const number = '+14155550203'
  await must(umbra.token, 'POST', '/v1/numbers', { phone_number: number, trunk_id: umbra.trunkId })
  const [theirs, none] = [await call(peer, number), await call(peer, '+14155558888')]
  assert.equal(
    [theirs.status, theirs.startLine, theirs.header('warning')],
    [404, none.startLine, none.header('warning')],
  )
  const record = async (answer: SipText) => {
    const { account_id, phone_number, explanation } = await edge.cdrOfLegA(answer.callId)
    return JSON.stringify({ account_id, phone_number, explanation }).replace(/"looked_up":"[a-z]+"/, '')
  }
  assert.is((await record(theirs)).replaceAll(number, '+14155558888'), await record(none))
  await must(umbra.token, 'DELETE', `/v1/numbers/${encodeURIComponent(number)}`)
})

Accounts(
  'an agent at an address of agents of both is the one whose number it presents, and calls by its trunk alone',
  async () => {
    const peer = kept(await openUdp(AGENT, edge.sip))
    for (const [mine, other] of [
      [acme, umbra],
      [umbra, acme],
    ] as const) {
      const before = other.carrier.requests.filter(({ method }) => method === 'INVITE').length
      const answer = await call(peer, '+13125550177', [`X-Signalbox-Number: ${mine.number}`])
      assert.is(answer.status, 486, answer.startLine)
      assert.ok(mine.carrier.requests.some(({ method }) => method === 'INVITE'))
      assert.is(other.carrier.requests.filter(({ method }) => method === 'INVITE').length, before)
      const cdr = await edge.cdrOfLegA(answer.callId)
      assert.equal([cdr.account_id, cdr.agent_id, cdr.direction], [mine.account, 'front', 'outbound'])
      assertNothingOf(other, JSON.stringify(cdr), 'the record')
    }
  },
)

/** Requests that the routes need a body for; `theirs` has ids of the other account, or of nobody. */
const bodies: Record<string, (theirs: Ids) => unknown> = {
  'PATCH /v1/trunks/{id}': () => ({ label: 'mine now' }),
  'PATCH /v1/numbers/{phone_number}': () => ({ label: 'mine now' }),
  'POST /v1/numbers': ({ trunk, agent }) => ({
    phone_number: '+14155550303',
    trunk_id: trunk,
    inbound_agent_id: agent,
    outbound_agent_ids: [agent],
  }),
  'POST /v1/calls': ({ agent, number }) => ({ agent_id: agent, from: number, to: '+13125550177' }),
  'POST /v1/route-tests': ({ number }) => ({ to: number, source_address: CALLER }),
  'POST /v1/tokens': () => ({ name: 'x', role: 'admin', account_id: 'umbra' }),
}

interface Ids {
  readonly agent: string
  readonly trunk: string
  readonly number: string
  readonly call: string
  readonly token: string
}

const nobody: Ids = {
  agent: NOBODY,
  trunk: NOBODY,
  number: NO_NUMBER,
  call: NOBODY,
  token: 'zzzzzzzzzzzz',
}

/** A path of the API with ids in it. */
const fill = (path: string, ids: Ids): string =>
  path
    .replace('{phone_number}', encodeURIComponent(ids.number))
    .replace(
      '{id}',
      path.includes('/trunks/')
        ? ids.trunk
        : path.includes('/calls/')
          ? ids.call
          : path.includes('/tokens/')
            ? ids.token
            : ids.agent,
    )

Accounts('no route of the API shows, uses or changes what is of the other: it is as if it were not there', async () => {
  const second = '+14155550204'
  await must(umbra.token, 'POST', '/v1/numbers', {
    phone_number: second,
    trunk_id: umbra.trunkId,
    inbound_agent_id: 'only-umbra',
  })
  carrier.send(inviteText({ from: carrier.local, target: edge.sip, protocol: 'udp', number: second }).text)
  const live = await eventually('a call of the other is going on', async () => {
    const { items } = (await must(umbra.token, 'GET', '/v1/calls')) as { items: { call_id: string }[] }
    return items[0]?.call_id
  })
  umbra.secrets.push(live, second.slice(1))
  const before = JSON.stringify(await state(umbra.token))
  const theirs: Ids = {
    agent: 'only-umbra',
    trunk: umbra.trunkId,
    number: umbra.number,
    call: live,
    token: umbra.tokenId,
  }
  const { paths } = (await edge.must('GET', '/openapi.json')) as { paths: Record<string, Record<string, object>> }
  let tried = 0
  for (const [path, operations] of Object.entries(paths))
    for (const operation of Object.keys(operations)) {
      // An agent of any id can be made: of its own.
      if (!path.startsWith('/v1/') || path === '/v1/events' || operation === 'put') continue
      if (path === '/v1/audit') {
        // What it has tried itself is its own to see, with the ids it named.
        const { items } = (await must(acme.token, 'GET', path)) as { items: { account_id: string }[] }
        for (const { account_id } of items) assert.is(account_id, 'acme')
        continue
      }
      const route = `${operation.toUpperCase()} ${path}`
      const [mine, none] = [theirs, nobody].map(async (ids) =>
        ask(acme.token, operation.toUpperCase(), fill(path, ids), bodies[route]?.(ids)),
      )
      const [answer, absent] = [await mine!, await none!]
      tried += 1
      const spelled = (text: string, ids: Ids): string =>
        Object.values(ids)
          .reduce((said: string, id: string) => said.replaceAll(id, '?'), text)
          .replace(/"instance":"[^"]*"|"(created|updated)_at":"[^"]*"/g, '')
      assert.is(answer.status, absent.status, `${route}: ${answer.text} | ${absent.text}`)
      assert.ok(answer.status < 500, `${route}: ${answer.text}`)
      // `account_id` of that token is refused for what the request itself says.
      if (route === 'POST /v1/tokens') assert.equal([answer.status, answer.body['code']], [403, 'TOKEN_ABOVE_OWN'])
      else assert.is(spelled(answer.text, theirs), spelled(absent.text, nobody), route)
      if (/\{/.test(path)) assert.ok([403, 404].includes(answer.status), `${route}: ${answer.status} ${answer.text}`)
      const shown = spelled(answer.text, theirs).replace(/"name":"[^"]*"/g, '')
      if (route !== 'POST /v1/tokens') assertNothingOf(umbra, shown, route)
    }
  assert.ok(tried >= 25, `${tried} routes`)
  assert.is((await ask(acme.token, 'PUT', '/v1/agents/only-umbra', { sip_uri: 'sip:x@127.0.0.3' })).status, 201)
  assert.is(JSON.stringify(await state(umbra.token)), before, 'nothing of the other changed')
  assert.is((await ask(acme.token, 'DELETE', '/v1/agents/only-umbra')).status, 204)
  assert.is((await ask(umbra.token, 'GET', `/v1/calls/${live}`)).body['state'], 'trying', 'its call goes on')
  assert.is((await ask(umbra.token, 'DELETE', `/v1/calls/${live}`)).status, 204)
})

/** All that an account can list, without what moves by itself. */
async function state(token: string): Promise<unknown[]> {
  const lists = []
  for (const path of ['agents', 'numbers', 'trunks', 'calls', 'tokens'])
    lists.push((await must(token, 'GET', `/v1/${path}`))['items'])
  return JSON.parse(
    JSON.stringify(lists, (key, value: unknown) => (key === 'last_used_at' ? null : value)),
  ) as unknown[]
}

Accounts('references do not cross: an agent, a trunk or a number of the other is one that does not exist', async () => {
  const own = { phone_number: '+14155550304', trunk_id: acme.trunkId }
  for (const [body, code] of [
    [{ ...own, trunk_id: umbra.trunkId }, 'TRUNK_UNKNOWN'],
    [{ ...own, inbound_agent_id: 'only-umbra' }, 'AGENT_UNKNOWN'],
    [{ ...own, outbound_agent_ids: ['only-umbra'] }, 'AGENT_UNKNOWN'],
    [{ ...own, phone_number: umbra.number, replace: true }, 'NUMBER_TAKEN'],
  ] as const)
    assert.is((await ask(acme.token, 'POST', '/v1/numbers', body)).body['code'], code)
  const at = `/v1/numbers/${encodeURIComponent(acme.number)}`
  assert.is((await ask(acme.token, 'PATCH', at, { trunk_id: umbra.trunkId })).body['code'], 'TRUNK_UNKNOWN')
  assert.is((await ask(acme.token, 'PATCH', at, { inbound_agent_id: 'only-umbra' })).body['code'], 'AGENT_UNKNOWN')
  // A trunk with the same fields, password and all, is not the other's.
  const theirs = (await must(umbra.token, 'GET', `/v1/trunks/${umbra.trunkId}`)) as { outbound_proxy: string }
  const copied = await must(acme.token, 'POST', '/v1/numbers', {
    phone_number: '+14155550305',
    sip_domain: 'pbx.umbra.example',
    username: 'umbra-user',
    password: 'another password',
    outbound_proxy: theirs.outbound_proxy,
    allowed_addresses: [`${CALLER}/32`],
    register: { enabled: true, expires: 300 },
  })
  assert.is.not(copied['trunk_id'], umbra.trunkId)
  await must(acme.token, 'DELETE', '/v1/numbers/+14155550305')
  await must(acme.token, 'DELETE', `/v1/trunks/${String(copied['trunk_id'])}`)
})

Accounts('the event stream and the call records of one hold nothing of the other', async () => {
  const stop = new AbortController()
  const response = await fetch(`${edge.url}/v1/events`, {
    headers: { authorization: `Bearer ${acme.token}` },
    signal: stop.signal,
  })
  let text = ''
  const reading = (async () => {
    for await (const bytes of response.body!) text += Buffer.from(bytes as Uint8Array).toString()
  })().catch(() => undefined)
  await call(carrier, umbra.number)
  const mine = await call(carrier, acme.number)
  await eventually('its own call was told of', () => text.includes('call.ended') || undefined)
  stop.abort()
  await reading
  assert.ok(text.includes(mine.callId))
  assertNothingOf(umbra, text, 'the stream')
  const { items } = (await must(acme.token, 'GET', '/v1/cdrs?limit=1000')) as { items: Cdr[] }
  assert.ok(items.length > 2)
  for (const cdr of items) assert.is(cdr.account_id, 'acme')
  const all = await edge.allCdrs()
  assert.ok(all.some(({ account_id }) => account_id === 'umbra'))
})

Accounts('commands show and change what the token may, and --account says whose for one that may all', async () => {
  const run = (token: string, ...args: string[]) => runCli([...args, '--url', edge.url, '--token', token])
  for (const args of [
    ['agent', 'list', '--json'],
    ['number', 'list', '--json'],
    ['trunk', 'list', '--json'],
    ['registration', 'list', '--json'],
    ['cdr', 'list', '--json'],
    ['agent', 'show', 'front', '--json'],
  ]) {
    const { exitCode, out, err } = await run(acme.token, ...args)
    assert.is(exitCode, 0, `${args.join(' ')}: ${err}`)
    assertNothingOf(umbra, out, args.join(' '))
  }
  for (const [...args] of [
    ['agent', 'show', 'only-umbra'],
    ['agent', 'rm', 'only-umbra'],
    ['trunk', 'show', umbra.trunkId],
    ['trunk', 'rm', umbra.trunkId],
    ['number', 'show', umbra.number],
    ['number', 'rm', umbra.number],
  ])
    assert.is((await run(acme.token, ...args)).exitCode, 1, args.join(' '))
  const named = await run(acme.token, 'agent', 'list', '--account', 'umbra')
  assert.equal([named.exitCode, /bound to the account "acme"/.test(named.err)], [1, true])
  const shown = await run(edge.token, 'agent', 'show', 'front', '--account', 'umbra', '--json')
  assert.is((JSON.parse(shown.out) as { name: string }).name, 'umbra desk')
  assert.match((await run(edge.token, 'account', 'list')).out, /acme[^]*umbra/)
})

Accounts(
  '[A11] no number, id or value of a caller, a request or a record reaches a key of another record',
  async () => {
    const victim = new Redis(redis.url)
    closing.push({ close: () => victim.disconnect() })
    await victim.set('other:secret', 'keep')
    const before = await victim.get('other:secret')
    const asking = new Redis(redis.url)
    const monitor = await asking.monitor()
    closing.push({ close: () => (monitor.disconnect(), asking.disconnect()) })
    const commands: string[][] = []
    monitor.on('monitor', (_time: string, args: string[], source: string) => {
      if (source !== `${victim.stream.localAddress ?? ''}:${victim.stream.localPort ?? 0}`) commands.push(args)
    })
    const hostile = [
      ...hostileValues,
      '*',
      '{x}',
      '+1415\n5550101',
      '1'.repeat(10_240),
      '__proto__',
      '+14155550101:secret',
      'front:secret',
      'umbra/front',
      '?',
      '[a-z]',
    ]
    for (const value of hostile) {
      const text = value.slice(0, 10_240)
      const escaped = encodeURIComponent(text === '\ud800' ? 'x' : text)
      carrier.send(
        inviteText({
          from: carrier.local,
          target: edge.sip,
          protocol: 'udp',
          number: escaped,
          headers: [`X-Signalbox-Number: ${escaped}`],
        }).text,
      )
      for (const path of [
        `/v1/numbers/${escaped}`,
        `/v1/agents/${escaped}`,
        `/v1/trunks/${escaped}`,
        `/v1/calls/${escaped}`,
      ])
        if (path.length < 4_000) assert.ok((await ask(acme.token, 'GET', path)).status < 500, path.slice(0, 80))
      const named = { phone_number: text, trunk_id: text, inbound_agent_id: text, agent_id: text, from: text, to: text }
      assert.ok((await ask(acme.token, 'POST', '/v1/numbers', named)).status < 500)
      const { agent_id, from, to } = named
      const placed = await ask(acme.token, 'POST', '/v1/calls', { agent_id, from, to })
      assert.ok(placed.status < 500, placed.text)
      // What others write into the routing table.
      await victim.hset('signalbox:did:+14155550909', {
        account_id: text,
        trunk_id: text,
        inbound_agent_id: text,
        outbound_agent_ids: JSON.stringify([text]),
      })
      await call(carrier, '+14155550909')
    }
    await eventually(
      'the last call was looked up',
      () => commands.some((args) => args.includes('signalbox:did:+14155550909')) || undefined,
    )
    const keys = new Set(commands.flatMap(keysOf))
    assert.ok(keys.size > 5, `${keys.size} keys`)
    // Both are registered meanwhile, with their passwords.
    const trunks = [`acme/${acme.trunkId}`, `umbra/${umbra.trunkId}`]
    for (const key of keys) {
      assert.match(key, OUR_KEY)
      if (!trunks.some((trunk) => key.includes(trunk)))
        assert.not.match(key, /secret$|umbra|(?<!:did):(__proto__|constructor)/, key)
    }
    for (const [name = ''] of commands) assert.not.match(name, /^(keys|flushall|flushdb|eval|config|rename|migrate)$/i)
    assert.is(await victim.get('other:secret'), before)
  },
)

Accounts.run()
