import type { Clock, Timer } from '../clock.js'

/**
 * Holds messages back for a moment after the echo of what the application sent. An application that awaits the echo attaches
 * its listeners one turn of its loop later, and would lose an answer it reads together with the echo. Order is kept.
 */
export class EchoGap {
  private readonly endsAt: number
  private waiting: Array<() => void> | undefined
  private timer: Timer | undefined

  private constructor(
    private readonly clock: Clock,
    gapMs: number,
  ) {
    this.endsAt = clock.now() + gapMs
  }

  /** The gap after what is sent now; undefined when nothing is to be held back. */
  static after(clock: Clock, gapMs: number): EchoGap | undefined {
    return gapMs > 0 ? new EchoGap(clock, gapMs) : undefined
  }

  /** Runs `deliver` when the gap is over: now, if it is. */
  pass(deliver: () => void): void {
    if (this.waiting !== undefined) {
      this.waiting.push(deliver)
      return
    }
    const left = this.endsAt - this.clock.now()
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
