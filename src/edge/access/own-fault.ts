import { type DoorAnswer, type DoorRequest, isMethod, uriScheme } from '../../engine/index.js'
import { refuseByHeader, refuseInvite } from '../admission.js'
import type { SipMessage } from '../sip-server.js'

const SCHEMES: ReadonlySet<string | undefined> = new Set(['sip', 'sips', 'tel'])

/**
 * What is wrong with a request whoever sends it: a method, a URI scheme or an extension that nobody knows, hops used up, a body that is
 * no SDP (RFC 3261 8.2). That says more of the request than 403 does, and nothing of us.
 */
export function ownFault(request: DoorRequest): DoorAnswer | undefined {
  const { method, requestUri } = request
  if (method === 'ACK' || method === 'CANCEL') return undefined
  if (!isMethod(method)) return { status: 501, reason: 'Not Implemented', headers: [] }
  if (!SCHEMES.has(uriScheme(requestUri))) return { status: 416, reason: 'Unsupported URI Scheme', headers: [] }
  if (method !== 'INVITE' && method !== 'OPTIONS') return undefined
  const message: SipMessage = { header: (name) => request.header(name), headers: () => [], body: request.body }
  const refused = method === 'INVITE' ? refuseInvite(message) : refuseByHeader(message)
  return refused && { status: refused.status, reason: refused.reason, headers: Object.entries(refused.headers) }
}
