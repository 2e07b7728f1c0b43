/** Lets so many tasks run at the same time; the others wait their turn, first come first served. */
export class InFlight {
  private running = 0
  private waiting: ((go: boolean) => void)[] = []
  private closed = false

  constructor(private readonly max: number) {}

  /** What the task gives; undefined when its turn does not come any more. Rejects as the task does. */
  async run<T>(task: () => Promise<T>): Promise<T | undefined> {
    if (this.closed) return undefined
    if (this.running < this.max) this.running += 1
    else if (!(await new Promise<boolean>((resolve) => this.waiting.push(resolve)))) return undefined
    try {
      return await task()
    } finally {
      // The place goes straight to the next: nobody who comes in between may take it too.
      const next = this.waiting.shift()
      if (next === undefined) this.running -= 1
      else next(true)
    }
  }

  /** Those that wait are turned away, and so is everyone from now on. */
  close(): void {
    this.closed = true
    for (const turn of this.waiting.splice(0)) turn(false)
  }
}
