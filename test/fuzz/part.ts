import type { Dice } from '../support/mutations.js'

/** What one run found broken. */
export interface Defect {
  /** What it was that broke: a reader, a seed. */
  readonly what: string
  readonly why: string
  /** Where it is kept; undefined when it was in the repository already, or cannot be replayed. */
  readonly file?: string
}

/** How one part went. */
export interface Result {
  /** What was tried, in the words of its unit. */
  readonly count: number
  readonly facts: Readonly<Record<string, number>>
  readonly defects: readonly Defect[]
}

export interface Run {
  readonly dice: Dice
  /** Milliseconds it may go on. */
  readonly forMs: number
  /** Whether it is to stop: its time is over, or somebody wants the whole to end. */
  over(): boolean
  /** Says how far it is; shown now and then. */
  progress(count: number): void
}

/** One way of trying to break Signalbox. */
export interface Part {
  readonly name: string
  /** What it counts: `messages`, `steps`. */
  readonly unit: string
  /** Of the whole time, how much is its. */
  readonly share: number
  run(run: Run): Promise<Result>
}

/** After so many a part gives up: more of the same would say nothing new. */
export const MOST_DEFECTS = 10

/** The others' turn: timers, sockets and signals. */
export const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export const whyOf = (error: unknown): string => {
  const { message, cause, stack, actual, expects } = error as Error & { actual?: unknown; expects?: unknown }
  const seen = expects === undefined ? '' : `: ${JSON.stringify(actual)} in place of ${JSON.stringify(expects)}`
  const line = /\n\s+at ([^\n]*)/.exec((cause as Error | undefined)?.stack ?? stack ?? '')?.[1] ?? ''
  const under = cause instanceof Error ? `: ${cause.message}` : ''
  return `${String(message).slice(0, 600)}${seen.slice(0, 600)}${under.slice(0, 600)} (${line.replace(/^.*\/(dist|src)\//, '')})`
}
