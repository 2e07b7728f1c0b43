import { CallDurations } from '../counts.js'
import { createResponse, type SipRequest, type SipResponse } from '../message/message.js'
import type { Parsed } from '../message/parse.js'
import { serialise } from '../message/serialise.js'
import { type ServerTransaction, Transactions, type TransactionSink } from '../transaction/transactions.js'
import type { ProxyOptions, ProxyReport } from '../proxy/proxy-options.js'
import { Relay } from '../proxy/relay.js'
import type { TransactionCounts } from '../transaction/host.js'
import type { Flow, TransportSink } from '../transport/transport.js'
import type { App, Outcome } from './app.js'
import type { AppText } from './app-text.js'
import { Avoided } from './avoided.js'
import { ClientSide } from './client-side.js'
import type { Context, CoreCounts, CoreParts } from './context.js'
import { Doorway } from './door.js'
import { FlowWatch } from './flow-watch.js'
import { GuardedClock } from './guarded-clock.js'
import { InDialog } from './in-dialog.js'
import { ServerSide } from './server-side.js'
import { RegisteredFlows } from './registered-flows.js'
import { newTag } from './tokens.js'

/** What has happened since the start, and what is going on. */
export interface CoreStats extends Readonly<CoreCounts>, Readonly<TransactionCounts> {
  /** Answered calls whose caller is a peer, and those that an application placed. A B2BUA has one of each. */
  readonly inboundCalls: number
  readonly outboundCalls: number
  readonly clientTransactions: number
  readonly serverTransactions: number
  /** Requests that are proxied and have no final response yet. */
  readonly proxied: number
  /** Contacts that can be reached on the connection they were registered over. */
  readonly registeredContacts: number
  /** Requests kept from applications for their source, and for what they say. */
  readonly blacklisted: number
  readonly spammers: number
}

/**
 * The core above the transactions (RFC 3261 8, 12, 13): takes what arrives to applications, and what applications command
 * to the network. It is the `TransportSink` and the `TransactionSink` of the engine.
 */
export class Core implements TransportSink, TransactionSink {
  private readonly context: Context
  private readonly server: ServerSide
  private readonly client: ClientSide
  private readonly inDialog: InDialog
  private readonly relay: Relay | undefined
  private readonly doorway: Doorway | undefined

  /** @param report hears of errors in the engine itself; each harms one message at most */
  constructor(parts: CoreParts, report: (error: unknown) => void) {
    const { clock, timers, transports } = parts
    const transactions = new Transactions({
      clock,
      timers,
      responseFlow: (topVia, flow) => transports.flowForResponse(topVia, flow),
      sink: this,
      onError: report,
    })
    this.context = {
      ...parts,
      clock: new GuardedClock(clock, report),
      transactions,
      withoutTcp: new Avoided(clock),
      overloaded: new Avoided(clock),
      flowWatch: new FlowWatch(report),
      counts: { badRequests: 0, inbound: new CallDurations(), outbound: new CallDurations() },
      registered: new RegisteredFlows(clock),
      report,
    }
    this.inDialog = new InDialog(this.context)
    this.server = new ServerSide(this.context, this.inDialog)
    this.client = new ClientSide(this.context, this.inDialog)
    if (this.context.settings.relay !== false) this.relay = new Relay(this.context)
    const { door } = this.context.settings
    if (door !== undefined) this.doorway = new Doorway({ ...this.context, door, now: () => this.context.clock.now() })
  }

  /** Requests that are proxied and have no final response yet. */
  get proxyCount(): number {
    return this.server.proxies.count
  }

  get transactionCount(): number {
    return this.context.transactions.count
  }

  /** What has happened so far, and what is going on. */
  stats(): CoreStats {
    const { counts, dialogs, registered, transactions, settings } = this.context
    let [inboundCalls, outboundCalls] = [0, 0]
    for (const { early, method, parties } of dialogs.all()) {
      if (early || method !== 'INVITE') continue
      if (parties.role === 'uas') inboundCalls++
      else outboundCalls++
    }
    const { blacklisted, spammers } = settings.screening?.counts ?? { blacklisted: 0, spammers: 0 }
    const { clients: clientTransactions, servers: serverTransactions, ...repeats } = transactions.counts
    const proxied = this.proxyCount
    return {
      ...counts,
      ...repeats,
      inboundCalls,
      outboundCalls,
      clientTransactions,
      serverTransactions,
      proxied,
      registeredContacts: registered.size,
      blacklisted,
      spammers,
    }
  }

  /** Ends everything at once, without a word to peers or applications. */
  stop(): void {
    this.context.flowWatch.stop()
    this.context.registered.stop()
    this.context.transactions.stop()
    this.server.stop()
    this.client.stop()
    this.inDialog.stop()
  }

  received(parsed: Parsed, flow: Flow): void {
    try {
      if (this.context.settings.screening?.isBlacklisted(flow.remoteAddress) === true && this.isUninvited(parsed, flow))
        return
      if (parsed.ok) this.context.transactions.receive(parsed.message, flow)
      else if (parsed.request === undefined) {
        if (this.doorway !== undefined) this.noise(flow.remoteAddress)
      } else if (parsed.request.method !== 'ACK' && this.doorway?.mayAnswer(parsed.request, flow) !== false)
        this.answerUnusable(parsed.request, parsed.status, parsed.reason, flow)
    } catch (error) {
      this.context.report(error)
    }
  }

  /** Whether nothing of this source is read. */
  bars(address: string): boolean {
    return this.doorway?.bars(address) === true
  }

  /** What came from there is no SIP message that could be answered. */
  noise(address: string): void {
    this.doorway?.noise(address)
  }

  closed(flow: Flow): void {
    if (this.context.registered.size > 0) this.context.registered.closed(flow)
    this.context.flowWatch.closed(flow)
  }

  request(tx: ServerTransaction): void {
    this.server.request(tx)
  }

  cancel(cancel: ServerTransaction, invite: ServerTransaction | undefined): void {
    this.server.cancel(cancel, invite)
  }

  passOn(request: SipRequest, flow: Flow): boolean {
    return this.relay?.request(request, flow) === true || this.doorway?.holdsUp(request, flow) === true
  }

  ack(request: SipRequest, flow: Flow): void {
    if (this.relay?.request(request, flow) === true || this.doorway?.holdsUp(request, flow) === true) return
    this.server.ack(request, flow)
  }

  response(response: SipResponse): void {
    if (this.relay?.response(response) !== true) this.client.stray(response)
  }

  respond(txnId: string, status: number, reason: string, text: AppText): Outcome | Promise<Outcome> {
    return this.server.respond(txnId, status, reason, this.spelled(text))
  }

  sendRequest(app: App, method: string, uri: string, text: AppText, proxy: string): Outcome | Promise<Outcome> {
    return this.client.request(app, method, uri, this.spelled(text), proxy)
  }

  proxy(txnId: string, options: ProxyOptions, report?: ProxyReport): string | undefined | Promise<string | undefined> {
    return this.server.proxy(txnId, options, report)
  }

  requestInDialog(app: App, dialogId: string, method: string, text: AppText): Outcome | Promise<Outcome> {
    return this.inDialog.request(app, dialogId, method, this.spelled(text))
  }

  cancelRequest(txnId: string, text: AppText): Outcome {
    return this.client.cancel(txnId, this.spelled(text))
  }

  appGone(app: App): void {
    this.server.appGone(app)
    this.client.appGone(app)
    this.inDialog.appGone(app)
  }

  /** A request that belongs to nothing that is going on: a peer may be blacklisted during a call. */
  private isUninvited(parsed: Parsed, flow: Flow): boolean {
    const request = parsed.ok ? parsed.message : parsed.request
    if (request?.kind === 'response') return false
    const { transactions, dialogs, settings } = this.context
    if (request !== undefined && parsed.ok)
      if (transactions.knows(request, flow) || dialogs.ofRequest(request) !== undefined) return false
    if (settings.screening !== undefined) settings.screening.counts.blacklisted++
    return true
  }

  /** The text with those headers marked whose spelling is the application's to choose. */
  private spelled(text: AppText): AppText {
    const { keptSpellings } = this.context.settings
    if (keptSpellings === undefined) return text
    const headers = text.headers.map((header) => (keptSpellings.has(header.name) ? { ...header, kept: true } : header))
    return { ...text, headers }
  }

  /** A request that cannot be used is answered without keeping anything of it. */
  private answerUnusable(request: SipRequest, status: number, reason: string, flow: Flow): void {
    const response = createResponse(request, status, reason, newTag())
    this.context.counts.badRequests++
    this.context.transports.flowForResponse(request.topVia, flow)?.send(serialise(response))
  }
}
