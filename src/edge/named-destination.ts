import { parseNameAddr, parseUri, unescapeUser } from '../engine/index.js'
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
  if (hasLeadingHeaders(uri) || uriRefusal(uri, destinations) !== undefined)
    return { status: 403, reason: 'Refer-To Not Allowed' }
  return undefined
}

/**
 * Headers that no URI may ask for (RFC 3261 19.1.5): they say where the new request goes, who it is from, or what is in it. In full and
 * compact form.
 */
const DANGEROUS = new Set(
  (
    'accept allow authorization body c call-id contact content-disposition content-encoding content-length content-type cseq date diversion ' +
    'e expires f from history-info i k l m max-forwards organization p-asserted-identity p-preferred-identity path proxy-authorization ' +
    'record-route remote-party-id route service-route supported t to user-agent v via'
  ).split(' '),
)

/** Whether a URI asks for headers that lead the request elsewhere, or has an escape that would end a line of it. */
function hasLeadingHeaders(uri: string): boolean {
  const plain = unescapeUser(uri)
  if (/[\x00-\x1f\x7f]/.test(plain)) return true
  const parsed = parseUri(uri)
  if (parsed === undefined || parsed.scheme === 'tel' || parsed.headers === undefined) return false
  return parsed.headers.split('&').some((header) =>
    DANGEROUS.has(
      unescapeUser(header.split('=')[0] ?? '')
        .trim()
        .toLowerCase(),
    ),
  )
}
