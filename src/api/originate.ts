import { z } from 'zod'
import type { NotOriginated } from '../edge/originator.js'
import type { LiveCall } from '../model/call.js'
import { dialText } from '../model/strict-text.js'
import { headerMap, identifier } from '../model/text.js'
import type { VerdictCode } from '../model/verdict.js'
import { accountField, accountOf, idFor } from './account.js'
import { noteChange } from './audit.js'
import { RecentRequests } from './idempotency.js'
import { ApiError, fieldRefused, type ProblemCode } from './problem.js'
import type { Api, Services } from './services.js'
import { sourceAddress } from './source-address.js'
import { answer, liveCallView, namedBody, refusals } from './views.js'

const body = namedBody(
  'NewCall',
  z.strictObject({
    account_id: accountField,
    agent_id: identifier.describe('Who is called first, and connected'),
    from: dialText(64).min(1).describe('The number to present; it lists the agent among its outbound_agent_ids'),
    to: dialText(64).min(1).describe('Who is called: a number, or an extension that the trunk allows'),
    headers: headerMap
      .default({})
      .describe("More headers of the agent's INVITE; pass_headers of the trunk go on to it"),
    ring_timeout_s: z
      .number()
      .int()
      .min(1)
      .max(600)
      .nullable()
      .default(null)
      .describe('Seconds an address of the agent may ring, and then the destination; null: as configured'),
    privacy: z.boolean().default(false).describe('Whether the number is withheld from the destination'),
  }),
)

/** What the verdicts before dialling mean to whoever asked, and which field they are about. */
const problemOf: Partial<Record<VerdictCode, readonly [ProblemCode, field?: string]>> = {
  AGENT_UNKNOWN: ['AGENT_UNKNOWN', 'agent_id'],
  CALLER_ID_MISSING: ['CALLER_ID_MISSING', 'from'],
  CALLER_ID_NOT_ALLOWED: ['CALLER_ID_NOT_ALLOWED', 'from'],
  DESTINATION_IMPOSSIBLE: ['DESTINATION_IMPOSSIBLE', 'to'],
  DESTINATION_NOT_ALLOWED: ['DESTINATION_NOT_ALLOWED', 'to'],
  NUMBER_RECORD_INVALID: ['RECORD_INVALID'],
  TRUNK_NOT_USABLE: ['TRUNK_NOT_USABLE'],
  TRUNK_CHANNELS_FULL: ['TRUNK_CHANNELS_FULL'],
  TRUNK_RATE_LIMITED: ['TRUNK_RATE_LIMITED'],
  TRUNK_MINUTES_SPENT: ['TRUNK_MINUTES_SPENT'],
  AGENT_CHANNELS_FULL: ['AGENT_CHANNELS_FULL'],
  AGENT_RATE_LIMITED: ['AGENT_RATE_LIMITED'],
  AGENT_MINUTES_SPENT: ['AGENT_MINUTES_SPENT'],
  DESTINATION_BARRED: ['DESTINATION_BARRED', 'to'],
  DESTINATION_HIGH_RISK: ['DESTINATION_HIGH_RISK', 'to'],
  ROUTING_UNAVAILABLE: ['ROUTING_UNAVAILABLE'],
  EDGE_FULL: ['EDGE_FULL'],
  EDGE_OVERLOADED: ['EDGE_OVERLOADED'],
  EDGE_STOPPING: ['EDGE_STOPPING'],
}

/** Seconds after which it may be tried again, where time alone can help. */
const retryAfter: Partial<Record<ProblemCode, string>> = {
  TRUNK_RATE_LIMITED: '1',
  EDGE_FULL: '10',
  EDGE_STOPPING: '10',
}

/** `POST /v1/calls`: a call from an agent to a destination, by the trunk of a number. */
export function addOriginate(api: Api, { originator, clock }: Services): void {
  const recent = new RecentRequests<LiveCall>(clock)

  api.post(
    '/calls',
    {
      config: { role: 'operator' },
      schema: {
        tags: ['calls'],
        summary: 'Place a call: the agent is called, and connected to the destination when it answers',
        description:
          'Answered at once; GET /v1/calls/{id} and the event stream show how it goes on. With an Idempotency-Key header a repeat ' +
          'of the request, to the same edge within an hour, is answered with the call of the first one.',
        body,
        response: { 202: answer('The call as it begins', liveCallView), ...refusals(400, 403, 409, 422, 429, 503) },
      },
    },
    async (request, reply) => {
      const { agent_id, from, to, headers, ring_timeout_s, privacy } = request.body
      const place = async (): Promise<LiveCall> => {
        const originated = await originator.originate({
          agentId: idFor(request, agent_id),
          from,
          to,
          headers,
          ringTimeoutMs: ring_timeout_s === null ? undefined : ring_timeout_s * 1_000,
          privacy,
          sourceAddress: sourceAddress(request),
        })
        if (originated.call === undefined) throw refusalOf(originated)
        const { call_id, account_id } = originated.call
        noteChange(request, { action: 'call.place', object: call_id, account_id, after: { agent_id, from, to } })
        return originated.call
      }
      try {
        const key = readKey(request.headers['idempotency-key'])
        // Those of another account are other keys.
        const ofAccount = key === undefined ? undefined : `${accountOf(request)} ${key}`
        const call = await recent.once(ofAccount, request.body, place)
        return await reply.code(202).header('location', `/v1/calls/${call.call_id}`).send(call)
      } catch (error) {
        const wait = error instanceof ApiError ? (error.retryAfterS ?? retryAfter[error.code]) : undefined
        if (wait !== undefined) reply.header('retry-after', String(wait))
        throw error
      }
    },
  )
}

function refusalOf({ code, detail, retryAfterS }: NotOriginated): ApiError {
  const [problem, field] = problemOf[code] ?? ['INTERNAL_ERROR']
  const error = field === undefined ? new ApiError(problem, detail) : fieldRefused(field, detail, problem)
  error.retryAfterS = retryAfterS
  return error
}

function readKey(value: string | string[] | undefined): string | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(value))
    throw fieldRefused('Idempotency-Key', 'must be 1 to 255 printable ASCII characters without spaces')
  return value
}
