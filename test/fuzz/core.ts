import { checkNothingIsLeft, CoreWorld, letTimeRunOut } from '../support/core-world.js'
import { type Life, livesOf } from './lives.js'

/** Of the steps at the end of which names are let to resolve. */
const SETTLE_EVERY = 10

/** A life of the engine's core; the application vanishes in the end (`gone`), or ends its calls itself (`tidy`). */
export async function liveCore({ seed, steps, end }: Life): Promise<void> {
  const world = new CoreWorld(seed)
  for (let i = 0; i < steps; i++) {
    await world.step()
    if (i % SETTLE_EVERY === 0) await world.settleNames()
  }
  await world.settleNames()
  if (end === 'gone') world.loseApp()
  else await world.tidyUp()
  await letTimeRunOut(world)
  checkNothingIsLeft(world, `seed ${seed}`)
}

/** Random legal and illegal orders of requests, responses and commands; after time has run out nothing is left of any. */
export const core = livesOf({ name: 'core', share: 0.2, ends: ['gone', 'tidy'], live: liveCore })
