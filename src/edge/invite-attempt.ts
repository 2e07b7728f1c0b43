import type { Clock, Timer } from '../engine/index.js'
import type {
  HeaderMap,
  OutgoingInvite,
  OutgoingInviteEvents,
  PendingOffer,
  SipDialog,
  SipResponse,
} from './sip-server.js'

/** What comes of one INVITE. One of `answered`, `offered`, `failed` and `givenUp` is called, once. */
export interface InviteAttemptEvents {
  sent(callId: string): void
  provisional(response: SipResponse): void
  answered(dialog: SipDialog, response: SipResponse): void
  offered(offer: PendingOffer, response: SipResponse): void
  /** A final response that is no answer, or (without one) it could not be sent. */
  failed(why: string, response: SipResponse | undefined): void
  /** It was cancelled, and that is over; status 0 when no final response came. */
  givenUp(status: number, reason: string): void
}

export interface InviteAttemptOptions {
  readonly clock: Clock
  /** Milliseconds to wait for the final response after CANCEL. */
  readonly cancelWaitMs: number
  /** Sends the INVITE. */
  send(events: OutgoingInviteEvents): void
  /** Runs a handler; what it throws ends the call. */
  run(handler: () => void): void
}

/** One INVITE of ours: from its sending to its final response or, when it is cancelled, to the end of our patience. */
export class InviteAttempt implements OutgoingInviteEvents {
  readonly #startedMs: number
  #invite: OutgoingInvite | undefined
  /** Headers of the CANCEL that was asked for. */
  #cancelled: HeaderMap | undefined
  #heard = false
  #settled = false
  #timer: Timer | undefined

  constructor(
    private readonly options: InviteAttemptOptions,
    private readonly events: InviteAttemptEvents,
  ) {
    this.#startedMs = options.clock.now()
  }

  get durationMs(): number {
    return this.options.clock.now() - this.#startedMs
  }

  /** Whether a provisional response has come. */
  get heard(): boolean {
    return this.#heard
  }

  start(): void {
    this.options.send(this)
  }

  wanted(): boolean {
    return this.#cancelled === undefined
  }

  sent(invite: OutgoingInvite): void {
    this.options.run(() => {
      this.#invite = invite
      if (this.#cancelled !== undefined) invite.cancel(this.#cancelled)
      else this.events.sent(invite.callId)
    })
  }

  provisional(response: SipResponse): void {
    this.options.run(() => {
      this.#heard = true
      if (this.#cancelled === undefined && !this.#settled) this.events.provisional(response)
    })
  }

  answered(dialog: SipDialog, response: SipResponse): void {
    this.options.run(() => {
      if (this.late(response)) dialog.bye(this.#cancelled ?? {})
      else if (this.settle()) this.events.answered(dialog, response)
    })
  }

  offered(offer: PendingOffer, response: SipResponse): void {
    this.options.run(() => {
      if (this.late(response)) offer.abandon()
      else if (this.settle()) this.events.offered(offer, response)
    })
  }

  failed(why: string, response: SipResponse | undefined): void {
    this.options.run(() => {
      if (this.#cancelled !== undefined) this.givenUp(response?.status ?? 0, response?.reason ?? why)
      else if (this.settle()) this.events.failed(why, response)
    })
  }

  cancel(headers: HeaderMap): void {
    if (this.#cancelled !== undefined || this.#settled) return
    this.#cancelled = headers
    const { clock, cancelWaitMs, run } = this.options
    this.#timer = clock.after(cancelWaitMs, () => run(() => this.givenUp(0, '')))
    this.#invite?.cancel(headers)
  }

  /** Cancels it and waits for nothing. */
  drop(headers: HeaderMap): void {
    this.cancel(headers)
    this.givenUp(0, '')
  }

  /** An answer that comes after the CANCEL has crossed it: it is ended again (RFC 3261 9.1). */
  private late(response: SipResponse): boolean {
    if (this.#cancelled === undefined && !this.#settled) return false
    this.givenUp(response.status, 'answered after CANCEL')
    return true
  }

  private givenUp(status: number, reason: string): void {
    if (this.settle()) this.events.givenUp(status, reason)
  }

  /** Whether this is what comes of it: nothing has come before. */
  private settle(): boolean {
    if (this.#settled) return false
    this.#settled = true
    this.#timer?.cancel()
    return true
  }
}
