import type { SipResponse } from '../message/message.js'
import { bracketed } from '../transport/address.js'
import { contactUriOf, Dialog, routeSetOf } from './dialog.js'
import { learnWay, type NatSettings } from './peer-way.js'
import type { UasRequest } from './uas-request.js'

/** The dialog that our response (101-299) to a peer's INVITE or SUBSCRIBE makes (RFC 3261 12.1.1). */
export function createUasDialog(known: UasRequest, response: SipResponse, nat: NatSettings | undefined): Dialog {
  const { request, flow } = known.tx
  const dialog = new Dialog(
    {
      role: 'uas',
      method: known.method as 'INVITE' | 'SUBSCRIBE',
      callId: request.callId,
      localTag: response.toTag,
      remoteTag: request.fromTag,
      localParty: response.headers.get('to') ?? '',
      remoteParty: request.headers.get('from') ?? '',
      inviteTxnId: known.id,
      firstCseq: request.cseq.number,
    },
    contactUriOf(request) ?? `sip:${bracketed(flow.remoteAddress)}:${flow.remotePort}`,
    flow.binding,
    known.app,
  )
  dialog.routeSet = routeSetOf(request, 'uas')
  dialog.localContact = response.headers.get('contact') ?? ''
  if (known.method === 'INVITE') dialog.serverInvite = known
  learnWay(dialog, flow, nat)
  return dialog
}
