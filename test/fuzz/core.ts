import { checkNothingIsLeft, CoreWorld, letTimeRunOut } from '../support/core-world.js'
import { crashersOf, keepCrasher } from './corpus.js'
import { breathe, type Defect, MOST_DEFECTS, type Part, type Result, type Run, whyOf } from './part.js'

const STEPS = 150
/** Of the steps at the end of which names are let to resolve. */
const SETTLE_EVERY = 10

/** One life of the core: what happens, how long, and how it ends. */
export interface Life {
  readonly seed: number
  readonly steps: number
  /** The application vanishes in the end, or ends its calls itself. */
  readonly end: 'gone' | 'tidy'
}

/** Lives it, lets time run out, and looks for what is left. @throws when something is, or an error was reported */
export async function live({ seed, steps, end }: Life): Promise<void> {
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

/** What goes wrong in a life; undefined: nothing. */
export async function faultIn(life: Life): Promise<string | undefined> {
  try {
    await live(life)
    return undefined
  } catch (error) {
    return whyOf(error)
  }
}

/** The lives that were kept, lived again: what still goes wrong. */
export async function replayLives(): Promise<{ count: number; defects: Defect[] }> {
  const kept = crashersOf('core')
  const defects: Defect[] = []
  for (const { file, bytes } of kept) {
    const why = await faultIn(JSON.parse(bytes.toString()) as Life)
    if (why !== undefined) defects.push({ what: file, why })
  }
  return { count: kept.length, defects }
}

/** Random legal and illegal orders of requests, responses and commands; after time has run out nothing is left of any. */
export const core: Part = {
  name: 'core',
  unit: 'steps',
  share: 0.2,
  async run({ dice, over, progress }: Run): Promise<Result> {
    const { count: replayed, defects } = await replayLives()
    let steps = 0
    let lives = replayed
    while (!over() && defects.length < MOST_DEFECTS) {
      const life: Life = { seed: 1 + dice.roll(1_000_000_000), steps: STEPS, end: dice.pick(['gone', 'tidy']) }
      const why = await faultIn(life)
      steps += STEPS
      lives++
      if (why !== undefined) defects.push(await shorten(life, why))
      progress(steps)
      await breathe()
    }
    return { count: steps, facts: { lives }, defects }
  },
}

/** The fewest steps after which it goes wrong, kept. */
async function shorten(life: Life, why: string): Promise<Defect> {
  let least = { life, why }
  for (let steps = 1; steps < life.steps; steps++) {
    const shorter = { ...life, steps }
    const found = await faultIn(shorter)
    if (found === undefined) continue
    least = { life: shorter, why: found }
    break
  }
  const text = `${JSON.stringify(least.life)}\n`
  return { what: text.trim(), why: least.why, file: keepCrasher('core', Buffer.from(text)) }
}
