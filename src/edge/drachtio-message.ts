import type {
  LibraryMessage,
  LibraryRequest,
  LibraryResponse,
  LibrarySendOptions,
  LibrarySocket,
} from './drachtio-library.js'
import { unfold } from './header-value.js'
import type { AnswerOptions, HeaderMap, SipInvite, SipMessage, SipRequest, SipResponse } from './sip-server.js'

/** What went wrong, as an error, whatever the library handed out: an Error, the server's text, or nothing. */
export function errorOf(cause: unknown): Error {
  if (cause instanceof Error) return cause
  return new Error(typeof cause === 'string' && cause !== '' ? cause : 'the SIP server gave no reason')
}

const NONE: [string, string][] = []

/** A message the library received. */
export class DrachtioMessage implements SipMessage {
  constructor(protected readonly message: LibraryMessage) {}

  get body(): string {
    return this.message.body ?? ''
  }

  header(name: string): string | undefined {
    const value: unknown = this.message.get(name)
    return typeof value === 'string' ? unfold(value) : undefined
  }

  headers(wanted?: (name: string) => boolean): Iterable<readonly [string, string]> {
    const { headers } = this.message
    let found = NONE
    for (const name in headers) {
      if (wanted !== undefined && !wanted(name)) continue
      const value: unknown = headers[name]
      if (typeof value !== 'string') continue
      if (found === NONE) found = []
      found.push([name, unfold(value)])
    }
    return found
  }
}

export class DrachtioResponse extends DrachtioMessage implements SipResponse {
  readonly status: number
  readonly reason: string
  readonly sourceAddress: string
  readonly sourcePort: number
  readonly protocol: string

  constructor(response: LibraryResponse) {
    super(response)
    this.status = response.status
    this.reason = response.reason ?? ''
    this.sourceAddress = response.source_address ?? ''
    this.sourcePort = Number(response.source_port ?? 0)
    this.protocol = response.protocol ?? ''
  }
}

/** A request the library received, and its answer. */
export class DrachtioRequest extends DrachtioMessage implements SipRequest, SipInvite {
  readonly method: string
  readonly uri: string
  readonly callId: string
  readonly sourceAddress: string
  readonly protocol: string

  constructor(
    readonly request: LibraryRequest,
    readonly response: LibraryResponse,
  ) {
    super(request)
    this.method = request.method
    this.uri = request.uri
    this.callId = this.header('call-id') ?? ''
    this.sourceAddress = request.source_address
    this.protocol = request.protocol
  }

  get socket(): LibrarySocket | undefined {
    return this.request.socket
  }

  get sourcePort(): number {
    return Number(this.request.source_port)
  }

  get answered(): boolean {
    return this.response.finalResponseSent
  }

  answer(status: number, reason: string, options: AnswerOptions = {}, done?: (error?: Error) => void): void {
    this.send(status, reason, options, done)
    if (status >= 200) this.forgetAcknowledgements()
  }

  answerReliably(status: number, reason: string, options: AnswerOptions, acknowledged: () => void): void {
    const once = onlyOnce(acknowledged)
    this.send(
      status,
      reason,
      { ...options, headers: { ...options.headers, Require: '100rel' } },
      (error) => {
        if (error !== undefined) once()
      },
      once,
    )
  }

  onCancel(listener: (cancel: SipMessage) => void): void {
    this.request.on(
      'cancel',
      onlyOnce((cancel: LibraryMessage) => {
        this.forgetAcknowledgements()
        listener(new DrachtioMessage(cancel))
      }),
    )
  }

  private send(
    status: number,
    reason: string,
    options: AnswerOptions,
    done: ((error?: Error) => void) | undefined,
    acknowledged?: () => void,
  ): void {
    // Without anyone to tell, the library need not read what was sent.
    const sent = done === undefined ? undefined : onlyOnce((error: unknown) => done(error ? errorOf(error) : undefined))
    const { headers, more } = splitLines(options.headers ?? {})
    const sendOptions: LibrarySendOptions = { headers }
    if (options.body) sendOptions.body = options.body
    // What is set on the message itself keeps its spelling, and so its line.
    const { headers: own } = this.response.msg
    Object.assign(own, more)
    try {
      if (isListed(status)) this.response.send(status, reason, sendOptions, sent, acknowledged)
      else this.sendUnlisted(status, reason, sendOptions, sent, acknowledged)
    } catch (error) {
      sent?.(errorOf(error))
    } finally {
      for (const name of Object.keys(more)) delete own[name]
    }
  }

  /** The library refuses statuses that are not in its table, e.g. 469 and 607; they are sent past that check. */
  private sendUnlisted(
    status: number,
    reason: string,
    options: LibrarySendOptions,
    sent: ((error: unknown) => void) | undefined,
    acknowledged?: () => void,
  ): void {
    const { response } = this
    if (response.finalResponseSent) return sent?.('already answered')
    response.status = status
    response.msg.status = status
    response.msg.reason = reason
    response.agent.sendResponse(response, options, sent, acknowledged)
    if (status >= 200) response.finished = true
  }

  /** The library keeps what waits for a PRACK until it comes, and for ever when it does not. */
  private forgetAcknowledgements(): void {
    const { stackDialogId, agent } = this.response
    if (stackDialogId && this.socket) agent.mapServer?.get(this.socket)?.pendingAckOrPrack?.delete(stackDialogId)
  }
}

/**
 * Headers apart from those of which there are several lines: given as options, the library would join these by commas, which breaks
 * challenges (RFC 3261 7.3.1).
 */
function splitLines(all: HeaderMap): { headers: HeaderMap; more: HeaderMap } {
  const names = Object.keys(all)
  const count = new Map<string, number>()
  for (const name of names) count.set(name.toLowerCase(), (count.get(name.toLowerCase()) ?? 0) + 1)
  const headers: HeaderMap = {}
  const more: HeaderMap = {}
  for (const [name, value] of Object.entries(all)) (count.get(name.toLowerCase()) === 1 ? headers : more)[name] = value
  return { headers, more }
}

function onlyOnce<Argument extends unknown[]>(call: (...argument: Argument) => void): (...argument: Argument) => void {
  let called = false
  return (...argument) => {
    if (called) return
    called = true
    call(...argument)
  }
}

/** Statuses the library's `send` takes (its table, sip-status 0.1). */
const LISTED = new Set(
  (
    '100 180 181 182 183 199 200 202 204 300 301 302 305 380 400 401 402 403 404 405 406 407 408 409 410 411 412 413 414 415 416 417 ' +
    '420 421 422 423 424 428 429 430 433 436 437 438 439 470 480 481 482 483 484 485 486 487 488 489 491 493 494 500 501 502 503 504 505 513 580 600 603 604 606'
  )
    .split(' ')
    .map(Number),
)

const isListed = (status: number): boolean => LISTED.has(status)
