import { isRequestUri, parseUri, type SipUri } from '../message/uri.js'
import type { SipResponse } from '../message/message.js'
import { type App, type Outcome, refused } from './app.js'
import type { AppText } from './app-text.js'
import { type Context, fromBinding } from './context.js'
import { firstRouteOf, lacksContentType, unfitHeader } from './fill.js'
import { Hops, type Ways } from './hops.js'
import type { InDialog } from './in-dialog.js'
import type { Flow } from '../transport/transport.js'
import { type Draft, UacRequest } from './uac-request.js'

/** Requests that applications send outside dialogs (UAC core). */
export class ClientSide {
  /** By the transaction id applications use. */
  private readonly requests = new Map<string, UacRequest>()

  constructor(
    private readonly context: Context,
    private readonly inDialog: InDialog,
  ) {}

  /**
   * Sends an application's request.
   * @param proxy next hop in place of the Request-URI: a SIP URI, or `host[:port]`. Its parameter `x-signalbox-silence`, 100 to
   * 32000, is for how many milliseconds each of its addresses may be wholly silent before it counts as timed out; with an IP literal
   * `x-signalbox-tls-name` is the host name that its certificate has to speak for, and `x-signalbox-tls` the id of the TLS profile
   * it is dialled under; `x-signalbox-connected` is for who holds an open connection from there, whatever its certificate says.
   */
  request(app: App, method: string, uri: string, text: AppText, proxy: string): Outcome | Promise<Outcome> {
    const target = parseUri(uri)
    const routes = this.context.settings.appRoutes ? (text.routes ?? []) : []
    const { outboundProxy } = this.context.settings
    const nowhere = target?.scheme === 'tel' && proxy === '' && routes.length === 0 && outboundProxy === undefined
    if (target === undefined || !isRequestUri(uri) || nowhere)
      return refused(`invalid request-uri: ${uri.slice(0, 200)}`)
    const unfit = unfitHeader(text)
    if (unfit !== undefined) return refused(`invalid ${unfit} header`)
    if (lacksContentType(text)) return refused('missing content-type')
    const route = firstRouteOf(routes)
    if (routes.length > 0 && route === undefined) return refused('invalid Route header')
    if (this.context.registered.size > 0 && proxy === '' && route === undefined && target.scheme !== 'tel') {
      const flow = this.context.registered.find(method, target)
      if (flow !== undefined) return this.send(app, { method, uri, text, routes, silenceMs: undefined }, waysOn(flow))
    }
    const hop = proxy === '' ? (route ?? outboundProxy ?? target) : Hops.parse(proxy)
    if (hop === undefined || hop.scheme === 'tel') return refused(`invalid proxy: ${proxy.slice(0, 200)}`)
    if (this.context.transports.isOwn(hop.host, hop.port) || this.isLocalDomain(hop.host))
      return refused('can not send request to myself')
    const silenceMs = proxy === '' ? undefined : silenceMsOf(hop)
    const draft: Draft = { method, uri, text, routes, silenceMs }
    const ways = this.context.hops.find(hop, undefined, proxy === '' ? 'target' : 'application')
    if (!(ways instanceof Promise)) return this.send(app, draft, ways)
    return ways.then((found) => {
      // Nobody would be there for the answers any more.
      if (!app.open) return refused('the application is gone')
      return this.send(app, draft, this.withoutOwn(found))
    })
  }

  /** Withdraws the INVITE of that id on behalf of its application. */
  cancel(txnId: string, text: AppText): Outcome {
    const outcome = this.requests.get(txnId)?.cancel(text) ?? this.inDialog.cancel(txnId, text)
    return outcome ?? refused(`unable to cancel unknown transaction id: ${txnId.slice(0, 64)}`)
  }

  /** A response no transaction claims: a late repeat of a 2xx gets its ACK again. */
  stray(response: SipResponse): void {
    if (response.cseq.method !== 'INVITE' || response.status < 200 || response.status >= 300) return
    const dialog = this.context.dialogs.ofResponse(response)
    if (dialog !== undefined) this.inDialog.repeatAck(dialog, response)
  }

  /** An application's connection is gone: what it has under way is withdrawn. */
  appGone(app: App): void {
    for (const known of [...this.requests.values()]) if (known.app === app) known.abandon()
  }

  stop(): void {
    for (const known of this.requests.values()) known.stop()
    this.requests.clear()
  }

  private send(app: App, draft: Draft, found: Ways): Outcome {
    if (!found.ok && found.refused !== true && !found.reason.startsWith('DNS')) return refused(found.reason)
    const ways = found.ok ? found.ways : []
    const binding = ways[0]?.binding ?? this.context.transports.bindings[0]
    if (binding === undefined) return refused('requested protocol/transport not available')
    const known = new UacRequest(this.context, this.inDialog, app, draft, ways, binding, this.forget)
    this.requests.set(known.id, known)
    return known.start(found.ok && found.explicit, fromBinding(binding), found.ok ? undefined : found.reason)
  }

  private readonly forget = (ended: UacRequest): void => void this.requests.delete(ended.id)

  private isLocalDomain(host: string): boolean {
    const { localDomain } = this.context.settings
    if (localDomain === undefined) return false
    const name = host.toLowerCase()
    return name === localDomain || name.endsWith(`.${localDomain}`)
  }

  /** A name may turn out to be ours. */
  private withoutOwn(found: Ways): Ways {
    if (!found.ok) return found
    const ways = found.ways.filter(({ target }) => !this.context.transports.isOwn(target.address, target.port))
    return ways.length > 0 ? { ...found, ways } : { ok: false, reason: 'can not send request to myself' }
  }
}

/** Where an open connection leads: there it is found again. */
function waysOn({ protocol, remoteAddress: address, remotePort: port, binding, serverName, tlsProfile }: Flow): Ways {
  const held = tlsProfile === undefined ? {} : { ...(serverName === undefined ? {} : { serverName }), tlsProfile }
  return { ok: true, explicit: true, ways: [{ target: { protocol, address, port, ...held }, binding }] }
}

/** The silence that a next hop allows; undefined: it says none, or nonsense. */
function silenceMsOf(hop: SipUri): number | undefined {
  const text = hop.params.get('x-signalbox-silence')
  if (text === undefined || !/^\d{3,5}$/.test(text)) return undefined
  const ms = Number(text)
  return ms >= 100 && ms <= 32_000 ? ms : undefined
}
