import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Clock, Timer } from '../../../src/engine/clock.js'
import { type MeasuredSocket, MessageWait } from '../../../src/engine/transport/message-wait.js'

const Wait = suite('How long messages wait')

/** Time passes without timers firing, as when the event loop is held up; `turn` lets it turn. */
class HeldClock implements Clock {
  private nowMs = 5_000
  private readonly timers = new Map<object, { readonly at: number; readonly fire: () => void }>()

  now(): number {
    return this.nowMs
  }

  date(): Date {
    return new Date(this.nowMs)
  }

  get pending(): number {
    return this.timers.size
  }

  after<T>(delayMs: number, fire: (what: T) => void, what?: T): Timer {
    const key = {}
    this.timers.set(key, { at: this.nowMs + delayMs, fire: () => fire(what as T) })
    return { cancel: () => void this.timers.delete(key) }
  }

  pass(ms: number): void {
    this.nowMs += ms
  }

  turn(): void {
    for (const [key, { at, fire }] of [...this.timers]) {
      if (at > this.nowMs) continue
      this.timers.delete(key)
      fire()
    }
  }
}

function start(...sockets: MeasuredSocket[]): { clock: HeldClock; wait: MessageWait } {
  const clock = new HeldClock()
  const wait = new MessageWait(clock, () => sockets)
  wait.start()
  return { clock, wait }
}

Wait('is 0 while the event loop turns and the queues are short', () => {
  const { clock, wait } = start({ waitMs: () => 0 })
  for (let n = 0; n < 5; n++) {
    assert.is(wait.ms, 0)
    clock.pass(100)
    clock.turn()
  }
  assert.is(wait.ms, 0)
})

Wait('says at once that the event loop is late, and for the time to the next look how late it was', () => {
  const { clock, wait } = start()
  clock.pass(350)
  assert.is(wait.ms, 250)
  clock.turn()
  assert.is(wait.ms, 250)
  clock.pass(99)
  clock.turn()
  assert.is(wait.ms, 250)
  clock.pass(1)
  clock.turn()
  assert.is(wait.ms, 0)
})

Wait('is the longest in the queue of any socket, each asked every 100 ms what it is now', () => {
  const asked: number[] = []
  let longMs = 700
  const { clock, wait } = start(
    { waitMs: () => 30 },
    { waitMs: (nowMs) => (asked.push(nowMs), longMs) },
    { waitMs: () => 20 },
  )
  assert.is(wait.ms, 0, 'nobody was asked yet')
  clock.pass(100)
  clock.turn()
  assert.is(wait.ms, 700)
  longMs = 0
  clock.pass(100)
  clock.turn()
  assert.is(wait.ms, 30)
  assert.equal(asked, [5_100, 5_200])
})

Wait('is the longer of the two', () => {
  const { clock, wait } = start({ waitMs: () => 300 })
  clock.pass(200)
  clock.turn()
  assert.is(wait.ms, 300)
  clock.pass(600)
  clock.turn()
  assert.is(wait.ms, 500)
})

Wait('looks at the sockets that there are at the time', () => {
  const sockets: MeasuredSocket[] = []
  const clock = new HeldClock()
  const wait = new MessageWait(clock, () => sockets)
  wait.start()
  sockets.push({ waitMs: () => 80 })
  clock.pass(100)
  clock.turn()
  assert.is(wait.ms, 80)
})

Wait('has one timer however often it is started, and none and no wait after its stop', () => {
  const { clock, wait } = start({ waitMs: () => 90 })
  wait.start()
  assert.is(clock.pending, 1)
  clock.pass(100)
  clock.turn()
  assert.is(clock.pending, 1)
  assert.is(wait.ms, 90)
  wait.stop()
  assert.is(clock.pending, 0)
  clock.pass(10_000)
  assert.is(wait.ms, 0)
  wait.start()
  clock.pass(150)
  assert.is(wait.ms, 50)
})

Wait.run()
