import { randomBytes, randomInt, randomUUID } from 'node:crypto'
import type { Clock, Timer } from '../engine/index.js'
import type { Attempt } from '../model/call.js'
import type { Trunk } from '../model/trunk.js'
import { CallError, type VerdictCode, verdicts } from '../model/verdict.js'
import { transferFault } from '../routing/allowed-destinations.js'
import type { OutboundPlan } from '../routing/outbound-plan.js'
import { formatTarget, nameTarget, type Target } from '../trunks/target.js'
import type { TargetHealth } from '../trunks/target-health.js'
import type { TrunkPath, TrunkPaths } from '../trunks/trunk-paths.js'
import { classifyTrunk } from './classify-trunk.js'
import type { Dial, DialEvents, Failure } from './dial.js'
import { InviteAttempt } from './invite-attempt.js'
import { type NamedHosts, uriRefusal } from './named-destination.js'
import { isNotAnswered, isNotSent, isRefusedDestination } from './not-sent.js'
import { ownReason, wordsOf } from './reason.js'
import { redirectedUri } from './redirect.js'
import type { SessionTimerPolicy } from './session-timers.js'
import type {
  HeaderMap,
  OutgoingInviteEvents,
  OutgoingInviteOptions,
  SipInvite,
  SipMessage,
  SipResponse,
} from './sip-server.js'
import { contactRequestUri, trunkInviteHeaders, trunkRequestUri } from './trunk-invite.js'

/** Sends an INVITE as the SIP server does, and answers its challenges with the trunk's credentials: one retry a challenge. */
export interface TrunkInviter {
  /** @param options its headers have Call-ID, From with a tag, and CSeq; retries raise that by less than 16. Never throws. */
  invite(
    trunk: Trunk,
    uri: string,
    options: OutgoingInviteOptions,
    origin: SipInvite | undefined,
    events: OutgoingInviteEvents,
  ): void
}

export interface TrunkDialSettings {
  /** Milliseconds a server may be wholly silent while the trunk has a further one. */
  readonly silenceMs: number
  /** 3xx responses that one call follows. */
  readonly maxRedirects: number
  /** Milliseconds to wait for the final response after CANCEL. */
  readonly cancelWaitMs: number
  /** `User-Agent` of our INVITEs; null: none is sent. */
  readonly userAgent: string | null
  /** The session timers that we ask for; null: none. */
  readonly sessionTimers: SessionTimerPolicy | null
  /** What says whom the Contact of a 3xx may name. Default: anybody. */
  readonly destinations?: NamedHosts | undefined
}

/** What every call to a trunk needs. */
export interface TrunkDialParts {
  readonly clock: Clock
  readonly inviter: TrunkInviter
  readonly paths: Pick<TrunkPaths, 'of'>
  readonly health: Pick<TargetHealth, 'failed' | 'answered' | 'note'>
  readonly settings: TrunkDialSettings
}

/** One call to a trunk. */
export interface TrunkDialOptions {
  readonly plan: OutboundPlan
  /** The INVITE all this is for, when there is one. */
  readonly origin?: SipInvite | undefined
  /** What the agent's leg says: its body is the offer (none: the destination makes it), its allowed headers go along. */
  readonly message?: SipMessage | undefined
  /** More headers, of which those the trunk lets through go along. */
  readonly headers?: Readonly<Record<string, string>>
  /** Display name of the caller. Default: none. */
  readonly callerName?: string
  /** The caller asks not to be shown to whom it calls. Default: no. */
  readonly privacy?: boolean
  /** Hops the call has left, 1 or more. Default 70. */
  readonly hopsLeft?: number
  /** Whether the agent's leg can take reliable provisional responses. Default: no. */
  readonly reliable?: boolean
  /** Whether the caller has been given an SDP answer that only this destination can keep: a 3xx is not followed then. Default: no. */
  committed?(): boolean
  /** Milliseconds until an answer, over all servers. */
  readonly ringTimeoutMs: number
  /** Runs a handler; what it throws ends the call. */
  run(handler: () => void): void
}

/** Between the CSeqs of two tries: retries with credentials go in between. */
const CSEQ_STEP = 16

/** Calls a destination by way of a trunk: its servers one after another, as long as they fail to say anything of the call. */
export class TrunkDial implements Dial {
  readonly record: Attempt[] = []
  lastStatus: number | null = null
  readonly #callId = randomUUID()
  readonly #fromTag = randomBytes(8).toString('hex')
  #cseq = randomInt(1, 100_000)
  #uri: string
  #path: TrunkPath = { targets: [], routes: [] }
  #next = 0
  #redirects = 0
  #current: { readonly attempt: InviteAttempt; readonly target: Target } | undefined
  /** A provisional response has come: the call is at its destination, no other server is tried. */
  #heard = false
  #timedOut = false
  #over = false
  #stopped: (() => void) | undefined
  #timer: Timer | undefined
  #worst: Failure | undefined

  constructor(
    private readonly parts: TrunkDialParts,
    private readonly options: TrunkDialOptions,
    private readonly events: DialEvents,
  ) {
    this.#uri = trunkRequestUri(options.plan)
  }

  start(): void {
    const { plan, ringTimeoutMs, run } = this.options
    this.#timer = this.parts.clock.after(ringTimeoutMs, () => run(() => this.rangTooLong()))
    this.parts.paths.of(plan.trunk).then(
      (path) => run(() => this.found(path)),
      (error: unknown) => run(() => this.notFound(error)),
    )
  }

  stop(headers: HeaderMap, done: () => void): void {
    this.#timer?.cancel()
    if (this.#over || this.#current === undefined) {
      this.#over = true
      return done()
    }
    this.#stopped = done
    this.#current.attempt.cancel(headers)
  }

  drop(headers: HeaderMap): void {
    this.#timer?.cancel()
    this.#stopped = () => {}
    this.#over = true
    this.#current?.attempt.drop(headers)
  }

  private found(path: TrunkPath): void {
    if (this.#over) return
    this.#path = path
    if (path.targets.length > 0) return this.tryNext()
    this.fail({ code: 'TRUNK_UNREACHABLE', detail: `trunk ${this.options.plan.trunk.id} has no server` })
  }

  private notFound(error: unknown): void {
    if (this.#over) return
    const code = error instanceof CallError ? error.code : 'TRUNK_UNREACHABLE'
    this.fail({ code, detail: error instanceof Error ? error.message : String(error) })
  }

  private tryNext(): void {
    const target = this.#path.targets[this.#next]
    if (target === undefined)
      return this.fail(this.#worst ?? { code: 'TRUNK_UNREACHABLE', detail: 'no server is left' })
    this.#next += 1
    this.try(target)
  }

  /** One INVITE to one server. */
  private try(target: Target): void {
    const { clock, inviter, settings } = this.parts
    const { plan, origin, run } = this.options
    const attempt = new InviteAttempt(
      {
        clock,
        cancelWaitMs: settings.cancelWaitMs,
        run,
        send: (events) => inviter.invite(plan.trunk, this.uriAt(target), this.compose(target), origin, events),
      },
      {
        sent: (callId) => this.events.sent(callId),
        provisional: (response) => {
          this.#heard = true
          this.events.provisional(response)
        },
        answered: (dialog, response) => {
          this.answered(response)
          this.events.answered(dialog, response)
        },
        offered: (offer, response) => {
          this.answered(response)
          this.events.offered(offer, response)
        },
        failed: (why, response) => this.failed(target, why, response),
        givenUp: (status, reason) => this.givenUp(status, reason),
      },
    )
    this.#current = { attempt, target }
    attempt.start()
  }

  /** Whom the server is asked for: a PBX that has registered by its contact, others at their domain; after a 3xx whom that named. */
  private uriAt({ contact }: Target): string {
    return contact === undefined || this.#redirects > 0 ? this.#uri : contactRequestUri(this.options.plan, contact.uri)
  }

  private compose(target: Target): OutgoingInviteOptions {
    const {
      plan,
      message,
      headers = {},
      callerName = '',
      privacy = false,
      hopsLeft = 70,
      reliable = false,
    } = this.options
    const { userAgent, silenceMs, sessionTimers } = this.parts.settings
    const { routes } = target.contact ?? this.#path
    const map = trunkInviteHeaders({
      plan,
      message,
      headers,
      callerName,
      privacy,
      hopsLeft,
      reliable,
      userAgent,
      sessionTimers,
      routes,
    })
    // One call through all tries (RFC 3261 8.1.3.4). Each has a CSeq of its own: a callee that two servers reach does not refuse
    // the second INVITE as merged with the first (8.2.2.2), which was given up.
    const cseq = this.#cseq
    this.#cseq += CSEQ_STEP
    const isLast = this.#next >= this.#path.targets.length
    return {
      headers: {
        ...map,
        From: `${map['From'] ?? ''};tag=${this.#fromTag}`,
        'Call-ID': this.#callId,
        CSeq: `${cseq} INVITE`,
      },
      body: message?.body ?? '',
      proxy: formatTarget(target),
      ...(isLast ? {} : { silenceMs }),
    }
  }

  private answered(response: SipResponse): void {
    this.#timer?.cancel()
    const target = this.note(response.status, response.reason)
    if (target !== undefined) this.parts.health.answered(target)
    this.#over = true
  }

  private failed(target: Target, why: string, response: SipResponse | undefined): void {
    const silent = this.isSilence(response)
    const { health } = this.parts
    if (response === undefined || isNotSent(response)) {
      const reason = response?.reason ?? why
      this.note(0, reason)
      // What the SIP server refuses to send says nothing of the trunk's.
      if (response !== undefined) health.failed(target)
      const refused = response !== undefined && isRefusedDestination(response)
      return this.failedHere(target, refused ? 'TRUNK_ADDRESS_REFUSED' : 'TRUNK_UNREACHABLE', reason)
    }
    const { status, reason } = response
    this.note(silent ? 0 : status, silent ? 'no response' : reason)
    if (silent) {
      health.failed(target)
      return this.failedHere(target, 'TRUNK_TIMEOUT', 'no response')
    }
    // A 408 of the destination's: this server is well.
    if (status === 408) health.answered(target)
    else health.note(target, response)
    const { code, passStatus } = classifyTrunk(status)
    if (code === 'TRUNK_REDIRECTED' && this.redirect(target, response)) return
    const said = wordsOf(response)
    const detail = code === 'TRUNK_AUTH_REFUSED' ? `${said}: ${why}` : said
    this.failedHere(target, code, detail, passStatus ? response : undefined)
  }

  /** Whether a 408 stands for a server that has said nothing: the SIP server's own, or one that took all the time of RFC 3261. */
  private isSilence(response: SipResponse | undefined): boolean {
    if (response?.status !== 408 || this.#current?.attempt.heard === true) return false
    return isNotAnswered(response) || (this.#current?.attempt.durationMs ?? 0) >= FULL_SILENCE_MS
  }

  private failedHere(target: Target, code: VerdictCode, what: string, passed?: SipResponse): void {
    const failure: Failure = { code, detail: `${nameTarget(target)}: ${what}`, ...(passed ? { passed } : {}) }
    const mayGoOn = verdicts[code].tryNext && !this.#heard
    if (!mayGoOn) return this.fail(failure)
    this.#worst = moreTelling(this.#worst, failure)
    this.tryNext()
  }

  /** Follows a 3xx: whom we ask for changes, not whom we ask; to where the trunk's calls may go. False when it cannot be followed. */
  private redirect(target: Target, response: SipResponse): boolean {
    if (this.options.committed?.() === true) return false
    const uri = redirectedUri(response)
    const { maxRedirects, destinations } = this.parts.settings
    if (uri === undefined || uri === this.uriAt(target) || this.#redirects >= maxRedirects) return false
    if (uriRefusal(uri, destinations) !== undefined) return false
    const { plan } = this.options
    const fault = transferFault(uri, plan.number.phone_number, plan.trunk)
    if (fault !== undefined) {
      this.fail({ code: fault.code, detail: `${nameTarget(target)}: redirected the call: ${fault.why}` })
      return true
    }
    this.#redirects += 1
    this.#uri = uri
    this.#heard = false
    this.try(target)
    return true
  }

  private rangTooLong(): void {
    if (this.#over) return
    this.#timedOut = true
    if (this.#current === undefined) return this.outOfTime()
    this.#current.attempt.cancel({ Reason: ownReason(408, 'No answer') })
  }

  /** The end of a try that was cancelled. */
  private givenUp(status: number, reason: string): void {
    const what = this.#timedOut ? this.waited() : 'cancelled'
    const target = this.note(status, reason === '' ? what : `${what}; ${reason}`)
    if (this.#stopped !== undefined || !this.#timedOut) return this.finish()
    if (target !== undefined && !this.#heard) this.parts.health.failed(target)
    this.outOfTime()
  }

  private outOfTime(): void {
    const detail = this.waited()
    if (this.#heard || this.#redirects > 0) this.fail({ code: 'DESTINATION_NO_ANSWER', detail })
    else this.fail(moreTelling(this.#worst, { code: 'TRUNK_TIMEOUT', detail }))
  }

  private waited(): string {
    const waited = `no answer in ${Math.round(this.options.ringTimeoutMs / 1000)} s`
    return this.#heard ? waited : `${waited}, not even a provisional response`
  }

  private note(status: number, reason: string): Target | undefined {
    const current = this.#current
    this.#current = undefined
    if (current === undefined) return undefined
    const target = nameTarget(current.target)
    this.record.push({ target, status, reason, duration_ms: Math.round(current.attempt.durationMs) })
    if (status !== 0) this.lastStatus = status
    return current.target
  }

  private fail(failure: Failure): void {
    if (this.#stopped !== undefined) return this.finish()
    if (this.#over) return
    this.#over = true
    this.#timer?.cancel()
    this.events.failed(failure)
  }

  private finish(): void {
    this.#over = true
    const done = this.#stopped
    this.#stopped = undefined
    done?.()
  }
}

/** 64*T1 of RFC 3261: no SIP server waits longer for the first response. */
const FULL_SILENCE_MS = 32_000

const TELLING: readonly VerdictCode[] = ['TRUNK_UNREACHABLE', 'TRUNK_TIMEOUT', 'TRUNK_OVERLOADED']

/** Of two failures the one to report: what a server said over what none said. */
function moreTelling(earlier: Failure | undefined, later: Failure): Failure {
  if (earlier === undefined) return later
  return TELLING.indexOf(later.code) > TELLING.indexOf(earlier.code) ? later : earlier
}
