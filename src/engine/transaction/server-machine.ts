import { serialise, SipRequest, type SipResponse } from '../message/message.js'
import type { Flow } from '../transport/flow.js'
import type { Host } from './host.js'
import { Machine, type Chart } from './machine.js'
import type { ServerState, ServerTransaction, ServerUser } from './server-transaction.js'

/** What came with an event: a response to send, the ACK and its flow, or why nothing could be sent. */
export interface ServerCause {
  readonly response?: SipResponse
  readonly ack?: SipRequest
  readonly flow?: Flow
  readonly error?: Error
}

let made = 0

const released = new SipRequest('', '')

/** What both server transactions are: a request, the last response in bytes, the way back, its place in the index. */
export abstract class ServerMachine<
  State extends ServerState,
  Event extends string,
  Action extends string,
  Timer extends Event,
>
  extends Machine<State, Event | 'transportError', Action, Timer, ServerCause>
  implements ServerTransaction
{
  readonly id = (++made).toString(36)
  user: ServerUser | undefined
  abstract readonly invite: boolean
  /** The last response, for as long as it may have to be sent again. */
  protected text: string | undefined
  /** Over UDP the way back is always the same. */
  private way: Flow | undefined

  protected constructor(
    chart: Chart<State | 'terminated', Event | 'transportError', Action, Timer>,
    start: State,
    protected readonly host: Host,
    /** Where the index has it. */
    readonly key: string,
    public request: SipRequest,
    readonly flow: Flow,
  ) {
    super(chart, host.clock, start)
  }

  get finalSent(): boolean {
    return this.state !== 'trying' && this.state !== 'proceeding'
  }

  abstract respond(response: SipResponse): boolean
  abstract retransmit2xx(response: SipResponse): boolean
  /** The request came once more. */
  abstract repeated(): void

  release(): void {
    // Over a stream the way back has to be found anew.
    if (this.way !== undefined) this.request = released
  }

  abandon(): void {
    if (this.state === 'terminated') return
    this.halt()
    this.host.forgetServer(this.key)
    this.over()
  }

  /** Ends without a word to anyone. */
  stop(): void {
    this.user = undefined
    this.text = undefined
    this.way = undefined
    this.halt()
  }

  protected send(cause: ServerCause | undefined): void {
    if (cause?.response === undefined) return
    this.text = cause.response.text = serialise(cause.response)
    this.sendText()
  }

  protected resend(): void {
    if (this.text === undefined) return
    this.host.counts.repeatedResponses++
    this.sendText()
  }

  private sendText(): void {
    if (this.text === undefined) return
    const way = this.way ?? this.host.responseFlow(this.request.topVia, this.flow)
    if (way === undefined) {
      // As a flow does: who is sending hears of it after it has sent.
      const error = new Error('there is no way back to the sender of the request')
      queueMicrotask(() => this.step('transportError', { error }))
      return
    }
    if (!this.flow.reliable) this.way = way
    // A function for each message, which goes with it: what is left of a transaction for half a minute holds none.
    way.send(this.text, (error) => this.step('transportError', { error }))
  }

  protected tellRepeat(): void {
    try {
      this.user?.retransmission?.()
    } catch (error) {
      this.host.report(error)
    }
  }

  protected timedOut(): void {
    try {
      this.user?.timedOut?.()
    } catch (error) {
      this.host.report(error)
    }
  }

  protected unreachable(cause: ServerCause | undefined): void {
    try {
      this.user?.transportFailed?.(cause?.error ?? new Error('the response could not be sent'))
    } catch (error) {
      this.host.report(error)
    }
  }

  protected override entered(state: State): void {
    if (state === 'terminated') this.host.forgetServer(this.key)
  }

  protected override over(): void {
    const { user } = this
    this.stop()
    try {
      user?.ended?.()
    } catch (error) {
      this.host.report(error)
    }
  }
}
