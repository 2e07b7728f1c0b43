import type { TransportCounters } from '../../src/engine/index.js'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { engineStats } from '../support/engine-stats.js'
import { Metrics } from '../../src/telemetry/index.js'

/** What stands in `/metrics` under a name with these labels; undefined when it is not there. */
async function sample(metrics: Metrics, series: string): Promise<number | undefined> {
  const line = (await metrics.render()).split('\n').find((text) => text.startsWith(`${series} `))
  return line === undefined ? undefined : Number(line.slice(series.length + 1))
}

const MetricsSuite = suite('Metrics')

let metrics = new Metrics()
MetricsSuite.before.each(() => void (metrics = new Metrics()))
MetricsSuite.after.each(() => metrics.stop())

MetricsSuite('the names and labels that others read are there', async () => {
  metrics.callsTotal.inc({ direction: 'inbound', result: 'answered' })
  metrics.inviteRelaySeconds.observe(0.0004)
  metrics.setupSeconds.observe(3)
  metrics.redisSeconds.observe({ operation: 'number' }, 0.001)
  metrics.redisErrors.inc({ operation: 'number' })
  const expected = {
    'signalbox_calls_total{direction="inbound",result="answered"}': 1,
    'signalbox_calls_active{direction="inbound"}': 0,
    'signalbox_calls_active{direction="outbound"}': 0,
    'signalbox_invite_relay_seconds_bucket{le="0.0005"}': 1,
    'signalbox_setup_seconds_bucket{le="2"}': 0,
    'signalbox_setup_seconds_bucket{le="5"}': 1,
    'signalbox_redis_seconds_count{operation="number"}': 1,
    'signalbox_redis_errors_total{operation="number"}': 1,
    signalbox_redis_up: 0,
    'signalbox_route_lookups_total{result="stale"}': 0,
    signalbox_route_records_invalid_total: 0,
    signalbox_cdr_queue: 0,
    signalbox_cdrs_written_total: 0,
    signalbox_cdrs_dropped_total: 0,
  }
  for (const [series, value] of Object.entries(expected)) assert.is(await sample(metrics, series), value, series)
  assert.ok(((await sample(metrics, 'process_resident_memory_bytes')) ?? 0) > 0)
  assert.match(metrics.contentType, /^text\/plain/)
})

MetricsSuite('the engine is asked at each scrape, and not there when it runs elsewhere', async () => {
  assert.is(await sample(metrics, 'signalbox_engine_dialogs'), undefined)
  const gauges = { dialogs: 1, transactions: 2, timers: 3, connections: 4, tlsConnections: 5 }
  const counters = { failedHandshakes: 6, deadPeers: 7 } as TransportCounters
  metrics.observeEngine({ gauges: () => gauges, counters: () => counters, stats: () => engineStats() })
  assert.is(await sample(metrics, 'signalbox_engine_dialogs'), 1)
  assert.is(await sample(metrics, 'drachtio_app_connections'), 0, "drachtio's names are there too")
  gauges.dialogs = 0
  const { tlsConnections, ...plain } = gauges
  for (const [what, value] of Object.entries({ ...plain, tls_connections: tlsConnections }))
    assert.is(await sample(metrics, `signalbox_engine_${what}`), value)
  for (let scrapes = 0; scrapes < 2; scrapes++) {
    assert.is(await sample(metrics, 'signalbox_engine_tls_handshakes_failed_total'), 6)
    assert.is(await sample(metrics, 'signalbox_engine_dead_connections_total'), 7)
  }
})

MetricsSuite('the delay of the event loop is what it was late, not the pause between two looks', async () => {
  const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
  await metrics.render()
  await wait(50)
  const blockedUntil = performance.now() + 300
  while (performance.now() < blockedUntil);
  await wait(30)
  const text = await metrics.render()
  const max = Number(/signalbox_event_loop_delay_seconds\{quantile="1"\} (\S+)/.exec(text)?.[1])
  assert.ok(max > 0.25 && max < 10, `maximum ${max}`)
  const median = Number(/signalbox_event_loop_delay_seconds\{quantile="0.5"\} (\S+)/.exec(text)?.[1])
  assert.ok(median >= 0 && median < max, `median ${median}`)
})

MetricsSuite('SIP messages count by method and status; what peers invent shares one label', async () => {
  const { sipMessageCounter: counter } = metrics
  counter.count('in', { method: 'INVITE' })
  counter.count('in', { method: 'INVITE' })
  counter.count('out', { method: 'INVITE', status: 486 })
  counter.count('in', { method: 'NEWMETHOD1' })
  counter.count('in', { method: 'NEWMETHOD2' })
  counter.count('in', undefined)
  const of = (labels: string) => sample(metrics, `signalbox_sip_messages_total{${labels}}`)
  assert.is(await of('direction="in",method="INVITE",status=""'), 2)
  assert.is(await of('direction="out",method="INVITE",status="486"'), 1)
  assert.is(await of('direction="in",method="OTHER",status=""'), 2)
  assert.is(await of('direction="in",method="invalid",status=""'), 1)
})

MetricsSuite('no flood of statuses grows the metrics without bound', async () => {
  for (let status = 100; status < 700; status++)
    for (const method of ['INVITE', 'BYE', 'INFO', 'NOTIFY']) metrics.sipMessageCounter.count('in', { method, status })
  const series = (await metrics.render()).split('\n').filter((line) => line.startsWith('signalbox_sip_messages_total{'))
  assert.ok(series.length < 550, String(series.length))
  const total = series.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
  assert.is(total, 2_400)
})

MetricsSuite.run()
