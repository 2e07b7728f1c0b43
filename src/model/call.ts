import { z } from 'zod'
import { decisionTraceSchema, outboundTraceSchema, trunkRules } from './decision.js'
import { identifier, instant } from './text.js'

export const direction = z.enum(['inbound', 'outbound'])
export type Direction = z.output<typeof direction>

/** One try of one target: what the far end said, and how long it took. */
export const attemptSchema = z.object({
  target: z.string(),
  /** SIP status; 0 when nothing was received (transport failure). */
  status: z.number().int(),
  reason: z.string(),
  duration_ms: z.number(),
})
export type Attempt = z.output<typeof attemptSchema>

const callFields = {
  call_id: identifier,
  account_id: identifier.nullable(),
  direction,
  /** The calling number or user as presented, at most 128 characters. */
  from: z.string(),
  /** The dialled number as read (normalised when it was known). */
  to: z.string(),
  phone_number: z.string().nullable(),
  trunk_id: z.string().nullable(),
  agent_id: z.string().nullable(),
  source_address: z.string(),
  /** Which rule said who calls: the trunk, or the agent (`address`, `digest`, `api`); null while nobody knows. */
  identified_by: z
    .enum([...trunkRules, 'api'])
    .nullable()
    .default(null),
  /** SIP Call-ID of leg A (who called) and leg B (who is called). */
  leg_a_call_id: z.string().nullable(),
  leg_b_call_id: z.string().nullable(),
  started_at: instant,
  ringing_at: instant.nullable(),
  answered_at: instant.nullable(),
}

/** A call that is going on. */
export const liveCallSchema = z.object({ ...callFields, state: z.enum(['trying', 'ringing', 'answered', 'ending']) })
export type LiveCall = z.output<typeof liveCallSchema>

/** The one record of a call that has ended, whatever way it ended. */
export const cdrSchema = z.object({
  ...callFields,
  ended_at: instant,
  /** Seconds between answer and end, to the millisecond; 0 when never answered. */
  duration_s: z.number(),
  /** Milliseconds from the INVITE to its 200; null when never answered. */
  setup_ms: z.number().nullable(),
  /** `answered`, or the verdict's code in lower case. */
  result: z.string(),
  /** Who ended it. */
  ended_by: z.enum(['leg_a', 'leg_b', 'edge']),
  /** Final SIP status on each leg; null when that leg had none. */
  leg_a_status: z.number().int().nullable(),
  leg_b_status: z.number().int().nullable(),
  /** In words: the reason phrase, Reason header or error. */
  end_reason: z.string(),
  attempts: z.array(attemptSchema),
  explanation: z.object({ detail: z.string(), trace: z.union([decisionTraceSchema, outboundTraceSchema]) }).nullable(),
})
export type Cdr = z.output<typeof cdrSchema>

let written: { readonly cdr: Cdr; readonly text: string } | undefined

/** The record as JSON. It is asked for several times in a row when a call ends, and is written once. */
export function cdrText(cdr: Cdr): string {
  if (written?.cdr !== cdr) written = { cdr, text: JSON.stringify(cdr) }
  return written.text
}
