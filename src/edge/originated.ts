import type { Agent } from '../model/agent.js'
import type { Attempt } from '../model/call.js'
import { type VerdictCode, verdicts } from '../model/verdict.js'
import type { OutboundDecision, OutboundPlan } from '../routing/outbound-plan.js'
import { AgentLeg, sessionId } from './agent-leg.js'
import { Attempts } from './attempts.js'
import { Bridge, type LegName } from './bridge.js'
import { Call, type CallParts, type Ending } from './call.js'
import { agentAsCallee, trunkAsCallee } from './callee.js'
import type { Dial, DialEvents, Failure } from './dial.js'
import { crossingEndHeaders } from './headers.js'
import { MediaGuard } from './media-guard.js'
import { originatedInviteHeaders } from './originated-invite.js'
import { copiedReason, endedHere, ownReason } from './reason.js'
import { ReInvite } from './reinvite.js'
import { inactiveOffer, isSdp, staysWithin } from './sdp.js'
import { transferRefusal } from './transfer.js'
import type { EdgeSettings } from './settings.js'
import type {
  DialogEnd,
  HeaderMap,
  PendingOffer,
  SipDialog,
  SipMessage,
  SipRequest,
  SipResponse,
  SipServer,
} from './sip-server.js'

/** What is wanted of a call that is asked for over the API. */
export interface OriginateRequest {
  readonly agentId: string
  /** The number to present, as written. */
  readonly from: string
  /** Who is called, as written. */
  readonly to: string
  /** More headers of the agent's INVITE. */
  readonly headers: Readonly<Record<string, string>>
  /** Milliseconds the agent, and then the destination, may ring; undefined: as configured. */
  readonly ringTimeoutMs: number | undefined
  /** Whether the destination is not to see the number. */
  readonly privacy: boolean
  /** Who asks: IP address of the API's client. */
  readonly sourceAddress: string
}

/** The trunk's side of a call that is to be dialled. */
export interface TrunkDialling {
  readonly call: Call
  readonly plan: OutboundPlan
  /** The agent's answer: its offer, and what describes it. */
  readonly offer: SipMessage
  /** Headers of the request, for those that the trunk lets through. */
  readonly headers: Readonly<Record<string, string>>
  readonly privacy: boolean
  /** Milliseconds the destination may ring; undefined: as configured. */
  readonly ringTimeoutMs: number | undefined
  /** Runs a handler; what it throws ends the call. */
  run(handler: () => void): void
}

export interface OriginatedParts extends CallParts {
  readonly server: SipServer
  readonly settings: EdgeSettings
  /** Makes the leg to the destination, not dialling yet. */
  dialTrunk(dialling: TrunkDialling, events: DialEvents): Dial
}

/** Rounds of re-INVITEs until both ends know of each other what holds (RFC 3725 4.3 warns of endless ones). */
const MAX_ROUNDS = 3

/** Answers of an agent to an INVITE without offer which mean that it wants one (RFC 3261 13.3.1.3, 21.4.26). */
const WANTS_OFFER: ReadonlySet<number> = new Set([400, 415, 488, 606])

/**
 * A call that is placed on behalf of an agent, which has not asked for it itself: the agent is called without an offer, and the
 * offer it answers with goes to the destination (third party call control, RFC 3725). Leg A is the agent, leg B the destination.
 */
export class OriginatedCall {
  readonly call: Call
  readonly #bridge: Bridge
  readonly #media: MediaGuard | undefined
  readonly #agent: AgentLeg
  #attempts: Attempts | undefined
  /** Tries of the agent that ended before the present ones. */
  readonly #earlier: Attempt[] = []
  #dial: Dial | undefined
  #destination: SipDialog | undefined
  /** What the destination last said of itself. */
  #said = ''
  /** What it has been told of the agent. */
  #offered = ''
  #reinvite: ReInvite | undefined
  #rounds = 0
  #open = false
  #farewell: HeaderMap | undefined

  constructor(
    private readonly parts: OriginatedParts,
    private readonly plan: OutboundPlan,
    decision: OutboundDecision,
    private readonly request: OriginateRequest,
  ) {
    const { agent, number, trunk, destination } = plan
    this.call = new Call(parts, {
      direction: 'outbound',
      from: number.phone_number,
      to: destination.value,
      sourceAddress: request.sourceAddress,
      legACallId: null,
    })
    const { facts } = this.call
    facts.accountId = number.account_id
    facts.phoneNumber = number.phone_number
    facts.trunkId = trunk.id
    facts.agentId = agent.id
    facts.explanation = { detail: decision.detail, trace: decision.trace }
    const run = (handler: () => void): void => this.call.run(handler)
    this.#bridge = new Bridge({ run, gone: (leg, detail) => this.legGone(leg, detail) }, parts.settings.destinations)
    this.#bridge.confine('a', trunk.pass_headers)
    this.#media = MediaGuard.of(agent, trunk)
    this.#bridge.hold(this.#media)
    this.#bridge.screen('a', (refer) => transferRefusal(refer, number.phone_number, trunk))
    const { clock, settings } = parts
    this.#agent = new AgentLeg(
      { clock, offerPatienceMs: settings.offerPatienceMs, run },
      {
        offered: (offer) => this.callDestination(offer),
        dialog: (dialog) => this.#bridge.attach('a', dialog),
        settled: () => this.settle(),
        failed: (detail, gone) => this.agentFailed(detail, gone),
        request: (incoming) => run(() => this.received('a', incoming)),
        acknowledged: (ack) => run(() => this.#bridge.acknowledged('a', ack)),
        ended: (end) => run(() => this.agentEnded(end)),
      },
    )
  }

  /** Calls the agent. False when there is no room for the call. */
  start(): boolean {
    if (!this.call.begin()) return false
    this.call.onEnd((ending) => this.release(ending))
    const { agent } = this.plan
    this.call.run(() => this.callAgent([agent.sip_uri, ...agent.fallback_sip_uris], ''))
    return true
  }

  private callAgent(targets: readonly string[], offer: string): void {
    const { server, clock, settings } = this.parts
    const { agent } = this.plan
    const run = (handler: () => void): void => this.call.run(handler)
    const attempts = new Attempts(
      {
        server,
        clock,
        targets,
        ringTimeoutMs: this.request.ringTimeoutMs ?? ringTimeoutOf(agent) ?? settings.ringTimeoutMs,
        cancelWaitMs: settings.cancelWaitMs,
        committed: () => false,
        run,
        compose: () => ({ headers: this.agentHeaders(offer), body: offer }),
      },
      {
        sent: (callId) => (this.call.facts.legACallId = callId),
        provisional: () => {},
        answered: (dialog, response) => this.agentAnswered(dialog, response, offer),
        offered: (pending, response) => this.agentOffered(pending, response),
        failed: (failure) => this.agentNotReached(failure, targets, offer),
      },
    )
    this.#attempts = attempts
    attempts.start()
  }

  private agentHeaders(offer: string): HeaderMap {
    return originatedInviteHeaders({
      callId: this.call.id,
      number: this.plan.number.phone_number,
      destination: this.plan.destination.value,
      agentHeaders: this.plan.agent.headers,
      requestHeaders: this.request.headers,
      userAgent: this.parts.settings.userAgent,
      sessionTimers: this.parts.settings.sessionTimers,
      offers: offer !== '',
    })
  }

  private agentNotReached({ code, detail }: Failure, targets: readonly string[], offer: string): void {
    const { lastStatus, record } = this.#attempts!
    if (offer === '' && lastStatus !== null && WANTS_OFFER.has(lastStatus) && code === 'AGENT_REFUSED') {
      this.#earlier.push(...record)
      this.#attempts = undefined
      return this.callAgent(targets.slice(record.length - 1), inactiveOffer(sessionId(this.parts.clock)))
    }
    this.call.end({ result: code, by: saidByFarEnd.has(code) ? 'leg_a' : 'edge', detail })
  }

  private agentOffered(pending: PendingOffer, response: SipResponse): void {
    this.#agent.takeOffer(pending, response)
  }

  /** A 200 that makes a dialog at once: to an offer of ours, or one without SDP. */
  private agentAnswered(dialog: SipDialog, _response: SipResponse, offer: string): void {
    if (offer !== '') return this.#agent.askForOffer(dialog)
    dialog.bye({ Reason: ownReason(488, 'No offer') })
    this.call.end({
      result: 'AGENT_REFUSED',
      by: 'leg_a',
      detail: 'the agent’s 200 to an INVITE without offer has none',
    })
  }

  private callDestination(offer: SipMessage): void {
    this.#media?.check(offer)
    this.#offered = offer.body
    const { plan, request, call } = this
    this.#dial = this.parts.dialTrunk(
      {
        call,
        plan,
        offer,
        headers: request.headers,
        privacy: request.privacy,
        ringTimeoutMs: request.ringTimeoutMs,
        run: (handler) => call.run(handler),
      },
      {
        sent: (callId) => (call.facts.legBCallId = callId),
        provisional: (response) => this.destinationRings(response),
        answered: (dialog, response) => this.destinationAnswered(dialog, response),
        offered: (pending) => {
          // Cannot be: the INVITE had an offer.
          pending.abandon()
          this.failed({ code: 'DESTINATION_REFUSED', detail: 'the trunk answered an offer with another' })
        },
        failed: (failure) => this.failed(failure),
      },
    )
    this.#dial.start()
  }

  private destinationRings(response: SipResponse): void {
    this.#media?.check(response)
    if (response.status >= 180) this.call.ringing()
    if (response.body !== this.#said && isSdp(response.body)) this.tellAgent(response.body)
  }

  private tellAgent(sdp: string): void {
    this.#said = sdp
    this.#agent.give(sdp)
  }

  private destinationAnswered(dialog: SipDialog, response: SipResponse): void {
    this.#destination = dialog
    this.#bridge.attach('b', dialog)
    dialog.listen({
      request: (request) => this.call.run(() => this.received('b', request)),
      acknowledged: (ack) => this.call.run(() => this.#bridge.acknowledged('b', ack)),
      ended: (end) => this.call.run(() => this.legEnded('b', end)),
    })
    this.#media?.check(response)
    this.call.answered()
    if (isSdp(response.body)) return this.tellAgent(response.body)
    // A reliable provisional response may have had the answer: then the 200 need not repeat it (RFC 3262 5).
    if (this.#said !== '') return this.tellAgent(this.#said)
    this.call.end({ result: 'DESTINATION_REFUSED', by: 'leg_b', detail: 'the destination’s 200 has no SDP' })
  }

  /** Both ends have said what they have to say: the destination learns what has changed, else requests may pass. */
  private settle(): void {
    const destination = this.#destination
    if (this.call.ended || this.#open || destination === undefined || this.#reinvite !== undefined) return
    if (this.#agent.negotiating) return
    const { sdp } = this.#agent
    this.#media?.checkSdp(sdp)
    if (staysWithin(sdp, this.#offered) || this.#rounds >= MAX_ROUNDS) {
      this.#open = true
      this.#bridge.open('a')
      this.#bridge.open('b')
      return
    }
    this.#rounds += 1
    const run = (handler: () => void): void => this.call.run(handler)
    const { clock } = this.parts
    this.#reinvite = new ReInvite({ dialog: destination, clock, body: sdp, run }, (result) => {
      this.#reinvite = undefined
      if (!result.answered) {
        const detail = `the destination ${result.detail}`
        return this.call.end({ result: 'DESTINATION_REFUSED', by: 'leg_b', detail })
      }
      this.#offered = sdp
      this.#media?.check(result.response)
      if (isSdp(result.response.body)) this.tellAgent(result.response.body)
      else this.settle()
    })
    this.#reinvite.start()
  }

  /** A request inside a dialog. Until both ends know of each other they have nothing to say that could be passed on. */
  private received(leg: LegName, request: SipRequest): void {
    if (this.#open || this.call.ended) return this.#bridge.request(leg, request)
    const { method, body } = request
    // RFC 3261 14.2, RFC 3311 5.2: an offer of ours is under way, or will be.
    if (method === 'INVITE' || (method === 'UPDATE' && body !== '')) return request.answer(491, 'Request Pending')
    if (method === 'UPDATE') return request.answer(200, 'OK')
    if (this.#destination !== undefined || method === 'OPTIONS') return this.#bridge.request(leg, request)
    request.answer(480, 'Temporarily Unavailable', { headers: { 'Retry-After': '5' } })
  }

  /** The agent does not take what it is given; before the destination has answered there may be better to come. */
  private agentFailed(detail: string, gone: boolean): void {
    if (!gone && this.#dial !== undefined && this.#destination === undefined && this.#agent.given !== '') return
    this.call.end({ result: 'AGENT_REFUSED', by: 'leg_a', detail })
  }

  private agentEnded(end: DialogEnd): void {
    const dial = this.#dial
    if (this.#destination !== undefined || dial === undefined || this.call.ended) return this.legEnded('a', end)
    this.#farewell = crossingEndHeaders(end.bye, this.plan.trunk.pass_headers)
    this.#farewell['Reason'] ??= ownReason(487, 'Agent hung up')
    this.call.winding()
    // The record says how the destination's INVITE ended.
    dial.stop(this.#farewell, () => this.legEnded('a', end))
  }

  private legEnded(leg: LegName, end: DialogEnd): void {
    const byLeg = leg === 'a' ? 'leg_a' : 'leg_b'
    const reason = copiedReason(end.bye).Reason
    this.#farewell ??= crossingEndHeaders(end.bye, leg === 'a' ? this.plan.trunk.pass_headers : undefined)
    this.call.end({
      result: this.call.facts.answeredAt === null ? 'CALLER_CANCELLED' : 'answered',
      by: end.byServer ? 'edge' : byLeg,
      detail: end.byServer ? endedHere(end, leg) : reason === undefined ? 'BYE' : `BYE: ${reason}`,
    })
  }

  private legGone(leg: LegName, detail: string): void {
    this.call.end({ result: 'answered', by: leg === 'a' ? 'leg_a' : 'leg_b', detail })
  }

  /** The destination was not reached. */
  private failed({ code, detail }: Failure): void {
    const status = this.#dial?.lastStatus ?? verdicts[code].status
    this.#farewell = { Reason: ownReason(status, code) }
    this.call.end({ result: code, by: saidByFarEnd.has(code) ? 'leg_b' : 'edge', detail })
  }

  /** Lets both legs go, in whatever state they are. */
  private release(ending: Ending): void {
    const { facts } = this.call
    const farewell = (this.#farewell ??= {
      Reason:
        ending.result === 'answered'
          ? ownReason(200, ending.detail)
          : ownReason(verdicts[ending.result].status, ending.result),
    })
    this.#bridge.close()
    this.#reinvite?.drop()
    this.#dial?.drop(farewell)
    this.#attempts?.drop(farewell)
    this.#destination?.bye(farewell)
    this.#agent.end(farewell)
    facts.attempts = [...this.#earlier, ...(this.#attempts?.record ?? []), ...(this.#dial?.record ?? [])]
    facts.legAStatus = this.#attempts?.lastStatus ?? this.#earlier.at(-1)?.status ?? null
    facts.legBStatus = this.#dial?.lastStatus ?? null
  }
}

const ringTimeoutOf = (agent: Agent): number | undefined =>
  agent.ring_timeout_s === null ? undefined : agent.ring_timeout_s * 1_000

/** Failures that are the far end's own final response; the others are the edge's, who would wait no longer or could not reach it. */
const saidByFarEnd: ReadonlySet<VerdictCode> = new Set([...agentAsCallee.answers, ...trunkAsCallee.answers])
