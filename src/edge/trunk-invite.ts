import { formatNameAddr, formatUri, parseUri } from '../engine/index.js'
import type { Trunk } from '../model/trunk.js'
import { formatNumber } from '../routing/format-number.js'
import type { OutboundPlan } from '../routing/outbound-plan.js'
import { nextHopOf } from '../trunks/next-hop.js'
import { ALLOW } from './capabilities.js'
import { Crossing, escapeUser } from './crossing.js'
import { fromBytes, tidy, toBytes } from './header-value.js'
import { MAX_CALLER } from './headers.js'
import { mayChallenge, type SessionTimerPolicy, supportedIn, timerOffer } from './session-timers.js'
import type { HeaderMap, SipMessage } from './sip-server.js'

/** What the INVITE to a trunk is made of. */
export interface TrunkInvite {
  readonly plan: OutboundPlan
  /** Display name of the caller; '' for none. */
  readonly callerName: string
  /** The caller asks not to be shown to whom it calls (RFC 3323). */
  readonly privacy: boolean
  /** What the agent's leg says: its body, what describes that, and the headers that the trunk lets through. */
  readonly message: SipMessage | undefined
  /** More headers that go through as the message's do. */
  readonly headers: Readonly<Record<string, string>>
  readonly hopsLeft: number
  /** Whether provisional responses may be reliable. */
  readonly reliable: boolean
  readonly userAgent: string | null
  readonly sessionTimers: SessionTimerPolicy | null
  /** URIs of Route headers, in order. */
  readonly routes: readonly string[]
}

const NONE: ReadonlyMap<string, string> = new Map()
const ANONYMOUS = '"Anonymous" <sip:anonymous@anonymous.invalid>'

/** Whom the trunk is asked for: the destination as the trunk writes it, at its SIP domain; at its outbound proxy when it has none. */
export function trunkRequestUri({ trunk, destination }: OutboundPlan): string {
  const { host, port } = domainOf(trunk)
  return `sip:${escapeUser(formatNumber(destination.value, trunk))}@${host}${port === undefined ? '' : `:${port}`}`
}

/** The number that is called, as the trunk writes it, at the contact that the trunk has registered: its host, port and parameters hold. */
export function contactRequestUri({ trunk, destination }: OutboundPlan, contact: string): string {
  const uri = parseUri(contact)
  if (uri === undefined || uri.scheme === 'tel') return contact
  const { scheme, host, port, params } = uri
  const at = formatUri({ scheme, host, params, ...(port === undefined ? {} : { port }) })
  return at.replace(':', `:${escapeUser(formatNumber(destination.value, trunk))}@`)
}

/**
 * Headers of the INVITE to a trunk but Request-URI, Call-ID, CSeq and From tag. Ours win over the trunk's `headers`, those over the
 * agent's, of which only `pass_headers` and User-to-User go along.
 */
export function trunkInviteHeaders(invite: TrunkInvite): HeaderMap {
  const { plan, message } = invite
  const { trunk } = plan
  const headers = new Crossing()
  for (const [name, value] of Object.entries(identityOf(invite))) headers.put(name, value)
  // No port in From and To: RFC 3261 19.1.1, table 1.
  headers.put('To', `<sip:${escapeUser(formatNumber(plan.destination.value, trunk))}@${domainOf(trunk).host}>`)
  headers.put('Max-Forwards', String(invite.hopsLeft - 1))
  if (invite.routes.length > 0) headers.put('Route', invite.routes.map((uri) => `<${uri}>`).join(', '))
  headers.put('Allow', ALLOW)
  // Never for an offer we would have to answer in the PRACK.
  const { sessionTimers } = invite
  const supported = supportedIn(sessionTimers, invite.reliable && message !== undefined && message.body !== '')
  if (supported !== undefined) headers.put('Supported', supported)
  headers.putAll(timerOffer(sessionTimers, mayChallenge(trunk)))
  if (invite.userAgent !== null) headers.put('User-Agent', invite.userAgent)
  headers.putAll(trunk.headers)
  const passed = ['User-to-User', ...trunk.pass_headers]
  if (message !== undefined) {
    if (message.body !== '') headers.copyContent(message)
    headers.copyNamed(message.headers(), passed)
  }
  headers.copyNamed(Object.entries(invite.headers), passed)
  return headers.map
}

/**
 * From, and the header that carries the presented number when From does not.
 * - `caller_id: from`: From has the number. With a `from_user` it has that, and P-Preferred-Identity the number: trunks that want the
 *   account in From take it from there.
 * - the others: From has `from_user`, else `username`, else the number; the header of that name has the number.
 * - withheld: From says nothing; the number goes in the trunk's header, or P-Preferred-Identity, for the trunk alone (RFC 3325 9.3).
 */
function identityOf({ plan, callerName, privacy }: TrunkInvite): HeaderMap {
  const { trunk } = plan
  const number = formatNumber(plan.number.phone_number, trunk)
  const host = trunk.from_domain === null ? domainOf(trunk).host : hostOf(trunk.from_domain)
  const address = (user: string): string => formatAddress(callerName, user, host)
  const { from_user: account } = trunk
  const hasNumber = trunk.caller_id === 'from' && !account
  // An empty user is none.
  const user = account || (hasNumber ? number : trunk.username || number)
  const asserted = trunk.caller_id === 'from' ? 'P-Preferred-Identity' : assertedIn[trunk.caller_id]
  const identity: HeaderMap = { From: privacy ? ANONYMOUS : address(user) }
  if (!hasNumber || privacy) {
    const params = `;party=calling;privacy=${privacy ? 'full' : 'off'};screen=yes`
    identity[asserted] = `${address(number)}${asserted === 'Remote-Party-ID' ? params : ''}`
  }
  if (privacy) identity['Privacy'] = 'id'
  return identity
}

const assertedIn = {
  'p-asserted-identity': 'P-Asserted-Identity',
  'p-preferred-identity': 'P-Preferred-Identity',
  'remote-party-id': 'Remote-Party-ID',
} as const satisfies Record<Exclude<Trunk['caller_id'], 'from'>, string>

function formatAddress(name: string, user: string, host: string): string {
  const uri = `sip:${escapeUser(user)}@${host}`
  const displayName = toBytes(tidy(name, MAX_CALLER))
  return fromBytes(formatNameAddr(displayName === '' ? { uri, params: NONE } : { displayName, uri, params: NONE }))
}

/** Host and port of a trunk's SIP domain; of its outbound proxy when it has none. */
function domainOf(trunk: Trunk): { host: string; port: number | undefined } {
  if (trunk.sip_domain !== null) return splitPort(trunk.sip_domain)
  // The SIP server writes its own address: there such a trunk has its address-of-record.
  if (trunk.register_in) return { host: 'localhost', port: undefined }
  const hop = nextHopOf(trunk)
  const isUsual = hop?.port === (hop?.transport === 'tls' ? 5061 : 5060)
  return { host: hop?.host ?? 'invalid', port: isUsual ? undefined : hop?.port }
}

const hostOf = (hostPort: string): string => splitPort(hostPort).host

function splitPort(hostPort: string): { host: string; port: number | undefined } {
  const colon = hostPort.lastIndexOf(':')
  if (colon <= hostPort.lastIndexOf(']')) return { host: hostPort, port: undefined }
  return { host: hostPort.slice(0, colon), port: Number(hostPort.slice(colon + 1)) }
}
