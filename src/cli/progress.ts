import type { Io } from './io.js'

const WIDTH = 30
/** Where nobody watches a bar, a line tells every so often. */
const LINE_EVERY_MS = 10_000

/** How far something is: a bar on a terminal, a line every ten seconds elsewhere. */
export class ProgressBar {
  private shownAtMs: number

  constructor(
    private readonly io: Io,
    private readonly nowMs: () => number = () => performance.now(),
  ) {
    this.shownAtMs = nowMs()
  }

  /** @param share 0 to 1; undefined when it is not known how much there is */
  show(share: number | undefined, text: string): void {
    const { status } = this.io
    const now = this.nowMs()
    if (status !== undefined) {
      if (now - this.shownAtMs < 100 && share !== 1) return
      this.shownAtMs = now
      status(share === undefined ? text : `${barOf(share)} ${text}`)
    } else if (now - this.shownAtMs >= LINE_EVERY_MS) {
      this.shownAtMs = now
      this.io.err(share === undefined ? text : `${percentOf(share)} ${text}`)
    }
  }

  /** Makes room for a line of output. */
  clear(): void {
    this.io.status?.('')
  }
}

const percentOf = (share: number): string => `${Math.floor(Math.min(Math.max(share, 0), 1) * 100)} %`

/** `[=========---------------------]  30 %` */
export function barOf(share: number): string {
  const full = Math.round(Math.min(Math.max(share, 0), 1) * WIDTH)
  return `[${'='.repeat(full)}${'-'.repeat(WIDTH - full)}] ${percentOf(share).padStart(5)}`
}
