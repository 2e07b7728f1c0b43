import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { sampleCall, sampleCdr, startApi } from '../support/api-fakes.js'

const CallsApi = suite('CallsApi')

CallsApi('lists live calls oldest first, page after page', async () => {
  const { ask, services } = startApi()
  for (const [id, second] of [
    ['c3', '03'],
    ['c1', '01'],
    ['c2', '02'],
    ['c2b', '02'],
  ] as const)
    services.liveCalls.set(id, sampleCall(id, { started_at: `2026-01-01T00:00:${second}.000Z` }))
  const first = await ask('GET', '/v1/calls?limit=3')
  assert.equal(
    first.body.items?.map((call) => call.call_id),
    ['c1', 'c2', 'c2b'],
  )
  services.liveCalls.delete('c2b')
  const second = await ask('GET', `/v1/calls?limit=3&cursor=${String(first.body.next_cursor)}`)
  assert.equal(
    second.body.items?.map((call) => call.call_id),
    ['c3'],
  )
  assert.is(second.body.next_cursor, null)
  assert.is((await ask('GET', '/v1/calls?cursor=nonsense')).body.errors?.[0]?.field, 'cursor')
})

CallsApi('a call is shown as it is while it lasts, and by its record afterwards', async () => {
  const { ask, services } = startApi()
  services.liveCalls.set('c1', sampleCall('c1', { state: 'ringing' }))
  assert.is((await ask('GET', '/v1/calls/c1')).body.state, 'ringing')
  services.liveCalls.delete('c1')
  services.cdrRecords.set('c1', sampleCdr('c1', { result: 'agent_busy' }))
  const ended = await ask('GET', '/v1/calls/c1')
  assert.is(ended.status, 200)
  assert.is(ended.body.state, 'ended')
  assert.is(ended.body.result, 'agent_busy')
  const unknown = await ask('GET', '/v1/calls/c2')
  assert.is(unknown.status, 404)
  assert.is(unknown.body.code, 'CALL_NOT_FOUND')
})

CallsApi('DELETE ends a call; one that has ended or never was is answered 404', async () => {
  const { ask, services } = startApi()
  services.liveCalls.set('c1', sampleCall('c1'))
  assert.is((await ask('DELETE', '/v1/calls/c1')).status, 204)
  assert.is(services.liveCalls.size, 0)
  services.cdrRecords.set('c1', sampleCdr('c1'))
  const ended = await ask('DELETE', '/v1/calls/c1')
  assert.is(ended.status, 404)
  assert.match(String(ended.body.detail), 'has ended already')
  assert.match(String((await ask('DELETE', '/v1/calls/c2')).body.detail), 'there is no call')
})

const CdrsApi = suite('CdrsApi')

CdrsApi('filters by number in any spelling, a bare "+" of a query included', async () => {
  const { ask, services } = startApi()
  services.cdrRecords.set('c1', sampleCdr('c1'))
  services.cdrRecords.set('c2', sampleCdr('c2', { phone_number: '+14155550101' }))
  services.cdrRecords.set('c3', sampleCdr('c3', { phone_number: 'desk-204' }))
  const of = async (query: string) => (await ask('GET', `/v1/cdrs?${query}`)).body.items?.map((cdr) => cdr.call_id)
  assert.equal(await of(''), ['c1', 'c2', 'c3'])
  for (const spelled of ['%2B14155550100', '+14155550100', '0014155550100', '%2B1%20415%20555-0100'])
    assert.equal(await of(`phone_number=${spelled}`), ['c1'], spelled)
  assert.equal(await of('phone_number=desk-204'), ['c3'])
  const bad = await ask('GET', '/v1/cdrs?phone_number=%3Cscript%3E')
  assert.is(bad.status, 400)
  assert.is(bad.body.errors?.[0]?.field, 'phone_number')
})

CdrsApi('since takes an instant in any zone and refuses what is none', async () => {
  const { ask, services } = startApi()
  services.cdrRecords.set('c1', sampleCdr('c1', { ended_at: '2026-01-01T10:00:00.000Z' }))
  services.cdrRecords.set('c2', sampleCdr('c2', { ended_at: '2026-01-01T12:00:00.000Z' }))
  const of = async (since: string) =>
    (await ask('GET', `/v1/cdrs?since=${encodeURIComponent(since)}`)).body.items?.map((cdr) => cdr.call_id)
  assert.equal(await of('2026-01-01T11:00:00Z'), ['c2'])
  assert.equal(await of('2026-01-01T12:30:00+01:00'), ['c2'])
  for (const bad of ['yesterday', '2026-01-01', '0', '2026-13-01T00:00:00Z']) {
    const answer = await ask('GET', `/v1/cdrs?since=${encodeURIComponent(bad)}`)
    assert.is(answer.status, 400, bad)
    assert.is(answer.body.errors?.[0]?.field, 'since')
  }
})

CallsApi.run()
CdrsApi.run()
