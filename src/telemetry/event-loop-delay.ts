import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks'

/** Milliseconds between two looks at the loop. What Node measures includes this pause; it is taken off. */
const RESOLUTION_MS = 10
const NANOSECONDS = 1e9

/** How late the event loop has been since the last reading. */
export class EventLoopDelay {
  private readonly histogram: IntervalHistogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })

  constructor() {
    this.histogram.enable()
  }

  /** Seconds of delay: the middle, the worst of a hundred, the worst. Begins a new measurement. */
  read(): { p50: number; p99: number; max: number } {
    const { histogram } = this
    const [p50, p99, max] =
      histogram.count === 0 ? [0, 0, 0] : [histogram.percentile(50), histogram.percentile(99), histogram.max]
    histogram.reset()
    return { p50: delayOf(p50), p99: delayOf(p99), max: delayOf(max) }
  }

  stop(): void {
    this.histogram.disable()
  }
}

const delayOf = (nanoseconds: number): number => Math.max(0, nanoseconds / NANOSECONDS - RESOLUTION_MS / 1_000)
