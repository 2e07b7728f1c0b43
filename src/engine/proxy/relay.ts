import { createHmac, randomBytes } from 'node:crypto'
import type { Context } from '../dialog/context.js'
import { Hops, type Ways } from '../dialog/hops.js'
import { newTag } from '../dialog/tokens.js'
import { createResponse, serialise, type SipMessage, type SipRequest, type SipResponse } from '../message/message.js'
import { parseUri } from '../message/uri.js'
import { branchOf, magicCookie, receivedOf, rportOf, sentByOf, type Via } from '../message/via.js'
import { viaFor } from '../transaction/transactions.js'
import { type Binding, defaultPort, type Flow, type Protocol, type Target } from '../transport/transport.js'
import { countHop, forwardedResponse, proxyRequires } from './forwarded.js'
import { isRoutedHere, removeOwnRoutes, removeTopRoute, topRoute, undoStrictRouting } from './routes.js'

/** Head of the branches made here. After it: the number of the binding the request came in on, and what proves the branch ours. */
const BRANCH = `${magicCookie}-r`
const PROTOCOLS: Readonly<Record<string, Protocol>> = { UDP: 'udp', TCP: 'tcp', TLS: 'tls' }

/**
 * Passes on the requests of dialogs that were proxied with Record-Route, without keeping anything of them (RFC 3261 16.11): a
 * repeat, the ACK to a refusal and a CANCEL get the branch their INVITE got, and a response finds its way by its Vias.
 */
export class Relay {
  private readonly key = randomBytes(32)

  constructor(private readonly context: Context) {}

  /** Passes a request on that is in a dialog of others and routed over us. False: it is none. */
  request(request: SipRequest, flow: Flow): boolean {
    const { transports, dialogs } = this.context
    if (!request.headers.has('route') || request.toTag === '') return false
    if (dialogs.ofRequest(request) !== undefined) return false
    const copy = request.clone()
    if (!isRoutedHere(request.headers, this.isOwn) && !undoStrictRouting(copy, this.isOwn)) return false
    const sealed = this.isSealed(request)
    removeOwnRoutes(copy.headers, this.isOwn)
    const next = nextUri(copy)
    const hop = next === undefined ? undefined : Hops.parse(next)
    // Without another hop and with us as its target it is ours to answer.
    if (hop !== undefined && transports.isOwn(hop.host, hop.port)) return false
    if (!sealed) this.refuse(request, flow, 403)
    else if (request.maxForwards === 0) this.refuse(request, flow, 483)
    else if (proxyRequires(request) !== undefined && request.method !== 'ACK' && request.method !== 'CANCEL')
      this.refuse(request, flow, 420)
    else if (hop === undefined) this.refuse(request, flow, 400)
    else {
      countHop(copy)
      const found = this.context.hops.find(hop)
      if (found instanceof Promise)
        found.then((ways) => this.send(copy, request, flow, ways)).catch(this.context.report)
      else this.send(copy, request, flow, found)
    }
    return true
  }

  /** The Route that led here, or what a strict router made the Request-URI of it, is our Record-Route of this call. */
  private isSealed(request: SipRequest): boolean {
    const { routeSeal } = this.context.settings
    if (routeSeal === undefined) return true
    const route = isRoutedHere(request.headers, this.isOwn) ? topRoute(request.headers) : parseUri(request.uri)
    return route !== undefined && route.scheme !== 'tel' && routeSeal.fits(route, request.callId)
  }

  /** Passes on a response to such a request. False: it is none. */
  response(response: SipResponse): boolean {
    const branch = branchOf(response.topVia)
    if (!branch.startsWith(BRANCH)) return false
    const forwarded = forwardedResponse(response)
    if (forwarded === undefined) return true
    const { topVia } = forwarded
    const dot = branch.indexOf('.')
    const binding = this.context.transports.bindings[Number(branch.slice(BRANCH.length, dot))]
    if (binding === undefined || branch.slice(dot + 1) !== this.proof(topVia, response)) return true
    const target = targetOf(topVia)
    if (target !== undefined) this.context.transports.flowTo(target, binding, target)?.send(serialise(forwarded))
    return true
  }

  private readonly isOwn = (host: string, port: number | undefined): boolean =>
    this.context.transports.isOwn(host, port)

  private send(copy: SipRequest, request: SipRequest, from: Flow, found: Ways): void {
    const { transports, records } = this.context
    for (const { target, binding } of found.ok ? found.ways : []) {
      const flow = transports.flowTo(target, binding)
      if (flow === undefined) continue
      const side = transports.bindings.findIndex((listening) => isSameSocket(listening, from.binding))
      copy.headers.prepend('via', viaFor(flow, `${BRANCH}${side}.${this.proof(request.topVia, request)}`))
      flow.send(serialise(copy), () => this.refuse(request, from, 503))
      if (records !== undefined && copy.method === 'BYE') {
        records.stop(request, 'network', 'normal-release')
        records.stop(copy, 'application', 'normal-release')
      }
      return
    }
    this.refuse(request, from, 503)
  }

  /**
   * The same for a repeat, the ACK to a refusal and a CANCEL; nobody else can make it. Where responses go is part of it: a peer could
   * have them sent to anybody else.
   */
  private proof(via: Via, message: SipMessage): string {
    const source = [via.protocol, receivedOf(via) ?? '', rportOf(via) ?? '']
    const call = [message.callId, message.fromTag, message.toTag, message.cseq.number]
    const parts = [branchOf(via), sentByOf(via), ...source, ...call]
    return createHmac('sha256', this.key).update(parts.join('\n'), 'latin1').digest('hex').slice(0, 24)
  }

  private refuse(request: SipRequest, flow: Flow, status: number): void {
    if (request.method === 'ACK') return
    const response = createResponse(request, status, undefined, newTag())
    if (status === 420) response.headers.append('unsupported', proxyRequires(request) ?? '')
    this.context.transports.flowForResponse(request.topVia, flow)?.send(serialise(response))
  }
}

/** What peers see of a socket may depend on where they are. */
const isSameSocket = (one: Binding, other: Binding): boolean =>
  one.protocol === other.protocol && one.address === other.address && one.port === other.port

/** Where the request goes next: its first Route, else its Request-URI. A strict router has its way (RFC 3261 16.6 step 6). */
function nextUri(request: SipRequest): string | undefined {
  const { headers } = request
  if (!headers.has('route')) return request.uri
  const route = topRoute(headers)
  if (route === undefined) return undefined
  const text = uriTextOf(headers.get('route') ?? '')
  if (!route.params.has('lr')) {
    removeTopRoute(headers)
    headers.append('route', `<${request.uri}>`)
    request.uri = text
  }
  return text
}

/** The URI in the first name-addr of a line that has been read as one. */
function uriTextOf(line: string): string {
  const bracket = line.indexOf('<')
  const text = bracket < 0 ? line : line.slice(bracket + 1, line.indexOf('>', bracket))
  return parseUri(text) === undefined ? '' : text
}

/** Where a Via wants its responses (RFC 3261 18.2.2, RFC 3581). */
function targetOf(via: Via): Target | undefined {
  const protocol = PROTOCOLS[via.protocol]
  if (protocol === undefined) return undefined
  const host = via.host.startsWith('[') ? via.host.slice(1, -1) : via.host
  const rport = rportOf(via)
  const port = typeof rport === 'number' ? rport : (via.port ?? defaultPort(protocol))
  return { protocol, address: receivedOf(via) ?? host, port }
}
