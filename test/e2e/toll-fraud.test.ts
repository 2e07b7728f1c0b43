import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { LiveCall } from '../../src/model/call.js'
import { CALLER, TestEdge } from '../support/edge.js'
import { eventually } from '../support/eventually.js'
import { Sipp } from '../support/sipp.js'

const TollFraud = suite('Limits of calls')

const AT_ONCE = 50
const DESTINATION = '+13125550199'
let edge: TestEdge
/** An agent that hears calls, and says nothing. */
let silent: Socket

TollFraud.before(async () => {
  edge = await TestEdge.start()
  silent = createSocket('udp4').bind(0, '127.0.0.41')
  await once(silent, 'listening')
  await agent('front')
})

TollFraud.after(async () => {
  silent.close()
  await edge.stop()
})

const agent = (id: string, fields: object = {}) =>
  edge.must('PUT', `/v1/agents/${id}`, { sip_uri: `sip:agent@127.0.0.41:${silent.address().port}`, ...fields })

/** How many of 50 calls, asked for at once, had which answer. They are hung up again. */
async function answers(from: string, to = DESTINATION, agentId = 'front'): Promise<Record<string, number>> {
  const all = await Promise.all(
    Array.from({ length: AT_ONCE }, () =>
      edge.api<{ call_id?: string; code?: string }>('POST', '/v1/calls', { agent_id: agentId, from, to }),
    ),
  )
  const counts: Record<string, number> = {}
  for (const { status, body } of all) {
    const what = `${status} ${body.code ?? ''}`.trim()
    counts[what] = (counts[what] ?? 0) + 1
  }
  await Promise.all(
    all.map(({ body }) => (body.call_id === undefined ? undefined : edge.api('DELETE', `/v1/calls/${body.call_id}`))),
  )
  return counts
}

let numbers = 0
async function line(fields: object, agentId = 'front'): Promise<{ from: string; trunk: string }> {
  const from = `+1415555${1000 + numbers++}`
  const { trunk_id } = await edge.must<{ trunk_id: string }>('POST', '/v1/numbers', {
    phone_number: from,
    sip_domain: `pbx-${numbers}.example.com`,
    outbound_proxy: 'sip:127.0.0.42:5060',
    outbound_agent_ids: [agentId],
    ...fields,
  })
  return { from, trunk: trunk_id }
}

TollFraud(
  '[A10] hold exactly when 50 calls are asked for at once: channels, calls a second, minutes a day',
  async () => {
    const channels = await line({ channel_limit: 7 })
    assert.equal(await answers(channels.from), { '202': 7, '409 TRUNK_CHANNELS_FULL': 43 })
    const rate = await line({ cps_limit: 0.1 })
    assert.equal(await answers(rate.from), { '202': 1, '429 TRUNK_RATE_LIMITED': 49 })
    const minutes = await line({ outbound_minutes_per_day: 4 })
    assert.equal(await answers(minutes.from), { '202': 4, '429 TRUNK_MINUTES_SPENT': 46 })
    await agent('busy', { channel_limit: 3 })
    const ofAgent = await line({ channel_limit: 40 }, 'busy')
    assert.equal(await answers(ofAgent.from, DESTINATION, 'busy'), { '202': 3, '409 AGENT_CHANNELS_FULL': 47 })
    // None was answered: all is given back.
    await eventually('all is given back', async () => {
      const all = await Promise.all(
        [channels, minutes].map(({ trunk }) =>
          edge.must<Record<string, number | null>>('GET', `/v1/trunks/${trunk}/usage`),
        ),
      )
      return all[0]?.['channels_in_use'] === 0 && all[1]?.['outbound_minutes_today'] === 0
    })
  },
)

TollFraud('[A10] let none of 50 calls go where the trunk’s may not, and tell why', async () => {
  const { from, trunk } = await line({})
  assert.equal(await answers(from, '+18095551234'), { '403 DESTINATION_BARRED': AT_ONCE })
  assert.equal(await answers(from, '+882 133 00655'), { '403 DESTINATION_HIGH_RISK': AT_ONCE })
  const { body } = await edge.api<{ detail: string }>('POST', '/v1/calls', {
    agent_id: 'front',
    from,
    to: '+88213300655',
  })
  assert.match(body.detail, `name the prefix +882 in allowed_destinations of trunk ${trunk}`)
  await edge.must('PATCH', `/v1/trunks/${trunk}`, { allowed_destinations: ['DO', '+882'], channel_limit: 1 })
  const counts = await eventually('the change is seen', async () => {
    const now = await answers(from, '+18095551234')
    return now['403 DESTINATION_BARRED'] === undefined && now
  })
  assert.ok((counts['202'] ?? 0) >= 1)
})

TollFraud('[A10] end a call that has lasted max_call_seconds with a BYE on both legs', async () => {
  const uas = await Sipp.start({ scenario: 'uas-basic', address: '127.0.0.43' })
  const number = '+14155559999'
  await edge.addNumber(number, 'short', [`sip:agent@127.0.0.43:${uas.port}`], { agent: { max_call_seconds: 1 } })
  const uac = await Sipp.start({ scenario: 'uac-wait-bye', address: CALLER, target: edge.sip, service: number })
  for (const party of [uas, uac]) {
    const result = await party.finished
    assert.is(result.exitCode, 0, result.errors)
  }
  const [record] = await eventually('its record', async () => {
    const records = await edge.cdrs(number)
    return records.length > 0 && records
  })
  assert.equal([record?.result, record?.ended_by], ['call_too_long', 'edge'])
  assert.equal((await edge.must<{ items: LiveCall[] }>('GET', '/v1/calls')).items, [])
})

TollFraud.run()
