import { crashersOf, keepCrasher } from './corpus.js'
import { breathe, type Defect, MOST_DEFECTS, type Part, type Result, type Run, whyOf } from './part.js'

/** One life of something: what happens in it, how long, and how it ends. */
export interface Life {
  readonly seed: number
  readonly steps: number
  /** One of the ends that the part knows. */
  readonly end: string
}

/** Lives a life, lets time run out, and looks for what is left. Throws when something is, or an error was reported. */
export type Live = (life: Life) => Promise<void>

const STEPS = 150

/** What goes wrong in a life; undefined: nothing. */
export async function faultIn(life: Life, live: Live): Promise<string | undefined> {
  try {
    await live(life)
    return undefined
  } catch (error) {
    return whyOf(error)
  }
}

/** The lives that were kept, lived again: what still goes wrong. */
export async function replayLives(part: string, live: Live): Promise<{ count: number; defects: Defect[] }> {
  const kept = crashersOf(part)
  const defects: Defect[] = []
  for (const { file, bytes } of kept) {
    const why = await faultIn(JSON.parse(bytes.toString()) as Life, live)
    if (why !== undefined) defects.push({ what: file, why })
  }
  return { count: kept.length, defects }
}

/** A part that lives random lives of something, one after the other. */
export function livesOf(
  part: Pick<Part, 'name' | 'share'> & { readonly ends: readonly string[]; readonly live: Live },
): Part {
  const { name, share, ends, live } = part
  return {
    name,
    share,
    unit: 'steps',
    async run({ dice, over, progress }: Run): Promise<Result> {
      const { count: replayed, defects } = await replayLives(name, live)
      let steps = 0
      let lives = replayed
      while (!over() && defects.length < MOST_DEFECTS) {
        const life: Life = { seed: 1 + dice.roll(1_000_000_000), steps: STEPS, end: dice.pick(ends) }
        const why = await faultIn(life, live)
        steps += STEPS
        lives++
        if (why !== undefined) defects.push(await shorten(name, life, why, live))
        progress(steps)
        await breathe()
      }
      return { count: steps, facts: { lives }, defects }
    },
  }
}

/** The fewest steps after which it goes wrong, kept. */
async function shorten(part: string, life: Life, why: string, live: Live): Promise<Defect> {
  let least = { life, why }
  for (let steps = 1; steps < life.steps; steps++) {
    const shorter = { ...life, steps }
    const found = await faultIn(shorter, live)
    if (found === undefined) continue
    least = { life: shorter, why: found }
    break
  }
  const text = `${JSON.stringify(least.life)}\n`
  return { what: text.trim(), why: least.why, file: keepCrasher(part, Buffer.from(text)) }
}
