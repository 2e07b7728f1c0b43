import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeServices, sampleCdr, startApi } from '../support/api-fakes.js'

const Originate = suite('POST /v1/calls')

const CALL = { agent_id: 'front', from: '+14155550100', to: '+13125550199' }

Originate('answers 202 with the call as it begins; GET shows how it goes on, DELETE ends it', async () => {
  const { ask, services } = startApi()
  const placed = await ask('POST', '/v1/calls', {
    ...CALL,
    headers: { 'X-Lead': '17' },
    ring_timeout_s: 20,
    privacy: true,
  })
  assert.is(placed.status, 202, placed.text)
  assert.is(placed.body.call_id, 'o1')
  assert.is(placed.body.state, 'trying')
  assert.is(placed.body.direction, 'outbound')
  assert.is(placed.headers.location, '/v1/calls/o1')
  assert.equal(services.originated, [
    {
      agentId: 'front',
      from: CALL.from,
      to: CALL.to,
      headers: { 'X-Lead': '17' },
      ringTimeoutMs: 20_000,
      privacy: true,
      sourceAddress: '127.0.0.1',
    },
  ])
  assert.is((await ask('GET', '/v1/calls/o1')).body.state, 'trying')
  assert.is((await ask('DELETE', '/v1/calls/o1')).status, 204)
  services.cdrRecords.set('o1', sampleCdr('o1', { direction: 'outbound', result: 'operator_hung_up' }))
  assert.is((await ask('GET', '/v1/calls/o1')).body.state, 'ended')
  const plain = await ask('POST', '/v1/calls', CALL)
  assert.is(plain.status, 202)
  assert.equal([services.originated[1]?.ringTimeoutMs, services.originated[1]?.privacy], [undefined, false])
})

Originate('names every field that is wrong, and places nothing', async () => {
  const { ask, services } = startApi()
  for (const [change, field] of [
    [{ agent_id: undefined }, 'agent_id'],
    [{ agent_id: '../x' }, 'agent_id'],
    [{ from: '' }, 'from'],
    [{ from: 'a\r\nVia: x' }, 'from'],
    [{ to: undefined }, 'to'],
    [{ to: 'x'.repeat(65) }, 'to'],
    [{ to: 7 }, 'to'],
    [{ headers: { Via: 'x' } }, 'headers.Via'],
    [{ headers: { 'X-Signalbox-Number': '+1' } }, 'headers.X-Signalbox-Number'],
    [{ headers: { 'X-A': 'a\r\nb: c' } }, 'headers.X-A'],
    [{ ring_timeout_s: 0 }, 'ring_timeout_s'],
    [{ ring_timeout_s: 601 }, 'ring_timeout_s'],
    [{ privacy: 'yes' }, 'privacy'],
    [{ trunk_id: 'pbx' }, 'trunk_id'],
  ] as const) {
    const answer = await ask('POST', '/v1/calls', { ...CALL, ...change })
    assert.is(answer.status, 400, field)
    assert.is(answer.body.code, 'VALIDATION_FAILED', field)
    assert.is(answer.body.errors?.[0]?.field, field)
  }
  assert.is(services.originated.length, 0)
})

Originate('[A10] is refused with 503 and Retry-After while the edge drains', async () => {
  const { ask, services } = startApi()
  services.refusal = { code: 'EDGE_STOPPING', detail: 'the edge is stopping' }
  const { status, headers } = await ask('POST', '/v1/calls', CALL)
  assert.equal([status, headers['retry-after']], [503, '10'])
})

Originate('is refused with the verdict’s code, and the field it is about', async () => {
  const { ask, services } = startApi()
  for (const [code, status, field] of [
    ['AGENT_UNKNOWN', 400, 'agent_id'],
    ['CALLER_ID_MISSING', 400, 'from'],
    ['CALLER_ID_NOT_ALLOWED', 403, 'from'],
    ['DESTINATION_IMPOSSIBLE', 400, 'to'],
    ['DESTINATION_NOT_ALLOWED', 403, 'to'],
    ['TRUNK_NOT_USABLE', 409, undefined],
    ['TRUNK_CHANNELS_FULL', 409, undefined],
    ['TRUNK_RATE_LIMITED', 429, undefined],
    ['TRUNK_MINUTES_SPENT', 429, undefined],
    ['AGENT_CHANNELS_FULL', 409, undefined],
    ['AGENT_RATE_LIMITED', 429, undefined],
    ['AGENT_MINUTES_SPENT', 429, undefined],
    ['DESTINATION_BARRED', 403, 'to'],
    ['DESTINATION_HIGH_RISK', 403, 'to'],
    ['ROUTING_UNAVAILABLE', 503, undefined],
    ['EDGE_FULL', 503, undefined],
    ['EDGE_STOPPING', 503, undefined],
  ] as const) {
    services.refusal = { code, detail: 'because of that' }
    const answer = await ask('POST', '/v1/calls', CALL)
    assert.is(answer.status, status, code)
    assert.is(answer.body.code, code)
    assert.match(String(answer.body.detail), 'because of that')
    assert.is(answer.body.errors?.[0]?.field, field)
  }
  services.refusal = { code: 'TRUNK_RATE_LIMITED', detail: 'x' }
  assert.is((await ask('POST', '/v1/calls', CALL)).headers['retry-after'], '1')
  services.refusal = { code: 'TRUNK_MINUTES_SPENT', detail: 'x', retryAfterS: 3_600 }
  assert.is((await ask('POST', '/v1/calls', CALL)).headers['retry-after'], '3600')
  services.refusal = { code: 'NUMBER_RECORD_INVALID', detail: 'x' }
  assert.is((await ask('POST', '/v1/calls', CALL)).body.code, 'RECORD_INVALID')
})

Originate('with an Idempotency-Key is done once, however often it is asked', async () => {
  const services = new FakeServices()
  const { ask } = startApi(services)
  const key = { 'idempotency-key': 'k-1' }
  const [first, second] = await Promise.all([ask('POST', '/v1/calls', CALL, key), ask('POST', '/v1/calls', CALL, key)])
  assert.equal([first.status, second.status], [202, 202])
  assert.is(first.body.call_id, second.body.call_id)
  assert.is(services.originated.length, 1)
  const other = await ask('POST', '/v1/calls', { ...CALL, to: '+13125550198' }, key)
  assert.is(other.status, 422)
  assert.is(other.body.code, 'IDEMPOTENCY_KEY_REUSED')
  assert.is((await ask('POST', '/v1/calls', CALL, { 'idempotency-key': 'a b' })).status, 400)
  services.clock.advance(3_600_000)
  assert.not((await ask('POST', '/v1/calls', CALL, key)).body.call_id === first.body.call_id)
})

Originate('that was refused may be tried again with the same Idempotency-Key', async () => {
  const { ask, services } = startApi()
  const key = { 'idempotency-key': 'k-1' }
  services.refusal = { code: 'EDGE_FULL', detail: 'x' }
  assert.is((await ask('POST', '/v1/calls', CALL, key)).status, 503)
  services.refusal = undefined
  assert.is((await ask('POST', '/v1/calls', CALL, key)).status, 202)
})

Originate.run()
