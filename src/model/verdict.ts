/**
 * Every way a call can be refused or fail, by its stable code: the SIP status and reason phrase the caller gets, and whether the
 * agent's next address is tried. The code itself, in lower case, is the metric label.
 * The one table; the README's list of codes is tested against it.
 */
export const verdicts = {
  SOURCE_UNKNOWN: { status: 403, reason: 'Source address not allowed', tryNext: false },
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
  ANSWER_NOT_ACCEPTABLE: { status: 406, reason: 'Caller does not accept SDP', tryNext: false },
  EXTENSION_UNSUPPORTED: { status: 420, reason: 'Bad Extension', tryNext: false },
  EDGE_FULL: { status: 503, reason: 'Too many calls', tryNext: false },
  EDGE_STOPPING: { status: 503, reason: 'Edge is stopping', tryNext: false },
  AGENT_CHANNELS_FULL: { status: 486, reason: 'Agent has no free channel', tryNext: false },
  AGENT_UNREACHABLE: { status: 503, reason: 'Agent unreachable', tryNext: true },
  AGENT_TIMEOUT: { status: 408, reason: 'Agent did not respond', tryNext: true },
  AGENT_NO_ANSWER: { status: 480, reason: 'Agent did not answer', tryNext: true },
  AGENT_SERVER_ERROR: { status: 503, reason: 'Agent failed', tryNext: true },
  AGENT_BUSY: { status: 486, reason: 'Busy Here', tryNext: false },
  AGENT_DECLINED: { status: 603, reason: 'Decline', tryNext: false },
  AGENT_REFUSED: { status: 480, reason: 'Agent refused the call', tryNext: false },
  CALLER_CANCELLED: { status: 487, reason: 'Request Terminated', tryNext: false },
  OPERATOR_HUNG_UP: { status: 480, reason: 'Call ended by the operator', tryNext: false },
  CALLER_GONE: { status: 408, reason: 'Caller did not acknowledge', tryNext: false },
  INTERNAL_ERROR: { status: 500, reason: 'Server Internal Error', tryNext: false },
} as const satisfies Record<string, Verdict>

export interface Verdict {
  /** SIP status of the answer to the caller, 400 to 699. */
  readonly status: number
  readonly reason: string
  /** Whether the agent's next address is tried. */
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
