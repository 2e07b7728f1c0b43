import type { Clock, Timer } from '../engine/index.js'
import type { Refusal } from './admission.js'
import { answeredInvite } from './answered-invite.js'
import { crossingResponseHeaders, requires100rel } from './headers.js'
import { tidy } from './header-value.js'
import { AuthenticatedDialog } from './authenticated-dialog.js'
import type { LegCredentials } from './leg-credentials.js'
import type {
  AnswerOptions,
  DialogEnd,
  DialogEvents,
  HeaderMap,
  SipDialog,
  SipInvite,
  SipMessage,
  SipRequest,
  SipResponse,
  SipServer,
} from './sip-server.js'

/** A server gives up on an application that says nothing about an INVITE for 64 s; we say something well before. */
const SILENCE_MS = 50_000

/** Reliable provisional responses that wait for the PRACK of an earlier one, at most: further ones are not passed on. */
const MAX_QUEUED = 16

export interface CallerLegOptions {
  readonly server: SipServer
  readonly clock: Clock
  /** Milliseconds to wait for a PRACK or ACK, at most. */
  readonly acknowledgeTimeoutMs: number
  /** Runs a handler; what it throws ends the call. */
  run(handler: () => void): void
}

/** Leg A of a call that came to us: the caller's INVITE, its answers, and the dialog that comes of it. */
export class CallerLeg implements DialogEvents {
  #state: 'open' | 'accepting' | 'answered' | 'over' = 'open'
  #dialog: SipDialog | undefined
  #events: DialogEvents | undefined
  #acknowledged = false
  /** The headers of a BYE that waits for the ACK. */
  #farewell: HeaderMap | undefined
  #timer: Timer | undefined
  /** A reliable provisional response has no PRACK yet; what came after it waits its turn. */
  #unacknowledged = false
  readonly #reliableQueue: SipResponse[] = []
  #accept: (() => void) | undefined
  #committed = false
  /** The agent's answer from a reliable provisional response: its 200 need not repeat it. */
  #earlyAnswer: SipResponse | undefined
  #credentials: LegCredentials | undefined

  constructor(
    private invite: SipInvite,
    private readonly options: CallerLegOptions,
  ) {
    this.#timer = options.clock.after(SILENCE_MS, () => this.invite.answer(100, 'Trying'))
  }

  /** Whether the caller has an SDP answer it may rely on (RFC 3262 5). */
  get committed(): boolean {
    return this.#committed
  }

  /** Once it is answered. */
  get dialog(): SipDialog | undefined {
    return this.#dialog
  }

  /** Whether its 200 is on its way, and not known to be sent or lost. */
  get accepting(): boolean {
    return this.#state === 'accepting' && this.#accept === undefined
  }

  /** Says what challenges of the caller are answered with; without it, none are. To be called before `accept`. */
  authenticate(credentials: LegCredentials): void {
    this.#credentials = credentials
  }

  /** Hands a provisional response of the agent to the caller, reliably if the caller requires it. */
  ring(response: SipResponse): void {
    // 199 ends an early dialog (RFC 6228); the caller has one with us alone, which goes on.
    if (this.#state !== 'open' || response.status === 199) return
    const { invite } = this
    this.stopTimer()
    if (response.body !== '' && response.header('rseq') !== undefined) this.#earlyAnswer = response
    if (requires100rel(invite)) this.ringReliably(response)
    else invite.answer(response.status, phraseOf(response), answerFrom(response))
  }

  /**
   * Answers the INVITE with the agent's 200, once every reliable provisional response has its PRACK.
   * @param done with the dialog; with an error when the caller is not there any more
   */
  accept(response: SipResponse, headers: HeaderMap, events: DialogEvents, done: (error?: Error) => void): void {
    if (this.#state !== 'open') return done(new Error('the caller is gone'))
    this.#state = 'accepting'
    this.stopTimer()
    const source = response.body === '' && !this.#committed ? (this.#earlyAnswer ?? response) : response
    const crossing = crossingResponseHeaders(response)
    // What describes its own body is among them.
    if (source !== response) Object.assign(crossing, contentOf(source))
    const options: AnswerOptions = { headers: Object.assign(crossing, headers), body: source.body }
    this.#accept = () => this.send200(options, events, done)
    if (!this.#unacknowledged) return this.proceed()
    const { clock, acknowledgeTimeoutMs, run } = this.options
    this.#timer = clock.after(acknowledgeTimeoutMs, () => run(() => this.proceed()))
  }

  /** Whether it may still be refused: it has no final response. */
  get open(): boolean {
    return this.#state === 'open' || this.#accept !== undefined
  }

  /** Answers the INVITE with a final response that is no 2xx. False when it has its final response. */
  refuse({ status, reason, headers }: Pick<Refusal, 'status' | 'reason' | 'headers'>, body = ''): boolean {
    if (!this.open) return false
    this.over()
    this.invite.answer(status, reason, body === '' ? { headers } : { headers, body })
    return true
  }

  /** The caller cancelled: the server has answered 487. */
  cancelled(): void {
    this.over()
  }

  /**
   * Sends BYE if the leg is answered.
   * @param patient whether a BYE before the caller's ACK waits for that (RFC 3261 15), as it must unless the ACK may have been missed
   */
  release(headers: HeaderMap, patient: boolean): void {
    if (this.#state === 'over' || this.#farewell !== undefined) return
    this.#farewell = headers
    if (this.#dialog === undefined) return
    if (this.#acknowledged || !patient) return this.sendBye()
    const { clock, acknowledgeTimeoutMs } = this.options
    this.#timer = clock.after(acknowledgeTimeoutMs, () => this.sendBye())
  }

  /** Something came in on the dialog. */
  request(request: SipRequest): void {
    this.#events?.request(request)
  }

  acknowledged(ack: SipMessage): void {
    this.#acknowledged = true
    if (this.#farewell !== undefined) this.sendBye()
    else this.#events?.acknowledged(ack)
  }

  ended(end: DialogEnd): void {
    this.over()
    this.#events?.ended(end)
  }

  private ringReliably(response: SipResponse): void {
    if (this.#unacknowledged) {
      if (this.#reliableQueue.length < MAX_QUEUED) this.#reliableQueue.push(response)
      return
    }
    // To an INVITE without offer the SDP would be an offer, and its answer would come with a PRACK that the agent never sees.
    const { body, headers } = answerFrom(response)
    const options = this.invite.body === '' ? { headers: withoutContent(headers) } : { headers, body }
    this.#unacknowledged = true
    if (options.body) this.#committed = true
    this.invite.answerReliably(response.status, phraseOf(response), options, () =>
      this.options.run(() => this.provisionalAcknowledged()),
    )
  }

  private provisionalAcknowledged(): void {
    this.#unacknowledged = false
    if (this.#accept !== undefined) return this.proceed()
    const next = this.#reliableQueue.shift()
    if (next !== undefined && this.#state === 'open') this.ringReliably(next)
  }

  private proceed(): void {
    const send = this.#accept
    this.#accept = undefined
    this.stopTimer()
    send?.()
  }

  private send200(options: AnswerOptions, events: DialogEvents, done: (error?: Error) => void): void {
    const { server, run } = this.options
    server.accept(this.invite, options, (error, dialog) =>
      run(() => {
        if (error !== undefined || dialog === undefined) {
          this.over()
          return done(error ?? new Error('no dialog'))
        }
        const credentials = this.#credentials
        this.answered(
          credentials === undefined ? dialog : new AuthenticatedDialog(dialog, credentials, undefined),
          events,
        )
        done()
      }),
    )
  }

  private answered(dialog: SipDialog, events: DialogEvents): void {
    this.#dialog = dialog
    this.#state = 'answered'
    this.invite = answeredInvite
    this.#earlyAnswer = undefined
    this.#events = events
    dialog.listen(this)
    const farewell = this.#farewell
    if (farewell === undefined) return
    this.#farewell = undefined
    this.release(farewell, true)
  }

  private sendBye(): void {
    const farewell = this.#farewell ?? {}
    const dialog = this.#dialog
    this.over()
    dialog?.bye(farewell)
  }

  private over(): void {
    this.#state = 'over'
    this.#accept = undefined
    this.#reliableQueue.length = 0
    this.stopTimer()
  }

  private stopTimer(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }
}

const phraseOf = (response: SipResponse): string => tidy(response.reason, 128)

const answerFrom = (response: SipResponse): { headers: HeaderMap; body: string } => ({
  headers: crossingResponseHeaders(response),
  body: response.body,
})

/** Headers that describe a response's body. */
function contentOf(response: SipResponse): HeaderMap {
  const content: HeaderMap = {}
  for (const [name, value] of Object.entries(crossingResponseHeaders(response)))
    if (isContent(name)) content[name] = value
  return content
}

function withoutContent(headers: HeaderMap): HeaderMap {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !isContent(name)))
}

const isContent = (name: string): boolean => name.startsWith('Content-') || name === 'MIME-Version'
