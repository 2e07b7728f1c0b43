import type { AppText } from '../dialog/app-text.js'
import { type SipRequest, type SipResponse } from '../message/message.js'
import { parseUri } from '../message/uri.js'
import { removeTopVia } from '../message/via.js'
import type { Binding } from '../transport/transport.js'
import { type IsOwn, ownRoute, removeOwnRoutes } from './routes.js'

/** What a forwarded request has of its own: an application cannot set it. */
const KEPT = new Set(['from', 'to', 'call-id', 'cseq', 'max-forwards', 'contact', 'content-type'])

/** Request-URI of what goes to a destination: the destination where the caller named us, else what the caller wrote. */
function requestUriFor(uri: string, destination: string, isOwn: IsOwn): string {
  const parsed = parseUri(uri)
  if (parsed === undefined || parsed.scheme === 'tel' || !isOwn(parsed.host, parsed.port)) return uri
  return destination
}

/** A request as it is forwarded, but for our Via and Record-Route (RFC 3261 16.6). */
export function forwardedRequest(request: SipRequest, destination: string, text: AppText, isOwn: IsOwn): SipRequest {
  const copy = request.clone()
  copy.uri = requestUriFor(request.uri, destination, isOwn)
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
export function recordRoute(request: SipRequest, from: Binding, to: Binding): void {
  const name = request.method === 'REGISTER' ? 'path' : 'record-route'
  if (from.contactUri !== to.contactUri) request.headers.prepend(name, ownRoute(from))
  request.headers.prepend(name, ownRoute(to))
  if (name === 'path') {
    const required = request.headers.getList('require').some((tag) => tag.toLowerCase() === 'path')
    if (!required) request.headers.append('require', 'path')
  }
}

/** A response as it goes to the caller: without our Via. Undefined when no other is left: it was for us. */
export function forwardedResponse(response: SipResponse): SipResponse | undefined {
  const copy = response.clone()
  removeTopVia(copy.headers)
  return copy.findTopVia() === undefined ? undefined : copy
}
