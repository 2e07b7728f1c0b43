import { Headers } from '../message/headers.js'
import { createResponse, type SipMessage, SipRequest, type SipResponse } from '../message/message.js'
import type { ClientTransaction } from '../transaction/transactions.js'
import type { Binding, Flow } from '../transport/transport.js'
import { type App, type Origin, type Outcome, refused } from './app.js'
import type { AppText } from './app-text.js'
import { CallRecord } from './call-record.js'
import { type Context, fromHere, fromNetwork } from './context.js'
import { contactUriOf, Dialog, dialogIdOf, routeSetOf } from './dialog.js'
import type { Claim } from './dialogs.js'
import { EchoGap } from './echo-gap.js'
import { contactAt, credentialsOf, newRequest, onOneLine } from './fill.js'
import type { Way } from './hops.js'
import type { InDialog } from './in-dialog.js'
import { Outgoing } from './outgoing.js'
import { learnWay, refreshTarget } from './peer-way.js'
import { ReliableOrder } from './reliable-order.js'
import { subscribedFor } from './subscription.js'
import { newId, newTag } from './tokens.js'

/** Forks of one INVITE that are told apart: the early dialogs kept, and the answers refused. */
const MAX_FORKS = 16

/** What an application asks to be sent outside dialogs. */
export interface Draft {
  readonly method: string
  readonly uri: string
  readonly text: AppText
  /** Values of the Route headers. */
  readonly routes: readonly string[]
  /** How long each address may be wholly silent. */
  readonly silenceMs: number | undefined
}

/** One request of an application outside a dialog, with its responses and the dialogs they make. */
export class UacRequest implements Claim {
  readonly id = newId()
  private request: SipRequest
  private readonly outgoing: Outgoing
  /** Undefined: nothing is held back. */
  private readonly gap: EchoGap | undefined
  private readonly makesDialog: boolean
  private dialogId: string
  /** The early dialogs its responses have made, one a fork. */
  private readonly early: Dialog[] = []
  /** The order of reliable responses, by To tag. */
  private orders: Map<string, ReliableOrder> | undefined
  private answered: Dialog | undefined
  /** Answers of other forks, acknowledged and hung up. */
  private readonly refusedForks: Dialog[] = []
  private cancelled = false
  private claimed = false
  private over = false
  private readonly startedMs: number
  private alerted = false
  private origin: Origin
  /** Of the call it asks for, where records are kept. */
  private record: CallRecord | undefined

  constructor(
    private readonly context: Context,
    private readonly inDialog: InDialog,
    readonly app: App,
    private draft: Draft | undefined,
    ways: readonly Way[],
    private readonly binding: Binding,
    private readonly forget: (ended: UacRequest) => void,
  ) {
    const { method, uri, text, routes, silenceMs } = draft!
    const request = newRequest(method, uri, text, binding, routes)
    this.request = request
    this.startedMs = context.clock.now()
    this.outgoing = new Outgoing(context, request, ways, this, silenceMs)
    this.gap = EchoGap.after(context.clock, context.settings.echoGapMs)
    this.makesDialog = request.method === 'INVITE' || request.method === 'SUBSCRIBE'
    this.dialogId = dialogIdOf(request.callId, request.fromTag)
    const { protocol, address, port } = ways[0]?.target ?? binding
    this.origin = { source: 'network', protocol, address, port }
  }

  /** @param unresolved why there is no address at all: the application gets a 503 in the response's place */
  start(explicitTransport: boolean, from: Origin, unresolved?: string): Outcome {
    this.claimed = this.makesDialog && this.context.dialogs.claim(this.dialogId, this)
    if (this.makesDialog && !this.claimed) {
      this.ended()
      return refused('dialog already exists, rejecting this request')
    }
    const sent = unresolved === undefined ? this.outgoing.start(explicitTransport) : undefined
    if (sent === undefined) {
      if (unresolved === undefined) {
        this.ended()
        return refused('no connection could be opened')
      }
      this.failed(503, unresolved)
    }
    if (sent !== undefined && sent.request.method === 'INVITE' && this.context.records !== undefined)
      this.record = new CallRecord(this.context.records, sent.request, 'application')
    return {
      ok: true,
      sent: sent?.request ?? this.request,
      origin: sent ? fromHere(sent.flow) : from,
      txnId: this.id,
      dialogId: this.makesDialog ? this.dialogId : '',
    }
  }

  cancel(text: AppText): Outcome {
    const sent = this.outgoing.cancel(text) ? this.outgoing.cancelAsSent(text) : undefined
    if (sent === undefined) return refused(`internal server error canceling transaction id: ${this.id}`)
    this.cancelled = true
    return { ok: true, sent: sent.request, origin: fromHere(sent.flow), txnId: newId(), dialogId: '' }
  }

  /** Ends without a word to anyone. */
  stop(): void {
    this.outgoing.stop()
  }

  /** Its application is gone: an INVITE is withdrawn. What was answered, the dialog's owner ends. */
  abandon(): void {
    this.outgoing.cancel()
  }

  /** Another try may leave by another transport: peers have to come back by that one. From and To stay, as in every repeat. */
  leaving(request: SipRequest, binding: Binding): void {
    if (binding === this.binding || this.draft === undefined) return
    const contact = contactAt(request, this.draft.text, binding)
    if (contact !== undefined) request.headers.set('contact', contact)
  }

  response(response: SipResponse, flow: Flow, tx: ClientTransaction): void {
    const { status } = response
    if (status === 100) return
    this.origin = fromNetwork(flow)
    if (status >= 200) this.unclaim()
    if (this.makesDialog) {
      if (status < 200) {
        if (!this.progress(response, flow, tx.request)) return
      } else if (status < 300) {
        if (!this.success(response, flow, tx.request)) return
      } else {
        this.dropEarly()
        this.record?.answered(response, 'network', 'uac')
      }
      if (status < 300 && this.request.method === 'INVITE') this.time(status)
    }
    this.deliver(response, this.origin)
  }

  /** The first NOTIFY of a subscription may overtake the answer to its SUBSCRIBE; those of other forks are not taken. */
  notified(notify: SipRequest, flow: Flow): Dialog | undefined {
    const sent = this.outgoing.transaction?.request
    if (this.request.method !== 'SUBSCRIBE' || sent === undefined || this.early.length > 0) return undefined
    const dialog = this.newDialog(notify.fromTag, notify.headers.get('from') ?? '', notify, flow, sent)
    this.early.push(dialog)
    this.context.dialogs.add(dialog)
    return dialog
  }

  late(response: SipResponse, flow: Flow, tx: ClientTransaction): void {
    this.refuse(response, flow, tx.request, 'Answered too late')
  }

  failed(status: 408 | 503, reason: string): void {
    this.dropEarly()
    this.unclaim()
    const phrase = status === 408 ? 'Request Timeout' : onOneLine(reason).slice(0, 240)
    const response = createResponse(this.request, status, phrase, newTag())
    // So that an application can tell it from the peer's own.
    const what = status === 503 ? 'Not sent' : 'Not answered'
    response.headers.append('warning', `399 localhost "${what}: ${phrase.replace(/["\\\\]/g, "'")}"`)
    const { origin } = this
    this.record?.answered(response, 'network', 'uac')
    // Made here, in the place of the peer's: an application must hear of it after the echo of its request.
    this.context.clock.after(Math.max(1, this.context.settings.echoGapMs), () => {
      this.deliver(response, origin)
      if (this.outgoing.transaction === undefined) this.ended()
    })
  }

  ended(): void {
    if (this.over) return
    this.over = true
    // The peer has given up repeating its 2xx (RFC 3261 13.3.1.4).
    const { answered } = this
    if (answered !== undefined && answered.ack?.cseq === answered.parties.firstCseq) answered.ack = undefined
    this.dropEarly()
    this.unclaim()
    this.forget(this)
  }

  private time(status: number): void {
    const { clock, counts } = this.context
    const ms = clock.now() - this.startedMs
    if (!this.alerted) counts.outbound.alert.add(ms)
    this.alerted = true
    if (status >= 200) counts.outbound.answer.add(ms)
  }

  private unclaim(): void {
    if (this.claimed) this.context.dialogs.unclaim(this.dialogId)
    this.claimed = false
  }

  /** @returns false when the application is not to hear of it: a repeat, or out of order (RFC 3262 4) */
  private progress(response: SipResponse, flow: Flow, sent: SipRequest): boolean {
    const { toTag } = response
    if (this.answered !== undefined || toTag === '') return true
    let dialog = this.early.find(({ parties }) => parties.remoteTag === toTag)
    if (dialog === undefined) {
      if (this.early.length >= MAX_FORKS) return true
      dialog = this.createDialog(response, flow, sent)
      dialog.forks = this.early
      dialog.offering = this.request.body !== ''
      this.early.push(dialog)
      this.context.dialogs.add(dialog)
    } else if (!dialog.terminated) refreshTarget(dialog, response, flow, this.context.settings.nat)
    if (response.body !== '') dialog.offering = false
    if (!response.headers.has('rseq')) return true
    if (!this.orderOf(toTag).takes(response)) return false
    dialog.prackOwed = Number(response.headers.get('rseq'))
    return true
  }

  /** @returns false when the application is not to hear of it: a repeat, or a fork that is not taken */
  private success(response: SipResponse, flow: Flow, sent: SipRequest): boolean {
    const { answered, app, request } = this
    if (answered !== undefined) {
      if (answered.parties.remoteTag === response.toTag) this.inDialog.repeatAck(answered, response)
      else this.refuse(response, flow, sent, 'Fork not taken')
      return false
    }
    const early = this.early.find(({ parties }) => parties.remoteTag === response.toTag)
    // A NOTIFY that came first has ended the subscription already (RFC 6665 4.4.3).
    if (request.method === 'SUBSCRIBE' && early?.terminated === true) return true
    // The application may have hung up the early dialog: then this answer is too late.
    const dialog = early === undefined || early.terminated ? this.createDialog(response, flow, sent) : early
    this.answered = dialog
    // The same text, kept once.
    this.dialogId = dialog.id
    this.record?.answered(response, 'network', 'uac')
    dialog.record = this.record
    this.confirm(dialog, response, flow)
    this.dropEarly()
    this.context.dialogs.add(dialog)
    if (request.method === 'INVITE') this.inDialog.sessions.answered(dialog, request, response)
    else this.inDialog.keepSubscription(dialog, subscribedFor(response, request))
    dialog.cancelCrossed = request.method === 'INVITE' && (this.cancelled || early?.terminated === true)
    dialog.settle()
    if (request.method === 'INVITE') this.reduce(dialog)
    if (app.open) return true
    if (request.method === 'INVITE') this.inDialog.end(dialog, 'Application gone', false)
    else this.inDialog.release(dialog)
    return false
  }

  /** Keeps of the INVITE what the answers of other forks need: those may come for half a minute yet, and hardly ever do. */
  private reduce({ parties, localContact }: Dialog): void {
    const { request } = this
    const headers = new Headers()
    headers.append('from', parties.localParty)
    headers.append('call-id', parties.callId)
    headers.append('cseq', `${parties.firstCseq} INVITE`)
    if (localContact !== '') headers.append('contact', localContact)
    for (const [name, value] of credentialsOf(request)) headers.append(name, value)
    // A copy has no room for further lines.
    this.request = new SipRequest(request.method, parties.calledUri ?? request.uri, headers.clone())
    this.outgoing.reduce(this.request)
    this.draft = undefined
    this.orders = undefined
  }

  private orderOf(toTag: string): ReliableOrder {
    this.orders ??= new Map()
    const known = this.orders.get(toTag)
    if (known !== undefined) return known
    const order = new ReliableOrder()
    this.orders.set(toTag, order)
    return order
  }

  /** An answer beside the one that was taken, of another fork or too late: it is acknowledged and hung up (RFC 3261 13.2.2.4). */
  private refuse(response: SipResponse, flow: Flow, sent: SipRequest, why: string): void {
    const known = this.refusedForks.find(({ parties }) => parties.remoteTag === response.toTag)
    if (known !== undefined) return this.inDialog.repeatAck(known, response)
    if (this.refusedForks.length >= MAX_FORKS || this.request.method !== 'INVITE') return
    const dialog = this.createDialog(response, flow, sent)
    this.refusedForks.push(dialog)
    this.confirm(dialog, response, flow)
    this.inDialog.end(dialog, why, false)
  }

  /** @param sent the request as it left on the try that was answered */
  private createDialog(response: SipResponse, flow: Flow, sent: SipRequest): Dialog {
    return this.newDialog(response.toTag, response.headers.get('to') ?? '', response, flow, sent)
  }

  private newDialog(remoteTag: string, remoteParty: string, peers: SipMessage, flow: Flow, sent: SipRequest): Dialog {
    const { request } = this
    const dialog = new Dialog(
      {
        role: 'uac',
        method: request.method as 'INVITE' | 'SUBSCRIBE',
        callId: request.callId,
        localTag: request.fromTag,
        remoteTag,
        localParty: request.headers.get('from') ?? '',
        remoteParty,
        inviteTxnId: this.id,
        firstCseq: request.cseq.number,
        calledUri: request.uri,
      },
      contactUriOf(peers) ?? request.uri,
      flow.binding,
      this.app,
    )
    dialog.localContact = sent.headers.get('contact') ?? ''
    dialog.routeSet = routeSetOf(peers, peers.kind === 'request' ? 'uas' : 'uac')
    this.learnWay(dialog, flow)
    return dialog
  }

  /** Takes the route set and the target of the 2xx in place of those of earlier responses (RFC 3261 13.2.2.4). */
  private confirm(dialog: Dialog, response: SipResponse, flow: Flow): void {
    dialog.early = false
    dialog.forks = []
    dialog.offering = false
    dialog.prackOwed = undefined
    dialog.routeSet = routeSetOf(response, 'uac')
    dialog.remoteTarget = contactUriOf(response) ?? dialog.remoteTarget
    this.learnWay(dialog, flow)
    if (this.request.method === 'INVITE')
      dialog.ackOwed = { cseq: response.cseq.number, credentials: credentialsOf(this.request) }
  }

  private learnWay(dialog: Dialog, flow: Flow): void {
    learnWay(dialog, flow, this.context.settings.nat)
    // Whoever was called on the connection it registered on may be reached no other way, whatever Contact it answers with.
    const { registered } = this.context
    if (registered.size > 0 && dialog.routeSet.length === 0 && registered.takes(flow)) dialog.flow = flow
  }

  private dropEarly(): void {
    for (const dialog of this.early) if (dialog !== this.answered && !dialog.terminated) this.inDialog.release(dialog)
    this.early.length = 0
  }

  private deliver(response: SipResponse, origin: Origin): void {
    if (this.gap === undefined) this.handOver(response, origin)
    else this.gap.pass(() => this.handOver(response, origin))
  }

  private handOver(response: SipResponse, origin: Origin): void {
    if (this.app.open) this.app.deliver(response, origin, this.id, this.makesDialog ? this.dialogId : '')
  }
}
