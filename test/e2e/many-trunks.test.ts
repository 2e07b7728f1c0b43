// time limit: 240 s
// alone
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Registration } from '../../src/model/registration.js'
import { Carrier } from '../support/carrier.js'
import { TestEdge } from '../support/edge.js'
import { eventually, wait } from '../support/eventually.js'
import type { Heard } from '../support/far-end.js'
import { startRedis, type TestRedis } from '../support/redis.js'

// An edge starts with many trunks to register at one registrar. TRUNKS=2000 is what is promised; fewer by default, because the
// machine has other tests to run.
const TRUNKS = Number(process.env['TRUNKS'] ?? 300)
/** First REGISTERs a second: the default of the configuration for 2,000, and as many seconds' worth for fewer. */
const START_RATE = TRUNKS >= 2_000 ? 50 : 20
const MAX_IN_FLIGHT = 20
/** The start takes about as long as a refresh is away, so that the refreshes follow each other without a pause. */
const GRANT_S = TRUNKS >= 2_000 ? 60 : 25
const WINDOW_S = Math.floor(TRUNKS / START_RATE)

const Many = suite(`${TRUNKS} trunks at one registrar`)

let redis: TestRedis
let edge: TestEdge
let registrar: Carrier
let startedMs = 0

const common = { SIGNALBOX_SECRET_KEY: '5a'.repeat(32), LOG_LEVEL: 'warn' }

Many.before(async () => {
  redis = await startRedis()
  registrar = await Carrier.open({
    address: '127.0.0.60',
    auth: { realm: 'many', users: { user: 'of many' } },
  })
  registrar.registrar.play.maxExpires = GRANT_S
  // Long enough that REGISTERs would pile up if nothing held them back.
  registrar.registrar.play.delayMs = 150
  await importAll()
  startedMs = performance.now()
  edge = await TestEdge.start({
    redisUrl: redis.url,
    env: {
      ...common,
      SIGNALBOX__REGISTRATION__START_RATE: String(START_RATE),
      SIGNALBOX__REGISTRATION__MAX_IN_FLIGHT: String(MAX_IN_FLIGHT),
    },
  })
})

Many.after(async () => {
  edge?.child.kill('SIGKILL')
  await edge?.stop()
  await registrar?.close()
  await redis?.stop()
})

/** Imports the numbers by an edge that registers none of them: the registrar does not answer it. */
async function importAll(): Promise<void> {
  registrar.registrar.play.first = 'silent'
  const importer = await TestEdge.start({
    redisUrl: redis.url,
    env: {
      ...common,
      SIGNALBOX__REGISTRATION__MAX_IN_FLIGHT: '1',
      SIGNALBOX__REGISTRATION__RETRY_BASE_S: '1',
      SIGNALBOX__REGISTRATION__UNREGISTER_ON_STOP: 'never',
    },
  })
  const waiting = Array.from({ length: TRUNKS }, (_, i) => i)
  const work = async (): Promise<void> => {
    for (let i = waiting.shift(); i !== undefined; i = waiting.shift())
      await importer.must('POST', '/v1/numbers', {
        phone_number: `+1415${String(2_000_000 + i)}`,
        sip_domain: `pbx${i}.example.com`,
        username: 'user',
        password: 'of many',
        outbound_proxy: `sip:${registrar.address}:${registrar.port};transport=tcp`,
        register: { enabled: true, expires: 3_600 },
      })
  }
  await Promise.all(Array.from({ length: 8 }, work))
  await importer.stop()
  registrar.registrar.play.first = 'accept'
}

/** Requests of a method since the start: what the importing edge sent is left out. */
const sinceStart = (heard: Heard[]): Heard[] => heard.filter(({ atMs }) => atMs >= startedMs)

const aors = (): number => new Set(registrar.registrar.bindings().map(({ aor }) => aor)).size

Many('are all registered within 60 s of the start', async () => {
  await eventually(
    'all are registered',
    () =>
      new Set(sinceStart(registrar.withCredentials('REGISTER')).map(({ message }) => message.header('to'))).size ===
      TRUNKS,
    60_000,
  )
  const tookS = (performance.now() - startedMs) / 1_000
  console.log(`${TRUNKS} trunks registered in ${tookS.toFixed(1)} s at ${START_RATE} a second`)
  assert.ok(tookS <= 60)
})

Many('say so themselves', async () => {
  await eventually('all say so', async () => (await countRegistered()) === TRUNKS)
})

async function countRegistered(): Promise<number> {
  let cursor: string | null = null
  let registered = 0
  do {
    const after: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`
    const page: { items: Registration[]; next_cursor: string | null } = await edge.must(
      'GET',
      `/v1/registrations?limit=100${after}`,
    )
    registered += page.items.filter(({ state }) => state === 'registered').length
    cursor = page.next_cursor
  } while (cursor !== null)
  return registered
}

Many('never have more REGISTERs under way than the configuration says', () => {
  assert.ok(registrar.registrar.mostUnderWay <= MAX_IN_FLIGHT, `${registrar.registrar.mostUnderWay} under way`)
  assert.ok(registrar.registrar.mostUnderWay > 1, 'the registrar was slow enough to tell')
})

Many('begin at the configured pace', () => {
  const firsts = perSecond(firstOf(sinceStart(registrar.requests('REGISTER'))))
  // A second of ours may begin within a second of theirs.
  assert.ok(Math.max(...firsts) <= START_RATE * 2, `most in a second: ${Math.max(...firsts)}`)
})

Many('are refreshed in time, spread evenly: no second has more than twice the mean', async () => {
  await wait(Math.max(0, startedMs + (WINDOW_S + GRANT_S) * 1_000 - performance.now()))
  assert.is(aors(), TRUNKS, 'none has run out')
  const accepted = sinceStart(registrar.withCredentials('REGISTER'))
  const first = new Set(firstOf(accepted))
  const times = accepted.map(({ atMs }) => atMs).filter((atMs) => !first.has(atMs))
  const seconds = perSecond(times).slice(0, WINDOW_S)
  const mean = seconds.reduce((sum, count) => sum + count, 0) / seconds.length
  console.log(
    `refreshes: ${times.length}, a second: mean ${mean.toFixed(1)}, most ${Math.max(...seconds)}: ${seconds.join(' ')}`,
  )
  assert.ok(seconds.length > 5)
  assert.ok(Math.max(...seconds) <= 2 * mean, `refreshes by the second: ${seconds.join(' ')}`)
  assert.equal(registrar.complaints, [])
})

/** When each address-of-record was first seen. */
function firstOf(heard: readonly Heard[]): number[] {
  const firsts = new Map<string, number>()
  for (const { message, atMs } of heard) {
    const to = message.header('to') ?? ''
    if (!firsts.has(to)) firsts.set(to, atMs)
  }
  return [...firsts.values()]
}

/** How many fell into each second, counted from the first. */
function perSecond(times: readonly number[]): number[] {
  const from = Math.min(...times)
  const counts: number[] = []
  for (const time of times) {
    const second = Math.floor((time - from) / 1_000)
    counts[second] = (counts[second] ?? 0) + 1
  }
  return Array.from(counts, (count) => count ?? 0)
}

Many.run()
