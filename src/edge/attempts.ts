import type { Clock, Timer } from '../engine/index.js'
import type { Attempt } from '../model/call.js'
import { verdicts } from '../model/verdict.js'
import { classify } from './classify.js'
import type { Dial, DialEvents, Failure } from './dial.js'
import { InviteAttempt, type InviteAttemptEvents } from './invite-attempt.js'
import { isNotSent, isRefusedDestination } from './not-sent.js'
import { ownReason, wordsOf } from './reason.js'
import { withLongerTimer } from './session-timers.js'
import type {
  HeaderMap,
  OutgoingInviteEvents,
  OutgoingInviteOptions,
  PendingOffer,
  SipDialog,
  SipInvite,
  SipResponse,
  SipServer,
} from './sip-server.js'

export interface AttemptsOptions {
  readonly server: SipServer
  readonly clock: Clock
  /** The INVITE all this is for, when there is one. */
  readonly origin?: SipInvite | undefined
  /** SIP URIs in the order they are tried; at least one. */
  readonly targets: readonly string[]
  readonly ringTimeoutMs: number
  readonly cancelWaitMs: number
  compose(target: string): OutgoingInviteOptions
  /** Whether the caller has been given an SDP answer that only the address being tried can keep. */
  committed(): boolean
  /** Runs a handler; what it throws ends the call. */
  run(handler: () => void): void
}

/** Calls an agent's addresses one after another until one answers, refuses for good, or none is left. */
export class Attempts implements Dial, AddressEvents {
  readonly record: Attempt[] = []
  lastStatus: number | null = null
  #next = 0
  /** The one that is being tried. */
  #target = ''
  #current: AddressAttempt | undefined
  #best: Failure | undefined
  #stopped: (() => void) | undefined

  constructor(
    private readonly options: AttemptsOptions,
    private readonly events: DialEvents,
  ) {}

  start(): void {
    const target = this.options.targets[this.#next]
    if (target === undefined) return this.fail({ code: 'AGENT_UNREACHABLE', detail: 'the agent has no address' })
    this.#next += 1
    this.#target = target
    this.#current = new AddressAttempt(this.options, target, this)
    this.#current.start()
  }

  sent(callId: string): void {
    this.events.sent(callId)
  }

  provisional(response: SipResponse): void {
    this.events.provisional(response)
  }

  answered(dialog: SipDialog, response: SipResponse): void {
    this.note(response.status, response.reason)
    this.events.answered(dialog, response)
  }

  offered(offer: PendingOffer, response: SipResponse): void {
    this.note(response.status, response.reason)
    this.events.offered(offer, response)
  }

  stop(headers: HeaderMap, done: () => void): void {
    this.#stopped = done
    if (this.#current === undefined) done()
    else this.#current.cancel(headers)
  }

  drop(headers: HeaderMap): void {
    this.#stopped = () => {}
    this.#current?.drop(headers)
  }

  over(outcome: Outcome): void {
    this.note(outcome.status, outcome.reason)
    const { code, detail, passed } = outcome
    this.fail({ code, detail: `${this.#target}: ${detail}`, ...(passed ? { passed } : {}) })
  }

  private note(status: number, reason: string): void {
    const target = this.#target
    const durationMs = this.#current?.durationMs ?? 0
    this.#current = undefined
    this.record.push({ target, status, reason, duration_ms: Math.round(durationMs) })
    if (status !== 0) this.lastStatus = status
  }

  private fail(failure: Failure): void {
    const stopped = this.#stopped
    if (stopped !== undefined) return stopped()
    const last = this.#next >= this.options.targets.length
    if (verdicts[failure.code].tryNext) {
      this.#best = better(this.#best, failure)
      if (!last && !this.options.committed()) return this.start()
      return this.events.failed(this.#best)
    }
    this.events.failed(failure)
  }
}

/** Of two failures the one to report: the lower class (RFC 3261 16.7 step 6), so that one dead address does not make the agent unreachable. */
function better(earlier: Failure | undefined, later: Failure): Failure {
  if (earlier === undefined) return later
  const classOf = (failure: Failure): number => Math.floor(verdicts[failure.code].status / 100)
  return classOf(earlier) < classOf(later) ? earlier : later
}

/** How one address ended without an answer. */
interface Outcome extends Failure {
  /** 0 when nothing final was received. */
  readonly status: number
  readonly reason: string
}

interface AddressEvents extends Omit<DialEvents, 'failed'> {
  over(outcome: Outcome): void
}

/** One INVITE to one address. */
class AddressAttempt implements InviteAttemptEvents {
  #invite: OutgoingInviteOptions
  #attempt: InviteAttempt
  /** Whether it was given up because it rang too long. */
  #timedOut = false
  #longer = false
  #timer: Timer | undefined

  constructor(
    private readonly options: AttemptsOptions,
    private readonly target: string,
    private readonly events: AddressEvents,
  ) {
    this.#invite = options.compose(target)
    this.#attempt = this.invite()
  }

  get durationMs(): number {
    return this.#attempt.durationMs
  }

  start(): void {
    const { clock, ringTimeoutMs, run } = this.options
    this.#timer = clock.after(ringTimeoutMs, () => run(() => this.rangTooLong()))
    this.#attempt.start()
  }

  cancel(headers: HeaderMap): void {
    this.#timer?.cancel()
    this.#attempt.cancel(headers)
  }

  drop(headers: HeaderMap): void {
    this.#timer?.cancel()
    this.#attempt.drop(headers)
  }

  sent(callId: string): void {
    this.events.sent(callId)
  }

  provisional(response: SipResponse): void {
    this.events.provisional(response)
  }

  answered(dialog: SipDialog, response: SipResponse): void {
    this.#timer?.cancel()
    this.events.answered(dialog, response)
  }

  offered(offer: PendingOffer, response: SipResponse): void {
    this.#timer?.cancel()
    this.events.offered(offer, response)
  }

  failed(why: string, response: SipResponse | undefined): void {
    if (response?.status !== 422 || !this.tryLonger(response)) this.over(this.outcomeOf(why, response))
  }

  givenUp(status: number, reason: string): void {
    this.over(this.outcomeOfCancelled(status, reason))
  }

  private invite(): InviteAttempt {
    const { server, clock, cancelWaitMs, origin, run } = this.options
    const send = (heard: OutgoingInviteEvents): void => server.invite(this.target, this.#invite, origin, heard)
    return new InviteAttempt({ clock, cancelWaitMs, send, run }, this)
  }

  /** The agent wants its session refreshed less often: it is asked once more (RFC 4028 7.3). */
  private tryLonger(response: SipResponse): boolean {
    const headers = this.#longer ? undefined : withLongerTimer(this.#invite.headers, response)
    if (headers === undefined) return false
    this.#longer = true
    this.#invite = { ...this.#invite, headers }
    this.#attempt = this.invite()
    this.#attempt.start()
    return true
  }

  private rangTooLong(): void {
    this.#timedOut = true
    this.#attempt.cancel({ Reason: ownReason(408, 'No answer') })
  }

  private outcomeOf(why: string, response: SipResponse | undefined): Outcome {
    if (response === undefined) return { code: 'AGENT_UNREACHABLE', status: 0, reason: why, detail: why }
    const { status, reason } = response
    if (isRefusedDestination(response)) return { code: 'AGENT_ADDRESS_REFUSED', status: 0, reason, detail: reason }
    if (isNotSent(response)) return { code: 'AGENT_UNREACHABLE', status: 0, reason, detail: reason }
    const { code, passStatus } = classify(status)
    const detail = wordsOf(response)
    return { code, status, reason, detail, ...(passStatus ? { passed: response } : {}) }
  }

  /** The end of an attempt that was cancelled, by what came of it. */
  private outcomeOfCancelled(status: number, reason: string): Outcome {
    const { heard } = this.#attempt
    const waited = `no answer in ${Math.round(this.options.ringTimeoutMs / 1000)} s`
    const detail = this.#timedOut ? (heard ? waited : `${waited}, not even a provisional response`) : 'cancelled'
    return {
      code: !this.#timedOut ? 'CALLER_CANCELLED' : heard ? 'AGENT_NO_ANSWER' : 'AGENT_TIMEOUT',
      status,
      reason: reason === '' ? detail : `${detail}; ${reason}`,
      detail,
    }
  }

  private over(outcome: Outcome): void {
    this.#timer?.cancel()
    this.events.over(outcome)
  }
}
