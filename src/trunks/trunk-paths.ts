import { localId } from '../model/account.js'
import { CallError } from '../model/verdict.js'
import { nameTarget, sameTarget, type Target } from './target.js'
import type { TargetHealth, TargetState } from './target-health.js'
import { MAX_TARGETS, type Routed, type Targets } from './targets.js'

/** How requests to a trunk travel. */
export interface TrunkPath {
  /** Servers in the order to try them, 1 to 16. */
  readonly targets: readonly Target[]
  /** URIs of Route headers in order: the Service-Route of the registration (RFC 3608). */
  readonly routes: readonly string[]
}

/** The server that accepted a trunk's REGISTER, and the Service-Route it gave. */
export interface RegisteredPath {
  readonly target: Omit<Target, 'settled'>
  readonly serviceRoute: readonly string[]
}

export interface TrunkPathsOptions {
  readonly targets: Targets
  readonly health: TargetHealth
  /** The registration of a trunk as it stands; undefined when it is not registered. */
  readonly registered: (trunkId: string) => RegisteredPath | undefined | Promise<RegisteredPath | undefined>
  /** Where the contacts are that a trunk has registered with us, in the order to try them. Default: there are none. */
  readonly contacts?: (trunkId: string) => readonly Target[]
}

/** One server of a trunk for people to see. */
export interface TargetView {
  /** `sip:192.0.2.7:5065;transport=tcp` */
  readonly target: string
  readonly state: TargetState['state']
  /** ISO 8601; null when it is not avoided. */
  readonly avoided_until: string | null
}

/** The way of calls and OPTIONS to a trunk: the server that accepted its REGISTER before the others. */
export class TrunkPaths {
  constructor(private readonly options: TrunkPathsOptions) {}

  /**
   * @throws {CallError} as `Targets.of` does, unless the trunk is registered: then its registrar will do. TRUNK_NOT_REGISTERED when it
   * registers to us and has not.
   */
  async of(trunk: Routed): Promise<TrunkPath> {
    if (trunk.register_in === true) return this.toContacts(trunk.id)
    const registered = await this.registeredPath(trunk.id)
    if (registered === undefined) return { targets: await this.options.targets.of(trunk), routes: [] }
    const dealt = registered.target.transport === 'tls' ? this.options.targets.tlsOf(trunk) : {}
    const target: Target = { ...registered.target, ...dealt, settled: true }
    const others = await this.options.targets.of(trunk).catch((): readonly Target[] => [])
    const all = [target, ...others.filter((other) => !sameTarget(other, target))].slice(0, MAX_TARGETS)
    return { targets: this.options.health.order(trunk.id, all), routes: registered.serviceRoute }
  }

  /**
   * The servers of a trunk in the order in which they would be tried now, and what is known of each.
   * @throws {CallError} as `of` does
   */
  async states(trunk: Routed): Promise<TargetView[]> {
    const { targets } = await this.of(trunk)
    return targets.map((target) => {
      const { state, avoidedUntil } = this.options.health.stateOf(trunk.id, target)
      return { target: nameTarget(target), state, avoided_until: avoidedUntil?.toISOString() ?? null }
    })
  }

  /** Why nothing is sent to a trunk, as it was last resolved; undefined: it may be, or was not resolved. */
  rejection(trunkId: string): string | undefined {
    return this.options.targets.rejection(trunkId)
  }

  /** A trunk that registers to us is where it says, and nowhere else. */
  private toContacts(trunkId: string): TrunkPath {
    const targets = this.options.contacts?.(trunkId) ?? []
    if (targets.length === 0)
      throw new CallError(
        'TRUNK_NOT_REGISTERED',
        `trunk ${localId(trunkId)} has registered no contact that can be reached`,
      )
    return { targets: this.options.health.order(trunkId, targets.slice(0, MAX_TARGETS)), routes: [] }
  }

  private async registeredPath(trunkId: string): Promise<RegisteredPath | undefined> {
    try {
      return await this.options.registered(trunkId)
    } catch {
      // Nobody can say where it is registered: the trunk's own servers are as good a guess as any.
      return undefined
    }
  }
}
