import type { Io } from '../../src/cli/io.js'
import { ProgressBar } from '../../src/cli/progress.js'
import { clockTime } from './figures.js'

/** One stretch of the work, and the seconds it should take. */
export interface Part {
  readonly name: string
  readonly seconds: number
}

/** How far the whole is: a bar on a terminal, a line now and then elsewhere. */
export class Progress {
  readonly #bar: ProgressBar
  readonly #startedMs: number
  #index = -1
  #partStartedMs = 0

  constructor(
    private readonly io: Io,
    private readonly parts: readonly Part[],
    private readonly nowMs: () => number = () => performance.now(),
  ) {
    this.#bar = new ProgressBar(io, nowMs)
    this.#startedMs = nowMs()
  }

  /** Goes over to a part; those before it are done, however long they took. */
  begin(name: string): void {
    const index = this.parts.findIndex((part) => part.name === name)
    if (index < 0) return
    this.#index = index
    this.#partStartedMs = this.nowMs()
  }

  /** 0 to 1. A part that takes longer than expected waits just before its end. */
  get share(): number {
    const total = this.parts.reduce((sum, { seconds }) => sum + seconds, 0)
    const before = this.parts.slice(0, Math.max(this.#index, 0)).reduce((sum, { seconds }) => sum + seconds, 0)
    const part = this.parts[this.#index]
    const within = part === undefined ? 0 : Math.min((this.nowMs() - this.#partStartedMs) / 1_000, part.seconds * 0.99)
    return total === 0 ? 0 : (before + within) / total
  }

  /** What is being done right now. */
  tell(text: string): void {
    this.#bar.show(this.share, `${clockTime((this.nowMs() - this.#startedMs) / 1_000)}  ${text}`)
  }

  /** A line that stays. */
  line(text: string): void {
    this.#bar.clear()
    this.io.err(text)
  }

  done(): void {
    this.#bar.clear()
  }
}
