import { EdgeWorld } from '../support/edge-world.js'
import { type Life, livesOf } from './lives.js'

/** A life of the edge's calls: everybody does what is left to them in the end. */
export async function liveEdge({ seed, steps }: Life): Promise<void> {
  const world = new EdgeWorld(seed)
  for (let i = 0; i < steps; i++) await world.step()
  await world.end()
  world.check(`seed ${seed}`)
}

/** Random orders of what both legs of a call and its SIP server may do; each call ends once, and nothing is left of any. */
export const edge = livesOf({ name: 'edge', share: 0.15, ends: ['tidy'], live: liveEdge })
