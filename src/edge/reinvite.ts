import type { Clock, Timer } from '../engine/index.js'
import type { HeaderMap, RequestOutcome, SipDialog, SipMessage, SipResponse } from './sip-server.js'

/** What comes of an INVITE inside a dialog. */
export type ReInvited =
  | { readonly answered: true; readonly response: SipResponse; readonly acknowledge?: RequestOutcome['acknowledge'] }
  | {
      readonly answered: false
      /** In words. */
      readonly detail: string
      /** The far end has no such dialog any more. */
      readonly gone: boolean
    }

export interface ReInviteOptions {
  readonly dialog: SipDialog
  readonly clock: Clock
  /** '' asks the far end for an offer. */
  readonly body: string
  /** Runs a handler; what it throws ends the call. */
  run(handler: () => void): void
}

/** Tries, the first one included, while the far end says that it has an offer under way itself. */
const MAX_TRIES = 5
const MAX_RETRY_AFTER_S = 10

/** An INVITE of ours inside a dialog, sent again when it has met one of the far end's. */
export class ReInvite {
  #timer: Timer | undefined
  #tries = 0
  #over = false

  /** @param done once, unless it was dropped before */
  constructor(
    private readonly options: ReInviteOptions,
    private readonly done: (result: ReInvited) => void,
  ) {}

  start(): void {
    this.send()
  }

  /** Forgets it: an answer that comes all the same is acknowledged. */
  drop(): void {
    this.#over = true
    this.#timer?.cancel()
  }

  private send(): void {
    const { dialog, body, run } = this.options
    this.#tries += 1
    const headers: HeaderMap = body === '' ? {} : { 'Content-Type': 'application/sdp' }
    dialog.request({ method: 'INVITE', headers, body }, (failure, outcome) => {
      if (this.#over) return outcome?.acknowledge?.('', {})
      run(() => {
        if (outcome === undefined) return this.failed(failure?.message ?? 'not sent', failure?.dialogGone ?? false)
        this.answered(outcome)
      })
    })
  }

  private answered({ response, acknowledge }: RequestOutcome): void {
    const { status, reason } = response
    if (status >= 200 && status < 300) {
      this.#over = true
      return this.done({ answered: true, response, ...(acknowledge === undefined ? {} : { acknowledge }) })
    }
    const waitMs = glareWaitMs(response)
    if (waitMs === undefined || this.#tries >= MAX_TRIES)
      return this.failed(`answered our re-INVITE with ${status} ${reason}`, status === 481 || status === 408)
    const { clock, run } = this.options
    this.#timer = clock.after(waitMs, () => run(() => this.send()))
  }

  private failed(detail: string, gone: boolean): void {
    this.#over = true
    this.done({ answered: false, detail, gone })
  }
}

/**
 * How long to wait before it is tried again; undefined: it is refused for good. 491: 2.1 to 4 s, for whoever made the Call-ID
 * (RFC 3261 14.1); 500 with Retry-After: the far end's own INVITE or UPDATE is open (RFC 3261 14.2, RFC 3311 5.2).
 */
function glareWaitMs(response: SipMessage & { readonly status: number }): number | undefined {
  if (response.status === 491) return 2_100 + 10 * Math.floor(Math.random() * 191)
  if (response.status !== 500) return undefined
  const seconds = /^\s*([0-9]{1,6})/.exec(response.header('retry-after') ?? '')
  return seconds === null ? undefined : Math.min(Number(seconds[1]), MAX_RETRY_AFTER_S) * 1_000
}
