import { createResponse, reasonPhrase, type SipRequest, type SipResponse } from '../message/message.js'
import { parseUri, uriScheme } from '../message/uri.js'
import type { ServerTransaction } from '../transaction/transactions.js'
import type { Flow } from '../transport/transport.js'
import { type App, type Outcome, refused } from './app.js'
import { type AppText, appHeader } from './app-text.js'
import { type Context, fromHere, fromNetwork, listValue } from './context.js'
import { contactUriOf, Dialog, dialogIdOf, routeSetOf } from './dialog.js'
import { EchoGap } from './echo-gap.js'
import { appResponse, chosenToTag } from './fill.js'
import type { InDialog } from './in-dialog.js'
import { OkRepeater } from './ok-repeater.js'
import { ReliableProvisional } from './reliable-provisional.js'
import { newId, newTag } from './tokens.js'
import { UasRequest } from './uas-request.js'

/** Methods there are (IANA); any other is answered 501. */
const METHODS = new Set(
  'ACK BYE CANCEL INFO INVITE MESSAGE NOTIFY OPTIONS PRACK PUBLISH REFER REGISTER SUBSCRIBE UPDATE'.split(' '),
)
/** Methods that mean nothing outside a dialog. */
const ONLY_IN_DIALOG = new Set(['BYE', 'UPDATE', 'PRACK'])
/** A request with an unknown To tag goes to an application all the same: subscriptions outlive applications. */
const TAKEN_WITHOUT_DIALOG = new Set(['INFO', 'NOTIFY', 'MESSAGE', 'OPTIONS', 'SUBSCRIBE', 'PUBLISH', 'REGISTER'])
const UNKNOWN_TRANSACTION = 'Response not sent due to unknown transaction'

/** Requests that arrive: which application gets them, what it answers, and the dialogs that come of it (UAS core). */
export class ServerSide {
  /** By the transaction id applications use; an entry lives as long as its server transaction. */
  private readonly requests = new Map<string, UasRequest>()
  private readonly byTransaction = new Map<string, UasRequest>()
  /** Requests outside dialogs that are not over, by what merged copies share (RFC 3261 8.2.2.2). */
  private readonly unmerged = new Set<string>()

  constructor(
    private readonly context: Context,
    private readonly inDialog: InDialog,
  ) {}

  /** A new request of the network, neither ACK nor CANCEL. */
  request(tx: ServerTransaction): void {
    const { request } = tx
    if (!METHODS.has(request.method)) return this.reject(tx, 501)
    if (request.method === 'INVITE') tx.respond(createResponse(request, 100))
    if (request.toTag !== '') {
      const dialog = this.context.dialogs.ofRequest(request)
      if (dialog !== undefined) return this.requestInDialog(tx, dialog)
      if (!TAKEN_WITHOUT_DIALOG.has(request.method)) return this.reject(tx, 481)
    } else if (ONLY_IN_DIALOG.has(request.method)) {
      return this.reject(tx, 481)
    }
    this.requestOutsideDialog(tx)
  }

  /** An ACK to a 2xx, or one that belongs to nothing (dropped, RFC 3261 12.2.2). */
  ack(ack: SipRequest, flow: Flow): void {
    const dialog = this.context.dialogs.ofRequest(ack)
    const repeater = dialog?.repeater
    if (dialog === undefined || repeater === undefined || repeater.cseq !== ack.cseq.number) return
    repeater.stop()
    dialog.repeater = undefined
    const { app, heldBye } = dialog
    const txnId = repeater.cseq === dialog.firstCseq ? dialog.inviteTxnId : newId()
    this.pass(dialog, () => {
      if (app.open) app.deliver(ack, fromNetwork(flow), txnId, dialog.id)
    })
    dialog.heldBye = undefined
    heldBye?.send()
  }

  /** A CANCEL, and the INVITE it means if that is known (RFC 3261 9.2). */
  cancel(cancel: ServerTransaction, invite: ServerTransaction | undefined): void {
    const known = invite && this.byTransaction.get(invite.id)
    if (invite === undefined || invite.finalSent || known === undefined) return this.reject(cancel, 481)
    const { app, dialog } = known
    known.toTag ||= newTag()
    cancel.respond(createResponse(cancel.request, 200, undefined, known.toTag))
    this.finish(known, createResponse(invite.request, 487, undefined, known.toTag))
    if (app.open) app.deliver(cancel.request, fromNetwork(cancel.flow), known.id, dialog?.id ?? '')
  }

  /** Sends an application's response to the request it knows by that id. */
  respond(txnId: string, status: number, reason: string, text: AppText): Outcome {
    const known = this.requests.get(txnId)
    if (known === undefined) return refused(UNKNOWN_TRANSACTION)
    if (known.final !== undefined || known.tx.finalSent) {
      const waitsForAck = known.method === 'INVITE' && known.final !== undefined && known.final.status < 300
      return waitsForAck && status >= 200 ? this.sent(known, known.final!) : refused(UNKNOWN_TRANSACTION)
    }
    if (known.toTag === '') known.toTag = known.tx.request.toTag || chosenToTag(text, known.tx.request) || newTag()
    known.timer?.cancel()
    const reliable = status > 100 && status < 200 && /(^|[\s,])100rel($|[\s,])/i.test(appHeader(text, 'require') ?? '')
    if (reliable && !this.peerOffers100rel(known)) return refused('Remote endpoint does not support 100rel')
    const response = appResponse(
      known.tx.request,
      status,
      reason || reasonPhrase(status),
      status === 100 ? '' : known.toTag,
      text,
      known.tx.flow.binding,
      this.needsContact(known, status, reliable),
    )
    if (status >= 200) {
      known.final = response
      if (known.reliable?.holds(response)) return this.sent(known, response)
      this.finish(known, response)
    } else {
      this.provisional(known, response, reliable)
    }
    return this.sent(known, response)
  }

  /** An application's connection is gone: its unanswered requests are answered in its place. */
  appGone(app: App): void {
    for (const known of [...this.requests.values()]) {
      if (known.app !== app || known.tx.finalSent) continue
      this.finish(
        known,
        createResponse(
          known.tx.request,
          known.dialog && !known.dialog.early ? 481 : 503,
          undefined,
          known.toTag || newTag(),
        ),
      )
    }
  }

  stop(): void {
    for (const known of this.requests.values()) {
      known.timer?.cancel()
      known.reliable?.stop()
    }
    this.requests.clear()
    this.byTransaction.clear()
    this.unmerged.clear()
  }

  private requestOutsideDialog(tx: ServerTransaction): void {
    const { request } = tx
    const scheme = uriScheme(request.uri)
    if (scheme !== 'sip' && scheme !== 'sips' && scheme !== 'tel') return this.reject(tx, 416)
    if (parseUri(request.uri) === undefined) return this.reject(tx, 400, 'Bad Request-URI')
    const merge =
      request.toTag === ''
        ? `${request.callId}\n${request.fromTag}\n${request.cseq.number} ${request.method}`
        : undefined
    if (merge !== undefined && this.unmerged.has(merge)) return this.reject(tx, 482)
    // A dialog of that Call-ID and From tag is there: applications could not tell a second one from it.
    if (
      tx.invite &&
      merge !== undefined &&
      this.context.dialogs.find(dialogIdOf(request.callId, request.fromTag))?.role === 'uas'
    )
      return this.reject(tx, 491)
    const app = this.context.apps.choose(request.method)
    if (app === undefined) return this.reject(tx, request.method === 'REFER' ? 405 : 503)
    const known = this.remember(tx, app)
    known.mergeKey = merge
    if (merge !== undefined) this.unmerged.add(merge)
    const { flow } = tx
    app.deliver(request, fromNetwork(flow), known.id, '', { address: flow.localAddress, port: flow.localPort })
  }

  private requestInDialog(tx: ServerTransaction, dialog: Dialog): void {
    const { request } = tx
    const { method } = request
    const cseq = request.cseq.number
    // An UPDATE or PRACK may arrive out of turn while the INVITE is open, but never below what came before it.
    if (dialog.remoteCseq !== undefined && cseq < dialog.remoteCseq) return this.reject(tx, 500, 'CSeq out of order')
    dialog.remoteCseq = cseq
    if (method === 'BYE') return this.bye(tx, dialog)
    if (!dialog.app.open) return this.reject(tx, 481)
    if (method === 'INVITE') {
      const unanswered = dialog.openServerInvite ?? (dialog.early ? this.requests.get(dialog.inviteTxnId) : undefined)
      if (unanswered !== undefined && !unanswered.tx.finalSent) return this.tooEarly(tx)
      if (dialog.openClientInvite !== undefined) return this.reject(tx, 491)
    }
    if (method === 'PRACK' && !this.prackMatches(request, dialog)) return this.reject(tx, 481)
    const known = this.remember(tx, dialog.app)
    known.toTag = request.toTag
    known.dialog = dialog
    if (method === 'INVITE') dialog.openServerInvite = known
    this.pass(dialog, () => {
      if (dialog.app.open) dialog.app.deliver(request, fromNetwork(tx.flow), known.id, dialog.id)
    })
    if (
      dialog.method === 'SUBSCRIBE' &&
      method === 'NOTIFY' &&
      /^terminated/i.test(request.headers.get('subscription-state') ?? '')
    )
      this.inDialog.release(dialog)
  }

  private bye(tx: ServerTransaction, dialog: Dialog): void {
    if (dialog.early) return this.reject(tx, 481)
    const open = dialog.openServerInvite
    if (open !== undefined && !open.tx.finalSent) this.finish(open, createResponse(open.tx.request, 487))
    const { app, gap } = dialog
    dialog.gap = undefined
    this.inDialog.release(dialog)
    if (!app.open) return this.reject(tx, 481)
    const known = this.remember(tx, app)
    known.toTag = tx.request.toTag
    known.dialog = dialog
    const deliver = (): void => {
      if (app.open) app.deliver(tx.request, fromNetwork(tx.flow), known.id, dialog.id)
    }
    if (gap === undefined) deliver()
    else gap.pass(deliver)
  }

  private prackMatches(prack: SipRequest, dialog: Dialog): boolean {
    const rack = prack.headers.get('rack')
    const known = dialog.openServerInvite ?? this.requests.get(dialog.inviteTxnId)
    return rack !== undefined && known?.reliable !== undefined && known.reliable.acknowledge(rack)
  }

  /** A second INVITE before the first is answered: 500 with a Retry-After of 0 to 10 s (RFC 3261 14.2). */
  private tooEarly(tx: ServerTransaction): void {
    const response = createResponse(tx.request, 500)
    response.headers.append('retry-after', String(Math.floor(Math.random() * 11)))
    tx.respond(response)
  }

  private remember(tx: ServerTransaction, app: App): UasRequest {
    const known = new UasRequest(newId(), tx, app)
    this.requests.set(known.id, known)
    this.byTransaction.set(tx.id, known)
    tx.user = {
      ended: () => this.forget(known),
      // Without a way back the request is over, unless its final response waits for a repeat of it to find it.
      transportFailed: () => {
        if (!tx.finalSent && !tx.flow.open) tx.abandon()
      },
    }
    const patienceMs = tx.invite ? this.context.settings.appAnswerTimeoutMs : this.context.timers.t1x64Ms
    known.timer = this.context.clock.after(patienceMs, () => {
      if (!tx.finalSent)
        this.finish(known, createResponse(tx.request, 500, 'Application did not answer', known.toTag || newTag()))
    })
    return known
  }

  private forget(known: UasRequest): void {
    known.timer?.cancel()
    known.reliable?.stop()
    this.requests.delete(known.id)
    this.byTransaction.delete(known.tx.id)
    if (known.mergeKey !== undefined) this.unmerged.delete(known.mergeKey)
    const { dialog } = known
    if (dialog?.openServerInvite === known) dialog.openServerInvite = undefined
    if (dialog?.early && dialog.role === 'uas' && dialog.inviteTxnId === known.id) this.inDialog.release(dialog)
  }

  private provisional(known: UasRequest, response: SipResponse, reliable: boolean): void {
    if (response.status > 100 && known.method === 'INVITE') {
      known.ringing = true
      known.dialog ??= this.createDialog(known, response)
    }
    if (!reliable) {
      known.tx.respond(response)
      return
    }
    response.headers.set('require', '100rel')
    const { clock, timers } = this.context
    known.reliable ??= new ReliableProvisional(
      clock,
      timers,
      known.tx,
      () => this.finish(known, createResponse(known.tx.request, 503, 'Reliable Response Time-Out', known.toTag)),
      (final) => this.finish(known, final),
    )
    known.reliable.send(response)
  }

  /** Sends a final response and settles what follows from it. */
  private finish(known: UasRequest, response: SipResponse): void {
    known.timer?.cancel()
    known.final = response
    known.reliable?.stop()
    const success = response.status >= 200 && response.status < 300
    if (success && known.makesDialog) {
      const created = known.dialog === undefined || known.dialog.early
      known.dialog ??= this.createDialog(known, response)
      const { dialog } = known
      if (known.method === 'INVITE') this.answered(known, dialog, response, created)
      else dialog.early = false
    } else if (success && known.dialog !== undefined && known.method === 'UPDATE') {
      known.dialog.refreshTarget(known.tx.request)
    }
    known.tx.respond(response)
    if (!success && known.dialog?.early && known.dialog.inviteTxnId === known.id) this.inDialog.release(known.dialog)
    if (known.dialog?.openServerInvite === known) known.dialog.openServerInvite = undefined
  }

  private answered(known: UasRequest, dialog: Dialog, response: SipResponse, created: boolean): void {
    const { clock, timers, settings } = this.context
    dialog.early = false
    if (created) dialog.localContact = response.headers.get('contact') ?? ''
    else dialog.refreshTarget(known.tx.request)
    dialog.repeater?.stop()
    dialog.repeater = new OkRepeater(clock, timers, known.tx, response, () => this.neverAcknowledged(dialog))
    dialog.gap = new EchoGap(clock, settings.echoGapMs)
  }

  private neverAcknowledged(dialog: Dialog): void {
    const { heldBye } = dialog
    dialog.repeater = undefined
    dialog.heldBye = undefined
    if (heldBye !== undefined) heldBye.send()
    else this.inDialog.end(dialog, 'ACK timeout')
  }

  private createDialog(known: UasRequest, response: SipResponse): Dialog {
    const { request, flow } = known.tx
    const method = request.method as 'INVITE' | 'SUBSCRIBE'
    const dialog = new Dialog(
      'uas',
      method,
      request.callId,
      known.toTag,
      request.fromTag,
      response.headers.get('to') ?? '',
      request.headers.get('from') ?? '',
      known.id,
      request.cseq.number,
      contactUriOf(request) ?? `sip:${flow.remoteAddress}:${flow.remotePort}`,
      known.app,
    )
    dialog.routeSet = routeSetOf(request, 'uas')
    dialog.localContact = response.headers.get('contact') ?? ''
    if (flow.reliable) dialog.flow = flow
    else if (dialog.routeSet.length === 0 && contactDiffersFrom(dialog.remoteTarget, flow))
      dialog.natTarget = { protocol: flow.protocol, address: flow.remoteAddress, port: flow.remotePort }
    this.context.dialogs.add(dialog)
    return dialog
  }

  private needsContact(known: UasRequest, status: number, reliable: boolean): boolean {
    if (!known.makesDialog) return known.method === 'UPDATE' && status < 300 && status >= 200
    if (known.dialog !== undefined && !known.dialog.early) return status > 100 && status < 300
    return reliable || (status >= 200 && status < 300)
  }

  private peerOffers100rel(known: UasRequest): boolean {
    const { request } = known.tx
    return /(^|[\s,])100rel($|[\s,])/i.test(`${listValue(request, 'supported')},${listValue(request, 'require')}`)
  }

  private sent(known: UasRequest, response: SipResponse): Outcome {
    const { tx } = known
    const dialogId = known.makesDialog
      ? dialogIdOf(tx.request.callId, known.dialog?.role === 'uac' ? tx.request.toTag : tx.request.fromTag)
      : known.dialog !== undefined && !known.dialog.terminated
        ? known.dialog.id
        : ''
    return { ok: true, sent: response, origin: fromHere(tx.flow), txnId: known.id, dialogId }
  }

  private reject(tx: ServerTransaction, status: number, reason?: string): void {
    const response = createResponse(tx.request, status, reason, tx.request.toTag ? undefined : newTag())
    if (status === 405) response.headers.append('allow', 'INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK')
    tx.respond(response)
  }

  private pass(dialog: Dialog, deliver: () => void): void {
    if (dialog.gap === undefined) deliver()
    else dialog.gap.pass(deliver)
  }
}

/** Over UDP the peer's Contact is not where its request came from: behind a NAT only the source can be reached. */
function contactDiffersFrom(contact: string, flow: Flow): boolean {
  const uri = parseUri(contact)
  if (uri === undefined || uri.scheme === 'tel') return true
  const host = uri.host.startsWith('[') ? uri.host.slice(1, -1) : uri.host
  return host !== flow.remoteAddress || (uri.port !== undefined && uri.port !== flow.remotePort)
}
