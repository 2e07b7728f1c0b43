import { isReasonPhrase, isToken } from '../message/chars.js'
import { Headers, usualSpelling } from '../message/headers.js'
import { createResponse, isCallId, parseMaxForwards, SipRequest, type SipResponse } from '../message/message.js'
import { splitList } from '../message/list.js'
import { isNameAddrList, parseNameAddr } from '../message/name-addr.js'
import { parseUri, type SipUri } from '../message/uri.js'
import type { Binding } from '../transport/transport.js'
import { isContact, tidied, withOwnAddress, withTag } from './addresses.js'
import { type AppHeader, appHeader, type AppText } from './app-text.js'
import { asRequestUri, type Dialog, type HeaderLines } from './dialog.js'
import { newCallId, newCseq } from './tokens.js'

/** Headers of a request that have a place of their own, so that a loop over the rest leaves them out. */
const PLACED = new Set(['from', 'to', 'call-id', 'cseq', 'max-forwards', 'contact', 'content-type'])
/** Of a response: these come from the request, and applications echo them. */
const COPIED = new Set(['from', 'to', 'call-id', 'cseq', 'contact', 'content-type', 'max-forwards'])
/** What a CANCEL takes from its INVITE, and what it may not carry (RFC 3261 9.1), having no body either. */
const NOT_ON_CANCEL = new Set([
  ...PLACED,
  'p-asserted-identity',
  'require',
  'proxy-require',
  'content-disposition',
  'content-encoding',
  'content-language',
])
/** Headers in which an application may write `localhost` for our own address; Contact, From and To have their own turn. */
const LOCALHOST_ALLOWED = new Set(['p-asserted-identity'])
const CREDENTIALS = ['authorization', 'proxy-authorization']
const CARRIES_CONTACT = new Set(['INVITE', 'SUBSCRIBE', 'REFER', 'UPDATE', 'NOTIFY'])

/** Names that start with X-, or are kept, stay as they are; the rest get the usual spelling. */
const spellingOf = (header: AppHeader): string =>
  header.kept === true || header.spelling.startsWith('X-') || header.spelling.startsWith('x-')
    ? header.spelling
    : usualSpelling(header.name)

/**
 * Our Contact at this binding, as a header value.
 * @param scheme over TLS: what it must be, whatever the contact says
 */
export function ownContact(binding: Binding, scheme?: 'sip' | 'sips'): string {
  const settled = scheme === undefined || binding.protocol !== 'tls' || binding.contactUri.startsWith(`${scheme}:`)
  if (settled) return `<${binding.contactUri}>`
  const transport = scheme === 'sip' ? ';transport=tls' : ''
  return `<${scheme}:${binding.advertisedHost}:${binding.advertisedPort}${transport}>`
}

/**
 * What is sent over TLS for this request has to name us by a `sips:` URI: its Request-URI or first Route, or for an answer its first
 * Record-Route, or else its Contact, is one (RFC 3261 8.1.1.8, 12.1.1).
 */
export function asksForSips(request: SipRequest, answer: boolean): boolean {
  if (isSips(request.uri)) return true
  const { headers } = request
  if (!answer) return isSips(firstUriOf(headers.get('route')))
  return isSips(firstUriOf(headers.get('record-route') ?? headers.get('contact')))
}

const isSips = (uri: string): boolean => uri.slice(0, 5).toLowerCase() === 'sips:'

function firstUriOf(line: string | undefined): string {
  const [first = ''] = line === undefined ? [] : splitList(line)
  return parseNameAddr(first)?.uri ?? ''
}

function appendOthers(headers: Headers, text: AppText, skip: ReadonlySet<string>, binding: Binding | undefined): void {
  for (const header of text.headers) {
    if (skip.has(header.name)) continue
    const value =
      binding !== undefined && LOCALHOST_ALLOWED.has(header.name) ? withOwnAddress(header.value, binding) : header.value
    headers.append(header.name, value, spellingOf(header))
  }
}

function appendBodyType(headers: Headers, text: AppText): void {
  const given = appHeader(text, 'content-type')
  if (given !== undefined) headers.append('content-type', given)
  else if (text.body.startsWith('v=0')) headers.append('content-type', 'application/sdp')
}

function appendMaxForwards(headers: Headers, text: AppText): void {
  const given = appHeader(text, 'max-forwards')
  headers.append('max-forwards', given !== undefined && parseMaxForwards(given) !== undefined ? given : '70')
}

/** True when the body's type is neither given nor evident. */
export function lacksContentType(text: AppText): boolean {
  return text.body !== '' && !text.body.startsWith('v=0') && appHeader(text, 'content-type') === undefined
}

/** Name of a header without which no peer could take the request or no answer be matched to it; undefined when all are well-formed. */
export function unfitHeader(text: AppText): string | undefined {
  for (const name of ['from', 'to'] as const) {
    const value = appHeader(text, name)
    if (value !== undefined && tidied(value) === undefined) return usualSpelling(name)
  }
  const callId = appHeader(text, 'call-id')
  if (callId !== undefined && !isCallId(callId)) return 'Call-ID'
  const contact = appHeader(text, 'contact')
  return contact === undefined || contact === '*' || isContact(contact) ? undefined : 'Contact'
}

/** URI of the first of the Route values; undefined when there is none, or any is no SIP URI in brackets (RFC 3261 20.34). */
export function firstRouteOf(lines: readonly string[]): SipUri | undefined {
  if (!lines.every(isNameAddrList)) return undefined
  let first: SipUri | undefined
  for (const value of lines.flatMap(splitList)) {
    const uri = isBracketed(value) ? parseUri(parseNameAddr(value)?.uri ?? '') : undefined
    if (uri === undefined || uri.scheme === 'tel') return undefined
    first ??= uri
  }
  return first
}

/** A name-addr, not a bare URI whose parameters would be taken for the header's. */
function isBracketed(value: string): boolean {
  const [bracket, quoted] = [value.indexOf('<'), value.indexOf('"')]
  return quoted === 0 || (bracket >= 0 && (quoted < 0 || bracket < quoted))
}

/** CSeq number an application asks for, if it is one. */
function cseqOf(text: AppText): number | undefined {
  const value = appHeader(text, 'cseq')
  if (value === undefined) return undefined
  const number = Number.parseInt(value, 10)
  return number >= 0 && number < 0x7fffffff ? number : undefined
}

/**
 * A request outside any dialog, complete but for its Via (which is the transaction's to add). `text` has no unfit header.
 * @param routes values of its Route headers
 */
export function newRequest(
  method: string,
  uri: string,
  text: AppText,
  binding: Binding,
  routes: readonly string[] = [],
): SipRequest {
  const headers = new Headers()
  for (const route of routes) headers.append('route', route)
  appendMaxForwards(headers, text)
  const from = withOwnAddress(party(text, 'from') ?? ownContact(binding), binding, { anyLocalhost: true })
  headers.append('from', withTag(from))
  headers.append('to', withOwnAddress(party(text, 'to') ?? `<${uri}>`, binding))
  headers.append('call-id', appHeader(text, 'call-id') ?? newCallId())
  headers.append('cseq', `${cseqOf(text) ?? newCseq()} ${method}`)
  const request = new SipRequest(method, uri, headers, text.body)
  const contact = contactAt(request, text, binding)
  if (contact !== undefined) headers.append('contact', contact)
  appendOthers(headers, text, PLACED, binding)
  appendBodyType(headers, text)
  return request
}

/** The Contact of a request outside dialogs that leaves from this binding; undefined: it has none. */
export function contactAt(request: SipRequest, text: AppText, binding: Binding): string | undefined {
  const { method } = request
  const given = appHeader(text, 'contact')
  if (given === undefined && method !== 'INVITE' && method !== 'SUBSCRIBE') return undefined
  const sips = binding.secure && asksForSips(request, false)
  if (given !== undefined) return withOwnAddress(given, binding, { contact: true, sips })
  return ownContact(binding, sips ? 'sips' : undefined)
}

function party(text: AppText, name: 'from' | 'to'): string | undefined {
  const value = appHeader(text, name)
  return value === undefined ? undefined : (tidied(value) ?? value)
}

/** A request inside a dialog: parties, Call-ID, CSeq, Routes and Request-URI are the dialog's (RFC 3261 12.2.1.1). */
export function dialogRequest(
  dialog: Dialog,
  method: string,
  cseq: number,
  text: AppText,
  binding?: Binding,
): SipRequest {
  const { localParty, remoteParty, callId } = dialog.parties
  const headers = new Headers()
  const uri = addRoutes(headers, dialog)
  appendMaxForwards(headers, text)
  headers.append('from', localParty)
  headers.append('to', remoteParty)
  headers.append('call-id', callId)
  headers.append('cseq', `${cseq} ${method}`)
  if (method !== 'ACK' && method !== 'BYE' && method !== 'PRACK') {
    const contact = appHeader(text, 'contact')
    if (contact !== undefined && isContact(contact))
      headers.append('contact', binding ? withOwnAddress(contact, binding, { contact: true }) : contact)
    else if (dialog.localContact !== '' && CARRIES_CONTACT.has(method)) headers.append('contact', dialog.localContact)
  }
  appendOthers(headers, text, PLACED, binding)
  appendBodyType(headers, text)
  return new SipRequest(method, uri, headers, text.body)
}

/** The credentials a request carries, for its ACK to carry them too. */
export function credentialsOf(request: SipRequest): HeaderLines {
  return CREDENTIALS.flatMap((name) => request.headers.getAll(name).map((value) => [name, value] as const))
}

/** Adds the credentials of an INVITE to its ACK, unless the application gave others. */
export function addCredentials(ack: SipRequest, credentials: HeaderLines): void {
  if (CREDENTIALS.some((name) => ack.headers.has(name))) return
  for (const [name, value] of credentials) ack.headers.append(name, value)
}

/** Adds what an application wants a CANCEL to say (Reason) beyond what the INVITE prescribes. */
export function addToCancel(cancel: SipRequest, text: AppText): void {
  appendOthers(cancel.headers, text, NOT_ON_CANCEL, undefined)
}

/** Adds the Route headers and returns the Request-URI: the remote target, or a strict router in its place. */
function addRoutes(headers: Headers, dialog: Dialog): string {
  const [first, ...rest] = dialog.routeSet
  if (first === undefined) return dialog.remoteTarget
  if (isLooseRoute(first)) {
    for (const route of dialog.routeSet) headers.append('route', `<${route}>`)
    return dialog.remoteTarget
  }
  for (const route of rest) headers.append('route', `<${route}>`)
  headers.append('route', `<${dialog.remoteTarget}>`)
  return asRequestUri(first) ?? first
}

function isLooseRoute(uri: string): boolean {
  const parsed = parseUri(uri)
  return parsed !== undefined && parsed.scheme !== 'tel' && parsed.params.has('lr')
}

/**
 * The response an application asks for, with what is ours to fill in (RFC 3261 8.2.6): Via, From, To and its tag, Call-ID,
 * CSeq and Record-Route from the request, our Contact where the response makes or refreshes a dialog.
 * @param contact ours, where the response needs one and the application gives none that peers can read
 */
export function appResponse(
  request: SipRequest,
  status: number,
  reason: string,
  toTag: string | undefined,
  text: AppText,
  binding: Binding,
  contact: string | undefined,
): SipResponse {
  const response = createResponse(request, status, onOneLine(reason), toTag)
  const given = appHeader(text, 'contact')
  if (given !== undefined && isContact(given))
    response.headers.append(
      'contact',
      withOwnAddress(given, binding, { contact: true, sips: binding.secure && asksForSips(request, true) }),
    )
  else if (contact !== undefined) response.headers.append('contact', contact)
  appendOthers(response.headers, text, COPIED, binding)
  appendBodyType(response.headers, text)
  response.body = text.body
  return response
}

/** A reason phrase that a status line can hold: applications hand on what peers wrote. */
export const onOneLine = (reason: string): string =>
  isReasonPhrase(reason) ? reason : reason.replace(/[^\t\x20-\x7e\x80-\xff]/g, ' ')

/** The tag an application chose for its To, if it wrote one: in a To, or as `tag=…` alone. */
export function chosenToTag(text: AppText): string | undefined {
  const to = appHeader(text, 'to')
  if (to === undefined) return undefined
  const tag = to.startsWith('tag=') ? to.slice(4) : parseNameAddr(to)?.params.get('tag')
  return tag !== undefined && tag.length <= 128 && isToken(tag) ? tag : undefined
}
