/**
 * Every way a call can be refused or fail, by its stable code: the SIP status and reason phrase the caller gets, and whether the
 * next address of the agent, or server of the trunk, is tried. The code itself, in lower case, is the metric label.
 * The one table; the README's list of codes is tested against it.
 */
export const verdicts = {
  SOURCE_UNKNOWN: { status: 403, reason: 'Source address not allowed', tryNext: false },
  CREDENTIALS_REQUIRED: { status: 401, reason: 'Credentials required', tryNext: false },
  REQUEST_UNUSABLE: { status: 400, reason: 'Request not usable', tryNext: false },
  NUMBER_UNREADABLE: { status: 484, reason: 'No number could be read from the request', tryNext: false },
  NUMBER_UNKNOWN: { status: 404, reason: 'Number not in service here', tryNext: false },
  NUMBER_NOT_ON_TRUNK: { status: 403, reason: 'Number does not belong to this trunk', tryNext: false },
  NUMBER_DISABLED: { status: 480, reason: 'Number is switched off', tryNext: false },
  NUMBER_RECORD_INVALID: { status: 500, reason: 'Routing record invalid', tryNext: false },
  NUMBER_HAS_NO_AGENT: { status: 480, reason: 'Number has no agent', tryNext: false },
  AGENT_UNKNOWN: { status: 480, reason: 'Agent not found', tryNext: false },
  ROUTING_UNAVAILABLE: { status: 503, reason: 'Routing table unavailable', tryNext: false },
  TOO_MANY_HOPS: { status: 483, reason: 'Too Many Hops', tryNext: false },
  MEDIA_TYPE_UNSUPPORTED: { status: 415, reason: 'Unsupported Media Type', tryNext: false },
  MEDIA_NOT_ENCRYPTED: { status: 488, reason: 'Media must be encrypted', tryNext: false },
  MEDIA_ENCRYPTED: { status: 488, reason: 'Media must not be encrypted', tryNext: false },
  ANSWER_NOT_ACCEPTABLE: { status: 406, reason: 'Caller does not accept SDP', tryNext: false },
  EXTENSION_UNSUPPORTED: { status: 420, reason: 'Bad Extension', tryNext: false },
  EDGE_FULL: { status: 503, reason: 'Too many calls', tryNext: false },
  EDGE_OVERLOADED: { status: 503, reason: 'Edge is overloaded', tryNext: false },
  EDGE_STOPPING: { status: 503, reason: 'Edge is stopping', tryNext: false },
  AGENT_CHANNELS_FULL: { status: 486, reason: 'Agent has no free channel', tryNext: false },
  AGENT_ADDRESS_REFUSED: { status: 503, reason: 'Agent address not allowed', tryNext: true },
  AGENT_UNREACHABLE: { status: 503, reason: 'Agent unreachable', tryNext: true },
  AGENT_TIMEOUT: { status: 408, reason: 'Agent did not respond', tryNext: true },
  AGENT_NO_ANSWER: { status: 480, reason: 'Agent did not answer', tryNext: true },
  AGENT_SERVER_ERROR: { status: 503, reason: 'Agent failed', tryNext: true },
  AGENT_BUSY: { status: 486, reason: 'Busy Here', tryNext: false },
  AGENT_DECLINED: { status: 603, reason: 'Decline', tryNext: false },
  AGENT_REFUSED: { status: 480, reason: 'Agent refused the call', tryNext: false },
  TRUNK_BUSY: { status: 486, reason: 'Trunk has no free channel', tryNext: false },
  AGENT_SOURCE_UNKNOWN: { status: 403, reason: 'Caller is no agent known here', tryNext: false },
  AGENT_CREDENTIALS_REFUSED: { status: 403, reason: 'Credentials refused', tryNext: false },
  CALLER_ID_MISSING: { status: 403, reason: 'No number to present was given', tryNext: false },
  CALLER_ID_NOT_ALLOWED: { status: 403, reason: 'Agent may not present this number', tryNext: false },
  DESTINATION_IMPOSSIBLE: { status: 484, reason: 'Destination is not a possible number', tryNext: false },
  DESTINATION_NOT_ALLOWED: { status: 403, reason: 'Trunk does not allow this extension', tryNext: false },
  TRUNK_NOT_REGISTERED: { status: 480, reason: 'Trunk is not registered', tryNext: false },
  TRUNK_NOT_USABLE: { status: 503, reason: 'Trunk of the number cannot be used', tryNext: false },
  TRUNK_CHANNELS_FULL: { status: 503, reason: 'Trunk has no free channel', tryNext: false },
  TRUNK_RATE_LIMITED: { status: 503, reason: 'Too many calls a second on the trunk', tryNext: false },
  TRUNK_MINUTES_SPENT: { status: 480, reason: 'Trunk has no minutes left today', tryNext: false },
  AGENT_RATE_LIMITED: { status: 480, reason: 'Too many calls a second for the agent', tryNext: false },
  AGENT_MINUTES_SPENT: { status: 480, reason: 'Agent has no minutes left today', tryNext: false },
  CALL_TOO_LONG: { status: 480, reason: 'Call has reached its longest time', tryNext: false },
  DESTINATION_BARRED: { status: 403, reason: 'Trunk does not allow this destination', tryNext: false },
  DESTINATION_HIGH_RISK: { status: 403, reason: 'Trunk does not allow this kind of number', tryNext: false },
  TRUNK_ADDRESS_REFUSED: { status: 503, reason: 'Trunk address not allowed', tryNext: true },
  TRUNK_UNREACHABLE: { status: 503, reason: 'Trunk unreachable', tryNext: true },
  TRUNK_TIMEOUT: { status: 504, reason: 'Trunk did not respond', tryNext: true },
  TRUNK_OVERLOADED: { status: 503, reason: 'Trunk unavailable', tryNext: true },
  TRUNK_AUTH_REFUSED: { status: 503, reason: 'Trunk refused our credentials', tryNext: false },
  TRUNK_REDIRECTED: { status: 503, reason: 'Trunk redirected the call elsewhere', tryNext: false },
  DESTINATION_BUSY: { status: 486, reason: 'Busy Here', tryNext: false },
  DESTINATION_DECLINED: { status: 603, reason: 'Decline', tryNext: false },
  DESTINATION_NO_ANSWER: { status: 480, reason: 'Destination did not answer', tryNext: false },
  DESTINATION_REFUSED: { status: 480, reason: 'Trunk refused the call', tryNext: false },
  CALLER_CANCELLED: { status: 487, reason: 'Request Terminated', tryNext: false },
  OPERATOR_HUNG_UP: { status: 480, reason: 'Call ended by the operator', tryNext: false },
  CALLER_GONE: { status: 408, reason: 'Caller did not acknowledge', tryNext: false },
  INTERNAL_ERROR: { status: 500, reason: 'Server Internal Error', tryNext: false },
} as const satisfies Record<string, Verdict>

export interface Verdict {
  /** SIP status of the answer to the caller, 400 to 699. */
  readonly status: number
  readonly reason: string
  /** Whether the next address of the agent, or server of the trunk, is tried. */
  readonly tryNext: boolean
}

export type VerdictCode = keyof typeof verdicts

/** A call's end that is not success: a code of the table and what exactly happened. */
export class CallError extends Error {
  override readonly name = 'CallError'

  constructor(
    readonly code: VerdictCode,
    /** What happened, naming the parts; for the record and the log, never with secrets. */
    detail: string,
    options?: ErrorOptions,
  ) {
    super(detail, options)
  }

  get verdict(): Verdict {
    return verdicts[this.code]
  }

  /** The label of `result` in metrics. */
  get label(): string {
    return this.code.toLowerCase()
  }
}
