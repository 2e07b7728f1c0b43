import { type VerdictCode, verdicts } from '../model/verdict.js'
import type { Agent } from '../model/agent.js'
import type { Trunk } from '../model/trunk.js'
import type { Routed } from '../routing/router.js'
import { hopsLeft, refusal, refuseInvite, type Refusal } from './admission.js'
import { Attempts } from './attempts.js'
import { Bridge, type LegName } from './bridge.js'
import { Call, type CallParts, type Ending } from './call.js'
import { CallerLeg } from './caller-leg.js'
import { ALLOW } from './capabilities.js'
import type { Failure } from './dial.js'
import { contactFault, readableByLibrary } from './guard.js'
import { tidy, toBytes } from './header-value.js'
import {
  agentInviteHeaders,
  callerOf,
  crossingEndHeaders,
  crossingResponseHeaders,
  dialledNumber,
  supports100rel,
  type Caller,
} from './headers.js'
import type { InboundRouter, TrunkChannels } from './ports.js'
import { copiedReason, ownReason } from './reason.js'
import type { EdgeSettings } from './settings.js'
import type {
  DialogEnd,
  HeaderMap,
  PendingOffer,
  SipDialog,
  SipInvite,
  SipMessage,
  SipResponse,
  SipServer,
} from './sip-server.js'

export interface InboundParts extends CallParts {
  readonly server: SipServer
  readonly router: InboundRouter
  readonly settings: EdgeSettings
  readonly limits?: TrunkChannels | undefined
}

/** A call from a trunk to an agent: from its INVITE to the release of both legs. */
export class InboundCall {
  readonly #call: Call
  readonly #leg: CallerLeg
  readonly #caller: Caller
  readonly #receivedMs: number
  readonly #bridge: Bridge
  #attempts: Attempts | undefined
  /** Leg B once it has answered. */
  #callee: SipDialog | PendingOffer | undefined
  /** An agent's offer that waits for the caller's ACK. */
  #offer: PendingOffer | undefined
  /** What goes with the BYE or CANCEL to the legs that are still up. */
  #farewell: HeaderMap | undefined
  #relayed = false

  constructor(
    private readonly parts: InboundParts,
    private readonly invite: SipInvite,
  ) {
    const { clock, server, settings } = parts
    this.#receivedMs = clock.now()
    this.#caller = callerOf(invite)
    this.#call = new Call(parts, {
      direction: 'inbound',
      from: this.#caller.number,
      to: dialledNumber(invite, invite.uri),
      sourceAddress: invite.sourceAddress,
      legACallId: invite.callId,
    })
    const run = (handler: () => void): void => this.#call.run(handler)
    this.#leg = new CallerLeg({ invite, server, clock, acknowledgeTimeoutMs: settings.acknowledgeTimeoutMs, run })
    this.#bridge = new Bridge({ run, gone: (leg, detail) => this.legGone(leg, detail) })
    this.#call.onEnd((ending) => this.release(ending))
    invite.onCancel((cancel) => run(() => this.cancelled(cancel)))
  }

  /** Takes the call on, or refuses it. */
  start(stopping: boolean): void {
    this.#call.run(() => {
      const refused = this.refusalAtDoor(stopping)
      if (refused !== undefined) return this.refuse(refused)
      const { invite } = this
      const request = {
        requestUri: toBytes(invite.uri),
        sourceAddress: invite.sourceAddress,
        header: (name: string) => {
          const value = invite.header(name)
          return value === undefined ? undefined : toBytes(value)
        },
      }
      this.parts.router.decide(request).then(
        (routed) => this.#call.run(() => this.routed(routed)),
        (error: unknown) => this.#call.failed(error),
      )
    })
  }

  private refusalAtDoor(stopping: boolean): Refusal | undefined {
    const retry = { 'Retry-After': String(this.parts.settings.retryAfterS) }
    if (stopping) return refusal('EDGE_STOPPING', 'the edge is stopping', retry)
    const refused = refuseInvite(this.invite)
    if (refused !== undefined) return refused
    return this.#call.begin() ? undefined : refusal('EDGE_FULL', 'limits.max_calls calls are going on', retry)
  }

  private routed({ decision, trunk, agent }: Routed): void {
    const { facts } = this.#call
    facts.accountId = decision.account_id
    facts.phoneNumber = decision.phone_number
    facts.trunkId = decision.trunk_id
    facts.explanation = { detail: decision.detail, trace: decision.trace }
    if (decision.phone_number !== null) facts.to = decision.phone_number
    if (this.over) return
    if (decision.outcome === 'refused' || agent === undefined) {
      facts.agentId = decision.agent_id
      const code = decision.code ?? 'INTERNAL_ERROR'
      return this.refuse(refusal(code, decision.detail))
    }
    const full = agent.channel_limit !== null && this.parts.calls.countOfAgent(agent.id) >= agent.channel_limit
    facts.agentId = agent.id
    if (full) return this.refuse(refusal('AGENT_CHANNELS_FULL', `${agent.id} has ${agent.channel_limit} calls`))
    const { invite } = this
    const fault =
      contactFault(invite.header('contact')) ??
      (readableByLibrary((name) => invite.header(name)) ? undefined : 'Malformed From or To header')
    if (fault !== undefined) return this.refuse(refusal('REQUEST_UNUSABLE', fault, {}, fault))
    this.takeChannel(trunk, () => this.callAgent(agent, trunk?.headers ?? {}, decision.targets))
  }

  /** Goes on with a channel of the trunk; at once where it has no limit. */
  private takeChannel(trunk: Trunk | undefined, goOn: () => void): void {
    const { limits } = this.parts
    if (limits === undefined || trunk === undefined || trunk.channel_limit === null) return goOn()
    const { id } = this.#call
    this.#call.onEnd(() => limits.release(id))
    limits.takeInbound(trunk, id).then(
      (taken) =>
        this.#call.run(() => {
          if (this.over) return
          if (taken === 'ok') return goOn()
          this.refuse(refusal('TRUNK_BUSY', `trunk ${trunk.id} has ${trunk.channel_limit} calls`))
        }),
      (error: unknown) => this.#call.failed(error),
    )
  }

  private callAgent(agent: Agent, trunkHeaders: Readonly<Record<string, string>>, targets: readonly string[]): void {
    const { invite } = this
    const { server, clock, settings } = this.parts
    const attempts = new Attempts(
      {
        server,
        clock,
        origin: invite,
        targets,
        ringTimeoutMs: agent.ring_timeout_s === null ? settings.ringTimeoutMs : agent.ring_timeout_s * 1000,
        cancelWaitMs: settings.cancelWaitMs,
        committed: () => this.#leg.committed,
        run: (handler) => this.#call.run(handler),
        compose: (target) => ({
          headers: agentInviteHeaders({
            invite,
            callId: this.#call.id,
            caller: this.#caller,
            number: this.#call.facts.phoneNumber ?? this.#call.facts.to,
            target,
            hopsLeft: hopsLeft(invite),
            agentHeaders: agent.headers,
            trunkHeaders,
            forwardHeaders: settings.forwardHeaders,
            userAgent: settings.userAgent,
          }),
          body: invite.body,
        }),
      },
      {
        sent: (callId) => this.sent(callId),
        provisional: (response) => this.rings(response),
        answered: (dialog, response) => this.answeredByAgent(dialog, response),
        offered: (offer, response) => this.offeredByAgent(offer, response),
        failed: (failure) => this.failed(failure),
      },
    )
    this.#attempts = attempts
    this.#call.facts.attempts = attempts.record
    attempts.start()
  }

  private sent(callId: string): void {
    this.#call.facts.legBCallId = callId
    if (this.#relayed) return
    this.#relayed = true
    const { clock, metrics } = this.parts
    metrics.inviteRelaySeconds.observe((clock.now() - this.#receivedMs) / 1000)
  }

  private rings(response: SipResponse): void {
    if (response.status >= 180) this.#call.ringing()
    this.#leg.ring(response)
  }

  private answeredByAgent(dialog: SipDialog, response: SipResponse): void {
    this.#callee = dialog
    this.attachAgent(dialog)
    this.answerCaller(response)
  }

  private offeredByAgent(offer: PendingOffer, response: SipResponse): void {
    this.#callee = offer
    this.#offer = offer
    this.answerCaller(response)
  }

  private attachAgent(dialog: SipDialog): void {
    this.#bridge.attach('b', dialog)
    dialog.listen({
      request: (request) => this.#call.run(() => this.#bridge.request('b', request)),
      acknowledged: (ack) => this.#call.run(() => this.#bridge.acknowledged('b', ack)),
      ended: (end) => this.legEnded('b', end),
    })
  }

  private answerCaller(response: SipResponse): void {
    const supported = supports100rel(this.invite) ? '100rel' : ''
    const headers: HeaderMap = supported === '' ? { Allow: ALLOW } : { Allow: ALLOW, Supported: supported }
    const events = {
      request: (request: Parameters<Bridge['request']>[1]) => this.#call.run(() => this.#bridge.request('a', request)),
      acknowledged: (ack: SipMessage) => this.#call.run(() => this.callerAcknowledged(ack)),
      ended: (end: DialogEnd) => this.legEnded('a', end),
    }
    this.#leg.accept(response, headers, events, (error) => {
      if (error !== undefined) return this.notAccepted(error)
      const { facts } = this.#call
      facts.legAStatus = 200
      this.#call.answered()
      if (this.#leg.dialog !== undefined) this.#bridge.attach('a', this.#leg.dialog)
      if (this.#offer === undefined) this.#bridge.open('a')
    })
  }

  /** Our 200 could not be sent: a CANCEL crossed it, or the way back to the caller is gone. */
  private notAccepted(error: Error): void {
    const cancelled = error.message.includes('unknown transaction')
    this.#call.facts.legAStatus ??= cancelled ? 487 : null
    this.#call.end({
      result: cancelled ? 'CALLER_CANCELLED' : 'CALLER_GONE',
      by: 'leg_a',
      detail: `the 200 was not sent: ${error.message}`,
    })
  }

  private callerAcknowledged(ack: SipMessage): void {
    const offer = this.#offer
    if (offer === undefined) {
      this.#bridge.open('b')
      this.#bridge.acknowledged('a', ack)
      return
    }
    this.#offer = undefined
    offer.acknowledge(ack.body, (error, dialog) =>
      this.#call.run(() => {
        if (error !== undefined || dialog === undefined)
          return this.#call.end({
            result: 'AGENT_SERVER_ERROR',
            by: 'edge',
            detail: `the agent's 200 made no dialog: ${error?.message ?? ''}`,
          })
        if (this.#call.ended) return dialog.bye(this.#farewell ?? {})
        this.#callee = dialog
        this.attachAgent(dialog)
        this.#bridge.open('a')
        this.#bridge.open('b')
      }),
    )
  }

  private failed({ code, detail, passed }: Failure): void {
    if (passed === undefined) return this.refuse(refusal(code, detail))
    const { status, reason } = passed
    const base = refusal(code, detail)
    const headers = { ...base.headers, Reason: ownReason(status, code), ...crossingResponseHeaders(passed) }
    this.refuse({ ...base, status, reason: tidy(reason, 128), headers }, passed.body)
  }

  /** Gives the caller a final answer and ends the call with it. */
  private refuse(refused: Refusal, body = ''): void {
    if (this.#leg.refuse(refused, body)) this.#call.facts.legAStatus = refused.status
    const by = answeredByAgent.has(refused.code) ? 'leg_b' : 'edge'
    this.#call.end({ result: refused.code, by, detail: refused.detail })
  }

  private cancelled(cancel: SipMessage): void {
    if (this.#call.ended) return
    const reason = copiedReason(cancel)
    this.#farewell = reason.Reason === undefined ? { Reason: ownReason(487, 'Caller cancelled') } : reason
    this.#call.facts.legAStatus = 487
    this.#leg.cancelled()
    this.#call.winding()
    const end = (): void =>
      this.#call.end({
        result: 'CALLER_CANCELLED',
        by: 'leg_a',
        detail: reason.Reason === undefined ? 'CANCEL' : `CANCEL: ${reason.Reason}`,
      })
    if (this.#attempts === undefined || this.#callee !== undefined) end()
    else this.#attempts.stop(this.#farewell, end)
  }

  /** Whether the caller has hung up, or the call has ended otherwise. */
  private get over(): boolean {
    return this.#call.ended || this.#call.state === 'ending'
  }

  private legEnded(leg: LegName, end: DialogEnd): void {
    this.#call.run(() => {
      const neverAcknowledged = leg === 'a' && end.byServer && end.reason === 'ACK timeout'
      const byLeg = leg === 'a' ? 'leg_a' : 'leg_b'
      const reason = copiedReason(end.bye).Reason
      this.#farewell ??= crossingEndHeaders(end.bye)
      this.#call.end({
        result: neverAcknowledged ? 'CALLER_GONE' : this.resultSoFar,
        by: end.byServer && !end.reason.startsWith('CANCEL') ? 'edge' : byLeg,
        detail: end.byServer ? end.reason : reason === undefined ? 'BYE' : `BYE: ${reason}`,
      })
    })
  }

  private legGone(leg: LegName, detail: string): void {
    this.#call.end({ result: this.resultSoFar, by: leg === 'a' ? 'leg_a' : 'leg_b', detail })
  }

  /** What a leg's end makes of the call: an agent that hangs up before the caller has its 200 has refused it. */
  private get resultSoFar(): Ending['result'] {
    return this.#call.facts.answeredAt === null ? 'AGENT_REFUSED' : 'answered'
  }

  /** Lets both legs go, in whatever state they are. */
  private release(ending: Ending): void {
    const { facts } = this.#call
    const answered = ending.result === 'answered'
    const farewell = (this.#farewell ??= {
      Reason: answered ? ownReason(200, ending.detail) : ownReason(verdicts[ending.result].status, ending.result),
    })
    this.#bridge.close()
    const refused = refusal(answered ? 'AGENT_REFUSED' : ending.result, ending.detail)
    if (this.#leg.refuse(refused)) facts.legAStatus ??= refused.status
    this.#attempts?.drop(farewell)
    if (this.#callee !== undefined && 'bye' in this.#callee) this.#callee.bye(farewell)
    else this.#callee?.abandon()
    this.#leg.release(farewell, ending.result !== 'INTERNAL_ERROR')
    facts.legBStatus = this.#attempts?.lastStatus ?? null
  }
}

/** Refusals that are the agent's own final response; the others are the edge's, who would wait no longer or could not reach it. */
const answeredByAgent: ReadonlySet<VerdictCode> = new Set([
  'AGENT_BUSY',
  'AGENT_DECLINED',
  'AGENT_REFUSED',
  'AGENT_SERVER_ERROR',
])
