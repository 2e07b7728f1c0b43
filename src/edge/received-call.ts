import type { Cdr } from '../model/call.js'
import type { Trunk } from '../model/trunk.js'
import { type VerdictCode, verdicts } from '../model/verdict.js'
import { refusal, refuseInvite, type Refusal } from './admission.js'
import { answeredInvite } from './answered-invite.js'
import { Bridge, type LegName } from './bridge.js'
import { Call, type CallParts, type Ending } from './call.js'
import { agentAsCallee, type Callee, trunkAsCallee } from './callee.js'
import { CallerLeg } from './caller-leg.js'
import { ALLOW } from './capabilities.js'
import type { Dial, DialEvents, Failure } from './dial.js'
import { contactFault, readableByLibrary } from './guard.js'
import { ownCopy, tidy } from './header-value.js'
import {
  callerOf,
  crossingEndHeaders,
  crossingResponseHeaders,
  dialledNumber,
  supports100rel,
  type Caller,
  type Passed,
} from './headers.js'
import type { LegCredentials } from './leg-credentials.js'
import { LegEvents, type LegListener } from './leg-events.js'
import type { MediaGuard } from './media-guard.js'
import { copiedReason, endedHere, ownReason, withCause } from './reason.js'
import { transferRefusal } from './transfer.js'
import { supportedIn, timerAnswer } from './session-timers.js'
import type { EdgeSettings } from './settings.js'
import type {
  DialogEnd,
  HeaderMap,
  PendingOffer,
  SipDialog,
  SipInvite,
  SipMessage,
  SipRequest,
  SipResponse,
  SipServer,
} from './sip-server.js'

export interface ReceivedCallParts extends CallParts {
  readonly server: SipServer
  readonly settings: EdgeSettings
}

/** A call that began with an INVITE to us, whichever way it goes: leg A is who sent it, leg B whoever is then dialled. */
export class ReceivedCall implements LegListener {
  readonly call: Call
  readonly caller: Caller
  readonly #leg: CallerLeg
  readonly #receivedMs: number
  #invite: SipInvite
  readonly #bridge: Bridge
  #callee: Callee = agentAsCallee
  #dial: Dial | undefined
  /** Leg B once it has answered. */
  #answered: SipDialog | PendingOffer | undefined
  /** A callee's offer that waits for the caller's ACK. */
  #offer: PendingOffer | undefined
  /** Leg B's end, which came while the caller's 200 was on its way. */
  #endedEarly: DialogEnd | undefined
  /** What goes with the BYE or CANCEL to the legs that are still up. */
  #farewell: HeaderMap | undefined
  #relayed = false
  #passed: Passed
  #media: MediaGuard | undefined
  /** The caller may challenge what we send it in the call. */
  #challenges = false

  constructor(
    private readonly parts: ReceivedCallParts,
    invite: SipInvite,
  ) {
    const { clock, server, settings } = parts
    this.#invite = invite
    this.#receivedMs = clock.now()
    this.caller = callerOf(invite)
    this.call = new Call(parts, {
      direction: 'inbound',
      from: this.caller.number,
      to: dialledNumber(invite, invite.uri),
      sourceAddress: invite.sourceAddress,
      legACallId: invite.callId,
    })
    const run = (handler: () => void): void => this.call.run(handler)
    this.#leg = new CallerLeg(invite, { server, clock, acknowledgeTimeoutMs: settings.acknowledgeTimeoutMs, run })
    this.#bridge = new Bridge(this, settings.destinations)
    this.call.onEnd((ending) => this.release(ending))
    invite.onCancel((cancel) => run(() => this.cancelled(cancel)))
  }

  /** What the call began with; nothing is left of it once it has been answered. */
  get invite(): SipInvite {
    return this.#invite
  }

  /** Whether the caller has hung up, or the call has ended otherwise. */
  get over(): boolean {
    return this.call.ended || this.call.state === 'ending'
  }

  /** Whether the caller has been given an SDP answer that only who is being tried can keep. */
  get committed(): boolean {
    return this.#leg.committed
  }

  /** Takes the call into the registry when there is nothing against it before it is routed; else refuses it. */
  admit(stopping: boolean): boolean {
    const refused = this.refusalAtDoor(stopping)
    if (refused !== undefined) this.refuse(refused)
    return refused === undefined
  }

  /** Refuses an INVITE that no dialog can be built on. False when there is nothing against it. */
  refuseUnusable(): boolean {
    const header = (name: string): string | undefined => this.invite.header(name)
    const fault =
      contactFault(header('contact')) ?? (readableByLibrary(header) ? undefined : 'Malformed From or To header')
    if (fault !== undefined) this.refuse(refusal('REQUEST_UNUSABLE', fault, {}, fault))
    return fault !== undefined
  }

  /** The call is one of an agent to a trunk. To be said before it is announced. */
  turnOutbound(): void {
    this.call.facts.direction = 'outbound'
    this.#callee = trunkAsCallee
  }

  /**
   * Says what challenges of the caller, who is a trunk, are answered with. Without it, none are.
   * @param expected whether there may be any
   */
  authenticate(credentials: LegCredentials, expected: boolean): void {
    this.#challenges = expected
    this.#leg.authenticate(credentials)
  }

  /** Of the caller's `X-*` headers, lets only those of these names reach the callee, from the answer on. */
  confine(passed: readonly string[]): void {
    this.#passed = passed
    this.#bridge.confine('a', passed)
  }

  /** Holds the media of both legs to their policies, from the caller's offer on. @throws {CallError} when that breaks one */
  holdMedia(media: MediaGuard | undefined): void {
    this.#media = media
    this.#bridge.hold(media)
    media?.check(this.invite)
  }

  /** Holds transfers that the agent asks of the trunk to where the trunk's calls may go. @param agent the agent's leg */
  screenTransfers(agent: LegName, trunk: Trunk, presented: string | null): void {
    this.#bridge.screen(agent, (refer) => transferRefusal(refer, presented, trunk))
  }

  /** Asks the caller to come again with credentials. It is no call, then. */
  challenge(challenges: HeaderMap): void {
    if (this.over) return
    this.#leg.refuse({ status: 401, reason: 'Unauthorized', headers: challenges })
    this.call.withdraw('no credentials that could be checked')
  }

  /** Gives the caller a final answer and ends the call with it. */
  refuse(refused: Refusal, body = '', by = this.refuserOf(refused.code)): void {
    if (this.#leg.refuse(refused, body)) this.call.facts.legAStatus = refused.status
    this.call.end({ result: refused.code, by, detail: refused.detail })
  }

  /** Calls somebody on leg B. */
  dial(make: (events: DialEvents) => Dial): void {
    const dial = make({
      sent: (callId) => this.sent(callId),
      provisional: (response) => this.rings(response),
      answered: (dialog, response) => {
        this.dialled(dial)
        this.#answered = dialog
        this.attachCallee(dialog)
        this.#media?.check(response)
        this.answerCaller(response)
      },
      offered: (offer, response) => {
        this.dialled(dial)
        this.#answered = offer
        this.#offer = offer
        this.#media?.check(response)
        this.answerCaller(response)
      },
      failed: (failure) => this.failed(failure),
    })
    this.#dial = dial
    this.call.facts.attempts = dial.record
    dial.start()
  }

  /** Somebody has answered: nothing is asked of the dialling any more. */
  private dialled(dial: Dial): void {
    this.call.facts.legBStatus = dial.lastStatus
    // A copy is as long as it is; what grew has room for more, all through the call.
    this.call.facts.attempts = dial.record.slice()
    this.#dial = undefined
  }

  private refuserOf(code: VerdictCode): Cdr['ended_by'] {
    return this.#callee.answers.has(code) ? 'leg_b' : 'edge'
  }

  private refusalAtDoor(stopping: boolean): Refusal | undefined {
    const retry = { 'Retry-After': String(this.parts.settings.retryAfterS) }
    if (stopping) return refusal('EDGE_STOPPING', 'the edge is stopping', retry)
    const refused = refuseInvite(this.invite)
    if (refused !== undefined) return refused
    if (this.call.register()) return undefined
    const full = { 'Retry-After': String(this.parts.calls.refuse()) }
    return refusal('EDGE_FULL', 'limits.max_calls calls are going on', full)
  }

  private sent(callId: string): void {
    this.call.facts.legBCallId = ownCopy(callId)
    if (this.#relayed) return
    this.#relayed = true
    const { clock, metrics } = this.parts
    metrics.inviteRelaySeconds.observe((clock.now() - this.#receivedMs) / 1000)
  }

  private rings(response: SipResponse): void {
    this.#media?.check(response)
    if (response.status >= 180) this.call.ringing()
    this.#leg.ring(response)
  }

  private attachCallee(dialog: SipDialog): void {
    this.#bridge.attach('b', dialog)
    dialog.listen(new LegEvents('b', this))
  }

  private answerCaller(response: SipResponse): void {
    const { sessionTimers } = this.parts.settings
    const supported = supportedIn(sessionTimers, supports100rel(this.invite))
    const headers: HeaderMap = { Allow: ALLOW, ...timerAnswer(sessionTimers, this.invite, this.#challenges) }
    if (supported !== undefined) headers['Supported'] = supported
    this.#leg.accept(response, headers, new LegEvents('a', this), (error) => {
      if (error !== undefined) return this.notAccepted(error)
      this.call.facts.legAStatus = 200
      this.#invite = answeredInvite
      this.call.answered()
      if (this.#leg.dialog !== undefined) this.#bridge.attach('a', this.#leg.dialog)
      if (this.#endedEarly !== undefined) return this.legEnded('b', this.#endedEarly)
      if (this.#offer === undefined) this.#bridge.open('a')
    })
  }

  /** Our 200 could not be sent: a CANCEL crossed it, or the way back to the caller is gone. */
  private notAccepted(error: Error): void {
    const cancelled = error.message.includes('unknown transaction')
    this.call.facts.legAStatus ??= cancelled ? 487 : null
    this.call.end({
      result: cancelled ? 'CALLER_CANCELLED' : 'CALLER_GONE',
      by: 'leg_a',
      detail: `the 200 was not sent: ${error.message}`,
    })
  }

  /** Runs a handler; what it throws ends the call. */
  run(handler: () => void): void {
    this.call.run(handler)
  }

  requested(leg: LegName, request: SipRequest): void {
    this.#bridge.request(leg, request)
  }

  acknowledged(leg: LegName, ack: SipMessage): void {
    if (leg === 'b') return this.#bridge.acknowledged(leg, ack)
    const offer = this.#offer
    if (offer === undefined) {
      this.#bridge.open('b')
      this.#bridge.acknowledged('a', ack)
      return
    }
    this.#media?.check(ack)
    this.#offer = undefined
    offer.acknowledge(ack.body, (error, dialog) =>
      this.call.run(() => {
        if (error !== undefined || dialog === undefined)
          return this.call.end({
            result: this.#callee.broken,
            by: 'edge',
            detail: `the 200 of leg B made no dialog: ${error?.message ?? ''}`,
          })
        if (this.call.ended) return dialog.bye(this.#farewell ?? {})
        this.#answered = dialog
        this.attachCallee(dialog)
        this.#bridge.open('a')
        this.#bridge.open('b')
      }),
    )
  }

  private failed({ code, detail, passed }: Failure): void {
    if (passed === undefined) return this.refuse(refusal(code, detail))
    const { status, reason } = passed
    const base = refusal(code, detail)
    const headers = {
      ...base.headers,
      Reason: withCause(passed, ownReason(status, code)),
      ...crossingResponseHeaders(passed),
    }
    this.refuse({ ...base, status, reason: tidy(reason, 128), headers }, passed.body, 'leg_b')
  }

  private cancelled(cancel: SipMessage): void {
    if (this.call.ended) return
    const reason = copiedReason(cancel)
    this.#farewell = reason.Reason === undefined ? { Reason: ownReason(487, 'Caller cancelled') } : reason
    this.call.facts.legAStatus = 487
    this.#leg.cancelled()
    this.call.winding()
    const end = (): void =>
      this.call.end({
        result: 'CALLER_CANCELLED',
        by: 'leg_a',
        detail: reason.Reason === undefined ? 'CANCEL' : `CANCEL: ${reason.Reason}`,
      })
    if (this.#dial === undefined || this.#answered !== undefined) end()
    else this.#dial.stop(this.#farewell, end)
  }

  legEnded(leg: LegName, end: DialogEnd): void {
    this.call.run(() => {
      // The caller cannot be refused any more: whether the call was answered is known when its 200 is sent, or is not.
      if (leg === 'b' && this.#leg.accepting && !this.over) {
        this.#endedEarly = end
        return
      }
      const neverAcknowledged = leg === 'a' && end.byServer && end.reason === 'ACK timeout'
      const byLeg = leg === 'a' ? 'leg_a' : 'leg_b'
      const reason = copiedReason(end.bye).Reason
      this.#farewell ??= crossingEndHeaders(end.bye, leg === 'a' ? this.#passed : undefined)
      this.call.end({
        result: neverAcknowledged ? 'CALLER_GONE' : this.resultSoFar,
        by: end.byServer && !end.reason.startsWith('CANCEL') ? 'edge' : byLeg,
        detail: end.byServer ? endedHere(end, leg) : reason === undefined ? 'BYE' : `BYE: ${reason}`,
      })
    })
  }

  /** The dialog of a leg is no more. */
  gone(leg: LegName, detail: string): void {
    this.call.end({ result: this.resultSoFar, by: leg === 'a' ? 'leg_a' : 'leg_b', detail })
  }

  /** What a leg's end makes of the call: a callee that hangs up before the caller has its 200 has refused it. */
  private get resultSoFar(): Ending['result'] {
    return this.call.facts.answeredAt === null ? this.#callee.refused : 'answered'
  }

  /** Lets both legs go, in whatever state they are. */
  private release(ending: Ending): void {
    const { facts } = this.call
    const answered = ending.result === 'answered'
    const farewell = (this.#farewell ??= {
      Reason: answered ? ownReason(200, ending.detail) : ownReason(verdicts[ending.result].status, ending.result),
    })
    this.#bridge.close()
    if (this.#leg.open) {
      const refused = refusal(answered ? this.#callee.refused : ending.result, ending.detail)
      if (this.#leg.refuse(refused)) facts.legAStatus ??= refused.status
    }
    if (this.#dial !== undefined) {
      this.#dial.drop(farewell)
      facts.legBStatus = this.#dial.lastStatus
    }
    if (this.#answered !== undefined && 'bye' in this.#answered) this.#answered.bye(farewell)
    else this.#answered?.abandon()
    this.#leg.release(farewell, ending.result !== 'INTERNAL_ERROR')
  }
}
