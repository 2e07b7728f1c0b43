import { accountOfId, localId } from '../model/account.js'
import type { Agent } from '../model/agent.js'
import type { OutboundTrace } from '../model/decision.js'
import type { PhoneNumber } from '../model/number.js'
import { printable } from '../model/printable.js'
import type { Trunk } from '../model/trunk.js'
import type { VerdictCode } from '../model/verdict.js'
import type { Directory } from '../store/directory.js'
import type { Log, LookupMetrics } from '../store/observe.js'
import { nextHopOf } from '../trunks/next-hop.js'
import { destinationFault } from './allowed-destinations.js'
import { readDestination } from './destination.js'
import { Lookups } from './lookups.js'
import type { OutboundDecision, OutboundPlan, OutboundRequest } from './outbound-plan.js'
import { lookUpPresented, presentedTrace, type Presented } from './presented.js'

/** What outbound routing asks of the store. */
export type OutboundTable = Pick<Directory, 'warmNumber' | 'numbers' | 'agent' | 'trunk'>

/** How the agent came to be known; for the explanation. */
export interface OutboundCaller {
  readonly identifiedBy: OutboundTrace['identified_by']
  /** Null for a call asked for over the API. */
  readonly sourceAddress: string | null
  /** Where the presented number stood: `X-Signalbox-Number`, `From`, or `from` of the API. */
  readonly presentedIn: string
  /** Agents that it might have been, and why it was (not). */
  readonly agentsTried?: OutboundTrace['agents_tried']
}

/** A call asked for over the API. */
export const apiCaller: OutboundCaller = { identifiedBy: 'api', sourceAddress: null, presentedIn: 'from' }

const MAX_DETAIL = 500
const MAX_TRACED = 16
const MAX_VALUE = 128

/** Decides whether an agent's call may be placed, and how. */
export class OutboundRouter {
  private readonly directory: OutboundTable
  private readonly metrics: Pick<LookupMetrics, 'routeLookups'>
  private readonly logger: Log

  constructor(options: { directory: OutboundTable; metrics: Pick<LookupMetrics, 'routeLookups'>; logger: Log }) {
    this.directory = options.directory
    this.metrics = options.metrics
    this.logger = options.logger
  }

  /** Never throws, and never waits longer than Redis's command deadline allows. */
  async decide(request: OutboundRequest, caller: OutboundCaller = apiCaller): Promise<OutboundDecision> {
    const deciding = new OutboundDeciding(request, caller, this.directory)
    let decision: OutboundDecision
    try {
      decision = await deciding.decide()
    } catch (error) {
      const reason = error instanceof Error ? error.message : 'unknown error'
      this.logger.error({ error: reason.slice(0, 200) }, 'routing failed')
      decision = deciding.refuse('INTERNAL_ERROR', 'routing failed', null)
    }
    const result = decision.code === 'ROUTING_UNAVAILABLE' ? 'unavailable' : deciding.lookedUp
    if (result !== undefined) this.metrics.routeLookups.inc({ result })
    return decision
  }
}

/** One decision under way. */
class OutboundDeciding {
  private readonly lookups: Lookups
  private presented: Presented = { value: null, normalised: [], numbers: [] }
  private accountId: string | undefined
  private number: PhoneNumber | undefined
  private destination: string | null = null

  constructor(
    private readonly request: OutboundRequest,
    private readonly caller: OutboundCaller,
    private readonly directory: OutboundTable,
  ) {
    this.lookups = new Lookups(directory)
  }

  /** The least certain place an answer came from. */
  get lookedUp(): Lookups['worst'] {
    return this.lookups.worst
  }

  async decide(): Promise<OutboundDecision> {
    const { agentId, from } = this.request
    // Together: cold, they are one round trip.
    const [agent, presented] = await Promise.all([this.directory.agent(agentId), lookUpPresented(from, this.lookups)])
    this.presented = presented
    this.lookups.count(agent)
    const shownId = printable(localId(agentId), 64)
    if (agent.invalid !== undefined)
      return this.refuse('NUMBER_RECORD_INVALID', `the record of agent ${shownId} does not parse: ${agent.invalid}`)
    if (agent.value !== undefined) return this.present(agent.value)
    return agent.from === 'unavailable'
      ? this.refuse('ROUTING_UNAVAILABLE', `agent ${shownId} is not in memory, and Redis cannot be asked`)
      : this.refuse('AGENT_UNKNOWN', `there is no agent ${shownId}`)
  }

  refuse(code: VerdictCode, why: string, nearestMiss: string | null = why): OutboundDecision {
    return { code, detail: printable(why, MAX_DETAIL), trace: this.trace(nearestMiss) }
  }

  private async present(agent: Agent): Promise<OutboundDecision> {
    const { value, normalised, trouble } = this.presented
    this.accountId = agent.account_id
    // What other accounts have is not there.
    const numbers = this.presented.numbers.filter(({ account_id }) => account_id === agent.account_id)
    if (value === null) return this.refuse('CALLER_ID_MISSING', `agent ${agent.id} says no number to present`)
    const misses: string[] = []
    for (const number of numbers) {
      const why = whyNotPresented(number, agent)
      if (why === undefined) {
        this.number = number
        return this.callOut(agent, number)
      }
      misses.push(why)
    }
    if (misses[0] === undefined && trouble !== undefined) return this.refuse(trouble.code, trouble.why)
    const forms = normalised.length === 0 ? `"${value}" is no number` : `there is no number ${normalised.join(', ')}`
    const nearest = misses[0] ?? forms
    return this.refuse('CALLER_ID_NOT_ALLOWED', `agent ${agent.id} may not present ${value}: ${nearest}`, nearest)
  }

  private async callOut(agent: Agent, number: PhoneNumber): Promise<OutboundDecision> {
    const { phone_number, trunk_id } = number
    const found = this.lookups.count(await this.directory.trunk(trunk_id))
    const trunk = found.value
    const why = (what: string): string => `${phone_number} is on trunk ${trunk_id}, ${what}`
    if (found.invalid !== undefined)
      return this.refuse('TRUNK_NOT_USABLE', why(`whose record does not parse: ${found.invalid}`))
    if (trunk === undefined)
      return found.from === 'unavailable'
        ? this.refuse('ROUTING_UNAVAILABLE', why('which is not in memory, and Redis cannot be asked'))
        : this.refuse('TRUNK_NOT_USABLE', why('which does not exist'))
    if (trunk.account_id !== number.account_id)
      return this.refuse('TRUNK_NOT_USABLE', why('which is of another account'))
    if (!trunk.register_in && nextHopOf(trunk) === undefined)
      return this.refuse('TRUNK_NOT_USABLE', why('which has no outbound_proxy or sip_domain that can be used'))
    return this.dial(agent, number, trunk)
  }

  private dial(agent: Agent, number: PhoneNumber, trunk: Trunk): OutboundDecision {
    const read = readDestination(this.request.to, trunk)
    if (!read.ok) return this.refuse(read.code, read.why, read.nearestMiss)
    const { destination } = read
    this.destination = destination.value
    const fault =
      destination.kind === 'e164' ? destinationFault(destination.value, number.phone_number, trunk) : undefined
    if (fault !== undefined) return this.refuse(fault.code, fault.why)
    const plan: OutboundPlan = { agent, number, trunk, destination }
    const detail = `agent ${agent.id} calls ${destination.value} as ${number.phone_number} on trunk ${trunk.id}`
    return { plan, detail: printable(detail, MAX_DETAIL), trace: this.trace(null) }
  }

  /** Agents that it might have been, as the account may know of them. */
  private ownAgents(tried: OutboundTrace['agents_tried']): OutboundTrace['agents_tried'] {
    const { accountId } = this
    if (accountId === undefined || tried.length === 0) return tried
    return tried
      .filter(({ agent_id }) => accountOfId(agent_id) === accountId)
      .map((one) => ({ ...one, agent_id: localId(one.agent_id) }))
  }

  private trace(nearestMiss: string | null): OutboundTrace {
    const { sourceAddress, identifiedBy, agentsTried = [], presentedIn } = this.caller
    const { worst } = this.lookups
    return {
      source_address: sourceAddress === null ? null : printable(sourceAddress, 64),
      identified_by: identifiedBy,
      agents_tried: this.ownAgents(agentsTried).slice(0, MAX_TRACED),
      presented: presentedTrace(presentedIn, this.presented, this.number),
      destination: { value: printable(this.request.to, MAX_VALUE), normalised: this.destination },
      nearest_miss: nearestMiss === null ? null : printable(nearestMiss, MAX_DETAIL),
      looked_up: worst === undefined || worst === 'unavailable' ? 'none' : worst,
    }
  }
}

/** What is in the way of an agent that wants to present a number of its account. */
function whyNotPresented(number: PhoneNumber, agent: Agent): string | undefined {
  const { phone_number, enabled, outbound_agent_ids } = number
  if (!outbound_agent_ids.includes(agent.id)) return `${phone_number} does not have ${agent.id} in outbound_agent_ids`
  return enabled ? undefined : `${phone_number} is switched off`
}
