import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { InFlight } from '../../src/trunks/in-flight.js'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Tasks that the test ends, and how many run. */
function start(max: number) {
  const inFlight = new InFlight(max)
  const ends: (() => void)[] = []
  const begun: number[] = []
  let running = 0
  let most = 0
  const run = (n: number) =>
    inFlight.run(async () => {
      begun.push(n)
      running += 1
      most = Math.max(most, running)
      await new Promise<void>((resolve) => ends.push(resolve))
      running -= 1
      return n
    })
  return { inFlight, ends, begun, run, most: () => most }
}

const Flight = suite('InFlight')

Flight('runs so many at a time and the others in the order they came', async () => {
  const { run, ends, begun, most } = start(2)
  const all = [1, 2, 3, 4].map(run)
  await turn()
  assert.equal(begun, [1, 2])
  ends.shift()?.()
  await turn()
  assert.equal(begun, [1, 2, 3])
  while (ends.length > 0) {
    ends.shift()?.()
    await turn()
  }
  assert.equal(await Promise.all(all), [1, 2, 3, 4])
  assert.is(most(), 2)
})

Flight('gives the place of one that has ended to one that waits, not to one that comes at that moment', async () => {
  const { run, ends, begun, most } = start(1)
  const all = [run(1), run(2)]
  await turn()
  ends.shift()?.()
  // In the very turn in which the place changes hands.
  for (let i = 0; i < 6; i++) {
    await Promise.resolve()
    all.push(run(3 + i))
  }
  for (let i = 0; i < 20; i++) {
    await turn()
    ends.shift()?.()
  }
  await Promise.all(all)
  assert.is(most(), 1)
  assert.equal(begun, [1, 2, 3, 4, 5, 6, 7, 8])
})

Flight('goes on after a task that fails', async () => {
  const inFlight = new InFlight(1)
  const failed = inFlight.run(() => Promise.reject(new Error('broken'))).catch((error: Error) => error.message)
  assert.is(await inFlight.run(() => Promise.resolve('next')), 'next')
  assert.is(await failed, 'broken')
})

Flight('turns away those that wait when it closes, and those that come later', async () => {
  const { inFlight, run, ends, begun } = start(1)
  const [first, second] = [run(1), run(2)]
  await turn()
  inFlight.close()
  assert.is(await second, undefined)
  assert.is(await run(3), undefined)
  ends.shift()?.()
  assert.is(await first, 1)
  assert.equal(begun, [1])
})

Flight.run()
