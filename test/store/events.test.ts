import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { SignalboxEvent } from '../../src/model/event.js'
import type { StreamedEvent } from '../../src/store/event-entry.js'
import { Events, type EventListener, type Listening } from '../../src/store/events.js'
import { sampleCall } from '../support/api-fakes.js'
import { eventually } from '../support/eventually.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { StoreBench } from '../support/store-bench.js'

const Stream = suite('The event stream')

const AT = '2026-01-01T00:00:00.000Z'
const event = (callId: string): SignalboxEvent => ({
  type: 'call.started',
  at: AT,
  account_id: 'default',
  data: sampleCall(callId),
})

/** A listener that keeps what it hears. */
class Heard implements EventListener {
  readonly all: StreamedEvent[] = []
  /** Ids and resets, as they came. */
  readonly notes: string[] = []
  listening: Listening | undefined
  /** What a slow reader waits for. */
  hold: Promise<void> = Promise.resolve()

  get calls(): string[] {
    return this.all.map(({ event: { data } }) => ('call_id' in data ? data.call_id : ''))
  }

  event(streamed: StreamedEvent): void {
    this.all.push(streamed)
  }

  position(id: string): void {
    this.notes.push(id)
  }

  reset(): void {
    this.notes.push('reset')
  }

  ready(): Promise<void> {
    return this.hold
  }

  /** Waits until it has heard these calls, in this order, and nothing else. */
  async expect(calls: readonly string[]): Promise<void> {
    await eventually(`events of ${calls.join(', ')}`, () => this.all.length >= calls.length).catch(() => undefined)
    assert.equal(this.calls, calls)
  }
}

let redis: TestRedis
let benches: StoreBench[] = []
let hubs: Events[] = []

Stream.before(async () => {
  redis = await startRedis()
})

Stream.before.each(async () => {
  await redis.cli('flushall')
})

Stream.after.each(async () => {
  for (const hub of hubs) await hub.stop(100)
  for (const bench of benches) {
    await bench.stop()
    await eventually('no timer is left', () => bench.clock.pending === 0)
  }
  benches = []
  hubs = []
})

Stream.after(() => redis.stop())

async function edge(
  limits: { streamMaxLength?: number; queueMax?: number } = {},
): Promise<Events & { bench: StoreBench }> {
  const bench = await StoreBench.ready(redis.url)
  const { connection, clock, metrics, log: logger } = bench
  const hub = new Events({ connection, clock, metrics, logger, streamMaxLength: 10_000, queueMax: 1_000, ...limits })
  benches.push(bench)
  hubs.push(hub)
  return Object.assign(hub, { bench })
}

async function listen(hub: Events, after?: string): Promise<Heard> {
  const heard = new Heard()
  heard.listening = await hub.listen(heard, after)
  return heard
}

Stream('is one for all edges: whoever listens to any of them hears everything, in the same order', async () => {
  const [a, b] = [await edge(), await edge()]
  const [onA, onB] = [await listen(a), await listen(b)]
  for (let at = 0; at < 50; at++) {
    a.publish(event(`a${at}`))
    b.publish(event(`b${at}`))
  }
  await eventually('both have heard 100 events', () => onA.all.length >= 100 && onB.all.length >= 100)
  assert.equal(onA.all, onB.all)
  assert.equal(
    onA.calls.filter((id) => id.startsWith('a')),
    Array.from({ length: 50 }, (_, at) => `a${at}`),
  )
  assert.equal(onA.all[0]?.event, event(onA.calls[0]!))
  assert.equal(JSON.parse(onA.all[0]!.text), onA.all[0]!.event)
})

Stream('is heard from the moment one listens, and no longer than that', async () => {
  const a = await edge()
  a.publish(event('before'))
  await eventually('it is written', () => a.queued === 0)
  const heard = await listen(a)
  a.publish(event('c1'))
  await heard.expect(['c1'])
  heard.listening?.close()
  const other = await listen(a)
  a.publish(event('c2'))
  await other.expect(['c2'])
  assert.equal(heard.calls, ['c1'])
})

Stream('goes on, on any edge, from the id of the last event heard', async () => {
  const [a, b] = [await edge(), await edge()]
  const first = await listen(a)
  for (let at = 0; at < 500; at++) a.publish(event(`c${at}`))
  await eventually('all are heard', () => first.all.length === 500)
  const resumed = await listen(b, first.all[9]?.id)
  assert.is(resumed.listening?.resumed, true)
  b.publish(event('c500'))
  await resumed.expect(Array.from({ length: 491 }, (_, at) => `c${at + 10}`))
  // From the very last one: nothing has been missed.
  const latest = await listen(a, resumed.all.at(-1)?.id)
  assert.is(latest.listening?.resumed, true)
  a.publish(event('c501'))
  await latest.expect(['c501'])
})

Stream('hands the past only as fast as the listener takes it, and loses nothing that comes meanwhile', async () => {
  const a = await edge()
  const first = await listen(a)
  for (let at = 0; at < 450; at++) a.publish(event(`c${at}`))
  await eventually('all are heard', () => first.all.length === 450)
  const slow = new Heard()
  let release: () => void = () => {}
  slow.hold = new Promise((resolve) => (release = resolve))
  await a.listen(slow, first.all[0]?.id)
  await eventually('the first page', () => slow.all.length > 0)
  a.publish(event('c450'))
  await first.expect(Array.from({ length: 451 }, (_, at) => `c${at}`))
  assert.is(slow.all.length, 1)
  slow.hold = Promise.resolve()
  release()
  await slow.expect(Array.from({ length: 450 }, (_, at) => `c${at + 1}`))
})

Stream('goes on from now where an id is malformed, too old, or of the future', async () => {
  const a = await edge({ streamMaxLength: 100 })
  const first = await listen(a)
  for (let at = 0; at < 1_000; at++) {
    a.publish(event(`c${at}`))
    // No faster than it is read: what is cut off before that is lost.
    if (at % 50 === 49) await eventually('all are heard', () => first.all.length === at + 1)
  }
  const ids = [
    first.all[0]!.id!,
    'x',
    '',
    '-',
    '1-',
    `${'9'.repeat(400)}-1`,
    '1-1\r\nx: y',
    '99999999999999-0',
    '$',
    '+',
  ]
  for (const id of ids) assert.is((await listen(a, id)).listening?.resumed, false, id)
  const last = await listen(a, '0-0')
  a.publish(event('now'))
  await last.expect(['now'])
})

Stream('keeps about as many events as it may', async () => {
  const a = await edge({ streamMaxLength: 100 })
  for (let at = 0; at < 1_000; at++) a.publish(event(`c${at}`))
  await eventually('all are written', () => a.queued === 0)
  assert.ok(Number(await redis.cli('xlen', 'signalbox:events')) <= 300)
})

Stream('passes over entries of others that are no events', async () => {
  const a = await edge()
  const heard = await listen(a)
  await redis.cli('xadd', 'signalbox:events', '*', 'event', '{"type":"call.started"}')
  await redis.cli('xadd', 'signalbox:events', '*', 'event', '{')
  await redis.cli('xadd', 'signalbox:events', '*', 'x', 'y')
  const extra = JSON.stringify({ ...event('extra'), password: 'hush' })
  await redis.cli('xadd', 'signalbox:events', '*', 'origin', 'o', 'number', '1', 'event', extra)
  a.publish(event('c1'))
  await heard.expect(['extra', 'c1'])
  assert.not.match(heard.all[0]!.text, 'hush')
})

Stream('opens a connection to read only while somebody listens', async () => {
  const a = await edge()
  const connections = async (): Promise<number> =>
    (await redis.cli('client', 'list')).split('\n').filter((line) => line.includes('name=signalbox')).length
  assert.is(await connections(), 1)
  const heard = await listen(a)
  await eventually('it reads', async () => (await connections()) === 2)
  const other = await listen(a)
  assert.is(await connections(), 2)
  heard.listening?.close()
  other.listening?.close()
  other.listening?.close()
  await eventually('it reads no more', async () => (await connections()) === 1)
})

Stream(
  'while Redis is away tells this edge’s events to this edge’s listeners, and the others’ when it is back',
  async () => {
    const [a, b] = [await edge(), await edge()]
    const [onA, onB] = [await listen(a), await listen(b)]
    a.publish(event('c0'))
    await onA.expect(['c0'])
    await onB.expect(['c0'])
    await redis.stop()
    await eventually('both notice', () => !a.bench.connection.up && !b.bench.connection.up)
    a.publish(event('a1'))
    a.publish(event('a2'))
    b.publish(event('b1'))
    assert.equal(onA.calls, ['c0', 'a1', 'a2'])
    assert.equal(onB.calls, ['c0', 'b1'])
    assert.is(onA.all.at(-1)?.id, undefined)
    await redis.restart()
    await eventually('both are back', () => onA.all.length >= 4 && onB.all.length >= 4, 10_000)
    await eventually('ids of what was heard before', () => onA.notes.length >= 2 && onB.notes.length >= 1)
    a.publish(event('a3'))
    await onA.expect(['c0', 'a1', 'a2', 'b1', 'a3'])
    assert.equal([...onB.calls].sort(), ['a1', 'a2', 'a3', 'b1', 'c0'])
    assert.equal(
      onB.calls.filter((id) => id.startsWith('a')),
      ['a1', 'a2', 'a3'],
    )
  },
)

Stream('tells what a Redis that hangs does not take, once', async () => {
  const a = await edge()
  const heard = await listen(a)
  redis.hang()
  a.publish(event('c1'))
  await eventually('it is told all the same', () => heard.all.length === 1)
  a.publish(event('c2'))
  await heard.expect(['c1', 'c2'])
  redis.resume()
  await eventually('it is written', () => a.queued === 0, 10_000)
  a.publish(event('c3'))
  await heard.expect(['c1', 'c2', 'c3'])
})

Stream('tells an event once that was written twice, because an answer of Redis was lost', async () => {
  const a = await edge()
  const heard = await listen(a)
  const write = (number: string, callId: string): Promise<string> =>
    redis.cli(
      ...['xadd', 'signalbox:events', '*', 'origin', 'other-edge', 'number', number],
      ...['event', JSON.stringify(event(callId))],
    )
  await write('1', 'c1')
  await write('2', 'c2')
  await write('1', 'c1')
  await write('2', 'c2')
  await write('3', 'c3')
  await heard.expect(['c1', 'c2', 'c3'])
  const past = await listen(a, heard.all[0]?.id)
  await past.expect(['c2', 'c3'])
})

Stream('goes on when Redis comes back without what it had, and says that events were missed', async () => {
  const a = await edge()
  const heard = await listen(a)
  const ahead = JSON.stringify(event('ahead'))
  await redis.cli('xadd', 'signalbox:events', '99999999999999-0', 'origin', 'o', 'number', '1', 'event', ahead)
  await heard.expect(['ahead'])
  await redis.cli('flushall')
  await redis.restart()
  await eventually('it is told', () => heard.notes.includes('reset'), 10_000)
  a.publish(event('c1'))
  await heard.expect(['ahead', 'c1'])
})

Stream('starts without Redis: one who listens then hears this edge, and all of them when it is back', async () => {
  const [a, b] = [await edge(), await edge()]
  await redis.stop()
  await eventually('both notice', () => !a.bench.connection.up && !b.bench.connection.up)
  a.publish(event('before'))
  const heard = await listen(a)
  const resumed = await listen(a, '1-1')
  assert.is(resumed.listening?.resumed, false)
  a.publish(event('c1'))
  await heard.expect(['c1'])
  await redis.restart()
  await eventually('all is written', () => a.queued === 0 && b.bench.connection.up, 10_000)
  await eventually('it reads again', async () => (await redis.cli('client', 'list')).includes('cmd=xread'))
  b.publish(event('c2'))
  await eventually('the other edge is heard', () => heard.calls.includes('c2'))
  assert.is(heard.calls.filter((id) => id === 'c1').length, 1)
})

Stream('of events written together, none is written twice because a later one could not be', async () => {
  const a = await edge()
  // Two more fit before the stream has no ids left.
  await redis.cli('xadd', 'signalbox:events', '18446744073709551615-18446744073709551613', 'x', 'y')
  for (const id of ['c1', 'c2', 'c3']) a.publish(event(id))
  await eventually('two are written', () => a.queued === 1)
  await eventually('it says so', () => a.bench.log.matching('warn', 'events wait for Redis').length === 1)
  assert.is(await redis.cli('xlen', 'signalbox:events'), '3')
  await redis.cli('del', 'signalbox:events')
  await eventually('the third is written', () => a.queued === 0, 5_000)
  assert.is(await redis.cli('xlen', 'signalbox:events'), '1')
})

Stream('drops the oldest when too many wait, and counts them', async () => {
  const a = await edge({ queueMax: 3 })
  await redis.stop()
  await eventually('it notices', () => !a.bench.connection.up)
  for (let at = 0; at < 5; at++) a.publish(event(`c${at}`))
  assert.is(a.queued, 3)
  assert.is(a.bench.metrics.eventsLost, 2)
  await redis.restart()
  await eventually('the rest is written', () => a.queued === 0, 10_000)
  const kept = await redis.cli('xrange', 'signalbox:events', '-', '+')
  assert.equal(
    [...kept.matchAll(/"call_id":"(c\d)"/g)].map(([, id]) => id),
    ['c2', 'c3', 'c4'],
  )
})

Stream('never throws at those who publish', async () => {
  const a = await edge()
  const loop: Record<string, unknown> = { ...sampleCall('c1') }
  loop.self = loop
  a.publish({ ...event('c1'), data: loop } as unknown as SignalboxEvent)
  a.publish({ ...event('c2'), data: { ...sampleCall('c2'), from: 'x'.repeat(300_000) } } as SignalboxEvent)
  assert.is(a.queued, 0)
  assert.is(a.bench.log.matching('error', 'event not told').length, 1)
  await a.stop()
  a.publish(event('c3'))
  assert.is(a.queued, 0)
})

Stream('writes what waits before it stops', async () => {
  const a = await edge()
  a.publish(event('c1'))
  await a.stop()
  assert.is(await redis.cli('xlen', 'signalbox:events'), '1')
})

Stream.run()
