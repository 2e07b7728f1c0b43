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

interface Running<Timer> {
  readonly name: Timer
  handle: ClockTimer | undefined
}

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
  private readonly running: Running<Timer>[] = []
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
    for (const [i, running] of this.running.entries()) {
      if (running.name !== timer) continue
      running.handle?.cancel()
      this.running.splice(i, 1)
      break
    }
    this.enter(this.current)
  }

  /** Goes to `terminated` without actions and without `over`. */
  protected halt(): void {
    this.enter('terminated')
  }

  /** Gives the timer of the state that is due at once, if there is one. */
  private enter(next: State | 'terminated'): Timer | undefined {
    const timers = this.chart.timersOf[next]
    for (let i = this.running.length - 1; i >= 0; i--) {
      const running = this.running[i] as Running<Timer>
      if (timers.includes(running.name)) continue
      running.handle?.cancel()
      this.running.splice(i, 1)
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
    for (const running of this.running) if (running.name === timer) return true
    return false
  }

  private run(name: Timer, lengthMs: number): void {
    const running: Running<Timer> = { name, handle: undefined }
    this.running.push(running)
    running.handle = this.clock.after(lengthMs, () => {
      this.running.splice(this.running.indexOf(running), 1)
      this.fired += 1
      this.step(name)
    })
  }
}
