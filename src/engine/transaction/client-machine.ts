import { serialise, type SipRequest, type SipResponse } from '../message/message.js'
import type { Flow } from '../transport/flow.js'
import { nobody, type ClientState, type ClientTransaction, type ClientUser } from './client-transaction.js'
import type { Host } from './host.js'
import { Machine, type Chart } from './machine.js'
import { clientKey } from './matching.js'

/** What came with an event: a response and its flow, or why nothing could be sent. */
export interface ClientCause {
  readonly response?: SipResponse
  readonly flow?: Flow
  readonly error?: Error
}

/** What both client transactions are: a request in bytes, its user, its place in the index. */
export abstract class ClientMachine<
  State extends ClientState,
  Event extends string,
  Action extends string,
  Timer extends Event,
>
  extends Machine<State, Event | 'transportError', Action, Timer, ClientCause>
  implements ClientTransaction
{
  /** The request as it was sent, for as long as it may have to be sent again. */
  protected text: string | undefined

  protected constructor(
    chart: Chart<State | 'terminated', Event | 'transportError', Action, Timer>,
    start: State,
    protected readonly host: Host,
    public request: SipRequest,
    readonly flow: Flow,
    readonly branch: string,
    protected user: ClientUser,
  ) {
    super(chart, host.clock, start)
  }

  abstract cancel(headers?: (cancel: SipRequest) => void): boolean
  abstract abandon(late: (response: SipResponse, flow: Flow) => void): void

  /** A response that belongs to this transaction. */
  abstract heard(response: SipResponse, flow: Flow): void

  reduce(request: SipRequest): void {
    if (this.state === 'accepted') this.request = request
  }

  /** Sends the request and starts the timers. */
  begin(): void {
    const text = serialise(this.request)
    this.request.text = text
    if (!this.flow.reliable) this.text = text
    this.start()
    this.send(text)
  }

  /** Ends without a word to anyone. */
  stop(): void {
    this.user = nobody
    this.text = undefined
    this.halt()
  }

  /** A function for each message, which goes with it: what is left of a transaction for half a minute holds none. */
  protected send(text: string): void {
    this.flow.send(text, (error) => this.step('transportError', { error }))
  }

  protected resend(): void {
    if (this.text === undefined) return
    this.host.counts.repeatedRequests++
    this.send(this.text)
  }

  protected passUp(cause: ClientCause | undefined): void {
    if (cause?.response === undefined) return
    try {
      this.user.response(cause.response, cause.flow ?? this.flow, this)
    } catch (error) {
      this.host.report(error)
    }
  }

  protected timedOut(): void {
    try {
      this.user.timedOut(this)
    } catch (error) {
      this.host.report(error)
    }
  }

  protected unreachable(cause: ClientCause | undefined): void {
    try {
      this.user.transportFailed(cause?.error ?? new Error('the request could not be sent'), this)
    } catch (error) {
      this.host.report(error)
    }
  }

  protected override entered(state: State): void {
    if (state === 'terminated') this.host.forgetClient(clientKey(this.branch, this.request.method))
  }

  protected override over(): void {
    const { user } = this
    this.stop()
    try {
      user.ended?.(this)
    } catch (error) {
      this.host.report(error)
    }
  }
}
