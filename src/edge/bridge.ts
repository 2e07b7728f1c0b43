import type { Refusal } from './admission.js'
import { ALLOW, SUPPORTED, unknownOptions } from './capabilities.js'
import { cseqNumber } from './guard.js'
import { tidy } from './header-value.js'
import { crossingEndHeaders, crossingRequestHeaders, crossingResponseHeaders, type Passed } from './headers.js'
import { type NamedHosts, referRefusal } from './named-destination.js'
import type { MediaGuard } from './media-guard.js'
import { refusal } from './admission.js'
import type { HeaderMap, RequestFailure, RequestOutcome, SipDialog, SipMessage, SipRequest } from './sip-server.js'

export type LegName = 'a' | 'b'

/** Why a REFER may not cross, or undefined. */
export type TransferScreen = (refer: SipRequest) => Refusal | undefined

/** Requests that wait until their leg may pass some on, at most. */
const MAX_HELD = 16

export interface BridgeEvents {
  /** The far end of that leg says, or the server does, that its dialog is no more. */
  gone(leg: LegName, detail: string): void
  /** Runs a handler; what it throws ends the call. */
  run(handler: () => void): void
}

/** A request on its way from one leg to the other. */
interface Relay {
  readonly from: LegName
  readonly request: SipRequest
  /** Whether it carries an offer, or asks for one: only one such may be under way (RFC 3261 14, RFC 3311 5). */
  readonly negotiates: boolean
}

/** An INVITE's 200 that carried an offer waits for the answer in the ACK. */
interface AwaitedAck {
  readonly cseq: number
  readonly relay: Relay
  readonly acknowledge: (body: string, headers: HeaderMap) => void
}

/**
 * Two answered legs: what comes in on one is sent on the other, and its response goes back, bodies untouched.
 * Session state is the two far ends'; here is only what keeps their requests from crossing wrongly.
 */
export class Bridge {
  readonly #dialogs: { a?: SipDialog; b?: SipDialog } = {}
  /** Legs whose requests may pass. */
  readonly #open = { a: false, b: false }
  readonly #held: Relay[] = []
  /** Requests that have been passed on and wait for their answers; most calls never have any. */
  #pending: Set<Relay> | undefined
  readonly #awaited: { a?: AwaitedAck; b?: AwaitedAck } = {}
  readonly #screens: { a?: TransferScreen; b?: TransferScreen } = {}
  readonly #passed: { a?: Passed; b?: Passed } = {}
  #media: MediaGuard | undefined
  #closed = false

  /** @param destinations what says whom a Refer-To may name; undefined: anybody */
  constructor(
    private readonly events: BridgeEvents,
    private readonly destinations?: NamedHosts,
  ) {}

  /** Puts a leg's dialog in its place. The caller of this listens to it and hands over what comes in. */
  attach(leg: LegName, dialog: SipDialog): void {
    this.#dialogs[leg] = dialog
  }

  /** Of a leg's `X-*` headers, lets only those of these names cross. */
  confine(leg: LegName, passed: readonly string[]): void {
    this.#passed[leg] = passed
  }

  /** Holds offers and answers to the policies of both legs. Without it, none are looked at. */
  hold(media: MediaGuard | undefined): void {
    this.#media = media
  }

  /** Holds a leg's REFERs, which the other leg is to follow, to where its calls may go. */
  screen(leg: LegName, screen: TransferScreen): void {
    this.#screens[leg] = screen
  }

  /** Lets pass what comes in on a leg, and what has been held of it, in its order. */
  open(leg: LegName): void {
    if (this.#closed || this.#open[leg]) return
    this.#open[leg] = true
    const held = this.#held.splice(0)
    for (const relay of held) {
      if (relay.from === leg) this.forward(relay)
      else this.#held.push(relay)
    }
  }

  /** A request that came in on a leg. */
  request(from: LegName, request: SipRequest): void {
    if (this.#closed) return request.answer(481, 'Call Leg/Transaction Does Not Exist')
    if (this.answerHere(request) || this.refuseTransfer(from, request)) return
    const negotiates = request.method === 'INVITE' || (request.method === 'UPDATE' && request.body !== '')
    if (negotiates && (this.refuseMedia(request) || this.refuseGlare(from, request))) return
    const relay: Relay = { from, request, negotiates }
    if (this.#open[from]) return this.forward(relay)
    if (this.#held.length >= MAX_HELD)
      return request.answer(500, 'Too Many Requests', { headers: { 'Retry-After': '2' } })
    this.#held.push(relay)
  }

  /** An ACK that came in on a leg: the answer in it goes to the other one, when that waits for it. */
  acknowledged(from: LegName, ack: SipMessage): void {
    const awaited = this.#awaited[from]
    if (awaited === undefined || cseqNumber(ack) !== awaited.cseq) return
    this.#media?.check(ack)
    delete this.#awaited[from]
    this.#pending?.delete(awaited.relay)
    awaited.acknowledge(ack.body, ackHeaders(ack, this.#passed[from]))
  }

  /** Ends relaying: whatever waits for an answer gets one. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const { request } of this.#held.splice(0)) request.answer(481, 'Call Leg/Transaction Does Not Exist')
    for (const { request } of this.#pending ?? []) {
      // RFC 3261 15.1.2: what is still open when the BYE comes is answered 487.
      if (!request.answered) request.answer(487, 'Request Terminated')
    }
    this.#pending?.clear()
    for (const leg of ['a', 'b'] as const) {
      // The far end's 200 must have its ACK before the BYE, answer or none.
      this.#awaited[leg]?.acknowledge('', {})
      delete this.#awaited[leg]
    }
  }

  /** What is answered by the edge itself. */
  private answerHere(request: SipRequest): boolean {
    const unknown = unknownOptions(request.header('require'), SUPPORTED)
    if (unknown.length > 0) {
      request.answer(420, 'Bad Extension', { headers: { Unsupported: unknown.join(', ') } })
      return true
    }
    switch (request.method) {
      case 'UPDATE':
        if (request.body !== '') return false
        // It says nothing of the session: it refreshes this leg, whose session timer the other has no part in (RFC 4028).
        request.answer(200, 'OK', { headers: { Allow: ALLOW, Supported: SUPPORTED.join(', ') } })
        return true
      case 'INVITE':
      case 'INFO':
      case 'MESSAGE':
      case 'NOTIFY':
        return false
      case 'REFER': {
        const refusal = referRefusal(request, this.destinations)
        if (refusal !== undefined) request.answer(refusal.status, refusal.reason)
        return refusal !== undefined
      }
      case 'OPTIONS':
        // A question about this leg: whether its dialog lives and what it takes.
        request.answer(200, 'OK', {
          headers: { Allow: ALLOW, Accept: 'application/sdp', Supported: SUPPORTED.join(', ') },
        })
        return true
      case 'SUBSCRIBE':
        request.answer(489, 'Bad Event')
        return true
      default:
        request.answer(405, 'Method Not Allowed', { headers: { Allow: ALLOW } })
        return true
    }
  }

  /** Refuses an offer that a leg may not have; the session goes on as it is (RFC 3261 14.2). */
  private refuseMedia(request: SipRequest): boolean {
    const fault = this.#media?.fault(request)
    if (fault === undefined) return false
    const { status, reason, headers } = refusal(fault.code, fault.message)
    request.answer(status, reason, { headers })
    return true
  }

  /** Refuses a REFER that would lead the call to where it may not go. */
  private refuseTransfer(from: LegName, request: SipRequest): boolean {
    const screen = request.method === 'REFER' ? this.#screens[from] : undefined
    const refused = screen?.(request)
    if (refused === undefined) return false
    request.answer(refused.status, refused.reason, { headers: refused.headers })
    return true
  }

  /** Refuses an offer while another is open: 491 against the other leg's, 500 with a wait after one's own (RFC 3261 14.2, RFC 3311 5.2). */
  private refuseGlare(from: LegName, request: SipRequest): boolean {
    for (const relay of [...(this.#pending ?? []), ...this.#held]) {
      if (!relay.negotiates) continue
      if (relay.from === from) request.answer(500, 'Server Internal Error', { headers: { 'Retry-After': '3' } })
      else request.answer(491, 'Request Pending')
      return true
    }
    return false
  }

  private forward(relay: Relay): void {
    const { from, request } = relay
    const dialog = this.#dialogs[other(from)]
    if (dialog === undefined) return request.answer(481, 'Call Leg/Transaction Does Not Exist')
    ;(this.#pending ??= new Set()).add(relay)
    const { method, body } = request
    dialog.request({ method, headers: crossingRequestHeaders(request, this.#passed[from]), body }, (failure, outcome) =>
      this.events.run(() => {
        if (outcome !== undefined) this.answered(relay, outcome)
        else this.failed(relay, failure)
      }),
    )
  }

  private failed(relay: Relay, failure: RequestFailure | undefined): void {
    this.#pending?.delete(relay)
    if (this.#closed) return
    const { request, from } = relay
    if (failure?.dialogGone !== true) return request.answer(500, 'Server Internal Error')
    request.answer(481, 'Call Leg/Transaction Does Not Exist')
    this.events.gone(other(from), `the dialog of leg ${other(from)} is gone`)
  }

  private answered(relay: Relay, { response, acknowledge }: RequestOutcome): void {
    const { from, request } = relay
    if (this.#closed) {
      acknowledge?.('', {})
      return
    }
    if (acknowledge !== undefined) this.#awaited[from] = { cseq: cseqNumber(request), relay, acknowledge }
    // Both far ends have agreed, and what they have is not to be: whoever asked is still to be answered, as the call ends.
    if (relay.negotiates && response.status < 300) this.#media?.check(response)
    if (acknowledge === undefined) this.#pending?.delete(relay)
    const headers = crossingResponseHeaders(response, this.#passed[other(from)])
    const options = response.body === '' ? { headers } : { headers, body: response.body }
    // RFC 4320 4.1: a 408 to anything but an INVITE is worse than none; by now the sender has given up anyway.
    const status = response.status === 408 && request.method !== 'INVITE' ? 504 : response.status
    request.answer(status, tidy(response.reason, 128), options, (error) => {
      if (error === undefined || acknowledge === undefined) return
      // The asker is not there any more to answer the offer it asked for.
      this.events.run(() => this.abandonAwaited(from))
    })
    if (endsDialog(response.status))
      this.events.gone(other(from), `leg ${other(from)} answered ${request.method} with ${response.status}`)
  }

  private abandonAwaited(leg: LegName): void {
    const awaited = this.#awaited[leg]
    if (awaited === undefined) return
    delete this.#awaited[leg]
    this.#pending?.delete(awaited.relay)
    awaited.acknowledge('', {})
  }
}

const other = (leg: LegName): LegName => (leg === 'a' ? 'b' : 'a')

/** A 481 or 408 means the far end has no such dialog, and the server forgets it too (RFC 3261 12.2.1.2). */
const endsDialog = (status: number): boolean => status === 481 || status === 408

function ackHeaders(ack: SipMessage, passed: Passed): HeaderMap {
  const headers = crossingEndHeaders(ack, passed)
  const type = ack.header('content-type')
  if (ack.body !== '' && type !== undefined) headers['Content-Type'] = tidy(type, 1_024)
  return headers
}
