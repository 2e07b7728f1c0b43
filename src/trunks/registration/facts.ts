import type { Clock } from '../../engine/index.js'
import type { Registration, RegistrationState } from '../../model/registration.js'
import type { Trunk } from '../../model/trunk.js'
import { nameTarget } from '../target.js'
import type { Bound, Outcome } from './attempt.js'

/** A registration as people see it. */
export class Facts {
  private readonly seen: Registration

  /** @param former what an owner before wrote: what the registrar taught goes on */
  constructor(
    private readonly clock: Clock,
    edgeId: string,
    trunk: { readonly id: string; readonly account_id: string },
    former: Registration | undefined,
  ) {
    this.seen = {
      ...unclaimed({ ...trunk, updated_at: clock.date().toISOString() }),
      state: 'stopped',
      reason: '',
      last_code: former?.last_code ?? null,
      last_phrase: former?.last_phrase ?? null,
      min_expires_s: former?.min_expires_s ?? null,
      edge_id: edgeId,
    }
  }

  get view(): Registration {
    return { ...this.seen, service_route: [...this.seen.service_route], path: [...this.seen.path] }
  }

  get failures(): number {
    return this.seen.failures
  }

  set failures(count: number) {
    this.seen.failures = count
  }

  get minExpiresS(): number | null {
    return this.seen.min_expires_s
  }

  get grantedS(): number {
    return this.seen.granted_expires_s ?? 0
  }

  explain(reason: string): void {
    this.seen.reason = reason
  }

  /** Adds to the reason. */
  add(reason: string): void {
    this.seen.reason = `${this.seen.reason}; ${reason}`.slice(0, 400)
  }

  /** What a registrar of before taught is not true of the present one. */
  forgetMinExpires(): void {
    this.seen.min_expires_s = null
  }

  enter(state: RegistrationState): void {
    this.seen.state = state
    this.seen.since = this.clock.date().toISOString()
    this.seen.next_attempt_at = null
  }

  /** The next attempt comes so many milliseconds from now. */
  next(pauseMs: number): void {
    this.seen.next_attempt_at = this.later(pauseMs)
  }

  ended(outcome: Pick<Outcome, 'code' | 'phrase'>): void {
    if (outcome.code === null) return
    this.seen.last_code = outcome.code
    this.seen.last_phrase = outcome.phrase
  }

  learn({ minExpiresS }: Pick<Outcome, 'minExpiresS'>): void {
    this.seen.min_expires_s = minExpiresS
  }

  bind({ target, grantedS, serviceRoute, path }: Bound): void {
    this.seen.failures = 0
    this.seen.registrar = nameTarget(target)
    this.seen.transport = target.transport
    this.seen.granted_expires_s = grantedS
    this.seen.expires_at = this.later(grantedS * 1000)
    this.seen.service_route = [...serviceRoute]
    this.seen.path = [...path]
  }

  unbind(): void {
    this.seen.registrar = null
    this.seen.transport = null
    this.seen.granted_expires_s = null
    this.seen.expires_at = null
    this.seen.service_route = []
    this.seen.path = []
  }

  private later(ms: number): string {
    return new Date(this.clock.date().getTime() + ms).toISOString()
  }
}

/** A trunk that is to be registered and that no edge has taken on yet. */
export function unclaimed(trunk: Pick<Trunk, 'id' | 'account_id' | 'updated_at'>): Registration {
  return {
    account_id: trunk.account_id,
    trunk_id: trunk.id,
    state: 'waiting',
    reason: 'no edge has taken it on yet',
    last_code: null,
    last_phrase: null,
    registrar: null,
    transport: null,
    granted_expires_s: null,
    min_expires_s: null,
    expires_at: null,
    next_attempt_at: null,
    failures: 0,
    since: trunk.updated_at,
    service_route: [],
    path: [],
    edge_id: null,
  }
}
