import { registrationState, type RegistrationState } from '../../model/registration.js'
import type { TrunkRegistration } from './trunk-registration.js'

/** How registrations are counted; `telemetry/`'s metrics fit. */
export interface RegistrationMetrics {
  readonly registrations: { set(labels: { state: string }, value: number): void }
  readonly registrationAttempts: { inc(labels: { result: string }): void }
}

interface Noted {
  readonly state: RegistrationState
  readonly registrar: string | undefined
}

/** The registrations of this edge by state, for the metric, and by the server that has them. */
export class Tally {
  private readonly noted = new Map<TrunkRegistration, Noted>()
  private readonly counts = new Map<RegistrationState, number>()
  private readonly atRegistrar = new Map<string, Set<TrunkRegistration>>()

  constructor(private readonly metrics: RegistrationMetrics) {
    // A series that is there from the start can be told apart from one that broke.
    for (const state of registrationState.options) this.count(state, 0)
  }

  /** Takes a registration as it is now; true when it is new here. */
  note(driver: TrunkRegistration): boolean {
    const before = this.noted.get(driver)
    const { state, registrar } = driver
    if (before?.state === state && before.registrar === registrar) return false
    this.forget(driver)
    this.noted.set(driver, { state, registrar })
    this.count(state, 1)
    if (registrar !== undefined) {
      const there = this.atRegistrar.get(registrar) ?? new Set()
      this.atRegistrar.set(registrar, there.add(driver))
    }
    return before === undefined
  }

  forget(driver: TrunkRegistration): void {
    const before = this.noted.get(driver)
    if (before === undefined) return
    this.noted.delete(driver)
    this.count(before.state, -1)
    const there = before.registrar === undefined ? undefined : this.atRegistrar.get(before.registrar)
    there?.delete(driver)
    if (there?.size === 0 && before.registrar !== undefined) this.atRegistrar.delete(before.registrar)
  }

  /** Those that the server of this name has. */
  at(registrar: string): TrunkRegistration[] {
    return [...(this.atRegistrar.get(registrar) ?? [])]
  }

  private count(state: RegistrationState, by: number): void {
    const count = (this.counts.get(state) ?? 0) + by
    this.counts.set(state, count)
    this.metrics.registrations.set({ state }, count)
  }
}
