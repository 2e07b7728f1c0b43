import { Headers, usualSpelling } from '../message/headers.js'
import { createResponse, SipRequest, type SipResponse } from '../message/message.js'
import { formatNameAddr, parseNameAddr } from '../message/name-addr.js'
import { formatUri, parseUri } from '../message/uri.js'
import type { Binding } from '../transport/transport.js'
import { type AppHeader, appHeader, type AppText } from './app-text.js'
import type { Dialog } from './dialog.js'
import { newCallId, newCseq, newTag } from './tokens.js'

/** Headers of a request that have a place of their own, so that a loop over the rest leaves them out. */
const PLACED = new Set(['from', 'to', 'call-id', 'cseq', 'max-forwards', 'contact', 'content-type'])
/** Of a response: these come from the request, and applications echo them. */
const COPIED = new Set(['from', 'to', 'call-id', 'cseq', 'contact', 'content-type', 'max-forwards'])
/** Headers in which an application may write `localhost` for our own address. */
const LOCALHOST_ALLOWED = new Set(['from', 'to', 'contact', 'p-asserted-identity'])

/** Names that start with X- keep their spelling; the rest get the usual one. */
const spellingOf = (header: AppHeader): string =>
  header.spelling.startsWith('X-') || header.spelling.startsWith('x-') ? header.spelling : usualSpelling(header.name)

/**
 * The value with `localhost` replaced by the address this binding shows to peers, and bracketed.
 * @param anyLocalhost false: only where a user stands before it (`…@localhost`)
 */
export function withOwnAddress(value: string, binding: Binding, anyLocalhost = false): string {
  if (!value.includes(anyLocalhost ? 'localhost' : '@localhost')) return value
  const parsed = parseNameAddr(value)
  const uri = parsed && parseUri(parsed.uri)
  if (parsed === undefined || uri === undefined || uri.scheme === 'tel' || uri.host !== 'localhost') return value
  const own = { ...uri, host: binding.advertisedHost, port: binding.advertisedPort }
  return formatNameAddr({ ...parsed, uri: formatUri(own) })
}

/** Our Contact at this binding, as a header value. */
export const ownContact = (binding: Binding): string => `<${binding.contactUri}>`

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

/** True when the body's type is neither given nor evident. */
export function lacksContentType(text: AppText): boolean {
  return text.body !== '' && !text.body.startsWith('v=0') && appHeader(text, 'content-type') === undefined
}

/** CSeq number an application asks for, if it is one. */
function cseqOf(text: AppText): number | undefined {
  const value = appHeader(text, 'cseq')
  if (value === undefined) return undefined
  const number = Number.parseInt(value, 10)
  return number >= 0 && number < 0x7fffffff ? number : undefined
}

/** A request outside any dialog, complete but for its Via (which is the transaction's to add). */
export function newRequest(method: string, uri: string, text: AppText, binding: Binding): SipRequest {
  const headers = new Headers()
  headers.append('max-forwards', appHeader(text, 'max-forwards') ?? '70')
  const from = withOwnAddress(appHeader(text, 'from') ?? `<${binding.contactUri}>`, binding, true)
  headers.append('from', withTag(from))
  headers.append('to', withOwnAddress(appHeader(text, 'to') ?? `<${uri}>`, binding))
  headers.append('call-id', appHeader(text, 'call-id') ?? newCallId())
  headers.append('cseq', `${cseqOf(text) ?? newCseq()} ${method}`)
  const contact = appHeader(text, 'contact')
  if (contact !== undefined) headers.append('contact', withOwnAddress(contact, binding))
  else if (method === 'INVITE' || method === 'SUBSCRIBE') headers.append('contact', ownContact(binding))
  appendOthers(headers, text, PLACED, binding)
  appendBodyType(headers, text)
  return new SipRequest(method, uri, headers, text.body)
}

function withTag(from: string): string {
  const parsed = parseNameAddr(from)
  if (parsed?.params.get('tag')) return from
  // A bare URI's parameters would be read as header parameters: bracket it before adding ours.
  return from.includes('<') ? `${from};tag=${newTag()}` : `<${from}>;tag=${newTag()}`
}

/** A request inside a dialog: parties, Call-ID, CSeq, Routes and Request-URI are the dialog's (RFC 3261 12.2.1.1). */
export function dialogRequest(
  dialog: Dialog,
  method: string,
  cseq: number,
  text: AppText,
  binding?: Binding,
): SipRequest {
  const headers = new Headers()
  const uri = addRoutes(headers, dialog)
  headers.append('max-forwards', appHeader(text, 'max-forwards') ?? '70')
  headers.append('from', dialog.localParty)
  headers.append('to', dialog.remoteParty)
  headers.append('call-id', dialog.callId)
  headers.append('cseq', `${cseq} ${method}`)
  if (method !== 'ACK' && method !== 'BYE' && method !== 'PRACK') {
    const contact = appHeader(text, 'contact')
    if (contact !== undefined) headers.append('contact', binding ? withOwnAddress(contact, binding) : contact)
    else if (dialog.localContact !== '' && CARRIES_CONTACT.has(method)) headers.append('contact', dialog.localContact)
  }
  appendOthers(headers, text, PLACED, binding)
  appendBodyType(headers, text)
  return new SipRequest(method, uri, headers, text.body)
}

const CARRIES_CONTACT = new Set(['INVITE', 'SUBSCRIBE', 'REFER', 'UPDATE', 'NOTIFY'])

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
  return withoutForbiddenParts(first)
}

export function isLooseRoute(uri: string): boolean {
  const parsed = parseUri(uri)
  return parsed !== undefined && parsed.scheme !== 'tel' && parsed.params.has('lr')
}

/** A strict router's URI as Request-URI: without what RFC 3261 19.1.1 forbids there (`method`, headers). */
function withoutForbiddenParts(uri: string): string {
  const parsed = parseUri(uri)
  if (parsed === undefined || parsed.scheme === 'tel') return uri
  const params = new Map(parsed.params)
  params.delete('method')
  const { headers: _, ...plain } = parsed
  return formatUri({ ...plain, params })
}

/**
 * The response an application asks for, with what is ours to fill in (RFC 3261 8.2.6): Via, From, To and its tag, Call-ID,
 * CSeq and Record-Route from the request, our Contact where the response makes or refreshes a dialog.
 */
export function appResponse(
  request: SipRequest,
  status: number,
  reason: string,
  toTag: string,
  text: AppText,
  binding: Binding,
  needsContact: boolean,
): SipResponse {
  const response = createResponse(request, status, reason, toTag)
  const contact = appHeader(text, 'contact')
  if (contact !== undefined) response.headers.append('contact', withOwnAddress(contact, binding))
  else if (needsContact) response.headers.append('contact', ownContact(binding))
  appendOthers(response.headers, text, COPIED, binding)
  appendBodyType(response.headers, text)
  response.body = text.body
  return response
}

/** The tag an application chose for its To, if it wrote one. */
export function chosenToTag(text: AppText, request: SipRequest): string | undefined {
  const to = appHeader(text, 'to')
  if (to === undefined || request.toTag !== '') return undefined
  const at = to.lastIndexOf('tag=')
  if (at < 0) return undefined
  const tag = to.slice(at + 4)
  const end = tag.search(/[;>\s]/)
  const chosen = end < 0 ? tag : tag.slice(0, end)
  return /^[A-Za-z0-9!%*_+`'~.-]{1,128}$/.test(chosen) ? chosen : undefined
}
