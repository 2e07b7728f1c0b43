import { splitList } from '../engine/index.js'
import { type VerdictCode, verdicts } from '../model/verdict.js'
import { SUPPORTED, unknownOptions } from './capabilities.js'
import { refusalHeaders } from './reason.js'
import type { HeaderMap, SipMessage } from './sip-server.js'

/** Why a request is not taken on, and the answer to it. */
export interface Refusal {
  readonly code: VerdictCode
  readonly status: number
  readonly reason: string
  readonly headers: HeaderMap
  /** For the record. */
  readonly detail: string
}

/** A refusal by the verdict table. */
export function refusal(code: VerdictCode, detail: string, headers: HeaderMap = {}, text?: string): Refusal {
  const { status, reason } = verdicts[code]
  return { code, status, reason, headers: { ...headers, ...refusalHeaders(code, status, text) }, detail }
}

/** Hops a request has left: 70 when it does not say; 0 when what it says is no number. */
export function hopsLeft(message: SipMessage): number {
  const value = message.header('max-forwards')
  if (value === undefined) return 70
  const text = value.trim()
  return /^[0-9]{1,10}$/.test(text) ? Math.min(Number(text), 255) : 0
}

/** What is wrong with any request before its method matters: hops and required extensions (RFC 3261 8.2.2.3, 16.3). */
export function refuseByHeader(message: SipMessage, supported = SUPPORTED): Refusal | undefined {
  if (hopsLeft(message) === 0) return refusal('TOO_MANY_HOPS', 'Max-Forwards is used up')
  const unknown = unknownOptions(message.header('require'), supported)
  const unknownToProxies = unknownOptions(message.header('proxy-require'), [])
  if (unknown.length === 0 && unknownToProxies.length === 0) return undefined
  const list = [...new Set([...unknown, ...unknownToProxies])].join(', ')
  return refusal('EXTENSION_UNSUPPORTED', `requires ${list}`, { Unsupported: list })
}

/** What is wrong with an INVITE, in the order of RFC 3261 8.2.2; undefined when it may be routed. */
export function refuseInvite(invite: SipMessage): Refusal | undefined {
  return refuseByHeader(invite) ?? refuseBody(invite) ?? refuseAccept(invite)
}

function refuseBody(invite: SipMessage): Refusal | undefined {
  if (invite.body === '') return undefined
  const coding = (invite.header('content-encoding') ?? 'identity').trim().toLowerCase()
  if (coding !== 'identity' && coding !== '')
    return refusal('MEDIA_TYPE_UNSUPPORTED', `Content-Encoding is ${coding}`, {
      Accept: 'application/sdp',
      'Accept-Encoding': 'identity',
    })
  const given = invite.header('content-type')
  const type = mediaType(given ?? (invite.body.startsWith('v=0') ? 'application/sdp' : ''))
  if (type === 'application/sdp') return undefined
  if (type.startsWith('multipart/') && invite.body.toLowerCase().includes('application/sdp')) return undefined
  return refusal('MEDIA_TYPE_UNSUPPORTED', `Content-Type is ${type === '' ? 'missing' : type}`, {
    Accept: 'application/sdp',
  })
}

function refuseAccept(invite: SipMessage): Refusal | undefined {
  const accept = invite.header('accept')
  if (accept === undefined) return undefined
  if (splitList(accept).some((range) => ACCEPTS_SDP.has(mediaType(range)))) return undefined
  return refusal('ANSWER_NOT_ACCEPTABLE', 'Accept leaves out application/sdp')
}

const ACCEPTS_SDP = new Set(['application/sdp', 'application/*', '*/*'])

/** The type in front of a media type's parameters, in lower case. */
export function mediaType(value: string): string {
  const semicolon = value.indexOf(';')
  return (semicolon < 0 ? value : value.slice(0, semicolon))
    .split('/')
    .map((part) => part.trim().toLowerCase())
    .join('/')
    .slice(0, 128)
}
