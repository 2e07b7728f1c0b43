import type { Agent } from '../model/agent.js'
import type { OutboundTrace } from '../model/decision.js'
import type { VerdictCode } from '../model/verdict.js'
import type { AgentIdentifier, Identified } from '../routing/identify-agent.js'
import type { OutboundCaller, OutboundRouter } from '../routing/outbound.js'
import type { OutboundDecision, OutboundPlan } from '../routing/outbound-plan.js'
import { hopsLeft, refusal } from './admission.js'
import { type AgentAuth, type Proof, showsCredentials } from './agent-auth.js'
import { type LimitParts, retryHeaders, takeLimits } from './call-limits.js'
import { toBytes } from './header-value.js'
import { supports100rel } from './headers.js'
import { MediaGuard } from './media-guard.js'
import type { ChallengeMetrics } from './ports.js'
import { asksPrivacy, presentedNumber, type PresentedNumber } from './presented.js'
import type { ReceivedCall } from './received-call.js'
import type { HeaderMap } from './sip-server.js'
import { TrunkDial, type TrunkDialParts } from './trunk-dial.js'

export interface OutboundParts extends LimitParts {
  readonly metrics: ChallengeMetrics
  readonly identifier: Pick<AgentIdentifier, 'identify'>
  readonly auth: Pick<AgentAuth, 'prove'>
  readonly router: Pick<OutboundRouter, 'decide'>
  readonly dialling: TrunkDialParts
  /** Told of each address from which somebody has proved by digest who it is. */
  readonly proved?: ((sourceAddress: string) => void) | undefined
  /** Milliseconds a destination may ring. */
  readonly ringTimeoutMs: number
}

/** Refusals of inbound routing behind which may be a call of an agent: it calls somebody who is not one of our numbers here. */
const PERHAPS_AN_AGENTS: ReadonlySet<VerdictCode> = new Set([
  'SOURCE_UNKNOWN',
  'NUMBER_UNKNOWN',
  'NUMBER_UNREADABLE',
  'NUMBER_NOT_ON_TRUNK',
  'ROUTING_UNAVAILABLE',
])

/** Whether a call that is none from a trunk may be one of an agent. */
export const maybeAgents = (code: VerdictCode | null): boolean => code !== null && PERHAPS_AN_AGENTS.has(code)

/**
 * What becomes of a call that nothing has proven to be an agent's. `nobody`: nothing speaks for it either; `unproven`: its number is
 * an agent's to present, who may prove it.
 * @param last refuses it, or asks for the agent's credentials
 * @param challenges what asks for them, for whoever asks for others' at the same time
 */
export type Otherwise = (last: () => void, why: 'nobody' | 'unproven', challenges?: HeaderMap) => void

/** Takes calls of agents to the trunks of the numbers they present. */
export class OutboundCalls {
  constructor(private readonly parts: OutboundParts) {}

  /**
   * Takes a call on that may be an agent's: routes it, asks for credentials or refuses it.
   * @param otherwise what to do when nothing says that it is an agent's
   * @param fromTrunk its source address is one of a trunk
   */
  take(received: ReceivedCall, otherwise: Otherwise, fromTrunk = false): void {
    const { call, invite } = received
    const presented = presentedNumber(invite)
    this.parts.identifier.identify({ sourceAddress: invite.sourceAddress, presented: presented.value, fromTrunk }).then(
      (identified) =>
        call.run(() => {
          if (!received.over) new OutboundCall(this.parts, received, presented, identified, otherwise).start()
        }),
      (error: unknown) => call.failed(error),
    )
  }
}

/** A call of an agent until it is dialled. */
class OutboundCall {
  constructor(
    private readonly parts: OutboundParts,
    private readonly received: ReceivedCall,
    private readonly presented: PresentedNumber,
    private readonly identified: Identified,
    private readonly otherwise: Otherwise,
  ) {}

  start(): void {
    const { identified, received } = this
    if (identified.by === 'address') return this.route(identified.agent, 'address', identified.tried)
    const { call, invite } = received
    if (!showsCredentials(invite) && identified.by === 'nobody') return this.nobody(identified.nearestMiss)
    this.parts.auth.prove(invite, identified.by === 'digest' ? identified.agents : []).then(
      (proof) =>
        call.run(() => {
          if (!received.over) this.judge(proof)
        }),
      (error: unknown) => call.failed(error),
    )
  }

  private judge(proof: Proof): void {
    const { identified, received } = this
    if (proof.result === 'agent') {
      this.parts.proved?.(received.invite.sourceAddress)
      return this.proven(proof.agent)
    }
    if (proof.result === 'unavailable') return this.refuse('ROUTING_UNAVAILABLE', proof.why)
    // Whether it is an agent's name or another's, the answer is the same: only a trunk may still be meant.
    if (proof.result === 'refused')
      return this.otherwise(() => this.refuse('AGENT_CREDENTIALS_REFUSED', proof.why), 'unproven')
    // What is shown, if anything, is for somebody else.
    if (proof.absent && identified.by === 'nobody') return this.nobody(identified.nearestMiss)
    const ask = (): void => {
      this.parts.metrics.challenges.inc({ of: 'agent' })
      received.challenge(proof.headers)
    }
    if (proof.absent) this.otherwise(ask, 'unproven', proof.headers)
    else ask()
  }

  private proven(agent: Agent): void {
    const one = { agent_id: agent.id, matched: true, why: 'its credentials were shown' }
    this.route(agent, 'digest', [one, ...this.identified.tried.filter(({ agent_id }) => agent_id !== agent.id)])
  }

  private nobody(nearestMiss: string): void {
    this.otherwise(() => this.refuse('AGENT_SOURCE_UNKNOWN', nearestMiss), 'nobody')
  }

  private route(
    agent: Agent,
    identifiedBy: OutboundCaller['identifiedBy'],
    agentsTried: OutboundTrace['agents_tried'],
  ): void {
    const { received, presented } = this
    const { call, invite } = received
    received.turnOutbound()
    const caller = {
      identifiedBy,
      agentsTried,
      sourceAddress: invite.sourceAddress,
      presentedIn: presented.source,
    }
    this.parts.router.decide({ agentId: agent.id, from: presented.value, to: toBytes(invite.uri) }, caller).then(
      (decision) => call.run(() => this.decided(agent, decision)),
      (error: unknown) => call.failed(error),
    )
  }

  private decided(agent: Agent, decision: OutboundDecision): void {
    const { received } = this
    const { facts } = received.call
    const { plan, code, detail, trace } = decision
    facts.accountId = agent.account_id
    facts.phoneNumber = plan?.number.phone_number ?? null
    facts.trunkId = plan?.trunk.id ?? null
    facts.explanation = { detail, trace }
    if (plan !== undefined) {
      facts.from = plan.number.phone_number
      facts.to = plan.destination.value
    }
    if (received.over) return
    facts.agentId = agent.id
    received.call.announce()
    if (plan === undefined) return received.refuse(refusal(code ?? 'INTERNAL_ERROR', detail))
    if (received.refuseUnusable()) return
    received.holdMedia(MediaGuard.of(agent, plan.trunk))
    this.takeLimits(plan)
  }

  private takeLimits(plan: OutboundPlan): void {
    const { received, parts } = this
    const { call } = received
    const { trunk, agent } = plan
    const taking = takeLimits(call, trunk, agent, true, parts)
    if (taking === undefined) return this.dial(plan)
    taking.then(
      (full) =>
        call.run(() => {
          if (received.over) return
          if (full === undefined) return this.dial(plan)
          received.refuse(refusal(full.code, full.detail, retryHeaders(full)))
        }),
      (error: unknown) => call.failed(error),
    )
  }

  private dial(plan: OutboundPlan): void {
    const { received, parts } = this
    const { invite, call, caller } = received
    const privacy = asksPrivacy(invite)
    received.confine(plan.trunk.pass_headers)
    received.screenTransfers('a', plan.trunk, plan.number.phone_number)
    received.dial(
      (events) =>
        new TrunkDial(
          parts.dialling,
          {
            plan,
            origin: invite,
            message: invite,
            callerName: privacy ? '' : caller.name,
            privacy,
            hopsLeft: hopsLeft(invite),
            reliable: supports100rel(invite),
            ringTimeoutMs: parts.ringTimeoutMs,
            committed: () => received.committed,
            run: (handler) => call.run(handler),
          },
          events,
        ),
    )
  }

  /** Refuses a call whose agent is not known. */
  private refuse(code: VerdictCode, detail: string): void {
    const { received, presented, identified } = this
    const { call, invite } = received
    received.turnOutbound()
    call.facts.explanation = {
      detail,
      trace: {
        source_address: invite.sourceAddress,
        identified_by: null,
        agents_tried: identified.tried,
        presented: { source: presented.source, value: presented.value || null, normalised: [], found: null },
        destination: { value: call.facts.to, normalised: null },
        nearest_miss: detail,
        looked_up: 'none',
      },
    }
    call.announce()
    received.refuse(refusal(code, detail))
  }
}
