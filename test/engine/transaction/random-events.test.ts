import * as assert from 'uvu/assert'
import { suite } from 'uvu'
import { RecordingFlow } from '../../support/recording-flow.js'
import {
  RecordingServer,
  TransactionBench,
  type RecordingClient,
  type RequestParts,
} from '../../support/transaction-bench.js'
import type { ClientTransaction, ServerTransaction } from '../../../src/engine/transaction/transactions.js'

const RandomEvents = suite('Transactions under random events')

/** Numbers below `limit` that are the same for the same seed (mulberry32). */
function createDice(seed: number): (limit: number) => number {
  let state = seed >>> 0
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit
  }
}

const statuses = [100, 100, 180, 183, 199, 200, 202, 301, 404, 486, 503, 603]
const methods = ['INVITE', 'INVITE', 'INVITE', 'OPTIONS', 'BYE', 'CANCEL', 'ACK']
const branches = ['z9hG4bKa', 'z9hG4bKb', 'z9hG4bKc', 'z9hG4bK', '7']

/** Feeds one bench events in an order that the seed decides, then lets time run out. */
async function run(seed: number): Promise<void> {
  const dice = createDice(seed)
  const pick = <T>(from: readonly T[]): T => from[dice(from.length)] as T
  const bench = new TransactionBench(pick(['udp', 'tcp'] as const))
  const clients: { tx: ClientTransaction; user: RecordingClient }[] = []
  const servers: { tx: ServerTransaction; user: RecordingServer }[] = []
  const dead = new RecordingFlow(bench.flow.protocol)

  const known = (): ServerTransaction[] => [...bench.requests, ...bench.cancels.map(({ cancel }) => cancel)]
  const incoming = (): RequestParts => ({
    via: `SIP/2.0/UDP 192.0.2.20;branch=${pick(branches)}`,
    to: pick(['<sip:bob@example.net>', '<sip:bob@example.net>;tag=to1']),
  })

  for (let i = 0; i < 120; i++) {
    switch (dice(12)) {
      case 0:
        if (clients.length < 12) clients.push(bench.open(pick(['INVITE', 'INVITE', 'OPTIONS'])))
        break
      case 1:
      case 2:
      case 3:
        if (clients.length > 0) bench.answer(pick(clients).tx, pick(statuses), pick(['to1', 'to2']))
        break
      case 4:
        if (clients.length > 0) pick(clients).tx.cancel()
        break
      case 5:
        if (clients.length > 0) bench.answerCancel(pick(clients).tx, pick([200, 481]))
        break
      case 6:
      case 7:
        bench.receive(pick(methods), incoming())
        break
      case 8: {
        const all = known()
        if (all.length > 0) bench.respond(pick(all), pick(statuses), 'to1')
        break
      }
      case 9:
        bench.clock.advance(pick([1, 100, 500, 2_000, 4_000, 32_000, 100_000]))
        break
      case 10:
        bench.flow.fail()
        break
      case 11:
        bench.way = pick([bench.flow, bench.flow, dead, undefined])
        await Promise.resolve()
        break
    }
    for (const tx of known())
      if (tx.user === undefined && tx.state !== 'terminated' && !servers.some((one) => one.tx === tx)) {
        const user = new RecordingServer()
        tx.user = user
        servers.push({ tx, user })
      }
  }
  // The core answers all it was given.
  for (const tx of known()) if (!tx.finalSent) bench.respond(tx, 500)
  bench.clock.advance(400_000)

  const label = `seed ${seed}`
  assert.is(bench.clock.pending, 0, label)
  assert.is(bench.transactions.count, 0, label)
  assert.equal(bench.errors, [], label)
  for (const { tx, user } of clients) {
    const outcomes = user.heard.filter(
      (what) => what === 'timedOut' || what === 'transportFailed' || (typeof what === 'number' && what >= 200),
    )
    const first = outcomes[0]
    const forks = typeof first === 'number' && first < 300 && tx.request.method === 'INVITE'
    if (forks)
      assert.ok(
        outcomes.every((what) => typeof what === 'number' && what < 300),
        label,
      )
    else assert.is(outcomes.length, 1, label)
    assert.is(user.heard.indexOf('ended'), user.heard.length - 1, label)
  }
  for (const { user } of servers) assert.is(user.heard.indexOf('ended'), user.heard.length - 1, label)
}

RandomEvents(
  'whatever comes in whatever order, all end, no timer is left, and each user hears one outcome and one end',
  async () => {
    for (let seed = 1; seed <= 400; seed++) await run(seed)
  },
)

RandomEvents('the dice differ from seed to seed, and not for one seed', () => {
  const rolls = (seed: number): string => {
    const dice = createDice(seed)
    return Array.from({ length: 20 }, () => dice(12)).join()
  }
  assert.is(rolls(5), rolls(5))
  assert.is(new Set([1, 2, 3, 4, 5].map(rolls)).size, 5)
})

RandomEvents.run()
