import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { refreshPauseMs, refusedPauseMs, retryPauseMs } from '../../../src/trunks/registration/pauses.js'

const Pauses = suite('Pauses of a registration')
const LEAST = () => 0
const MOST = () => 0.999999
const settings = { retryBaseS: 30, retryMaxS: 1_800, refusedRetryS: 3_600, retryAfterMaxS: 3_600 }

Pauses('a refresh comes at a random 80 to 90 % of the grant', () => {
  assert.is(refreshPauseMs(300, LEAST), 240_000)
  assert.ok(Math.abs(refreshPauseMs(300, MOST) - 270_000) < 10)
  const spread = new Set(Array.from({ length: 200 }, () => Math.floor(refreshPauseMs(300, Math.random) / 3_000)))
  assert.ok(spread.size >= 8, 'spread over the tenth')
})

Pauses('never later than 10 s before the end of the grant, and at the half of a very short one', () => {
  assert.is(refreshPauseMs(60, MOST), 50_000)
  assert.is(refreshPauseMs(30, MOST), 20_000)
  assert.is(refreshPauseMs(12, MOST), 6_000)
  assert.is(refreshPauseMs(4, MOST), 2_000)
  assert.is(refreshPauseMs(1, LEAST), 1_000)
  for (let granted = 1; granted < 90_000; granted += 7)
    assert.ok(refreshPauseMs(granted, MOST) <= Math.max(granted - 10, granted / 2, 1) * 1_000)
})

Pauses('after failures a random 50 to 100 % of base * 2 ** failures, up to the longest (RFC 5626 4.5)', () => {
  const between = (failures: number): [number, number] => [
    retryPauseMs(failures, undefined, settings, LEAST) / 1_000,
    Math.round(retryPauseMs(failures, undefined, settings, MOST) / 1_000),
  ]
  assert.equal([1, 2, 3, 6, 7, 1_000].map(between), [
    [30, 60],
    [60, 120],
    [120, 240],
    [900, 1_800],
    [900, 1_800],
    [900, 1_800],
  ])
})

Pauses('while a binding stands it is tried again before its end, though not often; Retry-After is kept to', () => {
  assert.is(retryPauseMs(1, undefined, settings, LEAST, 40_000), 20_000)
  assert.is(retryPauseMs(2, undefined, settings, LEAST, 20_000), 10_000)
  assert.is(retryPauseMs(3, undefined, settings, LEAST, 5_000), 10_000)
  assert.is(retryPauseMs(1, undefined, settings, LEAST, 600_000), 30_000)
  assert.is(retryPauseMs(1, 120, settings, LEAST, 40_000), 120_000)
})

Pauses('Retry-After takes the place of the pause, with a ceiling', () => {
  assert.is(retryPauseMs(1, 5, settings, LEAST), 5_000)
  assert.ok(retryPauseMs(1, 30, settings, MOST) >= 30_000)
  assert.is(retryPauseMs(1, 999_999_999, settings, LEAST), 3_600_000)
})

Pauses('a short Retry-After that does not help is not believed for ever', () => {
  assert.is(retryPauseMs(3, 0, settings, LEAST), 1_000)
  assert.is(retryPauseMs(4, 0, settings, LEAST), 240_000)
  assert.is(retryPauseMs(4, 3_000, settings, LEAST), 3_000_000)
})

Pauses('after a refusal the long pause, or Retry-After, but no less than the first pause', () => {
  assert.is(refusedPauseMs(undefined, settings, LEAST), 3_600_000)
  assert.is(refusedPauseMs(120, settings, LEAST), 120_000)
  assert.is(refusedPauseMs(1, settings, LEAST), 30_000)
  assert.is(refusedPauseMs(1e9, settings, LEAST), 3_600_000)
})

Pauses.run()
