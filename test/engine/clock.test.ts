import { spawnSync } from 'node:child_process'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { SystemClock } from '../../src/engine/clock.js'

const Clock = suite('The clock of the engine')

const until = (fired: string[], count: number): Promise<void> =>
  new Promise((resolve) => {
    const look = (): void => void (fired.length >= count ? resolve() : setTimeout(look, 2))
    look()
  })

Clock('fires each timer once, not before its time, in the order of their times', async () => {
  const clock = new SystemClock()
  const fired: string[] = []
  const startedAt = performance.now()
  const at: number[] = []
  for (const [name, delay] of [
    ['c', 30],
    ['a', 10],
    ['d', 30],
    ['b', 20],
    ['now', 0],
  ] as const)
    clock.after(delay, () => {
      fired.push(name)
      at.push(performance.now() - startedAt - delay)
    })
  assert.is(clock.pending, 5)
  await until(fired, 5)
  assert.equal(fired, ['now', 'a', 'b', 'c', 'd'])
  assert.ok(at.every((late) => late >= 0))
  assert.is(clock.pending, 0)
})

Clock('a cancelled timer never fires, wherever it stands, and is not counted', async () => {
  const clock = new SystemClock()
  const fired: string[] = []
  const timers = ['a', 'b', 'c', 'd', 'e'].map((name) => clock.after(10, () => fired.push(name)))
  for (const i of [0, 2, 4, 2]) timers[i]!.cancel()
  assert.is(clock.pending, 2)
  await until(fired, 2)
  assert.equal(fired, ['b', 'd'])
  timers[1]!.cancel()
  assert.is(clock.pending, 0)
})

Clock('a timer may set and cancel others as it fires', async () => {
  const clock = new SystemClock()
  const fired: string[] = []
  clock.after(10, () => {
    fired.push('first')
    second.cancel()
    clock.after(10, () => fired.push('third'))
  })
  const second = clock.after(10, () => fired.push('second'))
  await until(fired, 2)
  assert.equal(fired, ['first', 'third'])
  assert.is(clock.pending, 0)
})

Clock('a timer that comes when others of its delay were cancelled has its whole time', async () => {
  const clock = new SystemClock()
  const fired: string[] = []
  clock.after(20, () => fired.push('never')).cancel()
  await new Promise((resolve) => setTimeout(resolve, 10))
  const setAt = performance.now()
  clock.after(20, () => fired.push('late'))
  await until(fired, 1)
  assert.ok(performance.now() - setAt >= 20)
  assert.equal(fired, ['late'])
})

Clock(
  'long delays that fall due one after the other fire in one go, none early, within a hundredth of the delay',
  async () => {
    const clock = new SystemClock()
    const late: number[] = []
    const gone = new Set<number>()
    let turn = 0
    const turns = setInterval(() => void turn++, 1)
    for (let i = 0; i < 5; i++) {
      const dueAt = performance.now() + 4_000
      clock.after(4_000, () => {
        gone.add(turn)
        late.push(performance.now() - dueAt)
      })
      // Less than the latitude together.
      while (performance.now() < dueAt - 3_998);
    }
    await new Promise((resolve) => setTimeout(resolve, 4_150))
    clearInterval(turns)
    assert.is(late.length, 5)
    assert.ok(late.every((ms) => ms >= 0 && ms < 140))
    assert.is(gone.size, 1)
  },
)

Clock('more delays than it keeps lists for fire all the same', async () => {
  const clock = new SystemClock()
  const fired: string[] = []
  for (let i = 0; i < 200; i++) clock.after(1 + (i % 100) / 10 + i / 20, () => fired.push(String(i)))
  for (let i = 0; i < 100; i++) clock.after(60_000 + i, () => fired.push('never')).cancel()
  await until(fired, 200)
  assert.is(clock.pending, 0)
})

Clock('what one timer throws does not keep back the others', () => {
  const { status, stdout } = run(`
    process.on('uncaughtException', () => console.log('told'))
    for (const name of ['a', 'b', 'c'])
      clock.after(5, () => { console.log(name); if (name === 'b') throw new Error('b') })`)
  assert.is(status, 0)
  assert.is(stdout, 'a\nb\ntold\nc\n')
})

Clock('keeps the process running while a timer waits, and not for cancelled ones', () => {
  const startedAt = performance.now()
  const { status, stdout } = run(`
    clock.after(60_000, () => {}).cancel()
    clock.after(20, () => console.log('fired'))`)
  assert.is(status, 0)
  assert.is(stdout, 'fired\n')
  assert.ok(performance.now() - startedAt < 30_000)
})

function run(script: string): { status: number | null; stdout: string } {
  const door = new URL('../../src/engine/clock.js', import.meta.url).href
  const code = `const { SystemClock } = await import(${JSON.stringify(door)}); const clock = new SystemClock();${script}`
  return spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8', timeout: 40_000 })
}

Clock.run()
