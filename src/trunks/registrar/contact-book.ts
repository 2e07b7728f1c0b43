import type { Clock } from '../../engine/index.js'
import type { BindingView } from '../../model/binding.js'
import type { Registration, RegistrationState } from '../../model/registration.js'
import { unclaimed } from '../registration/facts.js'
import type { Location } from './location.js'
import type { RegisteringTrunk, RegisteringTrunks } from './registering-trunks.js'

/** How a trunk that registers to us is registered. */
export interface InboundRegistration extends Registration {
  readonly bindings: BindingView[]
}

export interface InboundQuery {
  /** `<account_id>:<trunk_id>` of the last one before these; undefined: from the first. */
  readonly after?: string | undefined
  readonly limit: number
  readonly accountId?: string | undefined
  readonly state?: RegistrationState | undefined
}

/** The trunks that register to us, and their contacts, for people. */
export class ContactBook {
  private readonly registering: RegisteringTrunks
  private readonly location: Pick<Location, 'view' | 'drop'>
  private readonly clock: Clock

  constructor(options: {
    readonly registering: RegisteringTrunks
    readonly location: Pick<Location, 'view' | 'drop'>
    readonly clock: Clock
  }) {
    this.registering = options.registering
    this.location = options.location
    this.clock = options.clock
  }

  /** The contacts of a trunk. */
  view(trunkId: string): BindingView[] {
    return this.location.view(trunkId)
  }

  /** Ends the contacts of a trunk. @throws {StoreError} UNAVAILABLE */
  drop(trunkId: string, why: string): Promise<void> {
    return this.location.drop(trunkId, why)
  }

  /** Undefined: there is no such trunk that registers to us. */
  get(trunkId: string): InboundRegistration | undefined {
    const trunk = this.registering.get(trunkId)
    return trunk && this.show(trunk)
  }

  /** In the order of account and trunk. `next`: what to ask with `after` for more; null: there are no more. */
  list({ after, limit, accountId, state }: InboundQuery): { items: InboundRegistration[]; next: string | null } {
    const trunks = [...this.registering.all()]
      .filter(({ account_id }) => accountId === undefined || account_id === accountId)
      .map((trunk) => ({ key: keyOf(trunk), trunk }))
      .filter(({ key }) => after === undefined || key > after)
      .sort((a, b) => (a.key < b.key ? -1 : 1))
    const items: InboundRegistration[] = []
    let last = after ?? ''
    for (const { key, trunk } of trunks) {
      const shown = this.show(trunk)
      if (state !== undefined && shown.state !== state) continue
      if (items.length >= limit) return { items, next: last }
      items.push(shown)
      last = key
    }
    return { items, next: null }
  }

  private show(trunk: RegisteringTrunk): InboundRegistration {
    const bindings = this.location.view(trunk.id)
    const [first] = bindings
    const lastS = Math.max(0, ...bindings.map(({ expires_in_s }) => expires_in_s))
    return {
      ...unclaimed(trunk),
      state: first === undefined ? 'waiting' : 'registered',
      reason:
        first === undefined
          ? 'the PBX has registered no contact'
          : `the PBX has registered ${counted(bindings.length)}`,
      expires_at: first === undefined ? null : new Date(this.clock.date().getTime() + lastS * 1000).toISOString(),
      since: bindings.map(({ since }) => since).sort()[0] ?? trunk.updated_at,
      edge_id: first?.edge_id ?? null,
      bindings,
    }
  }
}

const keyOf = ({ account_id, id }: RegisteringTrunk): string => `${account_id}:${id}`

const counted = (contacts: number): string => (contacts === 1 ? 'one contact' : `${contacts} contacts`)
