/** How often something took how long. */
export interface Distribution {
  /** Upper bounds in seconds, rising. */
  readonly bounds: readonly number[]
  /** How many fell below each bound and not below the one before it; the last entry has the rest. */
  readonly counts: readonly number[]
  /** Of all of them, in seconds. */
  readonly sum: number
}

/** A distribution that is being taken. */
export class Durations implements Distribution {
  readonly counts: number[]
  sum = 0

  constructor(readonly bounds: readonly number[]) {
    this.counts = new Array<number>(bounds.length + 1).fill(0)
  }

  add(ms: number): void {
    const seconds = ms / 1000
    let bucket = 0
    while (bucket < this.bounds.length && seconds > this.bounds[bucket]!) bucket++
    this.counts[bucket]!++
    this.sum += seconds
  }
}

const ANSWER_BOUNDS = [1, 3, 6, 10, 15, 20, 30, 60]
const ALERT_BOUNDS = [1, 2, 3, 5, 7, 10, 15, 20]

/** How long the calls of one direction took from their INVITE on. */
export class CallDurations {
  /** To the 200. */
  readonly answer = new Durations(ANSWER_BOUNDS)
  /** To the first response above 100 that says the call gets on: the post-dial delay. */
  readonly alert = new Durations(ALERT_BOUNDS)
}
