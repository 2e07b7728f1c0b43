import type { Dialog } from './dialog.js'

/** A request of ours that is not answered yet. */
export interface OpenRequest {
  /** It carries an offer that the peer has not answered. */
  readonly offering: boolean
}

/**
 * Why an UPDATE or INVITE of the peer may not be taken now (RFC 3261 14.2, RFC 3311 5.2): 491, it meets a request or an offer of
 * ours; 500, one of its own is not answered. Undefined: it may.
 */
export function refusalOf(dialog: Dialog, method: string, offers: boolean): 491 | 500 | undefined {
  const { clientInvite, clientUpdate, serverInvite, serverUpdate } = dialog
  if (method === 'INVITE') {
    if (serverInvite?.open) return 500
    if (clientInvite !== undefined || (dialog.early && dialog.parties.role === 'uac')) return 491
    if (clientUpdate?.offering) return 491
    return serverUpdate?.open && serverUpdate.offering ? 500 : undefined
  }
  if (serverUpdate?.open) return 500
  if (!offers) return undefined
  if (dialog.offering || clientInvite?.offering || clientUpdate?.offering) return 491
  return serverInvite?.open && serverInvite.offering ? 500 : undefined
}
