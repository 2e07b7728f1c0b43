import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { checkNothingIsLeft, CoreWorld } from '../../support/core-world.js'

const RandomEvents = suite('The core under random events')

async function run(seed: number, look: (world: CoreWorld) => void = () => {}): Promise<CoreWorld> {
  const world = new CoreWorld(seed)
  for (let i = 0; i < 150; i++) {
    await world.step()
    look(world)
    if (i % 10 === 0) await world.settleNames()
  }
  await world.settleNames()
  return world
}

RandomEvents('when the application is gone in the end, nothing is left, and nothing went wrong', async () => {
  for (let seed = 1; seed <= 300; seed++) {
    const world = await run(seed)
    world.loseApp()
    for (let i = 0; i < 4; i++) {
      world.harness.clock.advance(150_000)
      await world.settleNames()
    }
    checkNothingIsLeft(world, `seed ${seed}`)
  }
})

RandomEvents('nor when it ends its calls itself; each of its requests had one final response', async () => {
  for (let seed = 1_001; seed <= 1_300; seed++) {
    const world = await run(seed)
    const label = `seed ${seed}`
    await world.tidyUp()
    for (let i = 0; i < 4; i++) {
      world.harness.clock.advance(150_000)
      await world.settleNames()
    }
    checkNothingIsLeft(world, label)
    const { app } = world.harness
    for (const { txnId, app: owner } of world.asked) {
      if (owner !== app) continue
      const finals = app.delivered.filter(
        (one) => one.txnId === txnId && one.message.kind === 'response' && one.message.status >= 200,
      )
      assert.is(finals.length, 1, `${label} ${txnId}`)
    }
  }
})

RandomEvents(
  'the events lead everywhere: calls that stand, are refused, cancelled, cross, and end on our own account',
  async () => {
    const seen = new Set<string>()
    for (let seed = 1; seed <= 100; seed++) {
      const { harness } = await run(seed, (world) => {
        for (const { parties, early } of world.harness.dialogs.all())
          seen.add(early ? `early ${parties.role}` : parties.role)
      })
      for (const { message } of harness.sent) {
        seen.add(message.kind === 'request' ? message.method : String(message.status))
        if (message.headers.get('reason')?.includes('Answered too late')) seen.add('late')
      }
      if (harness.app.delivered.some(({ unsolicited }) => unsolicited)) seen.add('unsolicited')
    }
    const missing = [
      ...['ACK', 'BYE', 'CANCEL', 'INFO', 'INVITE', 'NOTIFY', 'OPTIONS', 'PRACK', 'REGISTER', 'SUBSCRIBE', 'UPDATE'],
      ...['100', '183', '200', '202', '480', '481', '482', '486', '487', '491', '500', '503'],
      ...['uas', 'early uas', 'uac', 'early uac', 'unsolicited', 'late'],
    ].filter((one) => !seen.has(one))
    assert.equal(missing, [])
  },
)

RandomEvents.run()
