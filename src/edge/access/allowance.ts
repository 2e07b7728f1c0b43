import type { Clock } from '../../engine/index.js'

/** So many a second, and at once: a token bucket. */
export class Allowance {
  private left: number
  private atMs: number

  constructor(
    private readonly clock: Clock,
    private readonly aSecond: number,
  ) {
    this.left = aSecond
    this.atMs = clock.now()
  }

  /** Whether there is room for one more, which it takes. */
  take(): boolean {
    const now = this.clock.now()
    this.left = Math.min(this.aSecond, this.left + ((now - this.atMs) / 1000) * this.aSecond)
    this.atMs = now
    if (this.left < 1) return false
    this.left--
    return true
  }
}
