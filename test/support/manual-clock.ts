import type { Clock, Timer } from '../../src/engine/clock.js'

interface Entry {
  readonly at: number
  readonly order: number
  readonly fire: () => void
}

/** A clock that stands still until `advance` moves it; timers fire in order of their due time. */
export class ManualClock implements Clock {
  private timeMs = 0
  private order = 0
  private readonly entries = new Set<Entry>()

  constructor(private readonly startDate = new Date('2026-01-01T00:00:00Z')) {}

  now(): number {
    return this.timeMs
  }

  date(): Date {
    return new Date(this.startDate.getTime() + this.timeMs)
  }

  get pending(): number {
    return this.entries.size
  }

  after<T>(delayMs: number, fire: (what: T) => void, what?: T): Timer {
    const entry: Entry = {
      at: this.timeMs + Math.max(0, delayMs),
      order: this.order++,
      fire: () => fire(what as T),
    }
    this.entries.add(entry)
    return { cancel: () => void this.entries.delete(entry) }
  }

  /** Moves time forward by `ms`, firing every timer that falls due on the way, at its own time. */
  advance(ms: number): void {
    const end = this.timeMs + ms
    for (;;) {
      let next: Entry | undefined
      for (const entry of this.entries) {
        if (entry.at > end) continue
        if (next === undefined || entry.at < next.at || (entry.at === next.at && entry.order < next.order)) next = entry
      }
      if (next === undefined) break
      this.entries.delete(next)
      this.timeMs = next.at
      next.fire()
    }
    this.timeMs = end
  }
}
