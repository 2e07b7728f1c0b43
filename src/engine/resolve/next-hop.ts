import type { SipUri } from '../message/uri.js'

/** Where a request is to be sent, before names are looked up (RFC 3263 section 4). */
export interface NextHop {
  /** Host name or IP literal; IPv6 with or without brackets. */
  readonly host: string
  readonly port?: number
  /** `transport` parameter, lower-case, as given. */
  readonly transport?: string
  /** A `sips:` URI: only TLS will do. */
  readonly secure: boolean
}

/** The next hop that a URI names: `maddr` before the host, and the port and transport written in it. */
export function nextHopOf(uri: SipUri): NextHop {
  const transport = uri.params.get('transport')
  return {
    host: uri.params.get('maddr') || uri.host,
    secure: uri.scheme === 'sips',
    ...(uri.port === undefined ? {} : { port: uri.port }),
    ...(transport ? { transport: transport.toLowerCase() } : {}),
  }
}
