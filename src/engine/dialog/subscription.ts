import type { SipMessage } from '../message/message.js'

/** What a subscription lasts where nobody says how long, in seconds. */
const DEFAULT_S = 3_600
/** Longest that one is kept without a refresh, in seconds. */
const MAX_S = 1_000_000

/** Whether a Subscription-State says that the subscription is over (RFC 6665 4.1.3). */
export function endsSubscription(state: string | undefined): boolean {
  return state !== undefined && state.slice(0, 10).toLowerCase() === 'terminated'
}

/** Seconds a subscription lasts by the 2xx to its SUBSCRIBE, or by what that asked for. */
export function subscribedFor(answer: SipMessage, request: SipMessage): number {
  const text = answer.headers.get('expires') ?? request.headers.get('expires') ?? ''
  return /^[0-9]{1,10}$/.test(text) ? Math.min(Number(text), MAX_S) : DEFAULT_S
}

/** Seconds that a NOTIFY says are left; undefined: it does not say. */
export function secondsLeft(notify: SipMessage): number | undefined {
  const state = notify.headers.get('subscription-state')?.slice(0, 256) ?? ''
  const digits = /;\s*expires\s*=\s*([0-9]{1,10})\s*(?:;|$)/i.exec(state)?.[1]
  return digits === undefined ? undefined : Math.min(Number(digits), MAX_S)
}
