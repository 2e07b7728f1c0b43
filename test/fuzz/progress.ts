import type { Part } from './part.js'

const EVERY_MS = 1_000

/** One line on standard error that tells how far the present part is; on no terminal a line now and then. */
export class Progress {
  private part: Part | undefined
  private startMs = 0
  private forMs = 0
  private shownMs = 0
  private readonly everyMs = process.stderr.isTTY ? EVERY_MS : 20 * EVERY_MS

  begin(part: Part, forMs: number): void {
    this.part = part
    this.forMs = forMs
    this.startMs = performance.now()
    this.shownMs = this.startMs
  }

  show(count: number): void {
    const nowMs = performance.now()
    if (this.part === undefined || nowMs - this.shownMs < this.everyMs) return
    this.shownMs = nowMs
    const doneMs = nowMs - this.startMs
    const percent = Math.min(100, Math.round((doneMs / this.forMs) * 100))
    const rate = Math.round((count * 1_000) / doneMs)
    const { name, unit } = this.part
    this.write(`${name}: ${percent} %, ${count.toLocaleString('en')} ${unit}, ${rate.toLocaleString('en')} a second`)
  }

  end(): void {
    if (this.part !== undefined && process.stderr.isTTY) process.stderr.write('\r\x1b[K')
    this.part = undefined
  }

  private write(line: string): void {
    process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${line}` : `${line}\n`)
  }
}
