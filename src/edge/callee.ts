import type { VerdictCode } from '../model/verdict.js'

/** Who is called on leg B, as far as it matters for what the call's record says. */
export interface Callee {
  /** Refusals that are the callee's own final response; the others are the edge's, who would wait no longer or could not reach it. */
  readonly answers: ReadonlySet<VerdictCode>
  /** It ended the call before the answer. */
  readonly refused: VerdictCode
  /** Its 200 made no dialog. */
  readonly broken: VerdictCode
}

export const agentAsCallee: Callee = {
  answers: new Set(['AGENT_BUSY', 'AGENT_DECLINED', 'AGENT_REFUSED', 'AGENT_SERVER_ERROR']),
  refused: 'AGENT_REFUSED',
  broken: 'AGENT_SERVER_ERROR',
}

export const trunkAsCallee: Callee = {
  answers: new Set([
    'DESTINATION_BUSY',
    'DESTINATION_DECLINED',
    'DESTINATION_REFUSED',
    'TRUNK_AUTH_REFUSED',
    'TRUNK_OVERLOADED',
    'TRUNK_REDIRECTED',
  ]),
  refused: 'DESTINATION_REFUSED',
  broken: 'DESTINATION_REFUSED',
}
