import type { OutboundTrace } from '../model/decision.js'
import type { AgentIdentifier, Identified } from './identify-agent.js'
import { apiCaller, type OutboundRouter } from './outbound.js'
import type { OutboundDecision } from './outbound-plan.js'

/** A call of an agent that is asked about: who it is, or where it would come from. */
export interface OutboundQuestion {
  /** The id inside. */
  readonly agentId?: string | undefined
  readonly sourceAddress?: string | undefined
  /** The number to present, as written; '' for none. */
  readonly from: string
  readonly to: string
  /** Only agents of this account may be told of. */
  readonly accountId?: string | undefined
}

export interface OutboundAnswer {
  readonly decision: OutboundDecision
  /** The id inside of the agent that it would be; null when nothing says which. */
  readonly agentId: string | null
}

/** Says what would become of an agent's call: which agent it is, and whether and how it would be placed. Nothing is sent. */
export class OutboundTests {
  constructor(
    private readonly identifier: Pick<AgentIdentifier, 'identify'>,
    private readonly router: Pick<OutboundRouter, 'decide'>,
  ) {}

  /** Never rejects. */
  async ask({ agentId, sourceAddress, from, to, accountId }: OutboundQuestion): Promise<OutboundAnswer> {
    if (agentId !== undefined) return { decision: await this.router.decide({ agentId, from, to }, apiCaller), agentId }
    const source = sourceAddress ?? ''
    const identified = await this.identifier.identify({ sourceAddress: source, presented: from, accountId })
    if (identified.by === 'address') {
      const { agent, tried } = identified
      const caller = {
        identifiedBy: 'address',
        sourceAddress: source,
        presentedIn: 'From',
        agentsTried: tried,
      } as const
      return { decision: await this.router.decide({ agentId: agent.id, from, to }, caller), agentId: agent.id }
    }
    return { decision: refused(identified, { source, from, to }), agentId: null }
  }
}

/** The refusal of a call that no address speaks for. */
function refused(
  identified: Identified,
  { source, from, to }: { readonly source: string; readonly from: string; readonly to: string },
): OutboundDecision {
  const agents = identified.by === 'digest' ? identified.agents : []
  const stranger = `${source} is no agent's address`
  const detail =
    agents.length > 0
      ? `${stranger}; the call would be asked for the credentials of ${agents
          .slice(0, 4)
          .map(({ id }) => id.slice(id.indexOf('/') + 1))
          .join(', ')}`
      : stranger
  const trace: OutboundTrace = {
    source_address: source,
    identified_by: null,
    agents_tried: [],
    presented: { source: 'From', value: from || null, normalised: [], found: null },
    destination: { value: to, normalised: null },
    nearest_miss: detail,
    looked_up: 'memory',
  }
  return { code: agents.length > 0 ? 'CREDENTIALS_REQUIRED' : 'AGENT_SOURCE_UNKNOWN', detail, trace }
}
