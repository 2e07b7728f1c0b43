import type { Clock, Timer as ClockTimer } from '../clock.js'

/** What an event does: the state that follows, then what is done once in it, in order. */
export type Transition<State extends string, Action extends string> = readonly [next: State, ...actions: Action[]]

/** A state machine as its RFC draws it: the arrows that leave each state, and the timers that run while in it. */
export interface Chart<State extends string, Event extends string, Action extends string, Timer extends Event> {
  /** event -> [next state, ...actions]; an event absent from a state's row is ignored there. */
  readonly rows: Readonly<Record<State, { readonly [event in Event]?: Transition<State, Action> }>>
  /** Leaving a state stops its timers, but for those the next state has as well: no timer outlives its states. */
  readonly timersOf: Readonly<Record<State, readonly Timer[]>>
}

/** A timer that runs: one of a list, as few as a state has. */
class Running<Timer extends string> {
  handle: ClockTimer | undefined

  constructor(
    readonly machine: { expired(running: Running<Timer>): void },
    readonly name: Timer,
    public next: Running<Timer> | undefined,
  ) {}
}

const expire = (running: Running<string>): void => running.machine.expired(running)

/**
 * Drives a chart: looks an event up in the row of the present state, enters the next state with its timers, does the
 * actions. A timer that fires and leaves the machine in a state of its own starts again: that is how repeats repeat.
 * `Cause` is what came with an event (a message, an error); the actions are handed it.
 */
export abstract class Machine<
  State extends string,
  Event extends string,
  Action extends string,
  Timer extends Event,
  Cause,
> {
  private current: State
  private running: Running<Timer> | undefined
  private fired = 0

  protected constructor(
    private readonly chart: Chart<State | 'terminated', Event, Action, Timer>,
    private readonly clock: Clock,
    start: State,
  ) {
    this.current = start
  }

  get state(): State {
    return this.current
  }

  /**
   * Milliseconds a timer runs when started now; `fired` timers have fired before. 0: what it stands for happens at
   * once. Undefined: it does not run at all, as the repeats over a reliable transport.
   */
  protected abstract lengthOf(timer: Timer, fired: number): number | undefined

  protected abstract act(action: Action, cause: Cause | undefined): void

  /** A state was entered, its timers run, its actions are still to come. */
  protected abstract entered(state: State): void

  /** The machine is in `terminated` and the actions that led there are done. Called once. */
  protected abstract over(): void

  /** Starts the timers of the state the machine was made in. */
  protected start(): void {
    this.enter(this.current)
  }

  /** Takes an event. False: it means nothing in the present state and was ignored. */
  step(event: Event, cause?: Cause): boolean {
    const left = this.current
    const transition = this.chart.rows[left][event]
    if (transition === undefined) return false
    const [next] = transition
    const due = this.enter(next)
    if (next !== left) this.entered(this.current)
    for (let i = 1; i < transition.length; i++) this.act(transition[i] as Action, cause)
    // A callback among the actions may have moved the machine on: then the timer's state has been left.
    if (due !== undefined && this.current === next) this.step(due)
    if (next === 'terminated') this.over()
    return true
  }

  /** Starts a timer of the present state anew. */
  protected restart(timer: Timer): void {
    for (let running = this.running; running !== undefined; running = running.next) {
      if (running.name !== timer) continue
      running.handle?.cancel()
      this.drop(running)
      break
    }
    this.enter(this.current)
  }

  /** Goes to `terminated` without actions and without `over`. */
  protected halt(): void {
    this.enter('terminated')
  }

  /** A timer that was started has run out. */
  expired(running: Running<Timer>): void {
    this.drop(running)
    this.fired += 1
    this.step(running.name)
  }

  /** Gives the timer of the state that is due at once, if there is one. */
  private enter(next: State | 'terminated'): Timer | undefined {
    const timers = this.chart.timersOf[next]
    for (let { running } = this; running !== undefined; running = running.next) {
      if (timers.includes(running.name)) continue
      running.handle?.cancel()
      this.drop(running)
    }
    this.current = next as State
    let due: Timer | undefined
    for (const timer of timers) {
      if (this.runs(timer)) continue
      const lengthMs = this.lengthOf(timer, this.fired)
      if (lengthMs === 0) due = timer
      else if (lengthMs !== undefined) this.run(timer, lengthMs)
    }
    return due
  }

  private runs(timer: Timer): boolean {
    for (let { running } = this; running !== undefined; running = running.next) if (running.name === timer) return true
    return false
  }

  private run(name: Timer, lengthMs: number): void {
    const running = new Running(this, name, this.running)
    this.running = running
    running.handle = this.clock.after<Running<string>>(lengthMs, expire, running)
  }

  private drop(running: Running<Timer>): void {
    if (this.running === running) this.running = running.next
    else
      for (let before = this.running; before !== undefined; before = before.next)
        if (before.next === running) before.next = running.next
  }
}
