import type { SipRequest, SipResponse } from '../message/message.js'
import type { Flow } from '../transport/transport.js'
import type { AppText } from './app-text.js'
import type { Context } from './context.js'
import type { Dialog } from './dialog.js'
import { type DialogWay, wayOf } from './dialog-way.js'
import { credentialsOf, dialogRequest } from './fill.js'
import { Outgoing } from './outgoing.js'
import { refreshTarget } from './peer-way.js'
import { minSeOf } from './session-expires.js'
import type { Sessions } from './sessions.js'

/** While something else is under way in the dialog, which is a refresh itself if all goes well: looked at again after this time. */
const BUSY_MS = 1_000
/** Refreshes that may be refused in a row before the end is waited for. */
const MAX_REFUSALS = 4
/** Longest Retry-After that is waited for, in seconds. */
const MAX_RETRY_AFTER_S = 32

/** What a refresh asks of its owner. */
export interface RefreshOwner {
  end(dialog: Dialog, reason: string): void
  repeatAck(dialog: Dialog, response: SipResponse): void
  acknowledgeUnasked(dialog: Dialog): void
}

/**
 * One refresh of ours (RFC 4028 7.4, 10): an UPDATE without a body where the peer allows that, else a re-INVITE with the description
 * of our session that it has, of the same version. Its application is not told.
 */
export class SessionRefresh {
  offering = false
  private outgoing: Outgoing | undefined
  private request: SipRequest | undefined
  private onConnection = false
  private heard = false
  private succeeded = false

  constructor(
    private readonly context: Context,
    private readonly owner: RefreshOwner,
    private readonly sessions: Sessions,
    private readonly dialog: Dialog,
  ) {}

  start(): void {
    const { context, dialog } = this
    const { session } = dialog
    if (session === undefined) return
    if (isBusy(dialog)) return session.refreshIn(BUSY_MS)
    session.underWay = []
    const way = wayOf(context, dialog)
    if (way instanceof Promise) way.then((found) => this.send(found)).catch(context.report)
    else this.send(way)
  }

  /** Withdraws a re-INVITE: the call ends. */
  cancel(): void {
    this.outgoing?.cancel()
  }

  response(response: SipResponse, flow: Flow): void {
    const { status } = response
    this.heard = true
    if (status < 200) return
    if (this.succeeded) return this.owner.repeatAck(this.dialog, response)
    if (status >= 300) return this.refused(response)
    this.success(response, flow)
  }

  failed(status: 408 | 503): void {
    const { dialog } = this
    this.over()
    if (dialog.terminated) return
    // The dialog's connection is gone, and the request did not get across: what the Contact says is left.
    if (status === 503 && this.onConnection && !this.heard) {
      dialog.flow = undefined
      return this.again()
    }
    this.owner.end(dialog, 'Session timer expired')
  }

  private send(way: DialogWay | undefined): void {
    const { context, dialog } = this
    const { session } = dialog
    if (session === undefined || dialog.terminated) return session?.refreshOver()
    if (way === undefined) return this.failed(503)
    const update = session.allowsUpdate || session.localSdp === ''
    const { minSeS } = context.settings.sessionTimers
    const binding = way.flow?.binding ?? way.ways[0]?.binding
    const text = refreshText(session.seconds, minSeS, update ? '' : session.localSdp)
    const request = dialogRequest(dialog, update ? 'UPDATE' : 'INVITE', ++dialog.localCseq, text, binding)
    this.request = request
    this.onConnection = way.flow !== undefined
    this.outgoing = new Outgoing(context, request, way.ways, this)
    this.offering = !update
    if (!update) dialog.clientInvite = this
    const sent = way.flow ? this.outgoing.startOn(way.flow) : this.outgoing.start(way.explicit)
    if (sent === undefined) this.failed(503)
  }

  private success(response: SipResponse, flow: Flow): void {
    const { dialog, request, owner } = this
    if (request === undefined) return
    this.succeeded = true
    if (request.method === 'INVITE') {
      dialog.ackOwed = { cseq: response.cseq.number, credentials: credentialsOf(request) }
      if (!dialog.terminated) refreshTarget(dialog, response, flow, this.context.settings.nat)
      owner.acknowledgeUnasked(dialog)
    } else refreshTarget(dialog, response, flow, this.context.settings.nat)
    if (!dialog.terminated) this.sessions.answered(dialog, request, response)
    this.over()
  }

  private refused(response: SipResponse): void {
    const { dialog, owner, request } = this
    const { session } = dialog
    const { status } = response
    this.over()
    if (session === undefined || dialog.terminated) return
    if (status === 408 || status === 481) return owner.end(dialog, 'Session timer expired')
    session.refusals += 1
    if (session.refusals > MAX_REFUSALS) return
    if (status === 491) return session.refreshIn(glareMs(dialog))
    const waitS = Number.parseInt(response.headers.get('retry-after') ?? '', 10)
    if (status >= 500 && waitS >= 0) return session.refreshIn(Math.min(waitS, MAX_RETRY_AFTER_S) * 1000)
    if (status === 422 && minSeOf(response) > session.seconds) {
      session.seconds = minSeOf(response)
      return this.again()
    }
    if (request?.method === 'UPDATE' && session.localSdp !== '') {
      session.allowsUpdate = false
      return this.again()
    }
    // It lives, and may think better of it. If it does not, the session ends when its time is up.
    session.refreshIn(session.leftMs / 2)
  }

  private again(): void {
    new SessionRefresh(this.context, this.owner, this.sessions, this.dialog).start()
  }

  private over(): void {
    const { dialog } = this
    if (dialog.clientInvite === this) dialog.clientInvite = undefined
    dialog.session?.refreshOver()
  }
}

/** Another negotiation is under way in the dialog, or its end. */
function isBusy(dialog: Dialog): boolean {
  const { clientInvite, clientUpdate, serverInvite, serverUpdate, repeater, ackOwed, heldBye, challengedBye } = dialog
  if (serverInvite?.open || serverUpdate?.open) return true
  return (clientInvite ?? clientUpdate ?? repeater ?? ackOwed ?? heldBye ?? challengedBye) !== undefined
}

/** When to try again after a 491, in ms: whoever made the Call-ID waits longer (RFC 3261 14.1). */
function glareMs(dialog: Dialog): number {
  const ours = dialog.parties.role === 'uac'
  return ours ? 2_100 + 10 * Math.floor(Math.random() * 191) : 10 * Math.floor(Math.random() * 201)
}

function refreshText(seconds: number, minSeS: number, body: string): AppText {
  const header = (name: string, value: string) => ({ name: name.toLowerCase(), spelling: name, value })
  return {
    startLine: '',
    headers: [
      header('Session-Expires', `${seconds};refresher=uac`),
      header('Min-SE', String(minSeS)),
      header('Supported', 'timer'),
    ],
    body,
  }
}
