import type { Clock, Timer } from '../engine/index.js'
import type { Attempt } from '../model/call.js'
import { type VerdictCode, verdicts } from '../model/verdict.js'
import { classify } from './classify.js'
import { isNotSent } from './not-sent.js'
import { ownReason } from './reason.js'
import type {
  HeaderMap,
  OutgoingInvite,
  OutgoingInviteOptions,
  PendingOffer,
  SipDialog,
  SipInvite,
  SipResponse,
  SipServer,
} from './sip-server.js'

/** No agent's address answered. */
export interface Failure {
  readonly code: VerdictCode
  readonly detail: string
  /** The response to hand to the caller as it is, where its own status is the honest one. */
  readonly passed?: SipResponse
}

/** What comes of calling an agent. Exactly one of `answered`, `offered` and `failed` is called, once, unless `stop` came first. */
export interface AttemptsEvents {
  /** An INVITE is on the wire. */
  sent(callId: string): void
  provisional(response: SipResponse): void
  answered(dialog: SipDialog, response: SipResponse): void
  offered(offer: PendingOffer, response: SipResponse): void
  failed(failure: Failure): void
}

export interface AttemptsOptions {
  readonly server: SipServer
  readonly clock: Clock
  /** The INVITE all this is for. */
  readonly origin: SipInvite
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
export class Attempts {
  /** Every address that was tried, in order. */
  readonly record: Attempt[] = []
  /** Final status of the last address; null while there is none. */
  lastStatus: number | null = null
  #next = 0
  #current: AddressAttempt | undefined
  #best: Failure | undefined
  #stopped: (() => void) | undefined

  constructor(
    private readonly options: AttemptsOptions,
    private readonly events: AttemptsEvents,
  ) {}

  start(): void {
    const target = this.options.targets[this.#next]
    if (target === undefined) return this.fail({ code: 'AGENT_UNREACHABLE', detail: 'the agent has no address' })
    this.#next += 1
    this.#current = new AddressAttempt(this.options, target, {
      sent: (callId) => this.events.sent(callId),
      provisional: (response) => this.events.provisional(response),
      answered: (dialog, response) => {
        this.note(target, response.status, response.reason)
        this.events.answered(dialog, response)
      },
      offered: (offer, response) => {
        this.note(target, response.status, response.reason)
        this.events.offered(offer, response)
      },
      over: (outcome) => this.over(target, outcome),
    })
    this.#current.start()
  }

  /**
   * Gives up: the address that is being tried is sent CANCEL, no other one is tried.
   * @param done when its final response has come, or been waited for long enough; at once when nothing is under way
   */
  stop(headers: HeaderMap, done: () => void): void {
    this.#stopped = done
    if (this.#current === undefined) done()
    else this.#current.cancel(headers)
  }

  /** Gives up without waiting for anything. */
  drop(headers: HeaderMap): void {
    this.#stopped = () => {}
    this.#current?.drop(headers)
  }

  private over(target: string, outcome: Outcome): void {
    this.note(target, outcome.status, outcome.reason)
    const { code, detail, passed } = outcome
    this.fail({ code, detail: `${target}: ${detail}`, ...(passed ? { passed } : {}) })
  }

  private note(target: string, status: number, reason: string): void {
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

interface AddressEvents extends Omit<AttemptsEvents, 'failed'> {
  over(outcome: Outcome): void
}

/** One INVITE to one address. */
class AddressAttempt {
  readonly #startedMs: number
  #invite: OutgoingInvite | undefined
  /** Headers of the CANCEL that was asked for. */
  #cancelled: HeaderMap | undefined
  /** Whether it was given up because it rang too long. */
  #timedOut = false
  #heard = false
  #settled = false
  #timer: Timer | undefined

  constructor(
    private readonly options: AttemptsOptions,
    private readonly target: string,
    private readonly events: AddressEvents,
  ) {
    this.#startedMs = options.clock.now()
  }

  get durationMs(): number {
    return this.options.clock.now() - this.#startedMs
  }

  start(): void {
    const { server, clock, origin, ringTimeoutMs, run } = this.options
    this.#timer = clock.after(ringTimeoutMs, () => run(() => this.rangTooLong()))
    server.invite(this.target, this.options.compose(this.target), origin, {
      sent: (invite) => run(() => this.sent(invite)),
      provisional: (response) => run(() => this.provisional(response)),
      answered: (dialog, response) =>
        run(() => {
          if (this.late(response)) dialog.bye(this.#cancelled ?? {})
          else this.settle(() => this.events.answered(dialog, response))
        }),
      offered: (offer, response) =>
        run(() => {
          if (this.late(response)) offer.abandon()
          else this.settle(() => this.events.offered(offer, response))
        }),
      failed: (why, response) => run(() => this.failed(why, response)),
    })
  }

  cancel(headers: HeaderMap): void {
    if (this.#cancelled !== undefined || this.#settled) return
    this.#cancelled = headers
    this.#timer?.cancel()
    this.#timer = this.options.clock.after(this.options.cancelWaitMs, () => this.options.run(() => this.givenUp(0, '')))
    this.#invite?.cancel(headers)
  }

  drop(headers: HeaderMap): void {
    this.cancel(headers)
    this.givenUp(0, '')
  }

  private sent(invite: OutgoingInvite): void {
    this.#invite = invite
    if (this.#cancelled !== undefined) invite.cancel(this.#cancelled)
    else this.events.sent(invite.callId)
  }

  private provisional(response: SipResponse): void {
    this.#heard = true
    if (this.#cancelled === undefined && !this.#settled) this.events.provisional(response)
  }

  private rangTooLong(): void {
    this.#timedOut = true
    this.cancel({ Reason: ownReason(408, 'No answer') })
  }

  /** An answer that comes after the CANCEL has crossed it: it is ended again (RFC 3261 9.1). */
  private late(response: SipResponse): boolean {
    if (this.#cancelled === undefined && !this.#settled) return false
    this.givenUp(response.status, 'answered after CANCEL')
    return true
  }

  private failed(why: string, response: SipResponse | undefined): void {
    if (this.#cancelled !== undefined) return this.givenUp(response?.status ?? 0, response?.reason ?? why)
    if (response === undefined) {
      return this.over({ code: 'AGENT_UNREACHABLE', status: 0, reason: why, detail: why })
    }
    const { status, reason } = response
    if (isNotSent(response)) return this.over({ code: 'AGENT_UNREACHABLE', status: 0, reason, detail: reason })
    const { code, passStatus } = classify(status)
    const detail = `answered ${status} ${reason}`
    this.over({ code, status, reason, detail, ...(passStatus ? { passed: response } : {}) })
  }

  /** The end of an attempt that was cancelled, by what came of it. */
  private givenUp(status: number, reason: string): void {
    const waited = `no answer in ${Math.round(this.options.ringTimeoutMs / 1000)} s`
    const detail = this.#timedOut ? (this.#heard ? waited : `${waited}, not even a provisional response`) : 'cancelled'
    this.over({
      code: !this.#timedOut ? 'CALLER_CANCELLED' : this.#heard ? 'AGENT_NO_ANSWER' : 'AGENT_TIMEOUT',
      status,
      reason: reason === '' ? detail : `${detail}; ${reason}`,
      detail,
    })
  }

  private over(outcome: Outcome): void {
    this.settle(() => this.events.over(outcome))
  }

  private settle(report: () => void): void {
    if (this.#settled) return
    this.#settled = true
    this.#timer?.cancel()
    report()
  }
}
