import type { SipRequest, SipResponse } from '../message/message.js'
import type { AppText } from './app-text.js'
import { ownString } from '../message/own-strings.js'
import { type Context, listsOption } from './context.js'
import type { Dialog } from './dialog.js'
import { type Agreed, agreedBy, agreeOn, putAgreed, sessionExpiresOf, supportsTimer } from './session-expires.js'
import { type RefreshOwner, SessionRefresh } from './session-refresh.js'
import { SessionTimer, type SessionTimerOwner } from './session-timer.js'

/** Requests that refresh a session (RFC 4028 2). */
const refreshes = (method: string): boolean => method === 'INVITE' || method === 'UPDATE'

const isSdp = (body: string): boolean => body.startsWith('v=0')

/** What ends calls and acknowledges answers. */
export interface SessionsOwner extends RefreshOwner {
  end(dialog: Dialog, reason: string): void
}

/** The session timers of dialogs (RFC 4028): agreed on in what passes, kept, and run out. Applications hear only of the end. */
export class Sessions implements SessionTimerOwner {
  constructor(
    private readonly context: Context,
    private readonly owner: SessionsOwner,
  ) {}

  /** Whether a request of the peer asks for an interval that is too short (422): only who knows timers is told so. */
  tooShort(request: SipRequest, dialog: Dialog | undefined): boolean {
    if (!request.headers.has('session-expires') || !refreshes(request.method)) return false
    const { minSeS, defaultRefresher } = this.context.settings.sessionTimers
    const asked = sessionExpiresOf(request)
    if (asked === undefined || asked.seconds >= minSeS || !supportsTimer(request)) return false
    return dialog?.session !== undefined || asked.refresher !== undefined || defaultRefresher !== 'none'
  }

  /**
   * Our 2xx to a request of the peer is about to be sent: what it sets up is written into it, and runs from now on.
   * @param early what a provisional response has said of our session, where the 2xx says nothing
   */
  answering(dialog: Dialog, request: SipRequest, response: SipResponse, early: string): void {
    const { session } = dialog
    const { headers } = response
    const asked = request.headers.has('session-expires')
    if (session === undefined && !asked && !headers.has('session-expires')) return
    if (!refreshes(request.method) || dialog.method !== 'INVITE' || dialog.early) return
    const chosen = sessionExpiresOf(response)
    const agreed = agreeOn(request, chosen, session?.agreedAsUas, this.context.settings.sessionTimers)
    if (agreed === undefined) {
      headers.remove('session-expires')
      return
    }
    putAgreed(response, request, agreed)
    this.run(dialog, agreed, agreed.refresher === 'uas', request, response.body || early)
  }

  /** Adds to a request of the application in the dialog what keeps the timer going. */
  adding(dialog: Dialog, request: SipRequest): void {
    const { session } = dialog
    if (session === undefined || !refreshes(request.method)) return
    const { headers } = request
    if (!headers.has('session-expires'))
      headers.append('session-expires', `${session.seconds};refresher=${session.agreedAsUac.refresher}`)
    if (!supportsTimer(request)) headers.append('supported', 'timer')
  }

  /** The peer has answered a request of ours with a 2xx. */
  answered(dialog: Dialog, request: SipRequest, response: SipResponse): void {
    const { session } = dialog
    if (session === undefined && !response.headers.has('session-expires') && !request.headers.has('session-expires'))
      return
    if (!refreshes(request.method) || dialog.method !== 'INVITE' || dialog.early) return
    const agreed = agreedBy(response, request, session?.agreedAsUac, this.context.settings.sessionTimers)
    if (agreed === undefined) {
      session?.stop()
      dialog.session = undefined
      return
    }
    this.run(dialog, agreed, agreed.refresher === 'uac', response, request.body)
  }

  /** The answer to a late offer has gone in the ACK. */
  acknowledged(dialog: Dialog, text: AppText): void {
    if (dialog.session !== undefined && isSdp(text.body)) dialog.session.localSdp = ownString(text.body)
  }

  refresh(dialog: Dialog): void {
    new SessionRefresh(this.context, this.owner, this, dialog).start()
  }

  expired(dialog: Dialog): void {
    this.owner.end(dialog, 'Session timer expired')
  }

  /** @param peers the peer's message, which may say what it allows */
  private run(dialog: Dialog, { seconds }: Agreed, ours: boolean, peers: SipRequest | SipResponse, sdp: string): void {
    const session = (dialog.session ??= new SessionTimer(this.context.clock, this, dialog))
    // It does not keep in memory the message it was read from.
    if (isSdp(sdp)) session.localSdp = ownString(sdp)
    const allowed = peers.headers.getAll('allow')
    if (allowed.length > 0) session.allowsUpdate = allowed.some((line) => listsOption(line, 'update'))
    session.arm(seconds, ours)
  }
}
