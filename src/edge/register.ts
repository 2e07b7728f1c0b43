import type { RegisterResult } from '../trunks/registrar/registrar.js'
import type { Registrar } from '../trunks/registrar/registrar.js'
import { refuseByHeader } from './admission.js'
import { hasToTag } from './guard.js'
import { refusalHeaders } from './reason.js'
import type { SipRequest } from './sip-server.js'

/** What takes REGISTERs, and what is counted of them. */
export interface EdgeRegistrar extends Pick<Registrar, 'active' | 'answer'> {
  count(result: RegisterResult): void
}

/** Extensions that a REGISTER may require: proxies on its way, and flows. */
const REGISTER_SUPPORTED: readonly string[] = ['path', 'outbound']

/** Answers a REGISTER of somebody who may be a PBX that registers to us. */
export function answerRegister(
  request: SipRequest,
  registrar: EdgeRegistrar,
  state: { readonly stopping: boolean; readonly retryAfterS: number },
): void {
  if (hasToTag(request)) return request.answer(481, 'Call Leg/Transaction Does Not Exist')
  const refused = refuseByHeader(request, REGISTER_SUPPORTED)
  if (refused !== undefined) return request.answer(refused.status, refused.reason, { headers: refused.headers })
  if (state.stopping) {
    const headers = { 'Retry-After': String(state.retryAfterS), ...refusalHeaders('EDGE_STOPPING', 503) }
    return request.answer(503, 'Edge is stopping', { headers })
  }
  // It never rejects.
  void registrar.answer(request).then(({ status, reason, headers, result }) => {
    registrar.count(result)
    request.answer(status, reason, { headers })
  })
}
