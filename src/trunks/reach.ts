export interface ReachThresholds {
  /** Pings in a row without any answer after which a server is down; 1 or more. */
  readonly misses: number
  /** Pings in a row with an answer after which it is up again; 1 or more. */
  readonly answers: number
}

/** Whether a server answers, without believing a single ping either way. */
export class Reach {
  down = false
  private inRow = 0

  constructor(private readonly thresholds: ReachThresholds) {}

  /** Takes the result of a ping; true when `down` has changed with it. */
  note(answered: boolean): boolean {
    // What agrees with the state ends the row that speaks against it.
    this.inRow = answered === this.down ? this.inRow + 1 : 0
    if (this.inRow < (this.down ? this.thresholds.answers : this.thresholds.misses)) return false
    this.down = !this.down
    this.inRow = 0
    return true
  }
}
