import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Dice } from '../support/mutations.js'
import { core, liveCore } from './core.js'
import { crashersOf, seedsOf } from './corpus.js'
import { edge, liveEdge } from './edge.js'
import { framing } from './framing.js'
import { replayLives } from './lives.js'
import { messages, replayKept } from './messages.js'
import { readOptions } from './options.js'
import type { Part, Result } from './part.js'
import { readers } from './readers/index.js'
import { shrink } from './shrink.js'

const Fuzz = suite('Fuzz')

/** So many of what a part counts, whatever the machine takes for it. */
function runFor(part: Part, count: number): Promise<Result> {
  let done = 0
  return part.run({ dice: new Dice(20_260_101), forMs: 0, over: () => done >= count, progress: (now) => (done = now) })
}

Fuzz('B13: seeds and saved crashers are read without a throw, and none takes longer than 50 ms', async () => {
  for (const reader of readers) {
    const { count, defects } = await replayKept(reader)
    assert.ok(count >= seedsOf(reader.name).length + crashersOf(reader.name).length && count > 0, reader.name)
    assert.equal(defects, [])
  }
})

Fuzz('B13: every reader takes some of its seeds for good: they test more than refusals', async () => {
  for (const reader of readers) {
    const good = await Promise.all(seedsOf(reader.name).map(({ bytes }) => reader.read(bytes)))
    assert.ok(good.filter(Boolean).length * 2 >= Math.min(good.length, 20), reader.name)
  }
})

Fuzz('B13: mutated messages are read without a throw, in time, and come out as what they are', async () => {
  const { count, facts, defects } = await runFor(messages, 4_000)
  assert.equal(defects, [])
  assert.ok(count >= 4_000 && facts['accepted']! > count / 20, `${facts['accepted']} of ${count} accepted`)
})

Fuzz('B5: B6: streams with lengths that lie, cut anywhere, many messages in a segment', async () => {
  const { defects, facts } = await runFor(framing, 3_000)
  assert.equal(defects, [])
  assert.ok(facts['seeds']! > 15, 'most seeds come whole out of a stream')
})

Fuzz('B14: orders of events that once left something behind leave nothing', async () => {
  for (const [part, live] of [
    ['core', liveCore],
    ['edge', liveEdge],
  ] as const) {
    const { count, defects } = await replayLives(part, live)
    assert.equal(defects, [])
    assert.is(count, crashersOf(part).length)
  }
})

Fuzz('B14: random legal and illegal orders of requests end every transaction, dialog and timer', async () => {
  const { count, defects } = await runFor(core, 15_000)
  assert.equal(defects, [])
  assert.ok(count >= 15_000)
})

Fuzz('B14: and every call of the edge, once, whatever its two legs and its SIP server do', async () => {
  const { count, defects } = await runFor(edge, 9_000)
  assert.equal(defects, [])
  assert.ok(count >= 9_000)
})

Fuzz('what fails is made smaller as long as it fails', async () => {
  const bytes = Buffer.from(`${'a'.repeat(300)}X${'b'.repeat(300)}Y`)
  const least = await shrink(bytes, (shorter) => shorter.includes('X') && shorter.includes('Y'))
  assert.is(least.toString(), 'XY')
})

Fuzz('the command line is read, and what is wrong with it is named', () => {
  const parts = ['messages', 'core']
  const read = readOptions(['--minutes', '10', '--seed', '7', '--only', 'core', '--json'], parts)
  assert.equal(read, { forMs: 600_000, seed: 7, json: true, only: ['core'] })
  assert.match(readOptions(['--help'], parts) as string, /^npm run fuzz[^]*Example:[^]*--minutes 10/)
  for (const wrong of [['--minutes', 'x'], ['--minutes', '0'], ['--seed', '1.5'], ['--only', 'sing'], ['--loud']])
    assert.match(readOptions(wrong, parts) as string, new RegExp(wrong[0]!))
})

Fuzz.run()
