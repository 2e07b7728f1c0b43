import type { Agent } from '../model/agent.js'
import type { Decision } from '../model/decision.js'
import type { PhoneNumber } from '../model/number.js'
import type { Trunk } from '../model/trunk.js'
import type { Log, LookupMetrics } from '../store/observe.js'
import type { TrunksAt } from '../trunks/known-sources.js'
import { Deciding, type RoutingTable } from './deciding.js'
import type { InboundRequest } from './did.js'

export type { InboundRequest } from './did.js'

/** Where a call goes, or why nowhere; the records the decision rests on, as far as they were found. */
export interface Routed {
  readonly decision: Decision
  readonly number?: PhoneNumber
  readonly trunk?: Trunk
  readonly agent?: Agent
  /** Of a refused call whose number is on a trunk with `inbound_auth`: that trunk, which the caller may prove to be. */
  readonly asks?: Trunk
}

export interface RouterOptions {
  readonly directory: RoutingTable
  readonly metrics: Pick<LookupMetrics, 'routeLookups'>
  readonly logger: Log
  /** Which trunks an address is one of besides those that allow it; absent: none. */
  readonly sources?: TrunksAt | undefined
}

/** Decides where an inbound call goes. */
export class Router {
  private readonly directory: RoutingTable
  private readonly sources: TrunksAt | undefined
  private readonly metrics: Pick<LookupMetrics, 'routeLookups'>
  private readonly logger: Log

  constructor(options: RouterOptions) {
    this.directory = options.directory
    this.sources = options.sources
    this.metrics = options.metrics
    this.logger = options.logger
  }

  /** Never throws, and never waits longer than Redis's command deadline allows. */
  async decide(request: InboundRequest): Promise<Routed> {
    const deciding = new Deciding(request, this.directory, this.sources)
    let routed: Routed
    try {
      routed = await deciding.decide()
    } catch (error) {
      const reason = error instanceof Error ? error.message : 'unknown error'
      this.logger.error({ error: reason.slice(0, 200) }, 'routing failed')
      routed = deciding.refuse('INTERNAL_ERROR', 'routing failed', null)
    }
    const result = routed.decision.code === 'ROUTING_UNAVAILABLE' ? 'unavailable' : deciding.lookedUp
    if (result !== undefined) this.metrics.routeLookups.inc({ result })
    return routed
  }
}
