import { reasonPhrase, type SipRequest, type SipResponse } from '../message/message.js'
import { type Outcome, refused } from './app.js'
import { type AppText, appHeader } from './app-text.js'
import { cancelOf } from '../transaction/own-requests.js'
import { answeredTo, type Context, fromNetwork, hasOption, listsOption } from './context.js'
import { contactUriOf, type Dialog, dialogIdOf } from './dialog.js'
import { EchoGap } from './echo-gap.js'
import { appResponse, asksForSips, chosenToTag, ownContact } from './fill.js'
import type { InDialog } from './in-dialog.js'
import { OkRepeater } from './ok-repeater.js'
import { refreshTarget } from './peer-way.js'
import { ReliableProvisional } from './reliable-provisional.js'
import { subscribedFor } from './subscription.js'
import { createUasDialog } from './uas-dialog.js'
import type { UasRequest } from './uas-request.js'

export const UNKNOWN_TRANSACTION = 'Response not sent due to unknown transaction'

/** Requests whose Contact we take up by answering 2xx (RFC 3261 12.2, RFC 6665 4.1.2.2). */
const REFRESHES_TARGET = new Set(['INVITE', 'UPDATE', 'SUBSCRIBE', 'NOTIFY', 'REFER'])

/** Responses to requests that applications were handed, and what follows from them for their dialogs. */
export class Answers {
  constructor(
    private readonly context: Context,
    private readonly inDialog: InDialog,
  ) {}

  /** Sends an application's response. A 2xx may have to wait for a PRACK. */
  respond(known: UasRequest, status: number, reason: string, text: AppText): Outcome | Promise<Outcome> {
    const { request, flow } = known.tx
    const { final } = known
    if (final !== undefined || !known.open) {
      const waitsForAck = known.dialog?.serverInvite === known && known.dialog.repeater !== undefined
      return final !== undefined && waitsForAck && status >= 200
        ? this.sent(known, final)
        : refused(UNKNOWN_TRANSACTION)
    }
    if (known.delayed !== undefined && status < 300) return refused(UNKNOWN_TRANSACTION)
    if (status > 100 && status < 300 && this.wouldBeSecond(known)) {
      this.finish(known, known.reply(480))
      return refused('dialog already exists, rejecting this request')
    }
    const asked = listsOption(appHeader(text, 'require') ?? '', '100rel')
    if (status > 100 && status < 200 && asked && !offers100rel(request))
      return refused('Remote endpoint does not support 100rel')
    const reliable =
      status > 100 && status < 200 && known.tx.invite && (asked || hasOption(request, 'require', '100rel'))
    known.timer?.cancel()
    const response = appResponse(
      request,
      status,
      reason || reasonPhrase(status),
      status === 100 ? undefined : known.toTag(chosenToTag(text)),
      text,
      flow.binding,
      this.contactFor(known, status, reliable),
    )
    if (known.receivedMs !== undefined && status > 100 && status < 300) this.time(known, known.receivedMs, status)
    if (status < 200) this.provisional(known, response, reliable ? { asked } : undefined)
    else if (status < 300 && known.reliable?.delaysAnswer) return this.delay(known, response)
    else this.finish(known, response)
    return this.sent(known, response)
  }

  /** Sends a final response and settles what follows from it. */
  finish(known: UasRequest, response: SipResponse): void {
    const success = response.status < 300
    if (success) this.succeed(known, response)
    const { tx } = known
    if (success && tx.flow.reliable && (known.method === 'REGISTER' || known.method === 'SUBSCRIBE'))
      this.context.registered.answered(tx.request, response, tx.flow)
    known.settle(response)
    const { dialog } = known
    if (!success && dialog?.early && dialog.parties.inviteTxnId === known.id) this.inDialog.release(dialog)
  }

  /** The response would make a dialog, and another request of the same Call-ID and From tag has made one meanwhile. */
  private wouldBeSecond(known: UasRequest): boolean {
    if (!known.makesDialog || known.dialog !== undefined) return false
    const { callId, fromTag } = known.tx.request
    return this.context.dialogs.find(dialogIdOf(callId, fromTag)) !== undefined
  }

  private time(known: UasRequest, sinceMs: number, status: number): void {
    const { clock, counts } = this.context
    const ms = clock.now() - sinceMs
    if (!known.alerted) counts.inbound.alert.add(ms)
    known.alerted = true
    if (status >= 200) counts.inbound.answer.add(ms)
  }

  private provisional(known: UasRequest, response: SipResponse, reliable: { asked: boolean } | undefined): void {
    if (response.status > 100 && known.method === 'INVITE') known.dialog ??= this.createDialog(known, response)
    if (response.body.startsWith('v=0')) known.description = response.body
    if (reliable === undefined) {
      known.tx.respond(response)
      return
    }
    if (!hasOption(response, 'require', '100rel')) response.headers.append('require', '100rel')
    const { clock, timers } = this.context
    known.reliable ??= new ReliableProvisional(clock, timers, known.tx, () => this.neverPracked(known))
    known.reliable.send(response, reliable.asked)
  }

  /** The caller has not acknowledged a reliable response in time (RFC 3262 3). To the application it is what a CANCEL is. */
  private neverPracked(known: UasRequest): void {
    const { app, dialog, tx } = known
    this.finish(known, known.reply(503, 'Reliable Response Time-Out'))
    if (!app.open || dialog?.parties.inviteTxnId !== known.id) return
    const cancel = cancelOf(tx.request)
    cancel.headers.append('reason', 'SIP ;cause=503 ;text="Reliable Response Time-Out"')
    app.deliver(cancel, fromNetwork(tx.flow), known.id, dialog.id)
  }

  /** A 2xx that waits for a PRACK counts as sent, or as too late, once it is clear which. */
  private delay(known: UasRequest, response: SipResponse): Promise<Outcome> {
    known.reliable?.whenClear(() => this.finish(known, response))
    return new Promise((resolve) => {
      known.delayed = (sent) => resolve(sent ? this.sent(known, response) : refused(UNKNOWN_TRANSACTION))
    })
  }

  private succeed(known: UasRequest, response: SipResponse): void {
    const { clock, timers, settings } = this.context
    const { method, tx } = known
    const fresh = known.makesDialog && (known.dialog === undefined || known.dialog.parties.inviteTxnId === known.id)
    if (fresh) {
      known.dialog ??= this.createDialog(known, response)
      known.dialog.early = false
      known.dialog.record = known.record
      known.dialog.localContact = response.headers.get('contact') ?? ''
    }
    const { dialog } = known
    if (dialog === undefined) return
    if (fresh) dialog.settle()
    if (!fresh && REFRESHES_TARGET.has(method)) refreshTarget(dialog, tx.request, tx.flow, settings.nat)
    if (method === 'SUBSCRIBE' && dialog.method === 'SUBSCRIBE')
      this.inDialog.keepSubscription(dialog, subscribedFor(response, tx.request))
    this.inDialog.sessions.answering(dialog, tx.request, response, known.description)
    if (method !== 'INVITE') return
    dialog.repeater?.stop()
    dialog.repeater = new OkRepeater(clock, timers, tx, response, () => this.neverAcknowledged(dialog))
    dialog.gap = EchoGap.after(clock, settings.echoGapMs)
  }

  private neverAcknowledged(dialog: Dialog): void {
    const { heldBye } = dialog
    dialog.repeater = undefined
    dialog.heldBye = undefined
    if (heldBye !== undefined) heldBye.send()
    else this.inDialog.end(dialog, 'ACK timeout')
  }

  private createDialog(known: UasRequest, response: SipResponse): Dialog {
    const dialog = createUasDialog(known, response, this.context.settings.nat)
    this.context.dialogs.add(dialog)
    return dialog
  }

  /** Our Contact for a response that makes or refreshes a dialog, or is reliable. */
  private contactFor(known: UasRequest, status: number, reliable: boolean): string | undefined {
    const { makesDialog, dialog, tx } = known
    const inDialog = dialog !== undefined && dialog.parties.inviteTxnId !== known.id
    const success = status >= 200 && status < 300
    const needed = inDialog
      ? makesDialog
        ? status > 100 && status < 300
        : known.method === 'UPDATE' && success
      : makesDialog && (reliable || success)
    if (!needed) return undefined
    return dialog?.localContact || ownContact(tx.flow.binding, this.schemeFor(tx))
  }

  /** The scheme our Contact must have over TLS: the peer may ask for `sips:`, or be one that cannot use it. */
  private schemeFor({ request, flow }: UasRequest['tx']): 'sip' | 'sips' | undefined {
    if (!flow.binding.secure) return undefined
    if (asksForSips(request, true)) return 'sips'
    return this.context.settings.bestEffortTls === true && /^sip:/i.test(contactUriOf(request) ?? '')
      ? 'sip'
      : undefined
  }

  private sent(known: UasRequest, response: SipResponse): Outcome {
    const { tx, dialog } = known
    const { callId, fromTag, toTag } = tx.request
    const dialogId = known.makesDialog
      ? dialogIdOf(callId, dialog?.parties.role === 'uac' ? toTag : fromTag)
      : dialog !== undefined && !dialog.terminated
        ? dialog.id
        : ''
    return { ok: true, sent: response, origin: answeredTo(tx.flow), txnId: known.id, dialogId }
  }
}

const offers100rel = (request: SipRequest): boolean =>
  hasOption(request, 'supported', '100rel') || hasOption(request, 'require', '100rel')
