import type { Clock } from '../engine/index.js'
import type { EventSink } from '../model/event.js'
import { verdicts } from '../model/verdict.js'
import { headerLines } from '../trunks/digest/header-lines.js'
import type { TrunkIdentityFinder } from '../trunks/trunk-identities.js'
import type { Routed } from '../routing/router.js'
import { AGENT_REALM } from './agent-auth.js'
import type { EdgeDoor } from './access/edge-door.js'
import { Entrance } from './access/entrance.js'
import type { CallLimiter } from './call-limits.js'
import type { Calls } from './calls.js'
import type { Ending } from './call.js'
import { hasToTag } from './guard.js'
import { inboundRequest, type InboundParts, takeInbound } from './inbound.js'
import { maybeAgents, type OutboundCalls } from './outbound.js'
import { answerOutOfDialog } from './out-of-dialog.js'
import type { CallLogger, CallMetrics, CdrSink, InboundRouter } from './ports.js'
import { NUMBER_HEADER } from './presented.js'
import { ReceivedCall } from './received-call.js'
import { answerRegister, type EdgeRegistrar } from './register.js'
import type { EdgeSettings } from './settings.js'
import type { HeaderMap, SipInvite, SipRequest, SipServer } from './sip-server.js'
import type { TrunkAuth } from './trunk-auth.js'

export interface EdgeParts {
  /** The SIP server, connected or about to be. */
  readonly srf: SipServer
  readonly router: InboundRouter
  readonly calls: Calls
  readonly cdrs: CdrSink
  readonly metrics: CallMetrics
  readonly logger: CallLogger
  readonly clock: Clock
  readonly settings: EdgeSettings
  readonly events?: EventSink | undefined
  /** Told of each address from which somebody has proved by digest who it is. */
  readonly proved?: ((sourceAddress: string) => void) | undefined
  /** Undefined: trunks and agents are not limited. */
  readonly limits?: CallLimiter | undefined
  /** Seconds from its answer that a call may last; null or undefined: no limit. */
  readonly maxCallSeconds?: number | null | undefined
  /** Who we are to trunks that challenge us in their own calls; absent: no challenge is answered. */
  readonly identities?: TrunkIdentityFinder | undefined
  /** Calls of agents; undefined: none are taken. */
  readonly outbound?: Pick<OutboundCalls, 'take'> | undefined
  /** Proves by `inbound_auth` which trunk a call comes from; undefined: addresses and Contacts alone say it. */
  readonly trunkAuth?: Pick<TrunkAuth, 'prove'> | undefined
  /** Says who comes in, where the SIP server is not one that asks it itself. */
  readonly door?: Pick<EdgeDoor, 'knows' | 'admits' | 'busy'> | undefined
  /** Takes the REGISTERs of PBXs; undefined: none may register. */
  readonly registrar?: EdgeRegistrar | undefined
}

/** Milliseconds the last BYEs have to reach the wire when the edge stops. */
const FAREWELL_MS = 500

/** Takes calls from the SIP server and sees them through. */
export class Edge {
  #stopping = false
  private readonly received: InboundParts

  constructor(private readonly parts: EdgeParts) {
    this.received = { ...parts, server: parts.srf }
  }

  /** Whether new calls are refused because the edge is stopping. */
  get stopping(): boolean {
    return this.#stopping
  }

  /** Takes calls from now on. Called once. */
  start(): void {
    const { srf } = this.parts
    const { door } = this.parts
    if (door === undefined) {
      srf.onInvite((invite) => this.invite(invite))
      srf.onRequest((request) => this.request(request))
    } else {
      const entrance = new Entrance(door, this.parts.logger)
      srf.onInvite((invite) => entrance.invite(invite, () => this.invite(invite)))
      srf.onRequest((request) => entrance.request(request, () => this.request(request)))
    }
    srf.onLost(() => {
      const ending: Ending = { result: 'INTERNAL_ERROR', by: 'edge', detail: 'connection to the SIP server lost' }
      for (const call of this.parts.calls.all()) call.end(ending)
    })
  }

  /**
   * Refuses new calls, lets those that go on end by themselves, and hangs up what is left.
   * @param graceMs milliseconds calls may still take; 0 hangs up at once
   */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true
    const { calls, clock } = this.parts
    if (calls.size === 0) return
    if (graceMs > 0) {
      await new Promise<void>((resolve) => {
        const timer = clock.after(graceMs, resolve)
        void calls.emptied().then(() => {
          timer.cancel()
          resolve()
        })
      })
    }
    if (calls.size === 0) return
    for (const call of calls.all()) call.hangUp('EDGE_STOPPING', 'the edge is stopping')
    await new Promise<void>((resolve) => clock.after(FAREWELL_MS, resolve))
  }

  private invite(invite: SipInvite): void {
    // A dialog nobody here knows any more: a new call in its place would surprise both ends.
    if (hasToTag(invite)) return invite.answer(481, 'Call Leg/Transaction Does Not Exist')
    try {
      this.take(new ReceivedCall(this.received, invite))
    } catch (error) {
      this.parts.logger.error({ error: error instanceof Error ? error.stack : String(error) }, 'INVITE not taken on')
      invite.answer(500, 'Server Internal Error')
    }
  }

  private take(received: ReceivedCall): void {
    const { call, invite } = received
    call.run(() => {
      if (!received.admit(this.#stopping)) return
      const { outbound } = this.parts
      // It says that it is an agent's. Whoever is none, and sends it all the same, may still call from a trunk.
      if (outbound !== undefined && invite.header(NUMBER_HEADER) !== undefined)
        outbound.take(received, (last, _why, challenges) => this.route(received, last, challenges))
      else this.route(received, undefined)
    })
  }

  /**
   * @param last what becomes of a call that says it is an agent's, when it is no trunk's
   * @param agents challenges for agents
   */
  private route(received: ReceivedCall, last: (() => void) | undefined, agents?: HeaderMap): void {
    const { call, invite } = received
    this.parts.router.decide(inboundRequest(invite)).then(
      (routed) => call.run(() => this.routed(received, routed, last, agents)),
      (error: unknown) => call.failed(error),
    )
  }

  private routed(received: ReceivedCall, routed: Routed, last: (() => void) | undefined, agents?: HeaderMap): void {
    const { outbound } = this.parts
    const { decision } = routed
    // What comes to a Contact that a trunk was given comes from that trunk.
    const isTrunks = decision.trace.identified_by === 'token' || !maybeAgents(decision.code)
    const inbound = (): void => takeInbound(received, routed, this.received)
    if (outbound === undefined || isTrunks || received.over) this.prove(received, routed, inbound)
    else if (last !== undefined) this.prove(received, routed, last, agents)
    else
      outbound.take(
        received,
        (instead, why, challenges) => this.prove(received, routed, why === 'nobody' ? inbound : instead, challenges),
        isAddressRule(decision.trace.identified_by),
      )
  }

  /**
   * Where a trunk lets callers prove that they are it, asks for that, and routes the call as that trunk's. Otherwise `refuse`.
   * @param agents challenges for agents, one of whom it may be as well: each answers for the realm it knows
   */
  private prove(received: ReceivedCall, routed: Routed, refuse: () => void, agents: HeaderMap = {}): void {
    const { trunkAuth, router } = this.parts
    const { asks } = routed
    if (asks === undefined || trunkAuth === undefined || received.over) return refuse()
    const { call, invite } = received
    const failed = (error: unknown): void => call.failed(error)
    trunkAuth.prove(invite, asks).then(
      (proof) =>
        call.run(() => {
          if (received.over) return
          if (proof.result === 'challenge') {
            const others = asks.inbound_auth?.realm === AGENT_REALM ? {} : agents
            const lines = [...Object.values(proof.headers), ...Object.values(others)]
            return received.challenge(headerLines('WWW-Authenticate', lines))
          }
          if (proof.result === 'refused') {
            // Who has shown nothing to agents may still do so.
            if (Object.keys(agents).length > 0) return refuse()
            return takeInbound(received, withRefusedCredentials(routed, proof.why), this.received)
          }
          this.parts.proved?.(invite.sourceAddress)
          router
            .decide({ ...inboundRequest(invite), provenTrunkId: asks.id })
            .then((proven) => call.run(() => takeInbound(received, proven, this.received)), failed)
        }),
      failed,
    )
  }

  private request(request: SipRequest): void {
    const state = { stopping: this.#stopping, retryAfterS: this.parts.settings.retryAfterS }
    const { registrar } = this.parts
    if (request.method === 'REGISTER' && registrar?.active === true) answerRegister(request, registrar, state)
    else answerOutOfDialog(request, state)
  }
}

/** Whether the source address says which trunk calls. */
const isAddressRule = (rule: Routed['decision']['trace']['identified_by']): boolean =>
  rule === 'address' || rule === 'resolved-address' || rule === 'registered'

/** A call whose credentials were wrong is refused for that, whoever might have had them: what else stands against it tells of others. */
function withRefusedCredentials({ decision, ...routed }: Routed, why: string): Routed {
  const code = 'AGENT_CREDENTIALS_REFUSED'
  return { ...routed, decision: { ...decision, code, sip_status: verdicts[code].status, detail: why } }
}
