import { codeAt, decimal, DIGIT, SEMICOLON, skip, skipSpace } from '../message/chars.js'
import type { SipMessage, SipRequest, SipResponse } from '../message/message.js'
import { hasOption } from './context.js'

/** Who refreshes, in the terms of the request it is said about: its sender (`uac`), or who answers it. */
export type Refresher = 'uac' | 'uas'

/** How session timers are dealt with (RFC 4028). */
export interface SessionTimerSettings {
  /** Who refreshes when a caller asks for a timer and leaves that open; `none`: then there is no timer. */
  readonly defaultRefresher: 'none' | Refresher
  /** Shortest interval that is taken, in seconds: what is below it is answered 422. RFC 4028 has 90; less is for tests alone. */
  readonly minSeS: number
}

export const defaultSessionTimers: SessionTimerSettings = { defaultRefresher: 'none', minSeS: 90 }

/** What a Session-Expires says. */
export interface SessionExpires {
  readonly seconds: number
  readonly refresher: Refresher | undefined
}

/** An answered interval below this is not taken at its word: nobody means to be asked every other second. */
const FLOOR_S = 10
/** Longest interval, well below what a timer can hold: UASs may shorten what they are asked for (RFC 4028 9). */
const MAX_S = 1_000_000

/** The Session-Expires of a message; undefined when it has none, or one that cannot be read. */
export function sessionExpiresOf(message: SipMessage): SessionExpires | undefined {
  const value = message.headers.get('session-expires')
  if (value === undefined) return undefined
  const seconds = deltaSeconds(value)
  return seconds === undefined || seconds === 0 ? undefined : { seconds, refresher: refresherIn(value) }
}

function refresherIn(value: string): Refresher | undefined {
  const first = value.indexOf(';')
  if (first < 0) return undefined
  const from = first + ';refresher='.length
  // As nearly everybody writes it, alone.
  if (value.length === from + 3 && value.startsWith(';refresher=', first)) {
    if (value.endsWith('uac')) return 'uac'
    if (value.endsWith('uas')) return 'uas'
  }
  const named = /;\s*refresher\s*=\s*(uac|uas)\s*(?:;|$)/i.exec(value.slice(0, 256))?.[1]?.toLowerCase()
  return named === 'uac' || named === 'uas' ? named : undefined
}

/** The interval that a Min-SE asks for at least, in seconds; 0: it has none. */
export function minSeOf(message: SipMessage): number {
  const value = message.headers.get('min-se')
  return value === undefined ? 0 : Math.min(deltaSeconds(value) ?? 0, MAX_S)
}

function deltaSeconds(value: string): number | undefined {
  const start = skipSpace(value, 0, value.length)
  const end = skip(value, start, value.length, DIGIT)
  const after = skipSpace(value, end, value.length)
  if (end === start || end - start > 10 || (after < value.length && codeAt(value, after) !== SEMICOLON))
    return undefined
  return decimal(value, start, end)
}

/** Whether the sender says that it knows session timers. */
export const supportsTimer = (message: SipMessage): boolean =>
  hasOption(message, 'supported', 'timer') || hasOption(message, 'require', 'timer')

/** A session timer as it is agreed on. */
export interface Agreed {
  readonly seconds: number
  readonly refresher: Refresher
}

/**
 * What the UAS answers to a request that may set a session timer (RFC 4028 9, table 2); undefined: no timer.
 * @param chosen what the application has put into its answer
 * @param current of the dialog, in the terms of this request; undefined: there was none before
 */
export function agreeOn(
  request: SipRequest,
  chosen: SessionExpires | undefined,
  current: Agreed | undefined,
  settings: SessionTimerSettings,
): Agreed | undefined {
  const asked = sessionExpiresOf(request)
  const wanted = chosen ?? asked ?? current
  if (wanted === undefined) return undefined
  const refresher = refresherOf(request, asked, chosen, current, settings)
  if (refresher === undefined) return undefined
  // It may be shortened, but not below what anybody on the way has asked for at least.
  const longest = Math.min(asked?.seconds ?? MAX_S, MAX_S)
  const seconds = Math.max(Math.min(wanted.seconds, longest), settings.minSeS, minSeOf(request))
  return { seconds, refresher }
}

function refresherOf(
  request: SipRequest,
  asked: SessionExpires | undefined,
  chosen: SessionExpires | undefined,
  current: Agreed | undefined,
  { defaultRefresher }: SessionTimerSettings,
): Refresher | undefined {
  // Who names a refresher knows timers, whatever its Supported says.
  if (asked?.refresher !== undefined) return asked.refresher
  const preferred = chosen?.refresher ?? current?.refresher ?? (chosen === undefined ? defaultRefresher : 'uac')
  if (preferred === 'none') return undefined
  return current?.refresher === 'uac' || supportsTimer(request) ? preferred : 'uas'
}

/** Writes into a 2xx what was agreed on. */
export function putAgreed(response: SipResponse, request: SipRequest, { seconds, refresher }: Agreed): void {
  response.headers.set('session-expires', `${seconds};refresher=${refresher}`)
  if (supportsTimer(request) && !hasOption(response, 'require', 'timer')) response.headers.append('require', 'timer')
}

/**
 * What the UAC takes from the 2xx to a request of its own; undefined: there is no timer (any more). Where the UAS knows no timers
 * the UAC may refresh by itself (RFC 4028 7.2), and does when it has said that it would.
 * @param before the dialog's so far, in the terms of this request
 */
export function agreedBy(
  response: SipResponse,
  request: SipRequest,
  before: Agreed | undefined,
  { minSeS }: SessionTimerSettings,
): Agreed | undefined {
  const answered = sessionExpiresOf(response)
  if (answered !== undefined) {
    const seconds = Math.min(Math.max(answered.seconds, Math.min(FLOOR_S, minSeS)), MAX_S)
    return { seconds, refresher: answered.refresher ?? 'uac' }
  }
  if (before?.refresher === 'uac') return before
  const offered = sessionExpiresOf(request)
  return offered?.refresher === 'uac' ? { seconds: Math.min(offered.seconds, MAX_S), refresher: 'uac' } : undefined
}
