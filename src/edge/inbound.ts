import type { Agent } from '../model/agent.js'
import type { Trunk } from '../model/trunk.js'
import type { InboundRequest, Routed } from '../routing/router.js'
import type { TrunkIdentityFinder } from '../trunks/trunk-identities.js'
import { hopsLeft, refusal } from './admission.js'
import { readAsserted } from './asserted-identity.js'
import { Attempts } from './attempts.js'
import { type CallLimiter, retryHeaders, takeLimits } from './call-limits.js'
import { ownCopy, toBytes } from './header-value.js'
import { agentInviteHeaders } from './headers.js'
import { MediaGuard } from './media-guard.js'
import { ReceivedLeg } from './leg-credentials.js'
import type { ReceivedCall, ReceivedCallParts } from './received-call.js'
import { mayChallenge } from './session-timers.js'
import type { SipInvite } from './sip-server.js'

export interface InboundParts extends ReceivedCallParts {
  /** Undefined: trunks and agents are not limited. */
  readonly limits?: CallLimiter | undefined
  /** Seconds from its answer that a call may last; null or undefined: no limit. */
  readonly maxCallSeconds?: number | null | undefined
  /** Who we are to trunks that challenge us in their own calls; absent: no challenge is answered. */
  readonly identities?: TrunkIdentityFinder | undefined
}

/** What inbound routing sees of an INVITE. */
export function inboundRequest(invite: SipInvite): InboundRequest {
  return {
    requestUri: toBytes(invite.uri),
    sourceAddress: invite.sourceAddress,
    flow: { port: invite.sourcePort, protocol: invite.protocol },
    header: (name) => {
      const value = invite.header(name)
      return value === undefined ? undefined : toBytes(value)
    },
  }
}

/** Takes a call from a trunk to the agent that routing has found, or refuses it. */
export function takeInbound(received: ReceivedCall, routed: Routed, parts: InboundParts): void {
  const { decision, trunk, agent } = routed
  const { facts } = received.call
  facts.accountId = decision.account_id
  facts.phoneNumber = decision.phone_number
  facts.trunkId = decision.trunk_id
  facts.explanation = { detail: decision.detail, trace: decision.trace }
  if (decision.phone_number !== null) facts.to = decision.phone_number
  if (trunk?.trust_identity === true) facts.from = ownCopy(readAsserted(received.invite, received.caller).caller.number)
  if (received.over) return
  const known = decision.outcome === 'refused' ? undefined : agent
  facts.agentId = known?.id ?? decision.agent_id
  received.call.announce()
  if (known === undefined) return received.refuse(refusal(decision.code ?? 'INTERNAL_ERROR', decision.detail))
  if (received.refuseUnusable()) return
  received.holdMedia(MediaGuard.of(known, trunk))
  const { identities } = parts
  if (trunk !== undefined && identities !== undefined)
    received.authenticate(credentialsOf(trunk, identities), mayChallenge(trunk))
  if (trunk !== undefined) received.screenTransfers('b', trunk, decision.phone_number)
  const { call } = received
  const taking = takeLimits(call, trunk, known, false, parts)
  if (taking === undefined) return callAgent(received, known, trunk, decision.targets, parts)
  taking.then(
    (full) =>
      call.run(() => {
        if (received.over) return
        if (full === undefined) return callAgent(received, known, trunk, decision.targets, parts)
        received.refuse(refusal(full.code, full.detail, retryHeaders(full)))
      }),
    (error: unknown) => call.failed(error),
  )
}

// By itself, so that it keeps nothing alive but the two.
const credentialsOf = (trunk: Trunk, identities: TrunkIdentityFinder): ReceivedLeg =>
  new ReceivedLeg(() => identities.of(trunk))

function callAgent(
  received: ReceivedCall,
  agent: Agent,
  trunk: Trunk | undefined,
  targets: readonly string[],
  { server, clock, settings }: ReceivedCallParts,
): void {
  const { invite, call } = received
  const asserted = trunk?.trust_identity === true ? readAsserted(invite, received.caller) : undefined
  const caller = asserted?.caller ?? received.caller
  const options = {
    server,
    clock,
    origin: invite,
    targets,
    ringTimeoutMs: agent.ring_timeout_s === null ? settings.ringTimeoutMs : agent.ring_timeout_s * 1000,
    cancelWaitMs: settings.cancelWaitMs,
    committed: () => received.committed,
    run: (handler: () => void) => call.run(handler),
    compose: (target: string) => ({
      headers: agentInviteHeaders({
        invite,
        callId: call.id,
        caller,
        number: call.facts.phoneNumber ?? call.facts.to,
        target,
        hopsLeft: hopsLeft(invite),
        agentHeaders: agent.headers,
        trunkHeaders: trunk?.headers ?? {},
        assertedHeaders: asserted?.headers ?? {},
        forwardHeaders: settings.forwardHeaders,
        userAgent: settings.userAgent,
        sessionTimers: settings.sessionTimers,
      }),
      body: invite.body,
    }),
  }
  received.dial((events) => new Attempts(options, events))
}
