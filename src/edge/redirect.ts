import { formatUri, parseNameAddrList, parseUri } from '../engine/index.js'
import { MAX_ADDRESS_BYTES } from './guard.js'
import { toBytes } from './header-value.js'
import type { SipResponse } from './sip-server.js'

/** Contacts of one response that are looked at. */
const MAX_CONTACTS = 16
/** 305 names a proxy in the place of ours, 380 describes services: neither says whom to call instead. */
const FOLLOWED = new Set([300, 301, 302])

/**
 * Whom a 3xx says to call instead: the Contact of the highest q that can be a Request-URI, `sip:` with a user and without headers,
 * maddr or method; its other parameters but `transport` go along. Undefined when there is none.
 */
export function redirectedUri(response: Pick<SipResponse, 'status' | 'header'>): string | undefined {
  const value = response.header('contact')
  if (!FOLLOWED.has(response.status) || value === undefined) return undefined
  const bytes = toBytes(value)
  if (bytes.length > MAX_ADDRESS_BYTES) return undefined
  let best: { uri: string; q: number } | undefined
  for (const { uri, params } of (parseNameAddrList(bytes) ?? []).slice(0, MAX_CONTACTS)) {
    const usable = requestUriOf(uri)
    const q = qOf(params.get('q'))
    if (usable !== undefined && (best === undefined || q > best.q)) best = { uri: usable, q }
  }
  return best?.uri
}

function requestUriOf(text: string): string | undefined {
  const uri = parseUri(text)
  if (uri?.scheme !== 'sip' || uri.headers !== undefined || uri.user === undefined) return undefined
  if (uri.params.has('maddr') || uri.params.has('method')) return undefined
  const params = new Map([...uri.params].filter(([name]) => name !== 'transport'))
  const { scheme, user, host, port } = uri
  return formatUri({ scheme, user, host, params, ...(port === undefined ? {} : { port }) })
}

/** RFC 3261 20.10: without a q it is 1. */
function qOf(text: string | undefined): number {
  const q = text === undefined ? 1 : Number(text)
  return q >= 0 && q <= 1 ? q : 0
}
