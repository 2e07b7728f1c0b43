import type { Via } from '../message/via.js'
import { familyOf, isPort, isUnicast, unbracketed } from './address.js'
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
 * - UDP: to `maddr` and the sent-by port when the top Via has one, else back to the source. `rport` counts as asked for always.
 * - A stream whose connection has closed: to a new connection from us to the source address and the sent-by port, over TLS by the
 *   sent-by name.
 *
 * A `maddr` nothing may be sent to (broadcast, multicast), of the other family or no address at all is passed over.
 */
export function responseTarget(topVia: Via, source: Source): Target {
  const { protocol, remoteAddress, remotePort } = source
  const sentByPort = topVia.port !== undefined && isPort(topVia.port) ? topVia.port : defaultPort(protocol)
  if (protocol === 'tls' && familyOf(unbracketed(topVia.host)) === undefined)
    return { protocol, address: remoteAddress, port: sentByPort, serverName: topVia.host }
  if (protocol !== 'udp') return { protocol, address: remoteAddress, port: sentByPort }

  const maddr = unbracketed(topVia.params.get('maddr') ?? '')
  if (familyOf(maddr) === undefined || familyOf(maddr) !== familyOf(remoteAddress) || !isUnicast(maddr)) {
    return { protocol, address: remoteAddress, port: remotePort }
  }
  return { protocol, address: maddr, port: sentByPort }
}
