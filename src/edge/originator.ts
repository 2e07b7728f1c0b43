import type { LiveCall } from '../model/call.js'
import type { VerdictCode } from '../model/verdict.js'
import type { OutboundDecision, OutboundRequest } from '../routing/outbound-plan.js'
import type { Limited, Taken } from '../store/limits.js'
import { OriginatedCall, type OriginatedParts, type OriginateRequest } from './originated.js'

export interface OriginatorParts extends OriginatedParts {
  readonly router: { decide(request: OutboundRequest): Promise<OutboundDecision> }
  /** Limits of trunks. */
  readonly limits: {
    take(trunk: Limited, callId: string): Promise<Taken>
    release(callId: string): void
  }
  /** Whether the edge takes no calls any more. */
  stopping(): boolean
  /** Seconds to wait while the edge is overloaded; undefined: it is not. Absent: it never is. */
  readonly overloaded?: (() => number | undefined) | undefined
}

/** What comes of a request for a call: the call as it begins, or why there is none. */
export type Originated = { readonly call: LiveCall } | NotOriginated

export interface NotOriginated {
  readonly call?: undefined
  readonly code: VerdictCode
  /** What exactly is in the way. */
  readonly detail: string
  /** Seconds after which it may be tried again, where that is known. */
  readonly retryAfterS?: number | undefined
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
    if (plan === undefined) return this.refuse(decision.code ?? 'INTERNAL_ERROR', decision.detail, request)
    const { trunk, agent } = plan
    const originated = new OriginatedCall(parts, plan, decision, request)
    const { id } = originated.call
    const taken = await parts.limits.take(trunk, id)
    const met = metLimit(taken, trunk.id) ?? this.refusedHere() ?? this.agentFull(agent)
    if (met !== undefined) {
      parts.limits.release(id)
      return this.refuse(met.code, met.detail, request)
    }
    originated.call.onEnd(() => parts.limits.release(id))
    // Until the first message is on its way nothing else runs: what was asked above still holds.
    if (!originated.start()) {
      parts.limits.release(id)
      const { code, detail, retryAfterS } = this.full()
      return { ...this.refuse(code, detail, request), retryAfterS }
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

  private agentFull(agent: { readonly id: string; readonly channel_limit: number | null }): NotOriginated | undefined {
    const { id, channel_limit: limit } = agent
    if (limit === null || this.parts.calls.countOfAgent(id) < limit) return undefined
    return refused('AGENT_CHANNELS_FULL', `agent ${id} has ${limit} calls`)
  }

  private refuse(code: VerdictCode, detail: string, { agentId, sourceAddress }: OriginateRequest): NotOriginated {
    this.parts.logger.info({ code, detail, agent: agentId, source: sourceAddress }, 'Call refused')
    return refused(code, detail)
  }
}

function metLimit(taken: Taken, trunkId: string): NotOriginated | undefined {
  if (taken === 'channels') return refused('TRUNK_CHANNELS_FULL', `trunk ${trunkId} has channel_limit calls`)
  return taken === 'rate'
    ? refused('TRUNK_RATE_LIMITED', `trunk ${trunkId} has had cps_limit calls this second`)
    : undefined
}
