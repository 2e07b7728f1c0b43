import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Cdr } from '../../src/model/call.js'
import { CdrLog } from '../../src/store/cdr-log.js'
import { eventually } from '../support/eventually.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { rejection, StoreBench } from '../support/store-bench.js'

const A = '+14155550100'
const B = '+14155550101'
const START = Date.parse('2026-01-01T00:00:00.000Z')

/** The record of a call that ended `endS` seconds after the start of the year. */
function cdrOf(call_id: string, endS: number, fields: Partial<Cdr> = {}): Cdr {
  const ended_at = new Date(START + endS * 1_000).toISOString()
  return {
    call_id,
    account_id: 'default',
    direction: 'inbound',
    from: '+13125550199',
    to: A,
    phone_number: A,
    trunk_id: 'pbx-1',
    agent_id: 'front',
    source_address: '127.0.0.1',
    identified_by: 'address',
    leg_a_call_id: 'a@x',
    leg_b_call_id: 'b@x',
    started_at: ended_at,
    ringing_at: null,
    answered_at: null,
    ended_at,
    duration_s: 0,
    setup_ms: null,
    result: 'answered',
    ended_by: 'leg_a',
    leg_a_status: 200,
    leg_b_status: 200,
    end_reason: '',
    attempts: [],
    explanation: null,
    ...fields,
  }
}

for (const [name, args] of [
  ['a single Redis', []],
  ['a Redis Cluster', ['--cluster-enabled', 'yes']],
] as const) {
  const Log = suite(`The log of calls on ${name}`)
  let redis: TestRedis
  let bench: StoreBench
  let log: CdrLog

  const logOn = (
    of: StoreBench,
    limits: { streamMaxLength?: number; recordTtlS?: number; queueMax?: number } = {},
  ): CdrLog =>
    new CdrLog({
      connection: of.connection,
      clock: of.clock,
      metrics: of.metrics,
      logger: of.log,
      streamMaxLength: 1_000_000,
      recordTtlS: 86_400,
      queueMax: 20_000,
      ...limits,
    })

  /** What a list gives when every page is asked for: call ids, and how many pages. */
  const idsOf = async (request: Omit<Parameters<CdrLog['list']>[0], 'cursor'>): Promise<string> => {
    const ids: string[] = []
    let cursor: string | null = null
    do {
      const page: Awaited<ReturnType<CdrLog['list']>> = await log.list({
        ...request,
        ...(cursor === null ? {} : { cursor }),
      })
      ids.push(...page.items.map(({ call_id }) => call_id))
      cursor = page.next_cursor
    } while (cursor !== null)
    return ids.join(' ')
  }

  Log.before(async () => {
    redis = await startRedis({ args })
    if (args.length > 0) {
      await redis.cli('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
      while (!(await redis.cli('CLUSTER', 'INFO')).includes('cluster_state:ok')) await redis.cli('PING')
    }
  })
  Log.before.each(async () => {
    await redis.cli('FLUSHALL')
    bench = await StoreBench.ready(redis.url)
    log = logOn(bench)
  })
  Log.after.each(async () => {
    await log.stop(0)
    await bench.stop()
  })
  Log.after(() => redis.stop())

  Log('takes a record at once and writes it in the background', async () => {
    const cdr = cdrOf('c1', 1, {
      end_reason: 'Zoë \u2603',
      attempts: [{ target: 'sip:x', status: 0, reason: '', duration_ms: 1.5 }],
    })
    log.append(cdr)
    assert.is(log.queued, 1)
    await log.flush()
    assert.is(log.queued, 0)
    assert.equal(await log.get('c1'), cdr)
    assert.equal((await log.list({ limit: 10 })).items, [cdr])
    assert.is(await redis.cli('XLEN', 'signalbox:cdrs'), '1')
    assert.is(bench.metrics.written, 1)
    assert.is(bench.metrics.cdrsWaiting, 0)
    assert.is(await log.get('other'), undefined)
    assert.is(await log.get('x\r\ny'), undefined)
    assert.ok(Number(await redis.cli('TTL', 'signalbox:cdr:c1')) > 86_000)
  })

  Log('is one entry a call, however often it is appended, by however many', async () => {
    const other = await StoreBench.ready(redis.url)
    const others = logOn(other)
    for (let i = 0; i < 3; i++) {
      log.append(cdrOf('c1', 1))
      others.append(cdrOf('c1', 1))
      await Promise.all([log.flush(), others.flush()])
    }
    await other.stop()
    assert.is(await redis.cli('XLEN', 'signalbox:cdrs'), '1')
    assert.is(await idsOf({ limit: 10, phoneNumber: A }), 'c1')
  })

  Log('is listed newest first, page by page, of a number, of an account and since an instant', async () => {
    for (let i = 0; i < 9; i++)
      log.append(cdrOf(`c${i}`, i, { phone_number: i % 3 === 0 ? B : A, account_id: i % 2 === 0 ? 'default' : 'acme' }))
    log.append(cdrOf('refused', 9, { phone_number: null, account_id: null, to: '*'.repeat(500) }))
    await log.flush()
    assert.is(await idsOf({ limit: 4 }), 'refused c8 c7 c6 c5 c4 c3 c2 c1 c0')
    assert.is(await idsOf({ limit: 2, phoneNumber: A }), 'c8 c7 c5 c4 c2 c1')
    assert.is(await idsOf({ limit: 2, phoneNumber: B }), 'c6 c3 c0')
    assert.is(await idsOf({ limit: 2, phoneNumber: '+14155550109' }), '')
    assert.is(await idsOf({ limit: 2, accountId: 'acme' }), 'c7 c5 c3 c1')
    assert.is(await idsOf({ limit: 2, accountId: 'acme', phoneNumber: A }), 'c7 c5 c1')
    const since = '2026-01-01T00:00:05.000Z'
    assert.is(await idsOf({ limit: 2, since }), 'refused c8 c7 c6 c5')
    assert.is(await idsOf({ limit: 2, since, phoneNumber: A }), 'c8 c7 c5')
    assert.is(await idsOf({ limit: 1_000, since: '2027-01-01T00:00:00.000Z' }), '')
  })

  Log('goes on where a page ended while calls go on ending', async () => {
    for (let i = 0; i < 6; i++) log.append(cdrOf(`c${i}`, i))
    await log.flush()
    const first = await log.list({ limit: 3, phoneNumber: A })
    const firstOfAll = await log.list({ limit: 3 })
    log.append(cdrOf('c6', 6))
    await log.flush()
    const idsAfter = async (cursor: string | null, phoneNumber?: string): Promise<string> =>
      (await log.list({ limit: 3, cursor: cursor ?? '', phoneNumber })).items.map(({ call_id }) => call_id).join(' ')
    assert.is(await idsAfter(first.next_cursor, A), 'c2 c1 c0')
    assert.is(await idsAfter(firstOfAll.next_cursor), 'c2 c1 c0')
  })

  Log('refuses cursors and instants that are none', async () => {
    for (const cursor of ['x', '', '0', Buffer.from('1-').toString('base64url'), 'a'.repeat(10_000)]) {
      assert.is((await rejection(log.list({ limit: 1, cursor }))).code, 'INVALID')
      assert.is((await rejection(log.list({ limit: 1, cursor, phoneNumber: A }))).code, 'INVALID')
    }
    assert.is((await rejection(log.list({ limit: 1, since: 'yesterday' }))).code, 'INVALID')
    assert.is((await rejection(log.list({ limit: 1, phoneNumber: '{x}' }))).code, 'INVALID')
  })

  Log('waits for Redis, and then writes each call once', async () => {
    log.append(cdrOf('before', 0))
    await log.flush()
    await redis.kill()
    await eventually('away', () => !bench.connection.up)
    for (let i = 0; i < 250; i++) log.append(cdrOf(`c${i}`, i))
    assert.is(bench.metrics.cdrsWaiting, 250)
    await log.flush(100)
    assert.is(log.queued, 250)
    await redis.restart()
    if (args.length > 0)
      await eventually('the cluster', async () => (await redis.cli('CLUSTER', 'INFO')).includes('cluster_state:ok'))
    await eventually('all are written', () => log.queued === 0, 15_000)
    assert.is(await redis.cli('XLEN', 'signalbox:cdrs'), '251')
    assert.is(bench.metrics.dropped, 0)
    assert.ok(bench.log.matching('warn', 'call records wait').length <= 1)
  })

  Log('is not doubled when the answer to a write was lost', async () => {
    redis.hang()
    for (let i = 0; i < 20; i++) log.append(cdrOf(`c${i}`, i))
    // The commands are sent, their answers come after the deadline: the writes are tried again.
    await eventually('it gives up waiting', () => bench.metrics.errors.has('cdr'), 5_000)
    redis.resume()
    await eventually('all are written', () => log.queued === 0, 15_000)
    assert.is(await redis.cli('XLEN', 'signalbox:cdrs'), '20')
    assert.is((await log.list({ limit: 100, phoneNumber: A })).items.length, 20)
  })

  Log('drops the oldest when too many wait, and says which', async () => {
    const small = logOn(bench, { queueMax: 3 })
    await redis.kill()
    await eventually('away', () => !bench.connection.up)
    for (let i = 0; i < 5; i++) small.append(cdrOf(`c${i}`, i))
    assert.is(small.queued, 3)
    assert.is(bench.metrics.dropped, 2)
    assert.equal(
      bench.log.matching('error', 'dropped').map(({ fields }) => fields['callId']),
      ['c0', 'c1'],
    )
    await small.stop(50)
    const left = bench.log.matching('error', 'not written')
    assert.equal(
      left.map(({ fields }) => (fields['cdr'] as Cdr).call_id),
      ['c2', 'c3', 'c4'],
      'what cannot be written when we stop is in the log, whole',
    )
    await redis.restart()
    if (args.length > 0)
      await eventually('the cluster', async () => (await redis.cli('CLUSTER', 'INFO')).includes('cluster_state:ok'))
  })

  Log('keeps about as many entries as configured', async () => {
    const small = logOn(bench, { streamMaxLength: 100 })
    for (let i = 0; i < 1_000; i++) small.append(cdrOf(`c${i}`, i))
    await small.flush(10_000)
    const length = Number(await redis.cli('XLEN', 'signalbox:cdrs'))
    assert.ok(length >= 100 && length <= 250, `${length}`)
  })

  Log('keeps in a number’s list what can still be asked for, and lets the list end with the last', async () => {
    const hour = logOn(bench, { recordTtlS: 3_600 })
    for (const [id, endS] of Object.entries({ c0: 0, c1: 10, c2: 3_605 })) hour.append(cdrOf(id, endS))
    await hour.flush()
    const key = `signalbox:cdrs-of:${A}`
    assert.match(await redis.cli('ZRANGE', key, '0', '-1'), /^\d{15}:c1\n\d{15}:c2$/)
    const left = Number(await redis.cli('TTL', key))
    assert.ok(left > 3_500 && left <= 3_600, `${left}`)
    await hour.stop(0)
  })

  Log('goes on after a record that can never be written, and over entries of others', async () => {
    log.append(cdrOf('not an id', 1))
    log.append(cdrOf('good', 2))
    await log.flush()
    assert.is(log.queued, 0)
    assert.is(bench.metrics.dropped, 1)
    await redis.cli('XADD', 'signalbox:cdrs', '*', 'cdr', '{"call_id":')
    await redis.cli('XADD', 'signalbox:cdrs', '*', 'x', 'cdr', 'cdr', 'null')
    const page = await log.list({ limit: 10 })
    assert.equal(
      page.items.map(({ call_id }) => call_id),
      ['good'],
    )
    assert.is(page.invalid?.length, 2)
    await redis.cli('SET', 'signalbox:cdr:bad', '[]')
    assert.is((await rejection(log.get('bad'))).code, 'INVALID')
  })

  Log(
    '[A11] an account is told nothing of records that do not parse, and its pages end with records of its own',
    async () => {
      for (let i = 0; i < 7; i++) log.append(cdrOf(`c${i}`, i, { account_id: i % 3 === 0 ? 'acme' : 'umbra' }))
      await log.flush()
      await redis.cli('XADD', 'signalbox:cdrs', '*', 'cdr', '{"account_id":"umbra"}')
      const seen: string[][] = []
      let cursor: string | undefined
      do {
        const page = await log.list({ limit: 1, accountId: 'acme', cursor })
        assert.is(page.invalid, undefined)
        seen.push(page.items.map(({ call_id }) => call_id))
        cursor = page.next_cursor ?? undefined
      } while (cursor !== undefined)
      assert.equal(seen.flat(), ['c6', 'c3', 'c0'])
      assert.is((await log.list({ limit: 3 })).items.length, 3)
    },
  )

  Log('waits while the stream is no stream, and writes when it is one again', async () => {
    await redis.cli('SET', 'signalbox:cdrs', 'x')
    log.append(cdrOf('c1', 1))
    await log.flush(300)
    assert.is(log.queued, 1)
    await redis.cli('DEL', 'signalbox:cdrs')
    await eventually('written', () => log.queued === 0, 5_000)
    assert.is(await redis.cli('XLEN', 'signalbox:cdrs'), '1')
  })

  Log.run()
}
