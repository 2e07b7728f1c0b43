import type { VerdictCode } from '../model/verdict.js'

/** What an agent's final response means. */
export interface AgentVerdict {
  readonly code: VerdictCode
  /** The caller gets the agent's own status: it speaks of the caller's offer, and the caller can act on it. */
  readonly passStatus: boolean
}

/**
 * The agent's final response, by class policy. Whether the next address is tried stands in the verdict table.
 * - 486 and 600 are busy, 603, 607 (unwanted) and 608 (rejected) a refusal by a person or on their behalf: final everywhere.
 * - 488, 606 and 415 are about the caller's offer and pass as they are.
 * - 404, 410, 484, 604 and the like are between us and the agent: the caller's number was right, so it is told 480.
 * - 401 and 407 challenge us, not the caller, and never pass. 3xx is not followed.
 * - A 2xx that arrives here made no dialog: the agent does not work.
 */
export function classify(status: number): AgentVerdict {
  if (status < 300) return { code: 'AGENT_SERVER_ERROR', passStatus: false }
  switch (status) {
    case 408:
      return { code: 'AGENT_TIMEOUT', passStatus: false }
    case 486:
    case 600:
      return { code: 'AGENT_BUSY', passStatus: false }
    case 603:
    case 607:
    case 608:
      return { code: 'AGENT_DECLINED', passStatus: false }
    case 415:
    case 488:
    case 606:
      return { code: 'AGENT_REFUSED', passStatus: true }
  }
  return { code: status >= 500 && status < 600 ? 'AGENT_SERVER_ERROR' : 'AGENT_REFUSED', passStatus: false }
}
