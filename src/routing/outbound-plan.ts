import type { Agent } from '../model/agent.js'
import type { OutboundTrace } from '../model/decision.js'
import type { PhoneNumber } from '../model/number.js'
import type { Trunk } from '../model/trunk.js'
import type { VerdictCode } from '../model/verdict.js'

/** What an agent asks for. */
export interface OutboundRequest {
  readonly agentId: string
  /** The number to present, as written. */
  readonly from: string
  /** Who is called, as written: a number in any usual spelling, or an extension of the trunk. */
  readonly to: string
}

/** Who is called: E.164, or an extension as it is dialled. */
export interface Destination {
  readonly kind: 'e164' | 'extension'
  readonly value: string
}

/** A call that may be placed. */
export interface OutboundPlan {
  readonly agent: Agent
  readonly number: PhoneNumber
  readonly trunk: Trunk
  readonly destination: Destination
}

/** What comes of a request: a plan, or the refusal; and how it was decided. */
export interface OutboundDecision {
  readonly plan?: OutboundPlan
  /** Undefined with a plan. */
  readonly code?: VerdictCode
  /** In words, for the record. */
  readonly detail: string
  readonly trace: OutboundTrace
}
