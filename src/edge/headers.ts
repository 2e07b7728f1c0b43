import { formatNameAddr, parseUri, unescapeUser } from '../engine/index.js'
import { isContactToken } from '../model/contact-token.js'
import { ALLOW, namesOption } from './capabilities.js'
import { Crossing, escapeUser, staysOnItsLeg } from './crossing.js'
import { readAddress } from './guard.js'
import { fromBytes, tidy, toBytes } from './header-value.js'
import { copiedWarning } from './reason.js'
import { type SessionTimerPolicy, supportedIn, timerOffer } from './session-timers.js'
import type { HeaderMap, SipMessage } from './sip-server.js'

/** Longest caller name and number that reach the agent, in characters. */
export const MAX_CALLER = 128

/** Who is calling, as presented. */
export interface Caller {
  /** User part or telephone number; `anonymous` when withheld, `unknown` when there is none. */
  readonly number: string
  /** Display name; '' for none. */
  readonly name: string
}

/** The caller of a request by its From, or nobody when Privacy asks for it (RFC 3323 4.2: `user`, `header`, `id`). */
export function callerOf(message: SipMessage): Caller {
  const anonymous = { number: 'anonymous', name: 'Anonymous' }
  const privacy = (message.header('privacy') ?? '')
    .toLowerCase()
    .split(/[;,]/)
    .map((part) => part.trim())
  if (privacy.some((part) => part === 'user' || part === 'header' || part === 'id')) return anonymous
  const from = readAddress(message.header('from'))
  const number = from === undefined ? '' : numberOf(from.uri)
  return { number: number === '' ? 'unknown' : number, name: tidy(from?.displayName ?? '', MAX_CALLER) }
}

/** What a request calls: the user of its Request-URI; that of To when the Request-URI is a Contact we registered. */
export function dialledNumber(message: SipMessage, requestUri: string): string {
  const dialled = numberOf(requestUri)
  if (!isContactToken(dialled)) return dialled
  const to = numberOf(readAddress(message.header('to'))?.uri ?? '')
  return isContactToken(to) ? '' : to
}

/** User part or telephone number of a URI, without its parameters, at most 128 characters; '' when there is none. */
export function numberOf(uriText: string): string {
  const uri = parseUri(toBytes(uriText))
  if (uri === undefined) return ''
  const user = uri.scheme === 'tel' ? uri.number : (uri.user ?? '')
  const semicolon = user.indexOf(';')
  return tidy(fromBytes(unescapeUser(semicolon < 0 ? user : user.slice(0, semicolon))), MAX_CALLER)
}

/** What the INVITE to an agent is made of. */
export interface AgentInvite {
  readonly invite: SipMessage
  readonly callId: string
  readonly caller: Caller
  /** The dialled number. */
  readonly number: string
  /** The agent's address that is called. */
  readonly target: string
  readonly hopsLeft: number
  readonly agentHeaders: Readonly<Record<string, string>>
  readonly trunkHeaders: Readonly<Record<string, string>>
  /** What a trunk that is believed says of the caller, as it may be told. */
  readonly assertedHeaders?: Readonly<Record<string, string>>
  readonly forwardHeaders: readonly string[]
  readonly userAgent: string | null
  readonly sessionTimers: SessionTimerPolicy | null
}

/**
 * Headers of the INVITE to an agent. Ours win over the agent's, those over the trunk's, those over the caller's.
 * Nothing that names the caller's side crosses: the server writes Via, Contact and Call-ID, and puts its own address in From.
 */
export function agentInviteHeaders(call: AgentInvite): HeaderMap {
  const headers = new Crossing()
  const { invite, caller } = call
  headers.put('From', formatCaller(caller))
  const to = formatDialled(call.number, call.target)
  if (to !== undefined) headers.put('To', to)
  headers.put('Max-Forwards', String(call.hopsLeft - 1))
  headers.put('X-Signalbox-Call-Id', call.callId)
  headers.put('X-Signalbox-Number', tidy(call.number, MAX_CALLER))
  headers.put('X-Signalbox-Caller', caller.number)
  headers.put('Allow', ALLOW)
  // Reliable provisional responses only where the caller knows them too, and never for an offer we would have to answer in the PRACK.
  const supported = supportedIn(call.sessionTimers, invite.body !== '' && supports100rel(invite))
  if (supported !== undefined) headers.put('Supported', supported)
  headers.putAll(timerOffer(call.sessionTimers, false))
  if (call.userAgent !== null) headers.put('User-Agent', call.userAgent)
  headers.putAll(call.agentHeaders)
  headers.putAll(call.trunkHeaders)
  if (call.assertedHeaders !== undefined) headers.putAll(call.assertedHeaders)
  if (invite.body !== '') headers.copyContent(invite)
  headers.copy(invite, ['User-to-User', 'Privacy', ...call.forwardHeaders.filter((name) => !staysOnItsLeg(name))])
  headers.copyExtensions(invite)
  return headers.map
}

/** Whether the sender takes reliable provisional responses. */
export const supports100rel = (message: SipMessage): boolean =>
  namesOption(message.header('supported'), '100rel') || requires100rel(message)

export const requires100rel = (message: SipMessage): boolean => namesOption(message.header('require'), '100rel')

/** Which `X-*` headers of a leg cross: those of these names, or (undefined) all. */
export type Passed = readonly string[] | undefined

/** Headers of a response that go with it to the other leg. */
export function crossingResponseHeaders(
  response: SipMessage & { readonly status: number },
  passed?: Passed,
): HeaderMap {
  const headers = new Crossing()
  if (response.body !== '') headers.copyContent(response)
  headers.copy(response, RESPONSE_HEADERS)
  if (response.status >= 300) {
    headers.copy(response, ['Accept', 'Accept-Encoding', 'Accept-Language', 'Unsupported', 'Retry-After'])
    const warning = copiedWarning(response)
    if (warning !== undefined) headers.put('Warning', warning)
  }
  headers.copyExtensions(response, passed)
  return headers.map
}

/** Headers of a request inside a dialog that go with it to the other leg. */
export function crossingRequestHeaders(request: SipMessage, passed?: Passed): HeaderMap {
  const headers = new Crossing()
  if (request.body !== '') headers.copyContent(request)
  headers.copy(request, REQUEST_HEADERS)
  headers.copyExtensions(request, passed)
  return headers.map
}

/** Headers of an ACK or BYE that go with it: User-to-User, `X-*`, Reason. */
export function crossingEndHeaders(bye: SipMessage, passed?: Passed): HeaderMap {
  const headers = new Crossing()
  headers.copy(bye, ['Reason', 'User-to-User'])
  headers.copyExtensions(bye, passed)
  return headers.map
}

const RESPONSE_HEADERS = ['User-to-User', 'Event', 'Expires', 'Refer-Sub', 'Recv-Info']
// Refer-To and Referred-By go as they are for now: whom they name, the other leg must be able to call.
const REQUEST_HEADERS = [
  'Event',
  'Subscription-State',
  'Expires',
  'Info-Package',
  'Recv-Info',
  'Refer-To',
  'Referred-By',
  'Refer-Sub',
  'Reason',
  'User-to-User',
  'Subject',
]

/** From of the INVITE to an agent; the server puts its own address in the place of `localhost`. */
function formatCaller({ number, name }: Caller): string {
  const uri = number === 'anonymous' ? 'sip:anonymous@anonymous.invalid' : `sip:${escapeUser(number)}@localhost`
  const text = formatNameAddr(name === '' ? { uri, params: NONE } : { displayName: toBytes(name), uri, params: NONE })
  return fromBytes(text)
}

/** To of the INVITE to an agent: the dialled number at the agent's host. */
function formatDialled(number: string, target: string): string | undefined {
  const uri = parseUri(target)
  if (uri === undefined || uri.scheme === 'tel' || number === '') return undefined
  const port = uri.port === undefined ? '' : `:${uri.port}`
  return `<${uri.scheme}:${escapeUser(number)}@${uri.host}${port}>`
}

const NONE: ReadonlyMap<string, string> = new Map()
