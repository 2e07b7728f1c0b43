import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { orderSrv } from '../../../src/engine/resolve/srv-order.js'

/** Numbers in [0, 1) that repeat from run to run. */
function makeRandom(): () => number {
  let state = 12_345
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return state / 2 ** 31
  }
}

const record = (priority: number, weight: number) => ({ priority, weight })

const SrvOrder = suite('SrvOrder')

SrvOrder('puts lower priorities first, whatever the weights', () => {
  const ordered = orderSrv([record(30, 100), record(10, 0), record(20, 50)], () => 0.99)
  assert.equal(
    ordered.map(({ priority }) => priority),
    [10, 20, 30],
  )
})

SrvOrder('draws the first among equals in proportion to weight (RFC 2782)', () => {
  const random = makeRandom()
  const heavy = record(1, 300)
  const light = record(1, 100)
  let heavyFirst = 0
  for (let i = 0; i < 4_000; i++) if (orderSrv([light, heavy], random)[0] === heavy) heavyFirst++
  assert.ok(heavyFirst > 2_850 && heavyFirst < 3_150, `${heavyFirst} of 4000`)
})

SrvOrder('gives weight 0 a very small chance beside others, and every order a chance when all are 0', () => {
  const random = makeRandom()
  const none = record(1, 0)
  const some = record(1, 99)
  let noneFirst = 0
  for (let i = 0; i < 4_000; i++) if (orderSrv([some, none], random)[0] === none) noneFirst++
  assert.ok(noneFirst > 0 && noneFirst < 120, `${noneFirst} of 4000`)
  const equals = [record(1, 0), record(1, 0), record(1, 0)]
  const firsts = new Set(Array.from({ length: 50 }, () => orderSrv(equals, random)[0]))
  assert.is(firsts.size, 3)
})

SrvOrder('loses and repeats no record', () => {
  const records = Array.from({ length: 64 }, (_, i) => record(i % 3, i % 7))
  assert.is(new Set(orderSrv(records, makeRandom())).size, 64)
})

SrvOrder.run()
