import { parseNameAddr, parseUri } from '../engine/index.js'
import type { Destinations } from '../model/destinations.js'
import { MAX_ADDRESS_BYTES } from './guard.js'
import { toBytes } from './header-value.js'
import type { SipMessage } from './sip-server.js'

/** What says whether a host that a far end names may be called. */
export type NamedHosts = Pick<Destinations, 'hostRefusal'>

/** Why a URI that a far end names is not taken further, as far as its host says; undefined: it may be. A `tel:` URI names no host. */
export function uriRefusal(uri: string, destinations: NamedHosts | undefined): string | undefined {
  const parsed = destinations === undefined ? undefined : parseUri(uri)
  if (parsed === undefined || parsed.scheme === 'tel') return undefined
  const maddr = parsed.params.get('maddr')
  return (
    destinations?.hostRefusal(parsed.host, parsed.port) ??
    (maddr === undefined ? undefined : destinations?.hostRefusal(maddr, parsed.port))
  )
}

/**
 * Why a REFER is refused here: the status and phrase of the answer. Whom it names the other leg would call, with what it has from us
 * (RFC 3515 2.4.2: one Refer-To, or 400). Undefined: it may go on.
 */
export function referRefusal(
  refer: Pick<SipMessage, 'header'>,
  destinations: NamedHosts | undefined,
): { readonly status: 400 | 403; readonly reason: string } | undefined {
  const value = refer.header('refer-to')
  if (value === undefined) return { status: 400, reason: 'Missing Refer-To' }
  const bytes = toBytes(value)
  const uri = bytes.length > MAX_ADDRESS_BYTES ? undefined : parseNameAddr(bytes)?.uri
  if (uri === undefined || parseUri(uri) === undefined) return { status: 400, reason: 'Bad Refer-To' }
  return uriRefusal(uri, destinations) === undefined ? undefined : { status: 403, reason: 'Refer-To Not Allowed' }
}
