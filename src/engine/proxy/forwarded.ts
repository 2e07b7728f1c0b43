import type { AppText } from '../dialog/app-text.js'
import { asRequestUri } from '../dialog/dialog.js'
import { type SipRequest, type SipResponse } from '../message/message.js'
import { parseUri, uriScheme } from '../message/uri.js'
import { removeTopVia } from '../message/via.js'
import type { Binding } from '../transport/transport.js'
import type { RouteSeal } from './route-seal.js'
import { type IsOwn, ownRoute, removeOwnRoutes } from './routes.js'

/** What a forwarded request has of its own: an application cannot set it. */
const KEPT = new Set(['from', 'to', 'call-id', 'cseq', 'max-forwards', 'contact', 'content-type'])

/** Whether the caller named us: who that means is the application's to say. */
function namesUs(uri: string, isOwn: IsOwn): boolean {
  const parsed = parseUri(uri)
  return parsed !== undefined && parsed.scheme !== 'tel' && isOwn(parsed.host, parsed.port)
}

/**
 * A request as it is forwarded, but for our Via and Record-Route (RFC 3261 16.6). Its Request-URI is the destination where the caller
 * named us, else what the caller wrote.
 * @param redirected the destination is the Contact of a redirect: that is who is asked for now (RFC 3261 16.6 step 2)
 */
export function forwardedRequest(
  request: SipRequest,
  destination: string,
  text: AppText,
  isOwn: IsOwn,
  redirected = false,
): SipRequest {
  const copy = request.clone()
  if (redirected || namesUs(request.uri, isOwn)) copy.uri = asRequestUri(destination) ?? `sip:${destination}`
  removeOwnRoutes(copy.headers, isOwn)
  countHop(copy)
  for (const { name, value, spelling } of text.headers) if (!KEPT.has(name)) copy.headers.append(name, value, spelling)
  return copy
}

/** Takes one from Max-Forwards, or sets it (RFC 3261 16.6 step 3). */
export function countHop(request: SipRequest): void {
  const hops = request.maxForwards
  request.headers.set('max-forwards', hops === undefined ? '70' : String(Math.max(0, hops - 1)))
}

/**
 * Puts us into the path of later requests; for REGISTER, of requests to the binding (RFC 3327).
 * Where the two sides differ both get their own (RFC 5658).
 */
export function recordRoute(request: SipRequest, from: Binding, to: Binding, seal?: RouteSeal): void {
  const name = request.method === 'REGISTER' ? 'path' : 'record-route'
  const sips = uriScheme(request.uri) === 'sips'
  // Requests to a binding are no relay's: they begin dialogs.
  const proof = name === 'path' ? undefined : seal?.paramFor(request.callId)
  if (from.contactUri !== to.contactUri) request.headers.prepend(name, ownRoute(from, sips, proof))
  request.headers.prepend(name, ownRoute(to, sips, proof))
  if (name === 'path') {
    const required = request.headers.getList('require').some((tag) => tag.toLowerCase() === 'path')
    if (!required) request.headers.append('require', 'path')
  }
}

/** The extensions that a request wants of every proxy; none is known here (RFC 3261 16.3 step 5). Undefined: it wants none. */
export function proxyRequires(request: SipRequest): string | undefined {
  const lines = request.headers.getAll('proxy-require')
  return lines.length === 0 ? undefined : lines.join(', ')
}

/** A response as it goes to the caller: without our Via. Undefined when no other is left: it was for us. */
export function forwardedResponse(response: SipResponse): SipResponse | undefined {
  const copy = response.clone()
  removeTopVia(copy.headers)
  return copy.findTopVia() === undefined ? undefined : copy
}
