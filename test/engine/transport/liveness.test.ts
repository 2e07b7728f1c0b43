import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Liveness } from '../../../src/engine/transport/liveness.js'

const Suite = suite('Liveness')

const SETTINGS = { pingIntervalMs: 100_000, pongTimeoutMs: 10_000, maxConsecutiveTimeouts: 3 }

/** What a look once a second sees from one time to another, in seconds. */
function looks(liveness: Liveness, fromS: number, toS: number): Array<[atS: number, verdict: string]> {
  const seen: Array<[number, string]> = []
  for (let second = fromS; second <= toS; second++) {
    const verdict = liveness.check(second * 1_000)
    if (verdict !== undefined) seen.push([second, verdict])
  }
  return seen
}

function pinging(settings = SETTINGS): Liveness {
  const liveness = new Liveness(settings, 0)
  liveness.keepAlive()
  return liveness
}

Suite('pings after 80 to 100 % of the interval without a word, and not always after the same (RFC 5626 4.4.1)', () => {
  const first = Array.from({ length: 50 }, () => looks(pinging(), 0, 101)[0]!)
  assert.ok(first.every(([at, verdict]) => at >= 80 && at <= 101 && verdict === 'ping'))
  assert.ok(new Set(first.map(([at]) => at)).size > 3)
})

Suite('does not ping a peer that speaks', () => {
  const liveness = pinging()
  for (let second = 0; second < 1_000; second += 50) {
    liveness.heardAtMs = second * 1_000
    assert.equal(looks(liveness, second, second + 50), [])
  }
})

Suite('a peer that never answered a ping is pinged on, and lives', () => {
  const seen = looks(pinging(), 0, 1_000)
  assert.ok(seen.length >= 9)
  assert.ok(seen.every(([, verdict]) => verdict === 'ping'))
})

Suite('a peer that answered one and then no more is dead after the time for an answer', () => {
  const liveness = pinging()
  const [[pinged] = [0]] = looks(liveness, 0, 101)
  assert.ok(liveness.pong())
  liveness.heardAtMs = pinged * 1_000 + 20
  const seen = looks(liveness, pinged + 1, pinged + 115)
  assert.equal(seen[0]?.[1], 'ping')
  const dead = seen.find(([, verdict]) => verdict === 'dead')
  assert.is((dead?.[0] ?? 0) - seen[0]![0], 10)
})

Suite('whatever comes after a ping is an answer to it', () => {
  const liveness = pinging()
  looks(liveness, 0, 101)
  liveness.pong()
  liveness.heardAtMs = 101_000
  const [[again] = [0]] = looks(liveness, 102, 202)
  liveness.heardAtMs = again * 1_000 + 5_000
  assert.equal(looks(liveness, again + 5, again + 80), [])
})

Suite('a CRLF that no ping asked for is no answer', () => {
  const liveness = pinging()
  assert.not(liveness.pong())
})

Suite('a peer that nobody asked to be kept alive, or without an interval, is left alone', () => {
  assert.equal(looks(new Liveness(SETTINGS, 0), 0, 1_000), [])
  assert.equal(looks(pinging({ ...SETTINGS, pingIntervalMs: 0 }), 0, 1_000), [])
})

Suite('is given up after so many requests in a row without an answer; an answer begins the count anew', () => {
  const liveness = new Liveness(SETTINGS, 0)
  assert.equal([liveness.timedOut(), liveness.timedOut()], [false, false])
  liveness.answered()
  assert.equal([liveness.timedOut(), liveness.timedOut(), liveness.timedOut()], [false, false, true])
})

Suite('one request alone never tells; 0 is never', () => {
  const hasty = new Liveness({ ...SETTINGS, maxConsecutiveTimeouts: 1 }, 0)
  assert.equal([hasty.timedOut(), hasty.timedOut()], [false, true])
  const patient = new Liveness({ ...SETTINGS, maxConsecutiveTimeouts: 0 }, 0)
  assert.not(Array.from({ length: 100 }, () => patient.timedOut()).some((dead) => dead))
})

Suite.run()
