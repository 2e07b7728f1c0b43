import { type SipRequest, SipRequest as Request, type SipResponse } from '../message/message.js'
import { cancelOf } from '../transaction/own-requests.js'
import type { Timer } from '../clock.js'
import type { ClientTransaction, ClientUser } from '../transaction/transactions.js'
import type { Binding, Flow, Target } from '../transport/transport.js'
import type { AppText } from './app-text.js'
import type { Context } from './context.js'
import { addToCancel } from './fill.js'
import type { Waiting } from './flow-watch.js'
import type { Way } from './hops.js'

/** Above this many bytes a request leaves UDP for TCP, if the next hop has it (RFC 3261 18.1.1, unknown MTU). */
const MAX_UDP_REQUEST = 1300
/** Room for the Via that the transaction adds. */
const VIA_BYTES = 110
/** Version and line ends of the request line, the Content-Length line and the empty line. */
const START_AND_LENGTH_BYTES = 36
/** How long TCP is not tried again towards an address that did not take it. */
const WITHOUT_TCP_MS = 600_000
/** Longest that a Retry-After keeps us away from an address. */
const MAX_RETRY_AFTER_S = 3_600

export interface OutgoingUser {
  response(response: SipResponse, flow: Flow, tx: ClientTransaction): void
  /** Nothing came of it at any address: nobody answered (408) or nothing could be sent (503). */
  failed(status: 408 | 503, reason: string): void
  /** A 2xx to an INVITE at an address that was given up for its silence, or a repeat of it: it made a call that nobody wants. */
  late?(response: SipResponse, flow: Flow, tx: ClientTransaction): void
  /** A try is about to leave from this binding: what the request says of where we are may have to be another. */
  leaving?(request: SipRequest, binding: Binding): void
  /** It is over: no more callbacks. */
  ended?(): void
}

export interface Sent {
  readonly request: SipRequest
  readonly flow: Flow
}

/**
 * One request on its way: tries its addresses one after the other, each with a branch of its own, on a timeout, a transport
 * failure or a 503 (RFC 3263 4.3), and moves large requests from UDP to TCP.
 */
export class Outgoing implements ClientUser, Waiting {
  private tx: ClientTransaction | undefined
  private next = 0
  private cancelled = false
  private provisional = false
  private settled = false
  /** Runs while nothing at all has come from the present address. */
  private silence: Timer | undefined
  /** The stream tried first because the request is too large for UDP. */
  private insteadOfUdp: Target | undefined

  /** @param silenceMs how long each address may be wholly silent; undefined: as long as timers B and F allow */
  constructor(
    private readonly context: Context,
    private request: SipRequest,
    private ways: readonly Way[],
    private readonly user: OutgoingUser,
    private readonly silenceMs?: number,
  ) {}

  /** Sends to the first address. The request as sent; undefined when no connection may be opened. */
  start(explicitTransport: boolean): Sent | undefined {
    if (this.ways.length > 1) this.putOverloadedLast()
    if (!explicitTransport) this.preferTcpWhenLarge()
    return this.tryNext()
  }

  /** Sends on a connection that is open. */
  startOn(flow: Flow): Sent {
    this.next = this.ways.length
    return this.open(flow)
  }

  /** Ends without a word to anyone. */
  stop(): void {
    this.heard()
  }

  /** Keeps less of an INVITE that has its 2xx. */
  reduce(request: SipRequest): void {
    this.tx?.reduce(request)
    this.request = request
    this.ways = []
    this.next = 0
  }

  get transaction(): ClientTransaction | undefined {
    return this.tx
  }

  /**
   * Withdraws an INVITE: no further address is tried. False: too late.
   * @param text what else its CANCEL is to say
   */
  cancel(text?: AppText): boolean {
    if (this.settled || this.tx === undefined || this.request.method !== 'INVITE') return false
    this.cancelled = true
    return this.tx.cancel(text && ((cancel) => addToCancel(cancel, text)))
  }

  /**
   * Gives up an INVITE of which nothing was heard: it is not sent again and no further address is tried. Should its peer ring all
   * the same it gets a CANCEL; a 2xx goes to `late`. Without effect once a response has come.
   */
  abandon(): void {
    const { tx } = this
    if (this.settled || tx === undefined) return
    this.settled = true
    this.heard()
    tx.abandon((response, flow) => this.user.late?.(response, flow, tx))
    this.user.ended?.()
  }

  /** The CANCEL of what was sent, as the transaction sends it or will once a 1xx has come. */
  cancelAsSent(text: AppText): Sent | undefined {
    if (this.tx === undefined) return undefined
    const request = cancelOf(this.tx.request)
    addToCancel(request, text)
    return { request, flow: this.tx.flow }
  }

  response(response: SipResponse, flow: Flow, tx: ClientTransaction): void {
    if (tx !== this.tx) return
    this.heard()
    if (response.status > 100 && response.status < 200) this.provisional = true
    if (response.status === 503) {
      this.noteOverload(response, tx.flow)
      if (this.mayTryNext() && this.tryNext() !== undefined) return
    }
    if (response.status >= 200) this.settled = true
    this.user.response(response, flow, tx)
  }

  timedOut(tx: ClientTransaction): void {
    if (tx !== this.tx) return
    this.heard()
    this.noteWithoutTcp()
    tx.flow.requestTimedOut?.()
    this.fail(408, 'Request Timeout')
  }

  transportFailed(error: Error, tx: ClientTransaction): void {
    if (tx !== this.tx) return
    this.heard()
    this.noteWithoutTcp()
    this.fail(503, error.message)
  }

  ended(tx: ClientTransaction): void {
    if (tx !== this.tx) return
    this.heard()
    this.user.ended?.()
  }

  /** Nothing was heard on the stream, and hardly will be. */
  connectionClosed(flow: Flow): void {
    if (this.tx?.flow === flow) this.giveUp(this.tx, 503, 'the connection was closed without a response')
  }

  /** Nobody waits for this address any more. Should the peer ring all the same it gets a CANCEL. */
  private giveUp(tx: ClientTransaction, status: 408 | 503, reason: string): void {
    this.heard()
    tx.abandon((response, flow) => this.user.late?.(response, flow, tx))
    this.noteWithoutTcp()
    if (status === 408) tx.flow.requestTimedOut?.()
    this.fail(status, reason)
    if (this.tx === tx) this.user.ended?.()
  }

  private fail(status: 408 | 503, reason: string): void {
    if (this.settled) return
    if (this.mayTryNext() && this.tryNext() !== undefined) return
    this.settled = true
    this.user.failed(status, reason)
  }

  private mayTryNext(): boolean {
    return !this.cancelled && !this.provisional && this.next < this.ways.length
  }

  private tryNext(): Sent | undefined {
    while (this.next < this.ways.length) {
      const { target, binding, peer } = this.ways[this.next++]!
      const flow = this.context.transports.flowTo(target, binding, peer)
      if (flow !== undefined) return this.open(flow)
    }
    return undefined
  }

  private open(flow: Flow): Sent {
    this.heard()
    const request = this.copyForTry()
    this.user.leaving?.(request, flow.binding)
    const tx = this.context.transactions.open(request, flow, this)
    this.tx = tx
    this.context.flowWatch.watch(flow, this)
    if (this.silenceMs !== undefined)
      this.silence = this.context.clock.after(this.silenceMs, () => this.giveUp(tx, 408, 'Request Timeout'))
    return { request: tx.request, flow }
  }

  /** The present address is not waited for any more: it has answered, or is given up. */
  private heard(): void {
    this.silence?.cancel()
    this.silence = undefined
    if (this.tx !== undefined) this.context.flowWatch.unwatch(this.tx.flow, this)
  }

  /** The transaction takes its request over and adds a Via, so every try but the last gets a copy. */
  private copyForTry(): SipRequest {
    if (this.next >= this.ways.length) return this.request
    const { method, uri, headers, body } = this.request
    return new Request(method, uri, headers.clone(), body)
  }

  private noteWithoutTcp(): void {
    if (this.insteadOfUdp !== undefined && this.next === 1 && !this.provisional)
      this.context.withoutTcp.add(this.insteadOfUdp, WITHOUT_TCP_MS)
  }

  private noteOverload(response: SipResponse, flow: Flow): void {
    const seconds = Number.parseInt(response.headers.get('retry-after') ?? '', 10)
    if (!(seconds > 0)) return
    const { protocol, remoteAddress: address, remotePort: port } = flow
    this.context.overloaded.add({ protocol, address, port }, Math.min(seconds, MAX_RETRY_AFTER_S) * 1000)
  }

  private putOverloadedLast(): void {
    const { overloaded } = this.context
    const busy = this.ways.filter(({ target }) => overloaded.has(target))
    if (busy.length > 0) this.ways = [...this.ways.filter((way) => !busy.includes(way)), ...busy]
  }

  private preferTcpWhenLarge(): void {
    const [first] = this.ways
    if (first === undefined || first.target.protocol !== 'udp') return
    if (bytesOf(this.request) + VIA_BYTES <= MAX_UDP_REQUEST) return
    const target = { ...first.target, protocol: 'tcp' } as const
    if (this.context.withoutTcp.has(target)) return
    const binding = this.context.transports.bindingFor(target)
    if (binding === undefined) return
    this.insteadOfUdp = target
    this.ways = [{ target, binding, peer: first.peer }, ...this.ways]
  }
}

/** Size on the wire, give or take a few bytes, without writing it out. */
function bytesOf({ method, uri, headers, body }: SipRequest): number {
  let bytes = method.length + uri.length + body.length + START_AND_LENGTH_BYTES
  headers.forEach((_name, value, spelling) => (bytes += spelling.length + value.length + 4))
  return bytes
}
