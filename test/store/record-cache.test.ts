import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { RecordCache } from '../../src/store/record-cache.js'
import type { Read } from '../../src/store/record.js'
import { ManualClock } from '../support/manual-clock.js'

const Cache = suite('Records in memory')

interface Question {
  readonly ids: readonly string[]
  answer(reads: Read<string>[]): void
  fail(): void
}

function startCache(max = 100) {
  const clock = new ManualClock()
  const questions: Question[] = []
  const kept: [string, string | undefined][] = []
  const invalid: string[] = []
  const cache = new RecordCache<string>({
    max,
    clock,
    freshMs: 1_000,
    read: (ids) =>
      new Promise((resolve, reject) => {
        questions.push({ ids, answer: resolve, fail: () => reject(new Error('away')) })
      }),
    kept: (id, value) => kept.push([id, value]),
    metInvalid: (id, why) => invalid.push(`${id} ${why}`),
  })
  cache.watched = true
  const find = async (id: string) => (await cache.find([id]))[0]
  return { clock, questions, kept, invalid, cache, find }
}

const value = (text: string): Read<string> => ({ kind: 'value', value: text })
const none: Read<string> = { kind: 'none' }

Cache('are asked for once, together with others that are wanted', async () => {
  const { cache, questions } = startCache()
  const first = cache.find(['a', 'b', 'a'])
  const second = cache.find(['b', 'c'])
  assert.equal(
    questions.map(({ ids }) => ids),
    [['a', 'b'], ['c']],
  )
  questions[0]?.answer([value('A'), none])
  questions[1]?.answer([value('C')])
  assert.equal(await first, [{ value: 'A', from: 'redis' }, { from: 'redis' }, { value: 'A', from: 'redis' }])
  assert.equal(await second, [{ from: 'redis' }, { value: 'C', from: 'redis' }])
  assert.equal(await cache.find(['a', 'b', 'c']), [
    { value: 'A', from: 'memory' },
    { from: 'memory' },
    { value: 'C', from: 'memory' },
  ])
  assert.is(questions.length, 2)
})

Cache('are asked for again after a change was announced, and kept for when nobody can be asked', async () => {
  const { cache, questions, find } = startCache()
  const first = find('a')
  questions[0]?.answer([value('A')])
  await first
  cache.distrust('a')
  assert.is(cache.warm('a'), undefined)
  const second = find('a')
  questions[1]?.fail()
  assert.equal(await second, { value: 'A', from: 'stale' })
  const third = find('a')
  questions[2]?.answer([value('A2')])
  assert.equal(await third, { value: 'A2', from: 'redis' })
  assert.equal(cache.warm('a'), { value: 'A2', from: 'memory' })
})

Cache('answered before a change and arriving after it do not count as fresh', async () => {
  const { cache, questions, find } = startCache()
  const first = find('a')
  cache.distrust('a')
  const second = find('a')
  assert.is(questions.length, 2, 'who asks after the change is not given the answer from before')
  questions[0]?.answer([value('old')])
  assert.equal(await first, { value: 'old', from: 'redis' })
  assert.is(cache.warm('a'), undefined)
  questions[1]?.answer([value('new')])
  assert.equal(await second, { value: 'new', from: 'redis' })
  assert.equal(cache.warm('a'), { value: 'new', from: 'memory' })
})

Cache('read across an outage do not count as fresh', async () => {
  const { cache, questions, find } = startCache()
  const first = find('a')
  cache.distrustAll()
  questions[0]?.answer([value('A')])
  await first
  assert.is(cache.warm('a'), undefined)
})

Cache('are all asked for again after changes may have been missed', async () => {
  const { cache, questions, find } = startCache()
  const all = cache.find(['a', 'b'])
  questions[0]?.answer([value('A'), none])
  await all
  cache.distrustAll()
  const a = find('a')
  const b = find('b')
  questions[1]?.fail()
  questions[2]?.fail()
  assert.equal(await a, { value: 'A', from: 'stale' })
  assert.equal(await b, { from: 'unavailable' }, 'that there was none proves nothing')
})

Cache('are fresh for their time only while nobody tells of changes', async () => {
  const { cache, clock, questions, find } = startCache()
  cache.watched = false
  const first = find('a')
  questions[0]?.answer([value('A')])
  await first
  clock.advance(999)
  assert.equal(cache.warm('a'), { value: 'A', from: 'memory' })
  clock.advance(1)
  assert.is(cache.warm('a'), undefined)
  cache.watched = true
  assert.equal(cache.warm('a'), { value: 'A', from: 'memory' })
})

Cache('that do not parse are remembered as such, and reported when they are read', async () => {
  const { cache, questions, invalid, find, kept } = startCache()
  const first = find('a')
  questions[0]?.answer([value('A')])
  await first
  cache.distrust('a')
  const second = find('a')
  questions[1]?.answer([{ kind: 'invalid', why: 'broken' }])
  assert.equal(await second, { invalid: 'broken', from: 'redis' })
  assert.equal(cache.warm('a'), { invalid: 'broken', from: 'memory' })
  assert.is(cache.last('a'), undefined)
  assert.equal(invalid, ['a broken'])
  assert.equal(kept, [
    ['a', 'A'],
    ['a', undefined],
  ])
})

Cache('are bounded; what is dropped for room is told, and absent ids do not push records out', async () => {
  const { cache, questions, kept } = startCache(2)
  const all = cache.find(['a', 'b', 'c'])
  questions[0]?.answer([value('A'), value('B'), value('C')])
  await all
  assert.is(cache.size, 2)
  assert.ok(kept.some(([id, now]) => id === 'a' && now === undefined))
  const strangers = Array.from({ length: 5_000 }, (_, i) => `x${i}`)
  const asked = cache.find(strangers)
  questions[1]?.answer(strangers.map(() => none))
  await asked
  assert.equal(cache.ids().sort(), ['b', 'c'])
})

Cache.run()
