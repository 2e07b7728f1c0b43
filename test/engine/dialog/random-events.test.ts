import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { checkNothingIsLeft, CoreWorld, letTimeRunOut } from '../../support/core-world.js'

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
  for (let seed = 1; seed <= 150; seed++) {
    const world = await run(seed)
    world.loseApp()
    await letTimeRunOut(world)
    checkNothingIsLeft(world, `seed ${seed}`)
  }
})

RandomEvents('nor when it ends its calls itself; each of its requests had one final response', async () => {
  for (let seed = 1_001; seed <= 1_150; seed++) {
    const world = await run(seed)
    const label = `seed ${seed}`
    await world.tidyUp()
    await letTimeRunOut(world)
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
    const missing = new Set([
      ...['ACK', 'BYE', 'CANCEL', 'INFO', 'INVITE', 'NOTIFY', 'OPTIONS', 'PRACK', 'REGISTER', 'SUBSCRIBE', 'UPDATE'],
      ...['100', '183', '200', '202', '422', '480', '481', '482', '486', '487', '491', '500', '503'],
      ...['uas', 'early uas', 'uac', 'early uac', 'unsolicited', 'late', 'proxied'],
    ])
    const see = (what: string): void => void missing.delete(what)
    for (let seed = 1; seed <= 1_000 && missing.size > 0; seed++) {
      const { harness, proxied } = await run(seed, (world) => {
        for (const { parties, early } of world.harness.dialogs.all())
          see(early ? `early ${parties.role}` : parties.role)
      })
      for (const { message } of harness.sent) {
        see(message.kind === 'request' ? message.method : String(message.status))
        if (message.headers.get('reason')?.includes('Answered too late')) see('late')
      }
      if (harness.app.delivered.some(({ unsolicited }) => unsolicited)) see('unsolicited')
      if (proxied.some(({ accepted }) => accepted)) see('proxied')
    }
    assert.equal([...missing], [])
  },
)

RandomEvents.run()
