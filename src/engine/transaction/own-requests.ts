import { Headers } from '../message/headers.js'
import { SipRequest, type SipResponse } from '../message/message.js'

/** The ACK to a 3xx-6xx (RFC 3261 17.1.1.3): of the same branch, for the To of the response. */
export function ackTo(invite: SipRequest, response: SipResponse): SipRequest {
  return sameHop(invite, 'ACK', response.headers.get('to') ?? '')
}

/** The CANCEL of an INVITE (RFC 3261 9.1): of the same branch, for the To of the INVITE. */
export function cancelOf(invite: SipRequest): SipRequest {
  return sameHop(invite, 'CANCEL', invite.headers.get('to') ?? '')
}

/** A request that goes no further than the INVITE's next hop does: one Via, the same Route, no body. */
function sameHop(invite: SipRequest, method: string, to: string): SipRequest {
  const headers = new Headers()
  headers.append('via', invite.headers.get('via') ?? '')
  for (const route of invite.headers.getAll('route')) headers.append('route', route)
  headers.append('max-forwards', '70')
  headers.append('from', invite.headers.get('from') ?? '')
  headers.append('to', to)
  headers.append('call-id', invite.headers.get('call-id') ?? '')
  headers.append('cseq', `${invite.cseq.number} ${method}`)
  return new SipRequest(method, invite.uri, headers, '')
}
