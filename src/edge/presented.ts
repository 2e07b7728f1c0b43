import { parseNameAddrList } from '../engine/index.js'
import { MAX_ADDRESS_BYTES, readAddress, readUri } from './guard.js'
import { toBytes } from './header-value.js'
import { numberOf } from './headers.js'
import type { SipMessage } from './sip-server.js'

/** The number an agent wants to present. */
export interface PresentedNumber {
  /** As it is written, a number or a URI; '' for none. */
  readonly value: string
  /** The header it stands in. */
  readonly source: string
}

/** Names the number to present when From does not. */
export const NUMBER_HEADER = 'X-Signalbox-Number'
/** Where a caller that hides says who it is (RFC 3325 9.2). */
const IDENTITIES = ['P-Preferred-Identity', 'P-Asserted-Identity']

/** The number that an agent's INVITE presents: X-Signalbox-Number, else From; where that is anonymous, the identity behind it. */
export function presentedNumber(invite: SipMessage): PresentedNumber {
  const named = invite.header(NUMBER_HEADER)
  if (named !== undefined) return { source: NUMBER_HEADER, value: written(named) }
  if (!isAnonymous(invite)) return { source: 'From', value: uriOf(invite.header('from')) }
  for (const source of IDENTITIES) {
    const value = uriOf(invite.header(source))
    if (value !== '') return { source, value }
  }
  return { source: 'From', value: '' }
}

/** Whether the caller asks not to be shown to whom it calls: by Privacy (RFC 3323 4.2), or an anonymous From. */
export function asksPrivacy(invite: SipMessage): boolean {
  const values = (invite.header('privacy') ?? '').toLowerCase().split(/[;,]/)
  return values.some((value) => ['user', 'header', 'id'].includes(value.trim())) || isAnonymous(invite)
}

function isAnonymous(invite: SipMessage): boolean {
  const uri = readUri(invite.header('from'))
  if (uri === undefined || uri.scheme === 'tel') return false
  return uri.user?.toLowerCase() === 'anonymous' || uri.host.toLowerCase() === 'anonymous.invalid'
}

function written(value: string): string {
  return value.includes('<') ? uriOf(value) : toBytes(value).trim().slice(0, MAX_ADDRESS_BYTES)
}

/** The first URI in a header value that has somebody in it. */
function uriOf(value: string | undefined): string {
  if (value === undefined) return ''
  const bytes = toBytes(value)
  const uri = bytes.length > MAX_ADDRESS_BYTES ? undefined : (readAddress(value) ?? parseNameAddrList(bytes)?.[0])?.uri
  return uri === undefined || numberOf(uri) === '' ? '' : uri
}
