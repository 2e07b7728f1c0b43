import { Hops, type Ways } from '../dialog/hops.js'
import type { Context } from '../dialog/context.js'
import type { InDialog } from '../dialog/in-dialog.js'
import type { UasRequest } from '../dialog/uas-request.js'
import type { SipRequest, SipResponse } from '../message/message.js'
import { parseNameAddrList } from '../message/name-addr.js'
import type { Binding, Flow } from '../transport/transport.js'
import { BestResponse, isChallenge } from './best-response.js'
import { forwardedRequest, forwardedResponse, recordRoute } from './forwarded.js'
import { type BranchUser, ProxyBranch } from './proxy-branch.js'
import type { ProxyOptions, ProxyReport } from './proxy-options.js'
import { hangUpUnwanted } from './unwanted-call.js'

/** Destinations one request is taken to, those of redirects included. */
const MAX_DESTINATIONS = 30

export interface ProxiedRequestHost {
  readonly context: Context
  readonly inDialog: InDialog
  /** A destination asked the caller for credentials. */
  challenged(challenge: SipResponse, destination: string): void
  /** It is over, but for repeats of a 2xx. */
  over(request: ProxiedRequest): void
}

/** A request that is proxied: the response context of RFC 3261 16.7. */
export class ProxiedRequest implements BranchUser {
  private readonly waiting: string[]
  /** Destinations that were tried or wait, so that redirects do not go in circles. */
  private readonly known: Set<string>
  /** Those of them that a redirect named. */
  private readonly redirected = new Set<string>()
  private readonly open = new Set<ProxyBranch>()
  private readonly best = new BestResponse()
  /** Look-ups under way. */
  private resolving = 0
  private started = false
  private searching = true
  private withdrawn = false
  private settled = false
  /** Who asked hears that by other means. */
  private refused = false

  constructor(
    private readonly host: ProxiedRequestHost,
    private readonly uas: UasRequest,
    private readonly options: ProxyOptions,
    private readonly report: ProxyReport,
  ) {
    this.known = new Set(options.destinations.slice(0, MAX_DESTINATIONS))
    this.waiting = [...this.known]
  }

  /** Begins. False: nothing could be sent to any destination; the caller has been told (500). */
  async start(): Promise<boolean> {
    await this.search()
    // All that was begun may have ended while the name of another destination was looked up.
    if (this.withdrawn || this.started) this.conclude()
    if (this.started || this.settled) return true
    this.refused = true
    this.settle(this.uas.reply(500))
    return false
  }

  /** The caller does not want it any more, or is gone: every destination gets a CANCEL (RFC 3261 16.10). */
  cancel(): void {
    this.withdrawn = true
    this.searching = false
    this.waiting.length = 0
    for (const branch of [...this.open]) branch.cancel()
    this.conclude()
  }

  /** Ends without a word to anyone. */
  stop(): void {
    // Names may be looked up still.
    this.searching = false
    this.waiting.length = 0
    for (const branch of this.open) branch.stop()
    this.open.clear()
  }

  leaving(request: SipRequest, binding: Binding): void {
    if (this.options.recordRoute)
      recordRoute(request, this.uas.tx.flow.binding, binding, this.host.context.settings.routeSeal)
  }

  response(branch: ProxyBranch, response: SipResponse, flow: Flow, sent: SipRequest): void {
    const { status } = response
    if (status < 200) {
      const forwarded = this.settled ? undefined : forwardedResponse(response)
      if (forwarded !== undefined) this.uas.tx.respond(forwarded)
      return
    }
    if (!this.settled) this.report.final(response, flow)
    if (status < 300) {
      // The caller's connection is gone, and the answer has crossed our CANCEL.
      if (!this.settled && this.uas.method === 'INVITE' && this.uas.tx.state === 'terminated')
        hangUpUnwanted(this.host.inDialog, sent, response, flow)
      return this.success(branch, response)
    }
    this.open.delete(branch)
    if (!this.settled) this.failure(branch, response)
  }

  silent(branch: ProxyBranch, unreachable: boolean): void {
    this.open.delete(branch)
    if (unreachable && !this.settled) this.best.add(this.uas.reply(503))
    void this.goOn()
  }

  late(branch: ProxyBranch, response: SipResponse, flow: Flow, sent: SipRequest): void {
    if (this.settled) hangUpUnwanted(this.host.inDialog, sent, response, flow)
    else {
      this.report.final(response, flow)
      this.success(branch, response)
    }
  }

  /** Every 2xx goes to the caller, at once: those of other forks and repeats, too (RFC 3261 16.7 step 5, RFC 6026 7.1). */
  private success(branch: ProxyBranch, response: SipResponse): void {
    this.open.delete(branch)
    const forwarded = forwardedResponse(response)
    if (forwarded === undefined) return
    if (this.settled) {
      this.uas.tx.retransmit2xx(forwarded)
      return
    }
    this.settle(forwarded)
    this.searching = false
    this.waiting.length = 0
    for (const other of [...this.open]) other.cancel()
  }

  private failure(branch: ProxyBranch, response: SipResponse): void {
    const { status } = response
    const redirected = status < 400 && this.options.followRedirects && this.redirect(response)
    if (!redirected) this.best.add(response)
    if (isChallenge(status)) this.host.challenged(response, branch.destination)
    if (isChallenge(status) || status >= 600) {
      this.searching = false
      this.waiting.length = 0
    }
    if (status >= 600) for (const other of [...this.open]) other.cancel()
    void this.goOn()
  }

  /** Takes the Contacts of a 3xx in, best first. False: it names nobody new. */
  private redirect(response: SipResponse): boolean {
    if (!this.searching) return false
    const contacts = response.headers
      .getAll('contact')
      .flatMap((line) => parseNameAddrList(line) ?? [])
      .map(({ uri, params }) => ({ uri, q: qOf(params.get('q')) }))
      .sort((a, b) => b.q - a.q)
    const fresh = new Set(contacts.map(({ uri }) => uri).filter((uri) => !this.known.has(uri)))
    const taken = [...fresh].slice(0, MAX_DESTINATIONS - this.known.size)
    for (const uri of taken) {
      this.known.add(uri)
      this.redirected.add(uri)
    }
    this.waiting.unshift(...taken)
    return taken.length > 0
  }

  private async goOn(): Promise<void> {
    try {
      await this.search()
      this.conclude()
    } catch (error) {
      this.host.context.report(error)
    }
  }

  /** Starts what may be started now: the next destination, or all of them. Settles when it is known of each whether it could be. */
  private async search(): Promise<void> {
    const begun: Promise<void>[] = []
    while (this.waiting.length > 0) {
      if (!this.options.simultaneous && this.open.size + this.resolving > 0) break
      const destination = this.waiting.shift()!
      const found = this.waysTo(destination)
      if (!(found instanceof Promise)) this.begin(destination, found)
      else if (this.options.simultaneous) begun.push(this.beginLater(destination, found))
      else await this.beginLater(destination, found)
    }
    await Promise.all(begun)
  }

  private async beginLater(destination: string, found: Promise<Ways>): Promise<void> {
    this.resolving += 1
    try {
      const ways = await found
      if (this.searching) this.begin(destination, ways)
    } finally {
      this.resolving -= 1
    }
  }

  private waysTo(destination: string): Ways | Promise<Ways> {
    const { hops, transports, settings } = this.host.context
    const uri = Hops.parse(destination)
    if (uri === undefined) return { ok: false, reason: 'no SIP URI' }
    // It would come back to us for ever.
    if (transports.isOwn(uri.host, uri.port)) return { ok: false, reason: 'can not send request to myself' }
    return hops.find(settings.outboundProxy ?? uri)
  }

  private begin(destination: string, ways: Ways): void {
    if (!ways.ok) return
    const { context } = this.host
    const isOwn = (host: string, port: number | undefined): boolean => context.transports.isOwn(host, port)
    const redirected = this.redirected.has(destination)
    const request = forwardedRequest(this.uas.tx.request, destination, this.options.text, isOwn, redirected)
    const branch = new ProxyBranch(context, destination, request, ways, this.options, this)
    if (!branch.start()) return
    this.started = true
    this.open.add(branch)
  }

  /** Gives the caller the best response when nothing more is to come. */
  private conclude(): void {
    if (this.settled || this.open.size > 0 || this.resolving > 0 || this.waiting.length > 0) return
    if (this.withdrawn) return this.settle(this.uas.reply(487))
    const best = this.best.take()
    if (best === undefined) return this.unanswered()
    // A 503 is about the next hop: the caller would leave us alone for it (RFC 3261 16.7 step 6).
    const local = best.status === 503 ? this.uas.reply(500) : undefined
    this.settle(local ?? forwardedResponse(best) ?? this.uas.reply(500))
  }

  /** Nobody answered. A request other than INVITE gets no 408, which could only come too late (RFC 4320 4.2). */
  private unanswered(): void {
    if (this.uas.method === 'INVITE') return this.settle(this.uas.reply(408))
    this.settled = true
    this.uas.tx.abandon()
    this.finished()
  }

  private settle(response: SipResponse): void {
    if (this.settled) return
    this.settled = true
    this.uas.settle(response)
    this.finished()
  }

  private finished(): void {
    this.host.over(this)
    if (!this.refused) this.report.done()
  }
}

/** A preference of 0 to 1; 1 when it is none (RFC 3261 20.10). */
function qOf(text: string | undefined): number {
  const q = text !== undefined && /^[01](?:\.\d{0,3})?$/.test(text) ? Number(text) : 1
  return Math.min(q, 1)
}
