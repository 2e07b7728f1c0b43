import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Turns, type Waiter } from '../../../src/trunks/registration/turns.js'
import { ManualClock } from '../../support/manual-clock.js'
import { flush } from '../../support/registration-bench.js'

const PacedTurns = suite('Turns')

/** Somebody whose turn lasts until `end` is called. */
class Sender implements Waiter {
  turns = 0
  end: () => void = () => {}

  turn(): Promise<void> {
    this.turns += 1
    return new Promise((resolve) => (this.end = resolve))
  }
}

const senders = (count: number): Sender[] => Array.from({ length: count }, () => new Sender())
const begun = (all: readonly Sender[]): number => all.filter(({ turns }) => turns > 0).length

PacedTurns('a start is paced: one trunk begins at once, a thousand at the rate', async () => {
  const clock = new ManualClock()
  const turns = new Turns({ clock, maxInFlight: 1_000, startRate: 50 })
  const all = senders(1_000)
  for (const sender of all) turns.join(sender)
  await flush()
  assert.ok(begun(all) >= 1 && begun(all) <= 5, `${begun(all)} at once`)
  for (let second = 1; second <= 10; second++) {
    clock.advance(1_000)
    await flush()
    assert.ok(Math.abs(begun(all) - second * 50) <= 5, `${begun(all)} after ${second} s`)
  }
})

PacedTurns('never more are under way than the cap, refreshes included', async () => {
  const clock = new ManualClock()
  const turns = new Turns({ clock, maxInFlight: 3, startRate: 1_000 })
  const refreshes = senders(5)
  const starts = senders(5)
  for (const sender of starts) turns.join(sender)
  for (const sender of refreshes) turns.join(sender, { ahead: true })
  clock.advance(1_000)
  await flush()
  assert.is(turns.active, 3)
  assert.is(begun([...starts, ...refreshes]), 3)
  starts[0]?.end()
  await flush()
  assert.is(turns.active, 3)
  assert.is(begun(refreshes), 1, 'a refresh goes before those that start')
})

PacedTurns('refreshes know no pace', async () => {
  const clock = new ManualClock()
  const turns = new Turns({ clock, maxInFlight: 1_000, startRate: 1 })
  const all = senders(500)
  for (const sender of all) turns.join(sender, { ahead: true })
  await flush()
  assert.is(begun(all), 500)
})

PacedTurns('who has left gets no turn, nor does anybody after the stop; no timer stays', async () => {
  const clock = new ManualClock()
  const turns = new Turns({ clock, maxInFlight: 1, startRate: 10 })
  const [first, second, third] = senders(3) as [Sender, Sender, Sender]
  turns.join(first)
  turns.join(second)
  turns.join(third)
  turns.leave(second)
  await flush()
  first.end()
  await flush()
  clock.advance(1_000)
  await flush()
  assert.equal([second.turns, third.turns], [0, 1])
  turns.join(first)
  turns.join(second)
  turns.stop()
  third.end()
  await flush()
  clock.advance(10_000)
  assert.equal([first.turns, second.turns], [1, 0])
  assert.is(clock.pending, 0)
})

PacedTurns.run()
