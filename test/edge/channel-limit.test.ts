import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { CallLimiter } from '../../src/edge/call-limits.js'
import type { LimitedCall, Met } from '../../src/store/limits.js'
import { Bench, turn } from './bench.js'

/** Channels that are given or not when the test says so. */
class HeldChannels implements CallLimiter {
  readonly asked: string[] = []
  readonly released: string[] = []
  private answers: { resolve: (met: Met | undefined) => void; reject: (error: Error) => void }[] = []

  take({ id, trunk }: LimitedCall): Promise<Met | undefined> {
    this.asked.push(`${trunk?.id ?? ''} ${id}`)
    return new Promise((resolve, reject) => this.answers.push({ resolve, reject }))
  }

  answered(): void {}

  release(callId: string): void {
    this.released.push(callId)
  }

  async answer(limit?: Met['limit']): Promise<void> {
    const met = limit && ({ of: 'trunk', id: 'pbx-1', limit } as const)
    for (const { resolve } of this.answers.splice(0)) resolve(met)
    await turn()
  }

  async fail(error: Error): Promise<void> {
    for (const { reject } of this.answers.splice(0)) reject(error)
    await turn()
  }
}

function start(channel_limit: number | null = 2) {
  const limits = new HeldChannels()
  return { limits, bench: new Bench({ limits, trunk: { channel_limit, cps_limit: 1 } }) }
}

const ChannelLimit = suite('A call from a trunk with channel_limit')

ChannelLimit('goes to the agent when it has a channel, and gives it back when it ends', async () => {
  const { limits, bench } = start()
  await bench.call()
  assert.is(bench.server.out.length, 0)
  await limits.answer()
  const b = bench.server.last.answer()
  bench.server.callerDialogs.at(-1)!.acknowledge()
  assert.equal(limits.released, [])
  b.hangUp()
  assert.equal(limits.asked, [`pbx-1 ${bench.cdr.call_id}`])
  assert.equal(limits.released, [bench.cdr.call_id])
  assert.is(bench.leaks, '')
})

ChannelLimit('is refused with 486 when there is none, and the agent hears nothing of it', async () => {
  const { limits, bench } = start()
  const invite = await bench.call()
  await limits.answer('channel_limit')
  assert.equal([invite.final?.status, bench.server.out.length], [486, 0])
  const { result, ended_by, end_reason, leg_a_status } = bench.cdr
  assert.equal([result, ended_by, end_reason, leg_a_status], ['trunk_busy', 'edge', 'trunk pbx-1 has 2 calls', 486])
  assert.is(limits.released.length, 1)
  assert.is(bench.leaks, '')
})

ChannelLimit('that the caller cancels meanwhile goes nowhere, and gives back what it is given', async () => {
  const { limits, bench } = start()
  const invite = await bench.call()
  invite.cancel()
  assert.is(limits.released.length, 1)
  await limits.answer()
  assert.is(bench.server.out.length, 0)
  assert.is(bench.cdr.result, 'caller_cancelled')
  assert.is(bench.leaks, '')
})

ChannelLimit('ends with 500 when counting fails', async () => {
  const { limits, bench } = start()
  const invite = await bench.call()
  await limits.fail(new Error('broken'))
  assert.is(invite.final?.status, 500)
  assert.is(bench.cdr.result, 'internal_error')
  assert.is(limits.released.length, 1)
})

ChannelLimit('alone is counted: without one nobody is asked', async () => {
  const { limits, bench } = start(null)
  await bench.call()
  assert.equal([limits.asked.length, bench.server.out.length], [0, 1])
  bench.server.last.answer()
  bench.server.callerDialogs.at(-1)!.hangUp()
  assert.equal(limits.released, [])
})

ChannelLimit.run()
