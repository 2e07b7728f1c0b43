import type { Clock } from '../clock.js'
import { createResponse, type SipMessage, type SipRequest, type SipResponse } from '../message/message.js'
import type { Via } from '../message/via.js'
import type { Flow } from '../transport/flow.js'
import { newBranch, randomToken, viaFor } from './branch.js'
import { nobody, type ClientTransaction, type ClientUser } from './client-transaction.js'
import type { Host, TransactionCounts } from './host.js'
import { InviteClient } from './invite-client.js'
import { InviteServer } from './invite-server.js'
import { clientKey, isLegacy, serverKey } from './matching.js'
import { NonInviteClient } from './non-invite-client.js'
import { NonInviteServer } from './non-invite-server.js'
import type { ServerTransaction } from './server-transaction.js'
import type { TimerSettings } from './timers.js'

export { newBranch, randomToken, viaFor } from './branch.js'
export { defaultTimers, type TimerSettings } from './timers.js'
export type { ClientState, ClientTransaction, ClientUser } from './client-transaction.js'
export type { ServerState, ServerTransaction, ServerUser } from './server-transaction.js'

/** The core above the transactions: what belongs to no transaction yet, or to none at all. */
export interface TransactionSink {
  /** A new request, neither ACK nor CANCEL. For INVITE the core sends the 100. */
  request(tx: ServerTransaction): void
  /** Asked of a request that no transaction knows, CANCEL included. True: it was passed on to others without one. */
  passOn?(request: SipRequest, flow: Flow): boolean
  /** A CANCEL and the INVITE it means, if that is still known (RFC 3261 9.2). The core answers both: 200 or 481, and 487. */
  cancel(cancel: ServerTransaction, invite: ServerTransaction | undefined): void
  /** An ACK that belongs to no INVITE answered with 3xx-6xx: the ACK to a 2xx, or a stray one. */
  ack(request: SipRequest, flow: Flow): void
  /** A response that belongs to no client transaction. */
  response(response: SipResponse, flow: Flow): void
}

export interface TransactionsOptions {
  readonly clock: Clock
  readonly timers: TimerSettings
  /** The way a response takes, from the request's top Via and the flow it came on: `Transports.flowForResponse`. */
  readonly responseFlow: (topVia: Via, flow: Flow) => Flow | undefined
  readonly sink: TransactionSink
  /** Hears of errors thrown by the sink and by users: theirs to mend, the transaction goes on. */
  readonly onError?: (error: unknown) => void
}

/** All transactions: finds the one a message belongs to, makes those that are missing (RFC 3261 17). */
export class Transactions {
  private readonly clients = new Map<string, InviteClient | NonInviteClient>()
  private readonly servers = new Map<string, InviteServer | NonInviteServer>()
  /** INVITEs by a second key, that of the ACK they wait for; RFC 2543 elements only. */
  private readonly acks = new Map<string, InviteServer>()
  private readonly host: Host
  private readonly sink: TransactionSink
  private stopped = false

  /** @throws {RangeError} when a timer has no length: repeats would have no end. */
  constructor(private readonly options: TransactionsOptions) {
    for (const [name, lengthMs] of Object.entries(options.timers))
      if (!(lengthMs > 0 && lengthMs < Infinity)) throw new RangeError(`${name} is ${lengthMs}; it must be above 0`)
    this.sink = options.sink
    this.host = this.createHost()
  }

  /** Requests of ours and of peers whose transactions have not ended. */
  get counts(): { readonly clients: number; readonly servers: number } & Readonly<TransactionCounts> {
    return { clients: this.clients.size, servers: this.servers.size, ...this.host.counts }
  }

  /** Transactions that have not ended. */
  get count(): number {
    return this.clients.size + this.servers.size
  }

  /** Takes a message that has been parsed. Never throws. */
  receive(message: SipMessage, flow: Flow): void {
    if (this.stopped) return
    if (message.kind === 'response') this.receiveResponse(message, flow)
    else if (message.method === 'ACK') this.receiveAck(message, flow)
    else this.receiveRequest(message, flow)
  }

  /** The request repeats one that is not over yet, or is the ACK or CANCEL of one. */
  knows(request: SipRequest, flow: Flow): boolean {
    const method = request.method === 'ACK' || request.method === 'CANCEL' ? 'INVITE' : request.method
    const key = serverKey(request, method, flow.protocol)
    return this.servers.has(key) || this.acks.has(key)
  }

  /** The addresses that requests of ours wait at for answers. */
  peers(): Set<string> {
    const peers = new Set<string>()
    for (const { flow } of this.clients.values()) peers.add(flow.remoteAddress)
    return peers
  }

  /** Sends a request other than ACK. The request is taken over: a Via with a fresh branch is put on top. */
  open(request: SipRequest, flow: Flow, user: ClientUser): ClientTransaction {
    const branch = newBranch()
    request.headers.prepend('via', viaFor(flow, branch))
    return this.begin(request, flow, branch, user)
  }

  /** Ends all of them without a word to anyone; nothing is sent or heard afterwards. */
  stop(): void {
    this.stopped = true
    for (const client of this.clients.values()) client.stop()
    for (const server of this.servers.values()) server.stop()
    this.clients.clear()
    this.servers.clear()
  }

  private receiveResponse(response: SipResponse, flow: Flow): void {
    const branch = response.topVia.params.get('branch') ?? ''
    const client = this.clients.get(clientKey(branch, response.cseq.method))
    if (client !== undefined) client.heard(response, flow)
    else this.guard(() => this.sink.response(response, flow))
  }

  private receiveAck(ack: SipRequest, flow: Flow): void {
    const key = serverKey(ack, 'INVITE', flow.protocol)
    const invite = this.servers.get(key) ?? this.acks.get(key)
    if (invite instanceof InviteServer) invite.acknowledged(ack, flow)
    else this.guard(() => this.sink.ack(ack, flow))
  }

  private receiveRequest(request: SipRequest, flow: Flow): void {
    const key = serverKey(request, request.method, flow.protocol)
    const known = this.servers.get(key)
    if (known !== undefined) return known.repeated()
    if (this.passedOn(request, flow)) return
    const server =
      request.method === 'INVITE'
        ? new InviteServer(this.host, key, request, flow, isLegacy(request))
        : new NonInviteServer(this.host, key, request, flow)
    this.servers.set(key, server)
    const given = this.guard(() => {
      if (request.method === 'CANCEL') this.sink.cancel(server, this.inviteOf(request, flow))
      else this.sink.request(server)
    })
    // Nobody may be left to answer it; if it was answered this is refused.
    if (!given) server.respond(createResponse(request, 500, undefined, randomToken()))
  }

  private passedOn(request: SipRequest, flow: Flow): boolean {
    try {
      return this.sink.passOn?.(request, flow) === true
    } catch (error) {
      this.host.report(error)
      return false
    }
  }

  private inviteOf(cancel: SipRequest, flow: Flow): InviteServer | undefined {
    const invite = this.servers.get(serverKey(cancel, 'INVITE', flow.protocol))
    return invite instanceof InviteServer ? invite : undefined
  }

  private begin(request: SipRequest, flow: Flow, branch: string, user: ClientUser): ClientTransaction {
    const client =
      request.method === 'INVITE'
        ? new InviteClient(this.host, request, flow, branch, user)
        : new NonInviteClient(this.host, request, flow, branch, user)
    if (this.stopped) {
      client.stop()
      return client
    }
    this.clients.set(clientKey(branch, request.method), client)
    client.begin()
    return client
  }

  private createHost(): Host {
    const { clock, timers, responseFlow } = this.options
    return {
      clock,
      timers,
      counts: { repeatedRequests: 0, repeatedResponses: 0 },
      responseFlow,
      openCancel: (cancel, flow, branch) => void this.begin(cancel, flow, branch, nobody),
      ackUp: (ack, flow) => void this.guard(() => this.sink.ack(ack, flow)),
      expectAck: (key, invite) => void this.acks.set(key, invite),
      forgetAck: (key) => void this.acks.delete(key),
      forgetClient: (key) => void this.clients.delete(key),
      forgetServer: (key) => void this.servers.delete(key),
      report: (error) => this.options.onError?.(error),
    }
  }

  /** False: it threw. */
  private guard(call: () => void): boolean {
    try {
      call()
      return true
    } catch (error) {
      this.host.report(error)
      return false
    }
  }
}
