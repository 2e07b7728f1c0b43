import { ownContact } from '../dialog/fill.js'
import type { Headers } from '../message/headers.js'
import { splitList } from '../message/list.js'
import type { SipRequest } from '../message/message.js'
import { parseNameAddr } from '../message/name-addr.js'
import { parseUri, type SipUri } from '../message/uri.js'
import type { Binding } from '../transport/transport.js'

/** Says whether host and port of a URI are ours. */
export type IsOwn = (host: string, port: number | undefined) => boolean

/** URI of the first Route; undefined when there is none, or it is no SIP URI. */
export function topRoute(headers: Headers): SipUri | undefined {
  const line = headers.get('route')
  if (line === undefined) return undefined
  const [first] = splitList(line)
  return first === undefined ? undefined : routeUriOf(first)
}

/** Removes the first Route; the others, on the same line too, stay. */
export function removeTopRoute(headers: Headers): void {
  const rest = splitList(headers.get('route') ?? '').slice(1)
  if (rest.length === 0) headers.removeFirst('route')
  else headers.replaceFirst('route', rest.join(', '))
}

/** Removes the Routes at the head that name this server (RFC 3261 16.4): one, or two where we switch transports (RFC 5658). */
export function removeOwnRoutes(headers: Headers, isOwn: IsOwn): void {
  for (let line = headers.get('route'); line !== undefined; line = headers.get('route')) {
    // A line is parted once, however many there are on it.
    const values = splitList(line)
    const others = values.findIndex((value) => !isOwnRoute(value, isOwn))
    if (others === 0) return
    if (others > 0) return headers.replaceFirst('route', values.slice(others).join(', '))
    headers.removeFirst('route')
  }
}

function isOwnRoute(value: string, isOwn: IsOwn): boolean {
  const uri = routeUriOf(value)
  return uri !== undefined && isOwn(uri.host, uri.port)
}

function routeUriOf(value: string): SipUri | undefined {
  const uri = parseUri(parseNameAddr(value)?.uri ?? '')
  return uri === undefined || uri.scheme === 'tel' ? undefined : uri
}

/** The first Route is a loose one of ours. */
export function isRoutedHere(headers: Headers, isOwn: IsOwn): boolean {
  const route = topRoute(headers)
  return route !== undefined && route.params.has('lr') && isOwn(route.host, route.port)
}

/**
 * Undoes what a strict router before us has done: it put our Record-Route into the Request-URI, and what stood there behind the Routes
 * (RFC 3261 16.4). False: it has not.
 */
export function undoStrictRouting(request: SipRequest, isOwn: IsOwn): boolean {
  const uri = parseUri(request.uri)
  if (uri === undefined || uri.scheme === 'tel' || !uri.params.has('lr') || !isOwn(uri.host, uri.port)) return false
  const routes = request.headers.getAll('route').flatMap(splitList)
  const target = parseNameAddr(routes.pop() ?? '')?.uri
  if (target === undefined) return false
  request.uri = target
  request.headers.remove('route')
  for (const route of routes) request.headers.append('route', route)
  return true
}

/**
 * Our Record-Route or Path at a binding, as a header value.
 * @param proof parameters that prove it ours
 * @param sips what goes over TLS has to be a `sips:` URI, as the Request-URI is (RFC 3261 16.6 step 4)
 */
export function ownRoute(binding: Binding, sips: boolean, proof = ''): string {
  const contact = sips && binding.secure ? ownContact(binding, 'sips') : `<${binding.contactUri}>`
  return `${contact.slice(0, -1)};lr${proof}>`
}
