import { splitList } from '../engine/index.js'
import { type VerdictCode, verdicts } from '../model/verdict.js'
import { quoted, tidy } from './header-value.js'
import type { DialogEnd, HeaderMap, SipMessage, SipResponse } from './sip-server.js'

const MAX_REASON = 1_024
const MAX_TEXT = 256

/** What the caller may know of a refusal: Warning (RFC 3261 20.43) in words and Reason (RFC 3326) with our code. */
export function refusalHeaders(code: VerdictCode, status: number, text: string = verdicts[code].reason): HeaderMap {
  return { Warning: `399 signalbox ${quoted(tidy(text, MAX_TEXT))}`, Reason: ownReason(status, code) }
}

/** A Reason header of ours. */
export const ownReason = (cause: number, text: string): string =>
  `SIP;cause=${cause};text=${quoted(tidy(text, MAX_TEXT))}`

/** Why the SIP server ended a leg's dialog by itself, in words for the record. */
export const endedHere = ({ reason }: DialogEnd, leg: 'a' | 'b'): string =>
  reason === 'Session timer expired' ? `${reason} on leg ${leg}` : reason

/** A message's Reason; '' when it has none, or one so long that a part of it, its quotes left open, would swallow what follows. */
function reasonOf(message: SipMessage): string {
  const value = message.header('reason') ?? ''
  return value.length > MAX_REASON ? '' : tidy(value, MAX_REASON)
}

/** A Reason of ours, with the causes of the telephone network in the far end's (RFC 6432) before it. */
export function withCause(message: SipMessage, own: string): string {
  const values = splitList(reasonOf(message))
  return [...values.filter((value) => /^q\.850[ ;]/i.test(value)).slice(0, 2), own].join(', ')
}

/** A final response in words for the record: status and phrase, and what its Reason and Warning say of the cause. */
export function wordsOf(response: SipResponse): string {
  const said = `answered ${response.status} ${tidy(response.reason, MAX_TEXT)}`
  if (response.status < 300) return `${said}, which makes no dialog`
  const causes = [tidy(reasonOf(response), MAX_TEXT), tidy(response.header('warning') ?? '', MAX_TEXT)]
  return [said, ...causes.filter((cause) => cause !== '')].join('; ')
}

/** The Reason header of a BYE or CANCEL, for the other leg; no header when there is none. */
export function copiedReason(message: SipMessage): HeaderMap {
  const value = reasonOf(message)
  return value === '' ? {} : { Reason: value }
}

/** A far end's Warning without its host: code and text of each value, under our name. */
export function copiedWarning(message: SipMessage): string | undefined {
  const values: string[] = []
  for (const value of splitList(tidy(message.header('warning') ?? '', MAX_REASON)).slice(0, 4)) {
    const code = value.slice(0, 3)
    const open = value.indexOf('"')
    if (!/^[1-9][0-9]{2}$/.test(code) || value[3] !== ' ' || open < 0 || value.length < open + 2) continue
    if (!value.endsWith('"')) continue
    values.push(`${code} signalbox ${value.slice(open)}`)
  }
  return values.length === 0 ? undefined : values.join(', ')
}
