import type { Clock, Timer } from '../clock.js'

/**
 * Holds messages back for a moment after the echo of what the application sent. An application that awaits the echo attaches
 * its listeners one turn of its loop later, and would lose an answer it reads together with the echo. Order is kept.
 */
export class EchoGap {
  private readonly endsAt: number
  private waiting: Array<() => void> | undefined
  private timer: Timer | undefined

  /** @param gapMs 0: nothing is ever held back */
  constructor(
    private readonly clock: Clock,
    private readonly gapMs: number,
  ) {
    this.endsAt = gapMs > 0 ? clock.now() + gapMs : 0
  }

  /** Runs `deliver` when the gap is over: now, if it is. */
  pass(deliver: () => void): void {
    if (this.waiting !== undefined) {
      this.waiting.push(deliver)
      return
    }
    const left = this.gapMs > 0 ? this.endsAt - this.clock.now() : 0
    if (left <= 0) {
      deliver()
      return
    }
    this.waiting = [deliver]
    this.timer = this.clock.after(left, () => this.release())
  }

  /** Drops what waits. */
  close(): void {
    this.timer?.cancel()
    this.waiting = undefined
  }

  private release(): void {
    const waiting = this.waiting ?? []
    this.waiting = undefined
    for (const deliver of waiting) deliver()
  }
}
