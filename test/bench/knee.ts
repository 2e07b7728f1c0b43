export interface Knee {
  /** The highest rate below the first trouble; null when even the lowest had some. */
  readonly clean: number | null
  /** The lowest rate with a failure or a repeat; null when none had. */
  readonly troubled: number | null
}

export interface Search {
  /** Rates tried one after the other, rising. */
  readonly rates: readonly number[]
  /** Calls a second to which the knee is narrowed down; 0: not narrowed. */
  readonly resolution: number
  /** Runs of a rate that must all have trouble for the rate to count as troubled: one alone may be the machine's. */
  readonly tries: number
  /** Runs a rate; whether no call failed and nothing was repeated. */
  readonly isClean: (rate: number) => Promise<boolean>
}

/** The middle of two rates, on a multiple of `resolution` that is neither of them; undefined when there is none. */
function between(low: number, high: number, resolution: number): number | undefined {
  const middle = Math.round((low + high) / 2 / resolution) * resolution
  return [middle, middle - resolution, middle + resolution].find((rate) => rate > low && rate < high)
}

/** Raises the rate until there is trouble, then halves the interval around the knee. */
export async function findKnee({ rates, resolution, tries, isClean }: Search): Promise<Knee> {
  const passes = async (rate: number): Promise<boolean> => {
    for (let i = 0; i < tries; i++) if (await isClean(rate)) return true
    return false
  }
  let clean: number | null = null
  let troubled: number | null = null
  for (const rate of [...rates].sort((a, b) => a - b)) {
    if (await passes(rate)) clean = rate
    else {
      troubled = rate
      break
    }
  }
  while (resolution > 0 && troubled !== null) {
    const rate = between(clean ?? 0, troubled, resolution)
    if (rate === undefined) break
    if (await passes(rate)) clean = rate
    else troubled = rate
  }
  return { clean, troubled }
}
