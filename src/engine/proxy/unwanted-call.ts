import { nobody } from '../dialog/app.js'
import { contactUriOf, Dialog, routeSetOf } from '../dialog/dialog.js'
import { credentialsOf } from '../dialog/fill.js'
import type { InDialog } from '../dialog/in-dialog.js'
import type { SipRequest, SipResponse } from '../message/message.js'
import type { Flow } from '../transport/transport.js'

/**
 * A destination has answered after it was given up, and the caller has its final response: nobody else can acknowledge that call
 * and hang it up (RFC 3261 13.2.2.4).
 * @param sent the INVITE as it went there
 */
export function hangUpUnwanted(inDialog: InDialog, sent: SipRequest, response: SipResponse, flow: Flow): void {
  const dialog = new Dialog(
    {
      role: 'uac',
      method: 'INVITE',
      callId: sent.callId,
      localTag: sent.fromTag,
      remoteTag: response.toTag,
      localParty: sent.headers.get('from') ?? '',
      remoteParty: response.headers.get('to') ?? '',
      inviteTxnId: '',
      firstCseq: sent.cseq.number,
    },
    contactUriOf(response) ?? sent.uri,
    flow.binding,
    nobody,
  )
  dialog.early = false
  // Ours and those before us are at the near end of the route set.
  dialog.routeSet = routeSetOf(response, 'uac').slice(routeSetOf(sent, 'uac').length)
  dialog.ackOwed = { cseq: response.cseq.number, credentials: credentialsOf(sent) }
  inDialog.end(dialog, 'Answered too late', false)
}
