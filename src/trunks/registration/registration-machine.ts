import type { Timer } from '../../engine/index.js'
import type { RegistrationState } from '../../model/registration.js'
import { chart, type RegistrationAction, type RegistrationEvent } from './chart.js'
import type { DriverParts } from './driver-parts.js'
import type { Facts } from './facts.js'
import type { Waiter } from './turns.js'

export type PauseBefore = 'turn' | 'refresh' | 'retry' | 'probe'
export type Sending = 'register' | 'unregister'

/** Drives the chart: enters states, stops the timer of the one it leaves, joins and leaves the queue for turns. */
export abstract class RegistrationMachine implements Waiter {
  private current: RegistrationState = 'stopped'
  private timer: Timer | undefined

  protected constructor(
    protected readonly parts: DriverParts,
    protected readonly facts: Facts,
  ) {}

  get state(): RegistrationState {
    return this.current
  }

  abstract turn(): Promise<void>

  /** Milliseconds to wait. */
  protected abstract pauseMs(before: PauseBefore): number

  /** A request is to be sent in this turn. */
  protected abstract send(what: Sending): void

  /** Takes an event; one that means nothing in the present state is ignored. */
  protected step(event: RegistrationEvent): void {
    const row = chart[this.current][event]
    if (row === undefined) return
    const [next, ...actions] = row
    if (next !== this.current) {
      this.current = next
      this.timer?.cancel()
      this.facts.enter(next)
    }
    for (const action of actions) this.act(action)
  }

  /** `due` comes so much later. */
  protected wait(pauseMs: number): void {
    this.timer?.cancel()
    this.facts.next(pauseMs)
    this.timer = this.parts.clock.after(pauseMs, () => this.step('due'))
  }

  /** No timer runs and no turn comes any more. */
  protected halt(): void {
    this.timer?.cancel()
    this.parts.turns.leave(this)
  }

  private act(action: RegistrationAction): void {
    const { turns } = this.parts
    switch (action) {
      case 'queue':
        return turns.join(this)
      case 'queueAhead':
        return turns.join(this, { ahead: true })
      case 'leaveQueue':
        return turns.leave(this)
      case 'register':
      case 'unregister':
        return this.send(action)
      case 'awaitTurn':
        return this.wait(this.pauseMs('turn'))
      case 'awaitRefresh':
        return this.wait(this.pauseMs('refresh'))
      case 'awaitRetry':
        return this.wait(this.pauseMs('retry'))
      case 'awaitProbe':
        return this.wait(this.pauseMs('probe'))
    }
  }
}
