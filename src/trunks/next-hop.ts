import { isIP } from 'node:net'
import { parseUri, type SipUri } from '../engine/index.js'
import { RESERVED_WORDS } from '../model/strict-text.js'
import type { TrunkFields } from '../model/trunk.js'

export type Transport = 'udp' | 'tcp' | 'tls'

/** Where requests to a trunk go before DNS is asked: a host, and port and transport as far as they are settled. */
export interface NextHop {
  /** Host name, IPv4 address or bracketed IPv6 address. */
  readonly host: string
  /** Undefined: SRV decides, else 5060 (5061 over TLS). */
  readonly port?: number
  /** Undefined: NAPTR and SRV decide, else UDP. */
  readonly transport?: Transport
  /** The transport is UDP only because nobody named one and there is no SRV to ask (RFC 3263 4.1). */
  readonly assumed?: true
  /** Which field of the trunk it came from. */
  readonly from: 'outbound_proxy' | 'sip_domain'
}

export type ParsedProxy = { readonly ok: true; readonly hop: NextHop } | { readonly ok: false; readonly why: string }

const EXAMPLE = 'for example sip:proxy.example.com:5060;transport=tcp'
const MAX_LENGTH = 300

const refused = (why: string): ParsedProxy => ({ ok: false, why: `${why}; ${EXAMPLE}` })

const BAD_PORT = 'has a port outside 1 to 65535'

/** Whether a text that is no URI ends with a number no port has. */
function hasBadPort(text: string): boolean {
  const port = /:(\d{1,20})(?:;|$)/.exec(text)?.[1]
  return port !== undefined && (Number(port) < 1 || Number(port) > 65_535)
}

/** The scheme a text begins with (`sip`, `https`), or undefined when it begins with a host (`pbx:5060`, `[::1]`). */
function schemeOf(text: string): string | undefined {
  const colon = text.indexOf(':')
  if (colon <= 0) return undefined
  const before = text.slice(0, colon).toLowerCase()
  if (before === 'sip' || before === 'sips' || before === 'tel') return before
  return text.startsWith('//', colon + 1) ? before : undefined
}

/** Whether a host is a name with a letter in its last label or a proper IP address: not `127.1`, `0x7f000001` or `2130706433`. */
function properHost(host: string): boolean {
  if (host.startsWith('[')) return host.endsWith(']') && isIP(host.slice(1, -1)) === 6
  if (isIP(host) === 4) return true
  const name = host.endsWith('.') ? host.slice(0, -1) : host
  if (name.length === 0 || name.length > 253 || RESERVED_WORDS.has(name)) return false
  const labels = name.split('.')
  if (!labels.every((label) => /^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/.test(label))) return false
  return /^[A-Za-z]/.test(labels.at(-1) ?? '')
}

function transportOf(uri: SipUri): Transport | string | undefined {
  const given = uri.params.get('transport')?.toLowerCase()
  if (uri.scheme === 'sips')
    return given === undefined || given === 'tcp' || given === 'tls' ? 'tls' : `sips over ${given}`
  return given
}

const known = (transport: string): transport is Transport =>
  transport === 'udp' || transport === 'tcp' || transport === 'tls'

function hop(from: NextHop['from'], host: string, port: number | undefined, transport: Transport | undefined): NextHop {
  // Without SRV to ask (an address, or a port given) the transport is UDP: RFC 3263 4.1.
  const settled = transport ?? (isAddress(host) || port !== undefined ? 'udp' : undefined)
  const settledPort = port ?? (isAddress(host) ? (settled === 'tls' ? 5061 : 5060) : undefined)
  return {
    host,
    from,
    ...(settledPort === undefined ? {} : { port: settledPort }),
    ...(settled === undefined ? {} : { transport: settled }),
    ...(settled !== undefined && transport === undefined ? { assumed: true as const } : {}),
  }
}

const isAddress = (host: string): boolean => host.startsWith('[') || isIP(host) !== 0

/**
 * Reads an outbound proxy: `sip:host`, `sip:host:port`, `sip:ip:port`, `sip:host;transport=tcp`, `sips:host`, each with or
 * without `sip:` and with or without `;lr`. Anything else is refused with the reason and an example.
 * @param text at most 300 characters are read
 * @param transport the trunk's own `transport`, used when the proxy names none
 */
export function parseOutboundProxy(text: string, transport?: Transport | null): ParsedProxy {
  if (text.length > MAX_LENGTH) return refused(`is longer than ${MAX_LENGTH} characters`)
  if (text.trim() === '') return refused('is empty')
  if (/[\s,<>"]/.test(text)) return refused('must be one address without spaces, commas, quotes or angle brackets')
  const scheme = schemeOf(text)
  if (scheme !== undefined && scheme !== 'sip' && scheme !== 'sips')
    return refused(`has the scheme "${scheme}", not sip`)
  const uri = parseUri(scheme === undefined ? `sip:${text}` : text)
  if (uri === undefined || uri.scheme === 'tel') return refused(hasBadPort(text) ? BAD_PORT : 'is not a SIP address')
  if (uri.user !== undefined) return refused('must not have a user part: it names a server')
  if (uri.headers !== undefined) return refused('must not carry headers after "?"')
  if (!properHost(uri.host)) return refused(`"${uri.host}" is neither a host name nor an IP address`)
  if (uri.port !== undefined && (uri.port < 1 || uri.port > 65_535)) return refused(BAD_PORT)
  for (const name of uri.params.keys()) {
    const lower = name.toLowerCase()
    if (lower !== 'transport' && lower !== 'lr')
      return refused(`has the parameter "${lower}", and only transport and lr are understood`)
  }
  const named = transportOf(uri)
  if (named !== undefined && !known(named)) return refused(`transport "${named}" is not one of udp, tcp, tls`)
  return { ok: true, hop: hop('outbound_proxy', uri.host, uri.port, named ?? transport ?? undefined) }
}

/** Reads a `sip_domain` (host with an optional port) as a destination; the text says why it is none. */
export function parseSipDomain(text: string, transport?: Transport | null): ParsedProxy {
  const uri = parseUri(`sip:${text}`)
  if (
    uri === undefined ||
    uri.scheme === 'tel' ||
    uri.user !== undefined ||
    uri.params.size > 0 ||
    uri.headers !== undefined
  )
    return { ok: false, why: 'must be a host name or address, with an optional port; for example pbx.example.com' }
  if (!properHost(uri.host))
    return { ok: false, why: `"${uri.host}" is neither a host name nor an IP address; for example pbx.example.com` }
  return { ok: true, hop: hop('sip_domain', uri.host, uri.port, transport ?? undefined) }
}

/** What of a trunk says where its requests go. */
export type Destination = Pick<TrunkFields, 'outbound_proxy' | 'sip_domain' | 'transport'>

/** The next hop of requests to a trunk, its outbound proxy when it has one, else its SIP domain; or which field stands in the way, and why. */
export function readNextHop(trunk: Destination): ParsedProxy {
  const { outbound_proxy: proxy, sip_domain: domain, transport } = trunk
  const field = proxy !== null ? 'outbound_proxy' : 'sip_domain'
  if (proxy === null && domain === null) return { ok: false, why: 'has neither outbound_proxy nor sip_domain' }
  const parsed = proxy !== null ? parseOutboundProxy(proxy, transport) : parseSipDomain(domain ?? '', transport)
  return parsed.ok ? parsed : { ok: false, why: `${field} ${parsed.why}` }
}

/**
 * The next hop of calls to a trunk: its outbound proxy when it has one, else its SIP domain; undefined when it has neither, or
 * when what it has cannot be read (records written by others).
 */
export function nextHopOf(trunk: Destination): NextHop | undefined {
  const parsed = readNextHop(trunk)
  return parsed.ok ? parsed.hop : undefined
}

/** A next hop as one line, `sip:127.0.0.1:5065;transport=tcp`: what DNS settles later is left out. */
export function formatNextHop(hop: NextHop): string {
  const port = hop.port === undefined ? '' : `:${hop.port}`
  const transport = hop.transport === undefined ? '' : `;transport=${hop.transport}`
  return `sip:${hop.host}${port}${transport}`
}
