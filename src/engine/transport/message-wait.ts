import type { Clock, Timer } from '../clock.js'

/** Milliseconds between two looks. */
const LOOK_EVERY_MS = 100

/** A socket whose queue can be measured. */
export interface MeasuredSocket {
  /** Milliseconds that what arrives there waits. */
  waitMs(nowMs: number): number
}

/** How long messages wait now before they are read: for the event loop, and in the queues of sockets. */
export class MessageWait {
  private measuredMs = 0
  private dueMs = Infinity
  private timer: Timer | undefined

  /** @param sockets those there are at the time */
  constructor(
    private readonly clock: Clock,
    private readonly sockets: () => Iterable<MeasuredSocket>,
  ) {}

  /** Milliseconds; about 0 when all is well. */
  get ms(): number {
    // The look itself is late when the loop is: then that says it at once.
    return Math.max(this.measuredMs, this.clock.now() - this.dueMs, 0)
  }

  start(): void {
    if (this.timer !== undefined) return
    this.dueMs = this.clock.now() + LOOK_EVERY_MS
    this.timer = this.clock.after(LOOK_EVERY_MS, this.look)
  }

  stop(): void {
    this.timer?.cancel()
    this.timer = undefined
    this.dueMs = Infinity
    this.measuredMs = 0
  }

  private readonly look = (): void => {
    const now = this.clock.now()
    let waitMs = Math.max(0, now - this.dueMs)
    for (const socket of this.sockets()) waitMs = Math.max(waitMs, socket.waitMs(now))
    this.measuredMs = waitMs
    this.dueMs = now + LOOK_EVERY_MS
    this.timer = this.clock.after(LOOK_EVERY_MS, this.look)
  }
}
