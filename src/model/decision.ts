import { z } from 'zod'
import { localId } from './account.js'
import { identifier } from './text.js'
import { verdicts, type VerdictCode } from './verdict.js'

/** What identifies the trunk of an inbound call, in the order in which it is looked for. */
export const trunkRules = [
  /** The token of the Contact we registered for it. */
  'contact-token',
  /** The source address is in its `allowed_addresses`. */
  'address',
  /** The source address is one of its servers': what its `outbound_proxy` and `sip_domain` resolve to, or where its REGISTER was accepted. */
  'resolved-address',
  /** The source address is one it has registered at us from. */
  'registered',
  /** Credentials of its `inbound_auth`. */
  'digest',
  /** Both, as its `require` asks for. */
  'address+digest',
] as const
export type TrunkRule = (typeof trunkRules)[number]

const verdictCode = z.enum(Object.keys(verdicts) as [VerdictCode, ...VerdictCode[]])

/** One source of a number that was read: what stood there, and the forms it was looked up under. */
const sourceRead = z.object({
  source: z.string(),
  /** The raw user part or number, at most 128 characters; null when the source is absent or unreadable. */
  value: z.string().nullable(),
  normalised: z.array(z.string()),
  found: z.string().nullable(),
})

const trunkTried = z.object({
  trunk_id: z.string(),
  matched: z.boolean(),
  /** e.g. "127.0.0.1 is in 127.0.0.1/32", "source not in allowed_addresses", "Contact token of the registration". */
  why: z.string(),
  account_id: z.string().optional(),
  /** The rule by which it matched; null when it did not. */
  rule: z.enum(trunkRules).nullable().optional(),
})

/** Why a call went where it went, or nowhere: stored with the call's record and shown by route tests. */
export const decisionTraceSchema = z.object({
  source_address: z.string(),
  trunks_tried: z.array(trunkTried),
  /** Which rule identified the trunk; `token` is what a trace has always called `contact-token`. */
  identified_by: z.enum([...trunkRules, 'token']).nullable(),
  sources_read: z.array(sourceRead),
  /** In words, when refused: the nearest thing that would have matched. */
  nearest_miss: z.string().nullable(),
  /** Where the answer came from. */
  looked_up: z.enum(['memory', 'redis', 'stale', 'none']),
})
export type DecisionTrace = z.output<typeof decisionTraceSchema>

/** Why an agent's call was placed, or not: stored with the call's record. */
export const outboundTraceSchema = z.object({
  /** Null for a call asked for over the API. */
  source_address: z.string().nullable(),
  /** Which rule named the agent. */
  identified_by: z.enum(['address', 'digest', 'api']).nullable(),
  agents_tried: z.array(z.object({ agent_id: z.string(), matched: z.boolean(), why: z.string() })),
  /** The number to be presented as it was written, where it stood, and the forms it was looked up under. */
  presented: sourceRead,
  /** The destination as it was written, and what it was read as; null when it is none. */
  destination: z.object({ value: z.string(), normalised: z.string().nullable() }),
  nearest_miss: z.string().nullable(),
  looked_up: z.enum(['memory', 'redis', 'stale', 'none']),
})
export type OutboundTrace = z.output<typeof outboundTraceSchema>

/** What every decision says besides its outcome: why, and whom it is about. */
const decisionFields = {
  code: verdictCode.nullable(),
  sip_status: z.number().int().nullable(),
  detail: z.string(),
  account_id: identifier.nullable(),
  phone_number: z.string().nullable(),
  trunk_id: z.string().nullable(),
  agent_id: z.string().nullable(),
}

/** The outcome of routing one inbound request. */
export const decisionSchema = z.object({
  outcome: z.enum(['agent', 'refused']),
  ...decisionFields,
  /** SIP URIs in the order they are tried. */
  targets: z.array(z.string()),
  trace: decisionTraceSchema,
})
export type Decision = z.output<typeof decisionSchema>

/** What would become of an agent's call. */
export const outboundDecisionSchema = z.object({
  direction: z.literal('outbound'),
  outcome: z.enum(['trunk', 'refused']),
  ...decisionFields,
  /** Who would be called: E.164, or an extension. */
  destination: z.string().nullable(),
  trace: outboundTraceSchema,
})
export type OutboundDecisionView = z.output<typeof outboundDecisionSchema>

/** A decision as others than the edge see it: with the ids that the account gave its trunk and agent. */
export function shownDecision(decision: Decision): Decision {
  const { trunk_id, agent_id } = decision
  return {
    ...decision,
    trunk_id: trunk_id === null ? null : localId(trunk_id),
    agent_id: agent_id === null ? null : localId(agent_id),
  }
}
