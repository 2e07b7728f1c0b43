import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { TurnoverMap } from '../../src/engine/turnover-map.js'

const Turnover = suite('A map of entries that stay for a moment')

Turnover('gives, lists and forgets what a Map would, in its order, however many have passed', () => {
  const map = new TurnoverMap<number, string>()
  const plain = new Map<number, string>()
  let state = 7
  const random = (below: number): number => (state = (state * 48_271) % 2_147_483_647) % below
  for (let i = 0; i < 20_000; i++) {
    const key = random(i % 1_000 < 500 ? 20 : 300)
    if (random(2) === 0) assert.is(map.delete(key), plain.delete(key))
    else {
      map.set(key, `${i}`)
      plain.set(key, `${i}`)
    }
    assert.is(map.size, plain.size)
    assert.is(map.get(key), plain.get(key))
    assert.is(map.has(key), plain.has(key))
  }
  assert.equal([...map], [...plain])
  assert.equal([...map.keys()], [...plain.keys()])
  assert.equal([...map.values()], [...plain.values()])
  assert.equal([...map.entries()], [...plain.entries()])
  map.clear()
  assert.is(map.size, 0)
})

Turnover('what it holds may be deleted while it is gone through', () => {
  const map = new TurnoverMap<number, number>()
  for (let i = 0; i < 200; i++) map.set(i, i)
  const seen: number[] = []
  map.forEach((value, key) => {
    seen.push(value)
    map.delete(key)
  })
  assert.is(seen.length, 200)
  assert.is(map.size, 0)
})

Turnover.run()
