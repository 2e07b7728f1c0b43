import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { EngineMetrics, ScrapeServer } from '../../src/telemetry/index.js'
import { CallDurations } from '../../src/engine/counts.js'
import type { TransportCounters } from '../../src/engine/index.js'
import { engineStats } from '../support/engine-stats.js'
import { Samples } from '../support/prometheus.js'

const Suite = suite('Metrics of the engine')

function observed(stats: () => ReturnType<typeof engineStats> = () => engineStats()): EngineMetrics {
  const metrics = new EngineMetrics()
  metrics.observe({
    gauges: () => ({ dialogs: 7, transactions: 0, timers: 0, connections: 0, tlsConnections: 0 }),
    counters: () => ({ failedHandshakes: 6, ignoredDatagrams: 2 }) as TransportCounters,
    stats,
  })
  return metrics
}

/** Section 9 of what is known of drachtio-server: name and type. */
const DRACHTIO: Readonly<Record<string, string>> = {
  build_info: 'counter',
  sip_requests_in_total: 'counter',
  sip_requests_out_total: 'counter',
  sip_responses_in_total: 'counter',
  sip_responses_out_total: 'counter',
  time_started: 'gauge',
  stable_dialogs: 'gauge',
  proxy_cores: 'gauge',
  registered_endpoints: 'gauge',
  app_connections: 'gauge',
  sofia_server_txn_hash_size: 'gauge',
  sofia_client_txn_hash_size: 'gauge',
  sofia_dialog_hash_size: 'gauge',
  sofia_server_txns: 'gauge',
  sofia_client_txns: 'gauge',
  sofia_dialogs: 'gauge',
  sofia_msgs_recv: 'gauge',
  sofia_msgs_sent: 'gauge',
  sofia_requests_recv_total: 'gauge',
  sofia_requests_sent: 'gauge',
  sofia_bad_msgs_recv: 'gauge',
  sofia_bad_reqs_recv: 'gauge',
  sofia_retransmitted_requests: 'gauge',
  sofia_retransmitted_responses: 'gauge',
  call_answer_seconds_in: 'histogram',
  call_answer_seconds_out: 'histogram',
  call_pdd_seconds_in: 'histogram',
  call_pdd_seconds_out: 'histogram',
}

Suite('has every name and type that drachtio-server has, beside ours', async () => {
  const text = await observed().render()
  for (const [name, type] of Object.entries(DRACHTIO)) assert.match(text, `# TYPE drachtio_${name} ${type}\n`)
  assert.match(text, 'drachtio_build_info{version="v0.9.10"} 1\n')
  const samples = new Samples(text)
  assert.is(samples.sum('signalbox_engine_dialogs'), 7)
  assert.is(samples.sum('signalbox_engine_repeated_requests_total'), 0)
  assert.is(samples.sum('signalbox_engine_ignored_datagrams_total'), 2)
})

Suite('messages are told by method and code, and added up', async () => {
  const metrics = observed()
  const { sipMessageCounter: counter } = metrics
  for (let i = 0; i < 3; i++) counter.count('in', { method: 'INVITE' })
  counter.count('out', { method: 'INVITE' })
  counter.count('out', { method: 'INVITE', status: 100 })
  counter.count('out', { method: 'INVITE', status: 486 })
  counter.count('in', { method: 'INVITE', status: 486 })
  counter.count('in', undefined)
  const samples = new Samples(await metrics.render())
  assert.is(samples.sum('drachtio_sip_requests_in_total', { method: 'INVITE' }), 3)
  assert.is(samples.sum('drachtio_sip_requests_out_total', { method: 'INVITE' }), 1)
  assert.is(samples.sum('drachtio_sip_responses_out_total', { method: 'INVITE', code: '486' }), 1)
  assert.is(samples.sum('drachtio_sip_responses_in_total'), 1)
  assert.is(samples.sum('drachtio_sofia_msgs_recv'), 5)
  assert.is(samples.sum('drachtio_sofia_requests_recv_total'), 3)
  assert.is(samples.sum('drachtio_sofia_msgs_sent'), 3)
  assert.is(samples.sum('drachtio_sofia_bad_msgs_recv'), 1)
})

Suite('the engine is asked once a scrape', async () => {
  let asked = 0
  const metrics = observed(() => engineStats({ inboundCalls: ++asked, outboundCalls: 10 * asked }))
  const calls = async () => new Samples(await metrics.render()).sum('drachtio_stable_dialogs')
  assert.is(await calls(), 11)
  await new Promise((resolve) => setImmediate(resolve))
  assert.is(await calls(), 22)
  assert.is(asked, 2)
})

Suite('histograms have the buckets of drachtio-server, each with all that is below it', async () => {
  const inbound = new CallDurations()
  for (const ms of [400, 1_000, 2_500, 61_000]) inbound.answer.add(ms)
  inbound.alert.add(1_500)
  const samples = new Samples(await observed(() => engineStats({ inbound })).render())
  const answer = (le: string) => samples.sum('drachtio_call_answer_seconds_in_bucket', { le })
  assert.equal(['1', '3', '6', '10', '15', '20', '30', '60', '+Inf'].map(answer), [2, 3, 3, 3, 3, 3, 3, 3, 4])
  assert.is(samples.sum('drachtio_call_answer_seconds_in_count'), 4)
  assert.is(samples.sum('drachtio_call_answer_seconds_in_sum'), 64.9)
  const alert = (le: string) => samples.sum('drachtio_call_pdd_seconds_in_bucket', { le })
  assert.equal(['1', '2', '3', '5', '7', '10', '15', '20', '+Inf'].map(alert), [0, 1, 1, 1, 1, 1, 1, 1, 1])
  assert.is(samples.sum('drachtio_call_pdd_seconds_out_count'), 0)
})

Suite('Prometheus reads them at /metrics, and nothing else is there', async () => {
  const server = new ScrapeServer(observed())
  const { port } = await server.listen('127.0.0.1', 0)
  const at = (path: string, method = 'GET') => fetch(`http://127.0.0.1:${port}${path}`, { method })
  try {
    const answer = await at('/metrics?x=1')
    assert.equal([answer.status, answer.headers.get('content-type')?.slice(0, 10)], [200, 'text/plain'])
    assert.match(await answer.text(), 'drachtio_build_info')
    assert.equal([(await at('/')).status, (await at('/metrics', 'POST')).status], [404, 405])
  } finally {
    await server.close()
    await server.close()
  }
})

Suite.run()
