import { z } from 'zod'

/**
 * Every error the API answers with, by its stable code: the HTTP status and the title of the problem document (RFC 9457).
 * The one table; the OpenAPI document lists its codes.
 */
export const problems = {
  ACCOUNT_NOT_ALLOWED: { status: 403, title: 'The token is bound to another account' },
  TOKEN_REQUIRED: { status: 401, title: 'A valid bearer token is required' },
  TOO_MANY_TOKEN_FAILURES: { status: 429, title: 'Too many tokens that are not valid' },
  ROLE_NEEDED: { status: 403, title: 'The role of the token does not suffice' },
  ALL_ACCOUNTS_NEEDED: { status: 403, title: 'A token bound to one account may not do this' },
  TOKEN_ABOVE_OWN: { status: 403, title: 'A token cannot make one that may do more' },
  ROUTE_NOT_FOUND: { status: 404, title: 'Nothing is served at this address' },
  METHOD_NOT_ALLOWED: { status: 405, title: 'Method not allowed here' },
  URL_MALFORMED: { status: 400, title: 'The URL cannot be read' },
  URL_TOO_LONG: { status: 414, title: 'A part of the URL is too long' },
  REQUEST_MALFORMED: { status: 400, title: 'The request cannot be read' },
  JSON_MALFORMED: { status: 400, title: 'The body is not JSON' },
  BODY_TOO_LARGE: { status: 413, title: 'The body is too large' },
  MEDIA_TYPE_UNSUPPORTED: { status: 415, title: 'The body must be application/json' },
  VALIDATION_FAILED: { status: 400, title: 'Some fields are not acceptable' },
  NUMBER_IMPOSSIBLE: { status: 400, title: 'Not a possible phone number' },
  AGENT_UNKNOWN: { status: 400, title: 'An agent named here does not exist' },
  TRUNK_UNKNOWN: { status: 400, title: 'The trunk named here does not exist' },
  AGENT_NOT_FOUND: { status: 404, title: 'No such agent' },
  NUMBER_NOT_FOUND: { status: 404, title: 'No such number' },
  TRUNK_NOT_FOUND: { status: 404, title: 'No such trunk' },
  TOKEN_NOT_FOUND: { status: 404, title: 'No such token' },
  CALL_NOT_FOUND: { status: 404, title: 'No such call' },
  ROTATION_NOT_FOUND: { status: 404, title: 'No such rotation of the secret key' },
  ROTATION_UNDER_WAY: { status: 409, title: 'A rotation of the secret key is under way' },
  OTHER_EDGES_ALIVE: { status: 409, title: 'Other edges would not know the new key' },
  NUMBER_TAKEN: { status: 409, title: 'The number exists already' },
  NUMBER_AMBIGUOUS: { status: 409, title: 'Another number would be dialled the same way' },
  INBOUND_AGENT_TAKEN: { status: 409, title: 'The number has another inbound agent' },
  AGENT_IN_USE: { status: 409, title: 'Numbers use this agent' },
  TRUNK_IN_USE: { status: 409, title: 'Numbers use this trunk' },
  REGISTRATION_OFF: { status: 409, title: 'The trunk is not to be registered' },
  TRUNK_PASSWORD_DIFFERS: { status: 409, title: 'A trunk with the same fields has another password' },
  CALLER_ID_MISSING: { status: 400, title: 'No number to present was given' },
  CALLER_ID_NOT_ALLOWED: { status: 403, title: 'The agent may not present this number' },
  DESTINATION_IMPOSSIBLE: { status: 400, title: 'The destination is not a possible number' },
  DESTINATION_NOT_ALLOWED: { status: 403, title: 'The trunk does not allow this extension' },
  TRUNK_NOT_USABLE: { status: 409, title: 'The trunk of the number cannot be used' },
  TRUNK_CHANNELS_FULL: { status: 409, title: 'The trunk has no free channel' },
  TRUNK_RATE_LIMITED: { status: 429, title: 'Too many calls a second on the trunk' },
  TRUNK_MINUTES_SPENT: { status: 429, title: 'The trunk has no minutes left today' },
  AGENT_RATE_LIMITED: { status: 429, title: 'Too many calls a second for the agent' },
  AGENT_MINUTES_SPENT: { status: 429, title: 'The agent has no minutes left today' },
  DESTINATION_BARRED: { status: 403, title: 'The trunk does not allow this destination' },
  DESTINATION_HIGH_RISK: { status: 403, title: 'The trunk does not allow this kind of number' },
  AGENT_CHANNELS_FULL: { status: 409, title: 'The agent has no free channel' },
  IDEMPOTENCY_KEY_REUSED: { status: 422, title: 'The key was used for another request' },
  EDIT_CONFLICT: { status: 409, title: 'The record was changed by others at the same time' },
  RECORD_INVALID: { status: 500, title: 'A stored record cannot be read' },
  TOO_MANY_LISTENERS: { status: 503, title: 'Too many clients follow the event stream' },
  EDGE_FULL: { status: 503, title: 'Too many calls' },
  ROUTING_UNAVAILABLE: { status: 503, title: 'The routing table cannot be asked' },
  EDGE_OVERLOADED: { status: 503, title: 'The edge is overloaded' },
  BAN_NOT_FOUND: { status: 404, title: 'No such ban' },
  EDGE_STOPPING: { status: 503, title: 'The edge is stopping' },
  STORE_UNAVAILABLE: { status: 503, title: 'The store cannot be reached' },
  INTERNAL_ERROR: { status: 500, title: 'Internal error' },
} as const satisfies Record<string, { status: number; title: string }>

export type ProblemCode = keyof typeof problems

/** One bad field: its path in the body, query or URL (`register.expires`, `allowed_addresses[0]`), and what is wrong with it. */
export interface FieldError {
  readonly field: string
  readonly message: string
}

export const problemSchema = z
  .looseObject({
    type: z.string().describe('`urn:signalbox:problem:` and the code in lower case'),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    code: z.enum(Object.keys(problems) as [ProblemCode, ...ProblemCode[]]).describe('Stable; scripts may branch on it'),
    instance: z.string().optional().describe('Names this one occurrence, as in the log'),
    errors: z
      .array(z.object({ field: z.string(), message: z.string() }))
      .optional()
      .describe('Each field that was not acceptable'),
    inbound_agent_id: z
      .string()
      .nullable()
      .optional()
      .describe('With INBOUND_AGENT_TAKEN: the agent that has the number'),
    trunk_id: z
      .string()
      .optional()
      .describe('With NUMBER_TAKEN, NUMBER_AMBIGUOUS and INBOUND_AGENT_TAKEN: the trunk that has the number'),
    numbers: z.array(z.string()).optional().describe('With AGENT_IN_USE and TRUNK_IN_USE: the numbers'),
  })
  .describe('What went wrong (RFC 9457)')

export interface ProblemExtras {
  readonly errors?: readonly FieldError[]
  readonly inbound_agent_id?: string | null
  readonly trunk_id?: string
  readonly numbers?: readonly string[]
}

/** A request that cannot be granted: a code of the table and what exactly is wrong. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  /** Read by Fastify when the error passes through its own machinery. */
  readonly statusCode: number
  /** Seconds after which it may be tried again, where that is known. */
  retryAfterS: number | undefined

  constructor(
    readonly code: ProblemCode,
    /** For the person who made the request; never with secrets. */
    detail: string,
    readonly extras: ProblemExtras = {},
    options?: ErrorOptions,
  ) {
    super(detail, options)
    this.statusCode = problems[code].status
  }

  /** The problem document. */
  toProblem(instance?: string): Record<string, unknown> {
    const { status, title } = problems[this.code]
    return {
      type: `urn:signalbox:problem:${this.code.toLowerCase().replaceAll('_', '-')}`,
      title,
      status,
      detail: this.message,
      code: this.code,
      ...(instance === undefined ? {} : { instance }),
      ...this.extras,
    }
  }
}

/** The refusal of one field. */
export const fieldRefused = (field: string, message: string, code: ProblemCode = 'VALIDATION_FAILED'): ApiError =>
  new ApiError(code, `${field}: ${message}`, { errors: [{ field, message }] })
