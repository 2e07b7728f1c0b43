import type {
  AnswerOptions,
  ByeChallenged,
  DialogEvents,
  DialogRequest,
  HeaderMap,
  OutgoingInviteEvents,
  OutgoingInviteOptions,
  PendingOffer,
  RequestFailure,
  RequestOutcome,
  SipDialog,
  SipInvite,
  SipMessage,
  SipRequest,
  SipResponse,
  SipServer,
} from '../../src/edge/sip-server.js'

export const SDP = 'v=0\r\no=a 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n'
export const ANSWER =
  'v=0\r\no=b 7 7 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\n'

export class Message implements SipMessage {
  constructor(
    readonly lines: Readonly<Record<string, string>>,
    readonly body = '',
  ) {}

  header(name: string): string | undefined {
    const found = Object.entries(this.lines).filter(([other]) => other.toLowerCase() === name.toLowerCase())
    return found.length === 0 ? undefined : found.map(([, value]) => value).join(',')
  }

  headers(): Iterable<readonly [string, string]> {
    return Object.entries(this.lines)
  }
}

export class Response extends Message implements SipResponse {
  readonly sourceAddress: string = '127.0.0.1'
  readonly sourcePort = 5090
  readonly protocol = 'udp'

  constructor(
    readonly status: number,
    readonly reason: string,
    lines: Readonly<Record<string, string>> = {},
    body = '',
  ) {
    super(lines, body)
  }
}

export interface Given {
  readonly status: number
  readonly reason: string
  readonly headers: HeaderMap
  readonly body: string
  /** Present when it was sent reliably: its PRACK. */
  readonly prack?: () => void
}

/** A request that came in, and what it was answered. */
export class Incoming extends Message implements SipInvite {
  readonly callId: string
  readonly sourceAddress = '127.0.0.1'
  readonly sourcePort = 5080
  readonly protocol = 'udp'
  readonly given: Given[] = []
  /** What the server says to the next answer. */
  refuseAnswers: Error | undefined
  #onCancel: ((cancel: SipMessage) => void) | undefined

  constructor(
    readonly method: string,
    readonly uri: string,
    lines: Readonly<Record<string, string>> = {},
    body = '',
  ) {
    super(lines, body)
    this.callId = this.header('call-id') ?? 'leg-a'
  }

  get answered(): boolean {
    return this.given.some(({ status }) => status >= 200)
  }

  get final(): Given | undefined {
    return this.given.find(({ status }) => status >= 200)
  }

  get statuses(): number[] {
    return this.given.map(({ status }) => status)
  }

  answer(status: number, reason: string, options: AnswerOptions = {}, done?: (error?: Error) => void): void {
    if (this.answered) throw new Error(`${this.method} is answered ${status} after ${this.final?.status}`)
    if (this.refuseAnswers !== undefined) return done?.(this.refuseAnswers)
    this.given.push({ status, reason, headers: options.headers ?? {}, body: options.body ?? '' })
    done?.()
  }

  answerReliably(status: number, reason: string, options: AnswerOptions, acknowledged: () => void): void {
    if (this.answered) throw new Error(`answered ${status} after ${this.final?.status}`)
    const headers = options.headers ?? {}
    this.given.push({ status, reason, headers, body: options.body ?? '', prack: acknowledged })
  }

  onCancel(listener: (cancel: SipMessage) => void): void {
    this.#onCancel = listener
  }

  /** The caller cancels: the server answers 487 by itself. */
  cancel(lines: Readonly<Record<string, string>> = {}): void {
    this.given.push({ status: 487, reason: 'Request Terminated', headers: {}, body: '' })
    this.#onCancel?.(new Message(lines))
  }
}

export class Dialog implements SipDialog {
  events: DialogEvents | undefined
  readonly sent: { request: DialogRequest; respond: Respond; fail: (failure: RequestFailure) => void; ack?: string }[] =
    []
  /** Headers of each BYE of ours. */
  readonly byes: HeaderMap[] = []
  /** What BYEs of ours are answered, in order; 200 when nothing is left. */
  readonly byeAnswers: SipResponse[] = []
  /** Request-URI of what is sent. */
  remoteTarget = 'sip:far@127.0.0.1:5090'
  ended = false

  constructor(readonly callId: string) {}

  get over(): boolean {
    return this.ended || this.byes.length > 0
  }

  listen(events: DialogEvents): void {
    this.events = events
  }

  request(request: DialogRequest, done: (failure: RequestFailure | undefined, outcome?: RequestOutcome) => void): void {
    const entry: Dialog['sent'][number] = {
      request,
      fail: (failure) => done(failure),
      respond: (status, reason, lines = {}, body = '') => {
        const outcome = { response: new Response(status, reason, lines, body), requestUri: this.remoteTarget }
        if (request.method !== 'INVITE' || status !== 200 || request.body !== '') return done(undefined, outcome)
        done(undefined, {
          ...outcome,
          acknowledge: (answer) => {
            entry.ack = answer
          },
        })
      },
    }
    this.sent.push(entry)
  }

  bye(headers: HeaderMap, done?: (outcome?: RequestOutcome) => void, challenged?: ByeChallenged): void {
    if (this.ended) return done?.()
    this.byes.push(headers)
    const response = this.byeAnswers.shift() ?? new Response(200, 'OK')
    const outcome = { response, requestUri: this.remoteTarget }
    if (challenged === undefined || (response.status !== 401 && response.status !== 407)) return done?.(outcome)
    challenged(outcome, (again) => {
      if (again === undefined) done?.(outcome)
      else this.bye(again, done, challenged)
    })
  }

  /** The far end sends a request. */
  receive(method: string, lines: Readonly<Record<string, string>> = {}, body = ''): Incoming {
    const request = new Incoming(
      method,
      'sip:placeholder',
      { CSeq: `${2 + this.sent.length} ${method}`, ...lines },
      body,
    )
    this.events?.request(request)
    return request
  }

  acknowledge(body = '', lines: Readonly<Record<string, string>> = { CSeq: '1 ACK' }): void {
    this.events?.acknowledged(new Message(lines, body))
  }

  /** The far end sends BYE. */
  hangUp(lines: Readonly<Record<string, string>> = {}): void {
    if (this.ended) throw new Error('hung up twice')
    this.ended = true
    // A dialog that was ended by our BYE tells nobody of the far end's.
    if (this.byes.length === 0) this.events?.ended({ bye: new Message(lines), byServer: false, reason: '' })
  }

  /** The server ends it by itself. */
  endByServer(reason: string): void {
    this.ended = true
    const bye = new Message({ Reason: `SIP ;cause=200 ;text="${reason}"` })
    if (this.byes.length === 0) this.events?.ended({ bye, byServer: true, reason })
  }
}

type Respond = (status: number, reason: string, lines?: Readonly<Record<string, string>>, body?: string) => void

/** One INVITE of the edge to an agent. */
export class Outgoing {
  readonly callId: string
  cancelled: HeaderMap | undefined
  dialog: Dialog | undefined
  /** What a delayed answer brought: the ACK's body, or that it was given up. */
  acked: string | undefined
  abandoned = false
  /** It has answered with an offer, and not hung up since. */
  offers = false
  #over = false
  /** The far end hangs up before its 200 is acknowledged. */
  hangUpEarly: (lines?: Readonly<Record<string, string>>) => void = () => {}

  constructor(
    readonly uri: string,
    readonly options: OutgoingInviteOptions,
    readonly events: OutgoingInviteEvents,
    index: number,
  ) {
    this.callId = `leg-b-${index}`
  }

  header(name: string): string | undefined {
    return new Message(this.options.headers).header(name)
  }

  /** Whether it has had its final response. */
  get over(): boolean {
    return this.#over
  }

  /** The echo: it is on the wire. */
  echo(): this {
    this.events.sent({
      callId: this.callId,
      cancel: (headers) => {
        this.cancelled = headers
      },
    })
    return this
  }

  ring(status = 180, lines: Readonly<Record<string, string>> = {}, body = '', reason = 'Ringing'): void {
    this.events.provisional(new Response(status, reason, lines, body))
  }

  answer(body = ANSWER, lines: Readonly<Record<string, string>> = {}): Dialog {
    this.#over = true
    const dialog = new Dialog(this.callId)
    this.dialog = dialog
    this.events.answered(dialog, new Response(200, 'OK', lines, body))
    return dialog
  }

  /** 200 with an offer, to an INVITE without one. */
  offer(body = ANSWER): void {
    this.#over = true
    const offer: PendingOffer = {
      callId: this.callId,
      onEnd: (listener) => {
        this.hangUpEarly = (lines = {}) => {
          this.offers = false
          listener(new Message(lines))
        }
      },
      acknowledge: (answer, done) => {
        this.acked = answer
        this.dialog = new Dialog(this.callId)
        done(undefined, this.dialog)
      },
      abandon: (done) => {
        this.abandoned = true
        done?.()
      },
    }
    this.offers = true
    this.events.offered(offer, new Response(200, 'OK', {}, body))
  }

  refuse(status: number, reason = 'No', lines: Readonly<Record<string, string>> = {}, body = ''): void {
    this.#over = true
    this.events.failed(`${status} ${reason}`, new Response(status, reason, lines, body))
  }

  fail(why = 'requested protocol/transport not available'): void {
    this.#over = true
    this.events.failed(why, undefined)
  }
}

/** A SIP server that does what the test says. */
export class ScriptedServer implements SipServer {
  readonly out: Outgoing[] = []
  readonly callerDialogs: Dialog[] = []
  /** Whether INVITEs are echoed at once. */
  echoes = true
  /** What the server says to our 200; 'held' answers when `releaseAccept` is called. */
  acceptance: Error | 'sent' | 'held' = 'sent'
  releaseAccept: (() => void) | undefined
  #invite: ((invite: SipInvite) => void) | undefined
  #request: ((request: SipRequest) => void) | undefined
  #lost: (() => void) | undefined

  /** The latest INVITE to an agent. */
  get last(): Outgoing {
    const last = this.out.at(-1)
    if (last === undefined) throw new Error('no INVITE was sent')
    return last
  }

  /** Dialogs that nobody has ended. */
  get openDialogs(): Dialog[] {
    const agents = this.out.flatMap(({ dialog }) => (dialog === undefined ? [] : [dialog]))
    return [...agents, ...this.callerDialogs].filter((dialog) => !dialog.over)
  }

  onInvite(handler: (invite: SipInvite) => void): void {
    this.#invite = handler
  }

  onRequest(handler: (request: SipRequest) => void): void {
    this.#request = handler
  }

  onLost(handler: () => void): void {
    this.#lost = handler
  }

  receive(request: Incoming): void {
    if (request.method === 'INVITE') this.#invite?.(request)
    else this.#request?.(request)
  }

  lose(): void {
    this.#lost?.()
  }

  invite(
    uri: string,
    options: OutgoingInviteOptions,
    _origin: SipInvite | undefined,
    events: OutgoingInviteEvents,
  ): void {
    const outgoing = new Outgoing(uri, options, events, this.out.length + 1)
    this.out.push(outgoing)
    if (this.echoes) outgoing.echo()
  }

  accept(
    invite: SipInvite,
    options: AnswerOptions,
    done: (error: Error | undefined, dialog?: SipDialog) => void,
  ): void {
    if (this.acceptance instanceof Error) return done(this.acceptance)
    const send = (): void => {
      // The CANCEL was here first.
      if (invite.answered) return done(new Error('Response not sent due to unknown transaction'))
      invite.answer(200, 'OK', options)
      const dialog = new Dialog(invite.callId)
      this.callerDialogs.push(dialog)
      done(undefined, dialog)
    }
    if (this.acceptance === 'sent') send()
    else this.releaseAccept = send
  }
}
