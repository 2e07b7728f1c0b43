import { localId } from '../model/account.js'
import type { Attempt, Cdr, Direction, LiveCall } from '../model/call.js'
import type { DecisionTrace, OutboundTrace } from '../model/decision.js'
import { hideContactTokens } from '../model/contact-token.js'
import { tidy } from './header-value.js'

/** What is known of a call while it goes on; the same fields make its live view and, at the end, its record. */
export interface CallFacts {
  accountId: string | null
  direction: Direction
  from: string
  to: string
  phoneNumber: string | null
  trunkId: string | null
  agentId: string | null
  readonly sourceAddress: string
  legACallId: string | null
  legBCallId: string | null
  /** ISO 8601, UTC, to the millisecond; so are the others. */
  readonly startedAt: string
  ringingAt: string | null
  answeredAt: string | null
  legAStatus: number | null
  legBStatus: number | null
  attempts: readonly Attempt[]
  /** How it was decided; its trace says too who called, and by which rule. */
  explanation: { detail: string; trace: DecisionTrace | OutboundTrace } | null
}

/** How a call ended, as its record says it. */
export interface RecordedEnd {
  readonly at: Date
  readonly result: string
  readonly by: Cdr['ended_by']
  readonly reason: string
}

const MAX_NUMBER = 128
const MAX_TEXT = 512
const MAX_CALL_ID = 256

function identifiedBy({ explanation }: CallFacts): LiveCall['identified_by'] {
  const rule = explanation?.trace.identified_by ?? null
  return rule === 'token' ? 'contact-token' : rule
}

// The two are written out field by field: one object of its final shape each, several times a call.

/** The call as the list of live calls shows it. */
export const liveView = (id: string, facts: CallFacts, state: LiveCall['state']): LiveCall => ({
  call_id: id,
  account_id: facts.accountId,
  direction: facts.direction,
  from: tidy(facts.from, MAX_NUMBER),
  to: tidy(facts.to, MAX_NUMBER),
  phone_number: facts.phoneNumber,
  trunk_id: localOrNull(facts.trunkId),
  agent_id: localOrNull(facts.agentId),
  source_address: facts.sourceAddress,
  identified_by: identifiedBy(facts),
  leg_a_call_id: capped(facts.legACallId),
  leg_b_call_id: capped(facts.legBCallId),
  started_at: facts.startedAt,
  ringing_at: facts.ringingAt,
  answered_at: facts.answeredAt,
  state,
})

/** The one record of a call that has ended. */
export function recordOf(id: string, facts: CallFacts, end: RecordedEnd): Cdr {
  const { startedAt, answeredAt } = facts
  return {
    call_id: id,
    account_id: facts.accountId,
    direction: facts.direction,
    from: tidy(facts.from, MAX_NUMBER),
    to: tidy(facts.to, MAX_NUMBER),
    phone_number: facts.phoneNumber,
    trunk_id: localOrNull(facts.trunkId),
    agent_id: localOrNull(facts.agentId),
    source_address: facts.sourceAddress,
    identified_by: identifiedBy(facts),
    leg_a_call_id: capped(facts.legACallId),
    leg_b_call_id: capped(facts.legBCallId),
    started_at: startedAt,
    ringing_at: facts.ringingAt,
    answered_at: answeredAt,
    ended_at: end.at.toISOString(),
    duration_s: answeredAt === null ? 0 : (end.at.getTime() - Date.parse(answeredAt)) / 1000,
    setup_ms: answeredAt === null ? null : Date.parse(answeredAt) - Date.parse(startedAt),
    result: end.result,
    ended_by: end.by,
    leg_a_status: facts.legAStatus,
    leg_b_status: facts.legBStatus,
    end_reason: told(end.reason),
    attempts: facts.attempts.map(({ target, status, reason, duration_ms }) => ({
      target,
      status,
      reason: told(reason),
      duration_ms,
    })),
    explanation: facts.explanation,
  }
}

const localOrNull = (id: string | null): string | null => (id === null ? null : localId(id))

/** Words of a far end, which may have written our Contact into them. */
const told = (reason: string): string => tidy(hideContactTokens(reason.slice(0, 4 * MAX_TEXT)), MAX_TEXT)

const capped = (callId: string | null): string | null => (callId === null ? null : tidy(callId, MAX_CALL_ID))
