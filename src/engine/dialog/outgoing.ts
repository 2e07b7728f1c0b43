import { type SipRequest, SipRequest as Request, type SipResponse, serialise } from '../message/message.js'
import type { ClientTransaction, ClientUser } from '../transaction/transactions.js'
import type { Flow } from '../transport/transport.js'
import type { Context } from './context.js'
import type { Way } from './hops.js'

/** Above this many bytes a request leaves UDP for TCP, if the next hop has it (RFC 3261 18.1.1, unknown MTU). */
const MAX_UDP_REQUEST = 1300
/** Room for the Via that the transaction adds. */
const VIA_BYTES = 110

export interface OutgoingUser {
  response(response: SipResponse, flow: Flow, tx: ClientTransaction): void
  /** Nothing came of it at any address: nobody answered (408) or nothing could be sent (503). */
  failed(status: 408 | 503, reason: string): void
  /** It is over: no more callbacks. */
  ended?(): void
}

/**
 * One request on its way: tries its addresses one after the other, each with a branch of its own, on a timeout, a transport
 * failure or a 503 (RFC 3263 4.3), and moves large requests from UDP to TCP.
 */
export class Outgoing implements ClientUser {
  private tx: ClientTransaction | undefined
  private next = 0
  private cancelled: ((cancel: SipRequest) => void) | true | undefined
  private provisional = false
  private settled = false

  constructor(
    private readonly context: Context,
    private readonly request: SipRequest,
    private ways: readonly Way[],
    private readonly user: OutgoingUser,
  ) {}

  /** Sends to the first address. The request as sent; undefined when no connection may be opened. */
  start(explicitTransport: boolean): { request: SipRequest; flow: Flow } | undefined {
    if (!explicitTransport) this.preferTcpWhenLarge()
    return this.tryNext()
  }

  /** Sends on a connection that is open. */
  startOn(flow: Flow): { request: SipRequest; flow: Flow } {
    this.next = this.ways.length
    this.tx = this.context.transactions.open(this.copyForTry(), flow, this)
    return { request: this.tx.request, flow }
  }

  get transaction(): ClientTransaction | undefined {
    return this.tx
  }

  /** Withdraws an INVITE: no further address is tried. False: too late. */
  cancel(headers?: (cancel: SipRequest) => void): boolean {
    if (this.settled || this.tx === undefined) return false
    this.cancelled = headers ?? true
    return this.tx.cancel(headers)
  }

  detach(): void {
    this.settled = true
    this.tx?.detach()
  }

  response(response: SipResponse, flow: Flow, tx: ClientTransaction): void {
    if (tx !== this.tx) return
    if (response.status > 100 && response.status < 200) this.provisional = true
    if (response.status === 503 && this.mayTryNext() && this.tryNext() !== undefined) return
    if (response.status >= 200) this.settled = true
    this.user.response(response, flow, tx)
  }

  timedOut(tx: ClientTransaction): void {
    if (tx !== this.tx) return
    this.fail(408, 'Request Timeout')
  }

  transportFailed(error: Error, tx: ClientTransaction): void {
    if (tx !== this.tx) return
    this.fail(503, error.message)
  }

  ended(tx: ClientTransaction): void {
    if (tx === this.tx) this.user.ended?.()
  }

  private fail(status: 408 | 503, reason: string): void {
    if (this.settled) return
    if (this.mayTryNext() && this.tryNext() !== undefined) return
    this.settled = true
    this.user.failed(status, reason)
  }

  private mayTryNext(): boolean {
    return this.cancelled === undefined && !this.provisional && this.next < this.ways.length
  }

  private tryNext(): { request: SipRequest; flow: Flow } | undefined {
    while (this.next < this.ways.length) {
      const { target, binding } = this.ways[this.next++]!
      const flow = this.context.transports.flowTo(target, binding)
      if (flow === undefined) continue
      this.tx = this.context.transactions.open(this.copyForTry(), flow, this)
      return { request: this.tx.request, flow }
    }
    return undefined
  }

  /** The transaction takes its request over and adds a Via, so every try but the last gets a copy. */
  private copyForTry(): SipRequest {
    if (this.next >= this.ways.length) return this.request
    const { method, uri, headers, body } = this.request
    return new Request(method, uri, headers.clone(), body)
  }

  private preferTcpWhenLarge(): void {
    const [first] = this.ways
    if (first === undefined || first.target.protocol !== 'udp') return
    if (this.request.body.length < 500 && this.request.headers.count < 20) return
    if (serialise(this.request).length + VIA_BYTES <= MAX_UDP_REQUEST) return
    const target = { ...first.target, protocol: 'tcp' } as const
    const binding = this.context.transports.bindingFor(target)
    if (binding !== undefined) this.ways = [{ target, binding }, ...this.ways]
  }
}
