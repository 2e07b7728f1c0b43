import type { VerdictCode } from '../model/verdict.js'

/** What a trunk's final response means. */
export interface TrunkVerdict {
  readonly code: VerdictCode
  /** The agent gets the trunk's own status and words. */
  readonly passStatus: boolean
}

/**
 * A trunk's final response, by class policy. Whether its next server is tried stands in the verdict table.
 * - What speaks of the destination or of the agent's offer is definitive and passes as it is, 5xx among it: only 503 says that
 *   this server, and perhaps not the next, has no room (RFC 3261 21.5.4).
 * - 401 and 407 challenge us, not the agent: those that get here could not be answered. 3xx: those that could not be followed.
 * - A 2xx that arrives here made no dialog: the trunk does not work.
 */
export function classifyTrunk(status: number): TrunkVerdict {
  if (status < 300) return { code: 'DESTINATION_REFUSED', passStatus: false }
  if (status < 400) return { code: 'TRUNK_REDIRECTED', passStatus: false }
  switch (status) {
    case 401:
    case 407:
      return { code: 'TRUNK_AUTH_REFUSED', passStatus: false }
    case 408:
      return { code: 'DESTINATION_NO_ANSWER', passStatus: true }
    case 486:
    case 600:
      return { code: 'DESTINATION_BUSY', passStatus: true }
    case 503:
      return { code: 'TRUNK_OVERLOADED', passStatus: false }
    case 603:
    case 607:
    case 608:
      return { code: 'DESTINATION_DECLINED', passStatus: true }
  }
  return { code: 'DESTINATION_REFUSED', passStatus: true }
}
