import type { LiveCall } from '../model/call.js'
import type { VerdictCode } from '../model/verdict.js'
import type { OutboundDecision, OutboundRequest } from '../routing/outbound-plan.js'
import { type Full, type LimitParts, takeLimits } from './call-limits.js'
import { OriginatedCall, type OriginatedParts, type OriginateRequest } from './originated.js'

export interface OriginatorParts extends OriginatedParts, LimitParts {
  readonly router: { decide(request: OutboundRequest): Promise<OutboundDecision> }
  /** Whether the edge takes no calls any more. */
  stopping(): boolean
  /** Seconds to wait while the edge is overloaded; undefined: it is not. Absent: it never is. */
  readonly overloaded?: (() => number | undefined) | undefined
}

/** What comes of a request for a call: the call as it begins, or why there is none. */
export type Originated = { readonly call: LiveCall } | NotOriginated

export interface NotOriginated extends Full {
  readonly call?: undefined
}

const refused = (code: VerdictCode, detail: string): NotOriginated => ({ code, detail })

/** Places calls that are asked for over the API. */
export class Originator {
  constructor(private readonly parts: OriginatorParts) {}

  /** Begins a call, when it may be placed. Until then nobody is called and nothing is recorded. */
  async originate(request: OriginateRequest): Promise<Originated> {
    const { parts } = this
    const early = this.refusedHere()
    if (early !== undefined) return early
    const { agentId, from, to } = request
    const decision = await parts.router.decide({ agentId, from, to })
    const { plan } = decision
    if (plan === undefined) return this.refuse(refused(decision.code ?? 'INTERNAL_ERROR', decision.detail), request)
    const { trunk, agent } = plan
    const originated = new OriginatedCall(parts, plan, decision, request)
    const { id } = originated.call
    const full = await takeLimits(originated.call, trunk, agent, true, parts)
    const met = full ?? this.refusedHere()
    if (met !== undefined) {
      parts.limits.release(id)
      return this.refuse(met, request)
    }
    // Until the first message is on its way nothing else runs: what was asked above still holds.
    if (!originated.start()) {
      parts.limits.release(id)
      return this.refuse(this.full(), request)
    }
    return { call: originated.call.live() }
  }

  private refusedHere(): NotOriginated | undefined {
    if (this.parts.stopping()) return refused('EDGE_STOPPING', 'the edge is stopping')
    const retryAfterS = this.parts.overloaded?.()
    if (retryAfterS !== undefined)
      return { ...refused('EDGE_OVERLOADED', 'messages wait longer than limits.shed_delay_ms'), retryAfterS }
    return this.parts.calls.full ? this.full() : undefined
  }

  private full(): NotOriginated {
    const retryAfterS = this.parts.calls.refuse()
    return { ...refused('EDGE_FULL', 'limits.max_calls calls are going on'), retryAfterS }
  }

  private refuse({ code, detail, ...rest }: Full, { agentId, sourceAddress }: OriginateRequest): NotOriginated {
    this.parts.logger.info({ code, detail, agent: agentId, source: sourceAddress }, 'Call refused')
    return { code, detail, ...rest }
  }
}
