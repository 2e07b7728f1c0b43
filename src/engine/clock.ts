/**
 * Time as the engine sees it: monotonic milliseconds and timers that can be counted.
 * Logic takes a `Clock`; tests move one by hand (`test/support/manual-clock.ts`).
 */
export interface Clock {
  /** Milliseconds on a clock that never jumps. For durations only. */
  now(): number
  /** The calendar time, for logs and records. */
  date(): Date
  /**
   * Runs `fire` once, `delayMs` (>= 0) from now, unless cancelled before. Never early; a delay of 4 s or more may be late by up to a
   * hundredth of it and 100 ms at most, so that many that fall due about then cost one turn of the event loop.
   */
  after(delayMs: number, fire: () => void): Timer
  /** The same with what `fire` is given: many timers can then share one function. */
  after<T>(delayMs: number, fire: (what: T) => void, what: T): Timer
  /** Timers that are set and have neither fired nor been cancelled. */
  readonly pending: number
}

export interface Timer {
  /** Idempotent; a cancelled timer never fires. */
  cancel(): void
}

/** Longest delay a timer of Node takes. */
const MAX_DELAY_MS = 2 ** 31 - 1
/** From this lateness on the machine was away, or overloaded: what timers wait for may lie unread in the sockets. */
const LATE_MS = 250
/** What is then read first, before timers say that it has not come. */
const CATCH_UP_MS = 50
/** From this delay on timers may be late by `LATITUDE` of it, `MOST_LATITUDE_MS` at most. */
const LONG_MS = 4_000
const LATITUDE = 0.01
const MOST_LATITUDE_MS = 100
/** Delays that have a list of their own; more of them, and a timer has a timer of Node to itself. */
const MAX_LISTS = 64

class ListedTimer implements Timer {
  previous: ListedTimer | undefined
  next: ListedTimer | undefined

  constructor(
    /** Undefined once it has fired or was cancelled. */
    public list: TimerList | undefined,
    readonly dueAt: number,
    public fire: (what: unknown) => void,
    public what: unknown,
  ) {}

  cancel(): void {
    const { list } = this
    if (list === undefined) return
    list.remove(this)
    this.fire = nothing
    this.what = undefined
  }
}

const nothing = (): void => {}

/**
 * Timers of one delay, which fall due in the order they were set: a queue with one timer of Node at its head. To set and to cancel
 * one is to link and unlink it. The timer of Node is not moved for every timer that is cancelled: when it finds nothing due it waits
 * for what is.
 */
class TimerList {
  private first: ListedTimer | undefined
  private last: ListedTimer | undefined
  private handle: NodeJS.Timeout | undefined
  /** What is due has been put off once. */
  private putOff = false
  /** How late they may be. */
  private readonly latitudeMs: number

  constructor(
    private readonly clock: SystemClock,
    private readonly delayMs: number,
    /** Further timers will come: the timer of Node may stay when nothing waits. */
    private readonly lasting: boolean,
  ) {
    this.latitudeMs = delayMs >= LONG_MS ? Math.min(delayMs * LATITUDE, MOST_LATITUDE_MS) : 0
  }

  get empty(): boolean {
    return this.first === undefined
  }

  /** Nothing waits and nothing will. */
  close(): void {
    clearTimeout(this.handle)
    this.handle = undefined
  }

  add(fire: (what: unknown) => void, what: unknown): Timer {
    const timer = new ListedTimer(this, performance.now() + this.delayMs, fire, what)
    if (this.last === undefined) {
      this.first = timer
      // It keeps the process running only while something waits.
      if (this.handle === undefined) this.handle = setTimeout(this.expire, this.delayMs + this.latitudeMs)
      else this.handle.ref()
    } else {
      this.last.next = timer
      timer.previous = this.last
    }
    this.last = timer
    this.clock.pending += 1
    return timer
  }

  remove(timer: ListedTimer): void {
    const { previous, next } = timer
    if (previous === undefined) this.first = next
    else previous.next = next
    if (next === undefined) this.last = previous
    else next.previous = previous
    timer.list = timer.previous = timer.next = undefined
    this.clock.pending -= 1
    if (this.first !== undefined) return
    if (this.lasting) this.handle?.unref()
    else this.close()
  }

  private readonly expire = (): void => {
    this.handle = undefined
    const now = performance.now()
    if (!this.putOff && this.first !== undefined && now - this.first.dueAt > LATE_MS + this.latitudeMs) {
      this.putOff = true
      return this.wait(CATCH_UP_MS)
    }
    this.putOff = false
    try {
      for (let { first } = this; first !== undefined && first.dueAt <= now; { first } = this) {
        this.remove(first)
        first.fire(first.what)
      }
    } finally {
      // Also when one of them throws: the others are still to come.
      if (this.first !== undefined) this.wait(this.first.dueAt - performance.now() + this.latitudeMs)
    }
  }

  private wait(delayMs: number): void {
    clearTimeout(this.handle)
    this.handle = setTimeout(this.expire, Math.max(1, Math.ceil(delayMs)))
  }
}

/** The real clock. It keeps a list for each delay in use, so the few SIP intervals cost next to nothing to set and to cancel. */
export class SystemClock implements Clock {
  pending = 0
  private readonly lists = new Map<number, TimerList>()

  now(): number {
    return performance.now()
  }

  date(): Date {
    return new Date()
  }

  after<T>(delayMs: number, fire: (what: T) => void, what?: T): Timer {
    const delay = delayMs >= 1 ? Math.min(Math.ceil(delayMs), MAX_DELAY_MS) : 1
    return this.listOf(delay).add(fire as (what: unknown) => void, what)
  }

  private listOf(delayMs: number): TimerList {
    const known = this.lists.get(delayMs)
    if (known !== undefined) return known
    const lasting = this.lists.size < MAX_LISTS || this.dropEmptyList()
    const list = new TimerList(this, delayMs, lasting)
    if (lasting) this.lists.set(delayMs, list)
    return list
  }

  /** @returns false when something waits in every list */
  private dropEmptyList(): boolean {
    for (const [delayMs, list] of this.lists) {
      if (!list.empty) continue
      list.close()
      return this.lists.delete(delayMs)
    }
    return false
  }
}
