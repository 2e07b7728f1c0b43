import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { AuditEntry } from '../../src/model/audit.js'
import { AuditLog } from '../../src/store/audit-log.js'
import { eventually } from '../support/eventually.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { rejection, StoreBench } from '../support/store-bench.js'

const entry = (action: string, fields: Partial<AuditEntry> = {}): AuditEntry => ({
  at: '2026-01-01T00:00:00.000Z',
  action,
  outcome: 'done',
  object: 'x',
  account_id: 'default',
  by: { name: 'admin', token_id: null, role: 'admin', account_id: null },
  via: 'api',
  source_address: '127.0.0.1',
  request_id: 'r',
  before: null,
  after: { label: 'a' },
  detail: null,
  ...fields,
})

const Log = suite('Audit in Redis')
let redis: TestRedis
let bench: StoreBench
let dropped = 0

Log.before(async () => {
  redis = await startRedis()
  bench = await StoreBench.ready(redis.url)
})
Log.after(async () => {
  await bench.stop()
  await redis.stop()
})
Log.before.each(async () => {
  await redis.cli('FLUSHALL')
  dropped = 0
})

const open = (maxEntries = 1_000): AuditLog =>
  new AuditLog({
    connection: bench.connection,
    clock: bench.clock,
    metrics: { auditDropped: { inc: () => void dropped++ } },
    logger: bench.log,
    maxEntries,
  })

const actions = async (log: AuditLog, request: Partial<Parameters<AuditLog['list']>[0]> = {}): Promise<string[]> =>
  (await log.list({ limit: 100, ...request })).items.map(({ action }) => action)

Log('an entry is there when it was taken, newest first, page after page', async () => {
  const log = open()
  for (const action of ['a', 'b', 'c', 'd', 'e']) await log.record(entry(action))
  assert.equal(await actions(log), ['e', 'd', 'c', 'b', 'a'])
  const seen: string[] = []
  let cursor: string | undefined
  do {
    const page = await log.list({ limit: 2, cursor })
    seen.push(...page.items.map(({ action }) => action))
    cursor = page.next_cursor ?? undefined
  } while (cursor !== undefined)
  assert.equal(seen, ['e', 'd', 'c', 'b', 'a'])
  const { id, ...rest } = (await log.list({ limit: 1 })).items[0]!
  assert.match(id, /^\d+-\d+$/)
  assert.equal(rest, entry('e'))
  await log.stop()
})

Log('is filtered by object, account and time, also over pages', async () => {
  const log = open()
  const now = Date.now()
  for (let n = 0; n < 6; n++)
    await log.record(
      entry(`a${n}`, {
        object: n % 2 === 0 ? '+1415' : 'pbx',
        account_id: n < 3 ? 'acme' : null,
        at: new Date(now + n * 1_000).toISOString(),
      }),
    )
  assert.equal(await actions(log, { object: '+1415' }), ['a4', 'a2', 'a0'])
  assert.equal(await actions(log, { accountId: 'acme' }), ['a2', 'a1', 'a0'])
  assert.equal(await actions(log, { object: 'pbx', accountId: 'acme' }), ['a1'])
  assert.equal(await actions(log, { since: new Date(now + 4_000).toISOString() }), ['a5', 'a4'])
  const first = await log.list({ limit: 1, object: '+1415' })
  assert.equal(await actions(log, { object: '+1415', cursor: first.next_cursor! }), ['a2', 'a0'])
  assert.is((await rejection(log.list({ limit: 1, cursor: 'x' }))).code, 'INVALID')
  await log.stop()
})

Log('keeps as many entries as it may, the newest', async () => {
  const log = open(100)
  await Promise.all(Array.from({ length: 150 }, (_, n) => log.record(entry(`a${n}`))))
  assert.is(await redis.cli('XLEN', 'signalbox:audit'), '100')
  assert.equal((await actions(log)).slice(0, 2), ['a149', 'a148'])
  await log.stop()
})

Log('names entries that others wrote and that do not parse', async () => {
  const log = open()
  await redis.cli('XADD', 'signalbox:audit', '*', 'entry', '{')
  await redis.cli('XADD', 'signalbox:audit', '*', 'other', 'x')
  await log.record(entry('a'))
  const page = await log.list({ limit: 10 })
  assert.equal(
    page.items.map(({ action }) => action),
    ['a'],
  )
  assert.is(page.invalid?.length, 2)
  await log.stop()
})

Log('an entry that Redis does not take waits, in its order, and nobody waits with it', async () => {
  const log = open()
  redis.hang()
  await log.record(entry('a'))
  await log.record(entry('b'))
  redis.resume()
  await eventually('both are written', async () => (await redis.cli('XLEN', 'signalbox:audit')) >= '2')
  assert.equal([...new Set(await actions(log))], ['b', 'a'])
  await log.stop()
})

Log('[A11] tells an account nothing of entries that do not parse: they may be of others', async () => {
  const log = open()
  await redis.cli('XADD', 'signalbox:audit', '*', 'entry', '{"account_id":"umbra"}')
  await log.record(entry('a', { account_id: 'acme' }))
  const page = await log.list({ limit: 10, accountId: 'acme' })
  assert.equal([page.items.length, page.invalid], [1, undefined])
  await log.stop()
})

Log.run()
