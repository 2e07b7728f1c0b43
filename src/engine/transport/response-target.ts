import type { Via } from '../message/via.js'
import { familyOf, isPort, unbracketed } from './address.js'
import { defaultPort } from './transport.js'
import type { Target } from './transport.js'

/** Where a request came from, as the socket saw it: what `received` and `rport` of its top Via say. */
export interface Source {
  readonly protocol: Target['protocol']
  readonly remoteAddress: string
  readonly remotePort: number
}

/**
 * Where the response to a request goes (RFC 3261 18.2.2, RFC 3581 section 4).
 *
 * - UDP: back to the source. `rport` counts as asked for always. A `maddr` is passed over: it would have our answers go to whomever a
 *   stranger names, and nobody multicasts requests to us.
 * - A stream whose connection has closed: to a new connection from us to the source address and the sent-by port, over TLS by the
 *   sent-by name.
 */
export function responseTarget(topVia: Via, source: Source): Target {
  const { protocol, remoteAddress, remotePort } = source
  const sentByPort = topVia.port !== undefined && isPort(topVia.port) ? topVia.port : defaultPort(protocol)
  if (protocol === 'tls' && familyOf(unbracketed(topVia.host)) === undefined)
    return { protocol, address: remoteAddress, port: sentByPort, serverName: topVia.host }
  return { protocol, address: remoteAddress, port: protocol === 'udp' ? remotePort : sentByPort }
}
