import { refuseByHeader } from './admission.js'
import { ALLOW, SUPPORTED } from './capabilities.js'
import { hasToTag } from './guard.js'
import { refusalHeaders } from './reason.js'
import type { SipRequest } from './sip-server.js'

/** Answers a request outside dialogs that is no INVITE: OPTIONS says whether calls are taken, nothing else is served. */
export function answerOutOfDialog(request: SipRequest, state: { stopping: boolean; retryAfterS: number }): void {
  if (hasToTag(request)) return request.answer(481, 'Call Leg/Transaction Does Not Exist')
  if (request.method !== 'OPTIONS') return request.answer(405, 'Method Not Allowed', { headers: { Allow: ALLOW } })
  const refused = refuseByHeader(request)
  if (refused !== undefined) return request.answer(refused.status, refused.reason, { headers: refused.headers })
  if (state.stopping) {
    const headers = { 'Retry-After': String(state.retryAfterS), ...refusalHeaders('EDGE_STOPPING', 503) }
    return request.answer(503, 'Edge is stopping', { headers })
  }
  const headers = { Allow: ALLOW, Accept: 'application/sdp', Supported: SUPPORTED.join(', ') }
  request.answer(200, 'OK', { headers })
}
