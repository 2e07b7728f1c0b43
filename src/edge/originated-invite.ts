import { ALLOW } from './capabilities.js'
import { Crossing, escapeUser } from './crossing.js'
import { type SessionTimerPolicy, supportedIn, timerOffer } from './session-timers.js'
import type { HeaderMap } from './sip-server.js'

/** What the INVITE to an agent is made of whose call is placed for it. */
export interface OriginatedInvite {
  readonly callId: string
  /** The number that is presented to the destination. */
  readonly number: string
  /** Who will be called. */
  readonly destination: string
  readonly agentHeaders: Readonly<Record<string, string>>
  /** Those of the request for the call. */
  readonly requestHeaders: Readonly<Record<string, string>>
  readonly userAgent: string | null
  readonly sessionTimers: SessionTimerPolicy | null
  /** Whether it carries an offer. */
  readonly offers: boolean
}

/**
 * Headers of the INVITE to an agent whose call is placed for it: from the number that is presented, and what tells the agent who is
 * called. Ours win over the request's, those over the agent's. No `Supported: 100rel`: an offer in a reliable provisional response
 * would have to be answered before anybody is called.
 */
export function originatedInviteHeaders(call: OriginatedInvite): HeaderMap {
  const headers = new Crossing()
  headers.put('From', `<sip:${escapeUser(call.number)}@localhost>`)
  headers.put('Max-Forwards', '70')
  headers.put('X-Signalbox-Call-Id', call.callId)
  headers.put('X-Signalbox-Number', call.number)
  headers.put('X-Signalbox-Destination', call.destination)
  headers.put('X-Signalbox-Direction', 'outbound')
  headers.put('Allow', ALLOW)
  headers.put('Accept', 'application/sdp')
  const supported = supportedIn(call.sessionTimers, false)
  if (supported !== undefined) headers.put('Supported', supported)
  headers.putAll(timerOffer(call.sessionTimers, false))
  if (call.userAgent !== null) headers.put('User-Agent', call.userAgent)
  if (call.offers) headers.put('Content-Type', 'application/sdp')
  headers.putAll(call.requestHeaders)
  headers.putAll(call.agentHeaders)
  return headers.map
}
