import { createResponse, type SipRequest, type SipResponse } from '../message/message.js'
import { isMethod } from '../message/methods.js'
import { joined } from '../message/own-strings.js'
import { parseUri, uriScheme } from '../message/uri.js'
import { cancelOf } from '../transaction/own-requests.js'
import type { ServerTransaction, ServerUser } from '../transaction/transactions.js'
import { Proxies } from '../proxy/proxies.js'
import type { ProxyOptions, ProxyReport } from '../proxy/proxy-options.js'
import type { Flow } from '../transport/transport.js'
import { Answers, UNKNOWN_TRANSACTION } from './answers.js'
import { type App, nobody, type Outcome, refused } from './app.js'
import type { AppText } from './app-text.js'
import { CallRecord } from './call-record.js'
import { type Context, fromNetwork } from './context.js'
import { type Dialog, dialogIdOf } from './dialog.js'
import type { InDialog } from './in-dialog.js'
import { refusalOf } from './offers.js'
import { deliverNew, RoutedRequests } from './routed-requests.js'
import { isSenselessRegister } from './screening.js'
import { endsSubscription, secondsLeft } from './subscription.js'
import { newId, newTag } from './tokens.js'
import { UasRequest } from './uas-request.js'

/** Methods that mean nothing outside a dialog. */
const ONLY_IN_DIALOG = new Set(['BYE', 'UPDATE', 'PRACK'])
/** A request with an unknown To tag goes to an application all the same: subscriptions outlive applications. */
const TAKEN_WITHOUT_DIALOG = new Set(['INFO', 'NOTIFY', 'MESSAGE', 'OPTIONS', 'SUBSCRIBE', 'PUBLISH', 'REGISTER'])

/** Requests that arrive: which application gets them, what it answers, and the dialogs that come of it (UAS core). */
export class ServerSide {
  /** By the transaction id applications use; an entry lives as long as its server transaction. */
  private readonly requests = new Map<string, UasRequest>()
  private readonly byTransaction = new Map<string, UasRequest>()
  /** Requests outside dialogs that are not over, by what merged copies share (RFC 3261 8.2.2.2). */
  private readonly unmerged = new Set<string>()
  private readonly answers: Answers
  readonly proxies: Proxies
  private readonly routed: RoutedRequests

  constructor(
    private readonly context: Context,
    private readonly inDialog: InDialog,
  ) {
    this.answers = new Answers(context, inDialog)
    this.proxies = new Proxies(context, inDialog)
    this.routed = new RoutedRequests(context, this.answers, this.proxies)
  }

  /** A new request of the network, neither ACK nor CANCEL. */
  request(tx: ServerTransaction): void {
    const { request } = tx
    if (!isMethod(request.method)) return this.reject(tx, 501)
    const dialog = request.toTag === '' ? undefined : this.context.dialogs.ofRequest(request)
    if (dialog === undefined && this.isSpam(tx)) return
    if (request.method === 'INVITE') tx.respond(createResponse(request, 100))
    if (dialog !== undefined) return this.requestInDialog(tx, dialog)
    const claim =
      request.method === 'NOTIFY' && request.toTag !== '' ? this.context.dialogs.claimOf(request) : undefined
    if (claim !== undefined) {
      const made = claim.notified(request, tx.flow)
      return made === undefined ? this.reject(tx, 481) : this.requestInDialog(tx, made)
    }
    if (request.toTag === '' ? ONLY_IN_DIALOG.has(request.method) : !TAKEN_WITHOUT_DIALOG.has(request.method))
      return this.reject(tx, 481)
    this.requestOutsideDialog(tx)
  }

  /** An ACK to a 2xx, or one that belongs to nothing (dropped, RFC 3261 12.2.2). */
  ack(ack: SipRequest, flow: Flow): void {
    const dialog = this.context.dialogs.ofRequest(ack)
    const repeater = dialog?.repeater
    if (dialog === undefined || repeater === undefined || repeater.cseq !== ack.cseq.number) return
    repeater.stop()
    dialog.repeater = undefined
    const { serverInvite } = dialog
    // A PRACK may still come late.
    if (serverInvite?.final !== undefined && serverInvite.reliable === undefined) this.letGo(serverInvite)
    const { app, heldBye, heldInvite, parties } = dialog
    const txnId = repeater.cseq === parties.firstCseq ? parties.inviteTxnId : newId()
    this.pass(dialog, () => {
      if (app.open) app.deliver(ack, fromNetwork(flow), txnId, dialog.id)
    })
    dialog.heldBye = undefined
    dialog.heldInvite = undefined
    heldBye?.send()
    if (heldBye === undefined) heldInvite?.send()
    else heldInvite?.drop()
  }

  /** A CANCEL, and the INVITE it means if that is known (RFC 3261 9.2). */
  cancel(cancel: ServerTransaction, invite: ServerTransaction | undefined): void {
    const known = invite && this.byTransaction.get(invite.id)
    if (known === undefined && this.isSpam(cancel)) return
    if (known === undefined || !known.open) return this.reject(cancel, 481)
    cancel.respond(createResponse(cancel.request, 200, undefined, known.toTag()))
    if (known.proxied !== undefined) return known.proxied.cancel()
    this.withdraw(known, cancel.request, cancel.flow)
  }

  /** Sends an application's response to the request it knows by that id. */
  respond(txnId: string, status: number, reason: string, text: AppText): Outcome | Promise<Outcome> {
    const known = this.requests.get(txnId)
    if (known === undefined || known.proxied !== undefined) return refused(UNKNOWN_TRANSACTION)
    const outcome = this.answers.respond(known, status, reason, text)
    const waitsForAck = known.tx.invite && status < 300
    if (known.final !== undefined && !waitsForAck && known.reliable === undefined) this.letGo(known)
    return outcome
  }

  /**
   * Proxies the request that applications know by that id.
   * @returns why not; undefined: it is under way
   */
  proxy(txnId: string, options: ProxyOptions, report?: ProxyReport): string | undefined | Promise<string | undefined> {
    const known = this.requests.get(txnId)
    // A request in a dialog of ours has its far end here.
    if (known === undefined || !known.open || known.proxied !== undefined || known.dialog !== undefined)
      return `Unknown transaction id: ${txnId.slice(0, 64)}`
    return this.proxies.start(known, options, report)
  }

  /** An application's connection is gone: its unanswered requests are answered in its place. */
  appGone(app: App): void {
    for (const known of [...this.requests.values()])
      if (known.app === app && known.open && known.proxied === undefined)
        this.answers.finish(known, known.reply(known.dialog && !known.dialog.early ? 481 : 503))
  }

  stop(): void {
    for (const known of this.requests.values()) {
      known.timer?.cancel()
      known.inquiry?.abort()
      known.reliable?.stop()
    }
    this.requests.clear()
    this.byTransaction.clear()
    this.unmerged.clear()
    this.proxies.stop()
  }

  private requestOutsideDialog(tx: ServerTransaction): void {
    const { request } = tx
    const scheme = uriScheme(request.uri)
    if (scheme !== 'sip' && scheme !== 'sips' && scheme !== 'tel') return this.reject(tx, 416)
    if (parseUri(request.uri) === undefined) return this.reject(tx, 400, 'Bad Request-URI')
    if (request.method === 'REGISTER' && isSenselessRegister(request)) return this.reject(tx, 400, 'Bad Contact Header')
    const answer = this.context.settings.screening?.answerTo(request)
    if (answer !== undefined) return this.reject(tx, answer)
    const merge =
      request.toTag === ''
        ? joined('\n', request.callId, request.fromTag, String(request.cseq.number), request.method)
        : undefined
    if (merge !== undefined && this.unmerged.has(merge)) return this.reject(tx, 482)
    const taken = this.refusalOfSecond(request)
    if (taken !== undefined) return this.reject(tx, taken)
    if (this.inDialog.sessions.tooShort(request, undefined)) return this.tooShort(tx)
    const { router } = this.context
    if (router?.takes(request.method)) return this.routed.ask(router, this.rememberNew(tx, nobody, merge))
    const app = this.context.apps.choose(request.method)
    if (app === undefined) return this.untaken(tx)
    deliverNew(this.rememberNew(tx, app, merge))
  }

  private rememberNew(tx: ServerTransaction, app: App, merge: string | undefined): UasRequest {
    const known = this.remember(tx, app)
    known.mergeKey = merge
    if (tx.invite) known.receivedMs = this.context.clock.now()
    if (merge !== undefined) this.unmerged.add(merge)
    if (tx.invite && this.context.records !== undefined)
      known.record = new CallRecord(this.context.records, tx.request, 'network')
    if (this.context.settings.alwaysRing === true && tx.invite) tx.respond(known.reply(180))
    return known
  }

  /** Applications could not tell a second dialog of one Call-ID and From tag from the first. */
  private refusalOfSecond({ method, callId, fromTag, toTag }: SipRequest): 481 | 482 | 491 | undefined {
    if (method !== 'INVITE' && method !== 'SUBSCRIBE') return undefined
    // Meant for a dialog of a request of ours, which has made none with that peer.
    if (toTag !== '' && this.context.dialogs.isOurs(dialogIdOf(callId, toTag))) return 481
    const id = dialogIdOf(callId, fromTag)
    // Our own request has come back to us.
    if (this.context.dialogs.isOurs(id)) return 482
    return this.context.dialogs.find(id) === undefined ? undefined : 491
  }

  private requestInDialog(tx: ServerTransaction, dialog: Dialog): void {
    const { request, flow } = tx
    const { method } = request
    const cseq = request.cseq.number
    // An UPDATE or PRACK may arrive out of turn while the INVITE is open, but never below what came before it.
    if (dialog.remoteCseq !== undefined && cseq < dialog.remoteCseq) return this.reject(tx, 500, 'CSeq out of order')
    dialog.remoteCseq = cseq
    // The peer has come back on another connection.
    if (flow.reliable && dialog.flow?.open === false) dialog.flow = flow
    if (method === 'BYE') return this.bye(tx, dialog)
    const last = dialog.method === 'SUBSCRIBE' && method === 'NOTIFY' && isLastNotify(request)
    if (!dialog.app.open) {
      this.reject(tx, 481)
      if (last) this.inDialog.release(dialog)
      return
    }
    if (method === 'INVITE' || method === 'UPDATE') {
      const refusal = refusalOf(dialog, method, request.body !== '')
      if (refusal === 500) return this.tooEarly(tx)
      if (refusal !== undefined) return this.reject(tx, refusal)
    }
    if (this.inDialog.sessions.tooShort(request, dialog)) return this.tooShort(tx)
    if (method === 'PRACK') return this.prack(tx, dialog)
    if (method === 'NOTIFY' && dialog.expiry !== undefined) {
      const left = secondsLeft(request)
      if (left !== undefined) this.inDialog.keepSubscription(dialog, left)
    }
    this.handIn(tx, dialog)
    if (last) this.inDialog.release(dialog)
  }

  /** Hands a request to the application its dialog belongs to. */
  private handIn(tx: ServerTransaction, dialog: Dialog): void {
    const { request, flow } = tx
    const { method } = request
    const known = this.remember(tx, dialog.app)
    known.dialog = dialog
    if (method === 'INVITE') dialog.serverInvite = known
    if (method === 'UPDATE') dialog.serverUpdate = known
    this.pass(dialog, () => {
      if (dialog.app.open) dialog.app.deliver(request, fromNetwork(flow), known.id, dialog.id)
    })
  }

  /** A PRACK, which acknowledges a response to the peer's newest INVITE or nothing. */
  private prack(tx: ServerTransaction, dialog: Dialog): void {
    const { request } = tx
    const { serverInvite } = dialog
    const reliable = serverInvite?.reliable
    const open = reliable?.find(request.headers.get('rack') ?? '')
    if (reliable === undefined || open === undefined) return this.reject(tx, 481)
    // After the final response applications take a PRACK for the ACK, and one they did not ask for is no business of theirs.
    const late = !serverInvite?.open
    if (late || (!open.asked && request.body === '')) this.reject(tx, request.body === '' ? 200 : 488)
    else this.handIn(tx, dialog)
    // After it was handed in: what is sent now may be the 200.
    reliable.acknowledged()
  }

  private bye(tx: ServerTransaction, dialog: Dialog): void {
    const { request } = tx
    const { app, gap, serverInvite } = dialog
    if (dialog.early) {
      // Only the caller may hang up before the answer (RFC 3261 15). To applications it is what a CANCEL is.
      if (dialog.parties.role === 'uac' || !serverInvite?.open) return this.reject(tx, 481)
      tx.respond(createResponse(request, 200))
      const cancel = cancelOf(serverInvite.tx.request)
      for (const reason of request.headers.getAll('reason')) cancel.headers.append('reason', reason)
      return this.withdraw(serverInvite, cancel, tx.flow)
    }
    dialog.gap = undefined
    dialog.record?.stopped(request, 'network', 'normal-release')
    dialog.record = undefined
    this.inDialog.release(dialog)
    if (!app.open) return this.reject(tx, 481)
    const known = this.remember(tx, app)
    known.dialog = dialog
    const deliver = (): void => {
      if (app.open) app.deliver(request, fromNetwork(tx.flow), known.id, dialog.id)
    }
    if (gap === undefined) deliver()
    else gap.pass(deliver)
  }

  /** The caller does not want its INVITE answered any more: it gets a 487, the application hears a CANCEL. */
  private withdraw(known: UasRequest, cancel: SipRequest, flow: Flow): void {
    const { app, dialog } = known
    known.record?.stopped(cancel, 'network', 'call-canceled')
    this.answers.finish(known, known.reply(487))
    if (app.open) app.deliver(cancel, fromNetwork(flow), known.id, dialog?.id ?? '')
  }

  /** A second INVITE or UPDATE before the first is answered: 500 with a Retry-After of 0 to 10 s (RFC 3261 14.2, RFC 3311 5.2). */
  private tooEarly(tx: ServerTransaction): void {
    const response = createResponse(tx.request, 500)
    response.headers.append('retry-after', String(Math.floor(Math.random() * 11)))
    tx.respond(response)
  }

  /** The peer asks for a session timer that runs too short (RFC 4028 9). */
  private tooShort(tx: ServerTransaction): void {
    const response = createResponse(tx.request, 422, undefined, tx.request.toTag ? undefined : newTag())
    response.headers.append('min-se', String(this.context.settings.sessionTimers.minSeS))
    tx.respond(response)
  }

  private remember(tx: ServerTransaction, app: App): UasRequest {
    const known = new UasRequest(newId(), tx, app, this)
    this.requests.set(known.id, known)
    this.byTransaction.set(tx.id, known)
    tx.user = known
    const patienceMs = tx.invite ? this.context.settings.appAnswerTimeoutMs : this.context.timers.t1x64Ms
    known.timer = this.context.clock.after(patienceMs, () => {
      if (known.open) this.answers.finish(known, known.reply(500, 'Application did not answer'))
    })
    return known
  }

  /** Its transaction is over. */
  forget(known: UasRequest): void {
    known.inquiry?.abort()
    known.delayed?.(false)
    if (known.final === undefined)
      known.record?.stopped(known.reply(500), 'application', 'system-error-initiated-termination')
    known.proxied?.cancel()
    if (known.mergeKey !== undefined) this.unmerged.delete(known.mergeKey)
    this.letGo(known)
  }

  /** Nothing can come of it any more; what is left of its transaction absorbs repeats. */
  private letGo(known: UasRequest): void {
    known.timer?.cancel()
    known.timer = undefined
    known.reliable?.stop()
    this.requests.delete(known.id)
    this.byTransaction.delete(known.tx.id)
    known.tx.release()
    // A request that copies can be merged with is forgotten as such with its transaction.
    known.tx.user = known.mergeKey === undefined ? undefined : new Unmerged(this.unmerged, known.mergeKey)
    const { dialog } = known
    known.final = undefined
    known.record = undefined
    known.dialog = undefined
    if (dialog === undefined) return
    if (dialog.serverInvite === known) dialog.serverInvite = undefined
    if (dialog.serverUpdate === known) dialog.serverUpdate = undefined
    if (dialog.early && dialog.parties.inviteTxnId === known.id) this.inDialog.release(dialog)
  }

  /** A spammer's request: it is answered as the settings want, or not at all. */
  private isSpam(tx: ServerTransaction): boolean {
    const action = this.context.settings.screening?.spam(tx.request, tx.flow)
    if (action === 'reject') this.reject(tx, 603)
    else if (action === 'discard') tx.abandon()
    return action !== undefined
  }

  /** No application takes requests of that method. */
  private untaken(tx: ServerTransaction): void {
    const { records } = this.context
    const record = tx.invite && records !== undefined ? new CallRecord(records, tx.request, 'network') : undefined
    const refusal = refusalTo(tx, tx.request.method === 'REFER' ? 405 : 503)
    tx.respond(refusal)
    record?.answered(refusal, 'application', 'uas')
  }

  /** Answers a request in no application's name. */
  private reject(tx: ServerTransaction, status: number, reason?: string): void {
    tx.respond(refusalTo(tx, status, reason))
  }

  private pass(dialog: Dialog, deliver: () => void): void {
    if (dialog.gap === undefined) deliver()
    else dialog.gap.pass(deliver)
  }
}

/** What is left of a request that has had its answer: repeats of it by other ways are known while its transaction lasts. */
class Unmerged implements ServerUser {
  constructor(
    private readonly keys: Set<string>,
    private readonly key: string,
  ) {}

  ended(): void {
    this.keys.delete(this.key)
  }
}

function refusalTo(tx: ServerTransaction, status: number, reason?: string): SipResponse {
  const response = createResponse(tx.request, status, reason, tx.request.toTag ? undefined : newTag())
  if (status === 405) response.headers.append('allow', 'INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK')
  return response
}

const isLastNotify = (notify: SipRequest): boolean => endsSubscription(notify.headers.get('subscription-state'))
