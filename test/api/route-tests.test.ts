import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseNameAddr, parseUri } from '../../src/engine/index.js'
import { breaksText, hostileValues } from '../support/hostile-values.js'
import { AgentIdentifier } from '../../src/routing/identify-agent.js'
import { OutboundTests } from '../../src/routing/outbound-test.js'
import { startApi } from '../support/api-fakes.js'
import { RoutingBench } from '../support/routing-bench.js'

const RouteTests = suite('RouteTests')

RouteTests('a number is asked as the INVITE it stands for', async () => {
  const { ask, services } = startApi()
  const answer = await ask('POST', '/v1/route-tests', {
    to: '+14155550100',
    from: '+13125550199',
    source_address: '127.0.0.1',
    headers: { Diversion: '<sip:+14155550111@pbx>' },
  })
  assert.is(answer.status, 200)
  assert.is(answer.body.code, 'NUMBER_UNKNOWN')
  const request = services.decided[0]
  assert.is(request?.requestUri, 'sip:+14155550100@signalbox.invalid')
  assert.is(request?.sourceAddress, '127.0.0.1')
  assert.is(request?.header('To'), '<sip:+14155550100@signalbox.invalid>')
  assert.match(request?.header('from') ?? '', /^<sip:\+13125550199@/)
  assert.is(request?.header('diversion'), '<sip:+14155550111@pbx>')
  assert.is(request?.header('x-none'), undefined)
})

RouteTests('an agent’s call is asked about by the agent or by its source address', async () => {
  const { ask, services } = startApi()
  const bench = new RoutingBench()
  bench.addTrunk('pbx-1', { sip_domain: 'pbx.example.com' })
  bench.addNumber('+14155550100', { outbound_agent_ids: ['front', 'digest'] })
  bench.addAgent('front', { allowed_addresses: ['192.0.2.7'] })
  const tests = new OutboundTests(new AgentIdentifier(bench), bench.outbound)
  const test = async (body: object) => {
    const asked = { direction: 'outbound', to: '+13125550199', from: '+14155550100', ...body }
    services.outboundTests.ask = (question) => tests.ask(question)
    return (await ask('POST', '/v1/route-tests', asked)).body
  }
  const named = await test({ agent_id: 'front' })
  assert.equal([named.outcome, named.trunk_id, named.destination], ['trunk', 'pbx-1', '+13125550199'])
  assert.equal((named.trace as { identified_by: string }).identified_by, 'api')
  const known = await test({ source_address: '192.0.2.7' })
  assert.equal([known.outcome, known.agent_id], ['trunk', 'front'])
  const stranger = await test({ source_address: '192.0.2.8' })
  assert.equal([stranger.outcome, stranger.code, stranger.sip_status], ['refused', 'AGENT_SOURCE_UNKNOWN', 403])
  bench.addAgent('digest', { auth: { username: 'd' } })
  const asked = await test({ source_address: '192.0.2.8' })
  assert.equal([asked.code, asked.sip_status], ['CREDENTIALS_REQUIRED', 401])
  assert.match(String(asked.detail), 'the credentials of digest')
  assert.is((await test({})).errors?.[0]?.field, 'agent_id')
  const inbound = await ask('POST', '/v1/route-tests', { to: '1', agent_id: 'front', source_address: '::1' })
  assert.is(inbound.body.errors?.[0]?.field, 'agent_id')
})

RouteTests('[A11] whether another account has the number is nothing that a question about a call tells', async () => {
  const bench = new RoutingBench()
  bench.addNumber('+14155550177', { account_id: 'umbra', outbound_agent_ids: ['umbra/front'] })
  bench.addAgent('umbra/front', { account_id: 'umbra', auth: { username: 'u' }, allowed_addresses: ['192.0.2.7'] })
  bench.addAgent('acme/front', { account_id: 'acme', allowed_addresses: ['192.0.2.7'] })
  const tests = new OutboundTests(new AgentIdentifier(bench), bench.outbound)
  const told = async (from: string) => {
    const answer = await tests.ask({ sourceAddress: '192.0.2.7', from, to: '+13125550199', accountId: 'acme' })
    assert.is(answer.agentId, 'acme/front')
    return JSON.stringify(answer)
      .replaceAll(from, '?')
      .replace(/"looked_up":"[a-z]+"/, '')
  }
  assert.is(await told('+14155550177'), await told('+14155550188'))
})

RouteTests('a URI is asked as it is', async () => {
  const { ask, services } = startApi()
  for (const to of ['sip:+14155550100@pbx.example.com;user=phone', 'tel:+14155550100']) {
    assert.is((await ask('POST', '/v1/route-tests', { to, source_address: '::1' })).status, 200)
    assert.is(services.decided.at(-1)?.requestUri, to)
  }
})

RouteTests('whatever stands in `to`, the request is one URI or the field is refused by name', async () => {
  const { ask, services } = startApi()
  for (const value of hostileValues) {
    const before = services.decided.length
    const answer = await ask('POST', '/v1/route-tests', { to: value, from: value, source_address: '127.0.0.1' })
    if (answer.status === 400) {
      assert.ok(answer.body.errors?.some(({ field }) => field === 'to'))
      assert.is(services.decided.length, before)
      continue
    }
    assert.is(answer.status, 200)
    assert.not.ok(breaksText(value), JSON.stringify(value.slice(0, 40)))
    const request = services.decided.at(-1)
    assert.ok(parseUri(request?.requestUri ?? '') !== undefined, request?.requestUri)
    assert.is(parseNameAddr(request?.header('to') ?? '')?.uri, request?.requestUri)
  }
})

RouteTests('the source must be an IP address; reserved headers are refused by name', async () => {
  const { ask } = startApi()
  for (const source_address of ['localhost', '127.0.0.1/32', '127.1', 'fe80::1%lo', '', '[::1]', 7]) {
    const answer = await ask('POST', '/v1/route-tests', { to: '+14155550100', source_address })
    assert.is(answer.status, 400)
    assert.is(answer.body.errors?.[0]?.field, 'source_address')
  }
  const answer = await ask('POST', '/v1/route-tests', {
    to: '+14155550100',
    source_address: '127.0.0.1',
    headers: { Via: 'x' },
  })
  assert.is(answer.body.errors?.[0]?.field, 'headers.Via')
})

RouteTests.run()
