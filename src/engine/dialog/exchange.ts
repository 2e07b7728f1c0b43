import { createResponse, type SipRequest, type SipResponse } from '../message/message.js'
import { removeTopVia } from '../message/via.js'
import type { Flow } from '../transport/transport.js'
import type { AppText } from './app-text.js'
import { type App, type Origin, type Outcome, refused } from './app.js'
import { type Context, fromBinding, fromHere, fromNetwork } from './context.js'
import type { Dialog } from './dialog.js'
import type { OpenRequest } from './offers.js'
import { type DialogWay, wayOf } from './dialog-way.js'
import { EchoGap } from './echo-gap.js'
import { credentialsOf } from './fill.js'
import { Outgoing } from './outgoing.js'
import { refreshTarget } from './peer-way.js'
import { ReliableOrder } from './reliable-order.js'
import { endsSubscription, subscribedFor } from './subscription.js'
import type { Sessions } from './sessions.js'
import { newId } from './tokens.js'

/** What an exchange asks of its owner. */
export interface ExchangeOwner {
  release(dialog: Dialog): void
  repeatAck(dialog: Dialog, response: SipResponse): void
  acknowledgeUnasked(dialog: Dialog): void
  inviteOver(txnId: string): void
  end(dialog: Dialog, reason: string): void
  keepSubscription(dialog: Dialog, seconds: number): void
  readonly sessions: Sessions
}

/** Requests whose 2xx may carry a new Contact of the peer. */
const REFRESHES_TARGET = new Set(['INVITE', 'UPDATE', 'SUBSCRIBE'])

/** One request of an application in a dialog, and its responses on their way to it. */
export class Exchange implements OpenRequest {
  readonly id = newId()
  offering: boolean
  private outgoing: Outgoing
  /** Undefined: nothing is held back. */
  private readonly gap: EchoGap | undefined
  private readonly order = new ReliableOrder()
  /** Where a response made here is said to come from. */
  private readonly origin: Origin
  /** The connection it was sent on; undefined: that was given up, or there was none. */
  private connection: Flow | undefined
  private heard = false
  private succeeded = false

  constructor(
    private readonly context: Context,
    private readonly owner: ExchangeOwner,
    private readonly app: App,
    private readonly dialog: Dialog,
    private request: SipRequest,
    way: DialogWay,
  ) {
    this.offering = request.body !== ''
    this.outgoing = new Outgoing(context, request, way.ways, this)
    const first = way.ways[0]
    this.origin = way.flow
      ? fromNetwork(way.flow)
      : first
        ? { source: 'network', ...first.target }
        : fromBinding(dialog.binding)
    this.gap = EchoGap.after(context.clock, context.settings.echoGapMs)
  }

  start(way: DialogWay): Outcome {
    const { dialog, request } = this
    if (request.method === 'BYE') dialog.clientInvite?.cancel()
    this.connection = way.flow
    const sent = way.flow ? this.outgoing.startOn(way.flow) : this.outgoing.start(way.explicit)
    if (sent === undefined) {
      this.over(503)
      return refused('Server error: no connection could be opened')
    }
    if (request.method === 'BYE') {
      dialog.record?.stopped(sent.request, 'application', 'normal-release')
      dialog.record = undefined
    } else if (request.method === 'INVITE') dialog.clientInvite = this
    else if (request.method === 'UPDATE') dialog.clientUpdate = this
    return { ok: true, sent: sent.request, origin: fromHere(sent.flow), txnId: this.id, dialogId: dialog.id }
  }

  /** Before the ACK of our 2xx it waits for that (RFC 3261 14.1, 15); the application need not know. */
  hold(): Outcome {
    const { context, dialog } = this
    const sendBy = (way: DialogWay | undefined): void => {
      if (dialog.terminated) return this.failed(481)
      if (way === undefined) return this.failed(503)
      this.renumber()
      this.outgoing = new Outgoing(context, this.request, way.ways, this)
      if (!this.start(way).ok) this.tell(503)
    }
    const held = {
      send: () => {
        const way = wayOf(context, dialog)
        if (way instanceof Promise) way.then(sendBy).catch(context.report)
        else sendBy(way)
      },
      drop: () => this.failed(this.request.method === 'BYE' ? 481 : 487),
    }
    if (this.request.method === 'BYE') dialog.heldBye = held
    else dialog.heldInvite = held
    return { ok: true, sent: this.request, origin: fromBinding(dialog.binding), txnId: this.id, dialogId: dialog.id }
  }

  /** Others may have left while it waited: numbers only rise (RFC 3261 12.2.1.1). */
  private renumber(): void {
    const { dialog, request } = this
    if (dialog.localCseq > request.cseq.number) request.headers.set('cseq', `${++dialog.localCseq} ${request.method}`)
  }

  /** An INVITE of the peer is open: it is not sent (RFC 3261 14.1), and answered as the peer would. */
  refuse(): Outcome {
    const { dialog } = this
    this.over(491)
    this.tell(491)
    return { ok: true, sent: this.request, origin: fromBinding(dialog.binding), txnId: this.id, dialogId: dialog.id }
  }

  /** Withdraws it, if it is an INVITE without an answer. */
  cancel(text?: AppText): Outcome {
    const sent = this.outgoing.cancel(text) ? this.outgoing.cancelAsSent(text ?? NOTHING) : undefined
    if (sent === undefined) return refused(`internal server error canceling transaction id: ${this.id}`)
    return { ok: true, sent: sent.request, origin: fromHere(sent.flow), txnId: newId(), dialogId: '' }
  }

  response(response: SipResponse, flow: Flow): void {
    const { status } = response
    this.heard = true
    if (status === 100) return
    if (status < 200) {
      if (!this.order.takes(response)) return
      if (response.body !== '') this.offering = false
    } else {
      if (this.succeeded) return this.owner.repeatAck(this.dialog, response)
      if (status < 300) this.success(response, flow)
      this.over(status)
    }
    this.deliver(response, flow)
    if (status === 408 || status === 481) this.afterEcho(() => this.endIfLost(status))
    // Nobody else would: the application is gone, or has been told that the dialog is.
    if (this.dialog.ackOwed !== undefined && (!this.app.open || this.dialog.terminated))
      this.owner.acknowledgeUnasked(this.dialog)
  }

  failed(status: 408 | 481 | 487 | 503): void {
    if (status === 503 && this.connection !== undefined && !this.heard && !this.dialog.terminated)
      return this.tryWithoutConnection()
    this.over(status)
    this.tell(status)
  }

  private success(response: SipResponse, flow: Flow): void {
    const { dialog, request } = this
    if (REFRESHES_TARGET.has(request.method)) refreshTarget(dialog, response, flow, this.context.settings.nat)
    if (!dialog.terminated) this.owner.sessions.answered(dialog, request, response)
    if (request.method === 'SUBSCRIBE' && dialog.method === 'SUBSCRIBE')
      this.owner.keepSubscription(dialog, subscribedFor(response, request))
    if (request.method !== 'INVITE') return
    this.succeeded = true
    dialog.ackOwed = { cseq: response.cseq.number, credentials: credentialsOf(request) }
  }

  /** The dialog's connection is gone, and the request did not get across: what the Contact says is left. */
  private tryWithoutConnection(): void {
    const { context, dialog } = this
    if (dialog.flow === this.connection) dialog.flow = undefined
    this.connection = undefined
    const again = (way: DialogWay | undefined): void => {
      if (way === undefined || dialog.terminated) return this.failed(503)
      this.request = this.request.clone()
      removeTopVia(this.request.headers)
      this.outgoing = new Outgoing(context, this.request, way.ways, this)
      const sent = way.flow ? this.outgoing.startOn(way.flow) : this.outgoing.start(way.explicit)
      if (sent === undefined) this.failed(503)
    }
    const way = wayOf(context, dialog)
    if (way instanceof Promise) way.then(again).catch(context.report)
    else again(way)
  }

  /** Tells the application what the peer did not: it must hear of it after the echo of its request. */
  private tell(status: 408 | 481 | 487 | 491 | 503): void {
    const { app, dialog, origin } = this
    const response = createResponse(this.request, status)
    this.context.clock.after(Math.max(1, this.context.settings.echoGapMs), () => {
      if (app.open) app.deliver(response, origin, this.id, dialog.id)
      this.endIfLost(status)
    })
  }

  /** The peer does not answer, or knows nothing of the dialog: that is over (RFC 3261 12.2.1.2, RFC 6665 4.1.2.3, 4.2.2). */
  private endIfLost(status: number): void {
    const { dialog, owner } = this
    const { method } = this.request
    if (status === 487 || status === 491 || dialog.early || dialog.terminated) return
    if (dialog.method === 'SUBSCRIBE') {
      if (method === 'SUBSCRIBE' || method === 'NOTIFY') owner.release(dialog)
    } else if (method === 'INVITE' || method === 'UPDATE') {
      const why = status === 481 ? 'unknown to the peer' : status === 408 ? 'not answered' : 'not sent'
      owner.end(dialog, `${method} in dialog ${why}`)
    }
  }

  /** It has its final response: settles what that means for the dialog. */
  private over(status: number): void {
    const { context, dialog, request } = this
    if (request.method === 'INVITE') {
      this.owner.inviteOver(this.id)
      if (dialog.clientInvite === this) dialog.clientInvite = undefined
    } else if (request.method === 'UPDATE') {
      if (dialog.clientUpdate === this) dialog.clientUpdate = undefined
    } else if (request.method === 'BYE') {
      if (status !== 401 && status !== 407) return this.owner.release(dialog)
      // The application may answer the challenge. If it does not, the call is over all the same.
      dialog.challengedBye?.cancel()
      dialog.challengedBye = context.clock.after(context.timers.t1x64Ms, () => this.owner.release(dialog))
    } else if (
      dialog.method === 'SUBSCRIBE' &&
      request.method === 'NOTIFY' &&
      endsSubscription(request.headers.get('subscription-state'))
    )
      this.owner.release(dialog)
    // Other requests that fail leave the BYE to the application: it may want to send it (RFC 3261 12.2.1.2).
  }

  private deliver(response: SipResponse, flow: Flow): void {
    this.afterEcho(() => {
      const { app, dialog } = this
      if (app.open) app.deliver(response, fromNetwork(flow), this.id, dialog.id)
    })
  }

  private afterEcho(run: () => void): void {
    if (this.gap === undefined) run()
    else this.gap.pass(run)
  }
}

const NOTHING: AppText = { startLine: '', headers: [], body: '' }
