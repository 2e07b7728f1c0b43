import type { Trunk } from '../model/trunk.js'
import { namesOption } from './capabilities.js'
import type { HeaderMap, SipMessage } from './sip-server.js'

/** What we ask for on each leg (RFC 4028); the SIP server keeps what comes of it. */
export interface SessionTimerPolicy {
  /** Seconds within which a leg has to be refreshed. */
  readonly expiresS: number
  /** Shortest such interval that is taken, in seconds. */
  readonly minSeS: number
  /** Who refreshes where the far end leaves it open. `peer` falls to us where the far end knows no timers. */
  readonly refresher: 'edge' | 'peer'
}

/** Whether a trunk may ask our requests for credentials: we have some for it. */
export const mayChallenge = ({ username, auth_username }: Pick<Trunk, 'username' | 'auth_username'>): boolean =>
  Boolean(auth_username) || Boolean(username)

/** The smallest Min-SE there is (RFC 4028 5): one that says no more need not be said. */
const USUAL_MIN_SE_S = 90
/** Largest interval that we let a far end raise ours to, in seconds. */
const MAX_RAISED_S = 86_400

/**
 * Headers of an INVITE of ours that ask for a timer; none when there is no policy. Supported is not among them: it may have more.
 * @param challenges the far end may ask our requests for credentials, which the SIP server has not got: it is to refresh itself
 */
export function timerOffer(policy: SessionTimerPolicy | null, challenges: boolean): HeaderMap {
  if (policy === null) return {}
  const { expiresS, minSeS, refresher } = policy
  const headers: HeaderMap = {
    'Session-Expires': `${expiresS};refresher=${refresher === 'edge' && !challenges ? 'uac' : 'uas'}`,
  }
  if (minSeS > USUAL_MIN_SE_S) headers['Min-SE'] = String(minSeS)
  return headers
}

/** The value of Supported in an INVITE of ours; undefined: we say nothing. */
export function supportedIn(policy: SessionTimerPolicy | null, reliable: boolean): string | undefined {
  if (policy === null) return reliable ? '100rel' : undefined
  return reliable ? '100rel, timer' : 'timer'
}

/** The headers of an INVITE that was answered 422, with the interval it asked for; undefined when it did not say, or asks too much. */
export function withLongerTimer(headers: HeaderMap, refusal: SipMessage): HeaderMap | undefined {
  const offered = headers['Session-Expires']
  const minSe = /^\s*([0-9]{1,6})\s*(?:;|$)/.exec(refusal.header('min-se') ?? '')?.[1]
  if (offered === undefined || minSe === undefined) return undefined
  const seconds = Number(minSe)
  if (seconds <= Number.parseInt(offered, 10) || seconds > MAX_RAISED_S) return undefined
  return { ...headers, 'Session-Expires': offered.replace(/^[0-9]+/, minSe), 'Min-SE': minSe }
}

/**
 * Headers of our 200 to a caller's INVITE that set its leg's timer (RFC 4028 9, table 2); none when there is no policy.
 * @param challenges as in `timerOffer`
 */
export function timerAnswer(policy: SessionTimerPolicy | null, invite: SipMessage, challenges: boolean): HeaderMap {
  if (policy === null) return {}
  const asked = (invite.header('session-expires') ?? invite.header('x') ?? '').slice(0, 256)
  const askedS = Number(/^\s*([0-9]{1,10})/.exec(asked)?.[1] ?? policy.expiresS)
  const atLeastS = Number(/^\s*([0-9]{1,6})/.exec(invite.header('min-se') ?? '')?.[1] ?? 0)
  const named = /;\s*refresher\s*=\s*(uac|uas)\s*(?:;|$)/i.exec(asked)?.[1]?.toLowerCase()
  const knowsTimers = namesOption(invite.header('supported'), 'timer') || namesOption(invite.header('require'), 'timer')
  const preferred = policy.refresher === 'edge' && !challenges ? 'uas' : 'uac'
  const seconds = Math.max(Math.min(askedS, policy.expiresS), policy.minSeS, atLeastS)
  const headers: HeaderMap = {
    'Session-Expires': `${seconds};refresher=${named ?? (knowsTimers ? preferred : 'uas')}`,
  }
  if (knowsTimers) headers['Require'] = 'timer'
  return headers
}
