import { createResponse, SipRequest, type SipResponse } from '../message/message.js'
import { parseUri } from '../message/uri.js'
import type { Flow } from '../transport/transport.js'
import { type App, type Origin, type Outcome, refused } from './app.js'
import type { AppText } from './app-text.js'
import { type Context, fromBinding, fromHere, fromNetwork } from './context.js'
import { contactUriOf, Dialog, dialogIdOf, routeSetOf } from './dialog.js'
import { EchoGap } from './echo-gap.js'
import { lacksContentType, newRequest } from './fill.js'
import { Hops, type Way, type Ways } from './hops.js'
import { type InDialog, unreachableContact } from './in-dialog.js'
import { Outgoing } from './outgoing.js'
import { newId, newTag } from './tokens.js'

/** Requests that applications send outside dialogs, and the dialogs that come of them (UAC core). */
export class ClientSide {
  /** By the transaction id applications use. */
  private readonly requests = new Map<string, UacRequest>()

  constructor(
    private readonly context: Context,
    private readonly inDialog: InDialog,
  ) {}

  /**
   * Sends an application's request.
   * @param proxy next hop in place of the Request-URI: a SIP URI, or `host[:port]`
   */
  request(app: App, method: string, uri: string, text: AppText, proxy: string): Outcome | Promise<Outcome> {
    const target = parseUri(uri)
    if (target === undefined || (target.scheme === 'tel' && proxy === ''))
      return refused(`invalid request-uri: ${uri.slice(0, 200)}`)
    if (lacksContentType(text)) return refused('missing content-type')
    const hop = proxy === '' ? target : Hops.parse(proxy)
    if (hop === undefined || hop.scheme === 'tel') return refused(`invalid proxy: ${proxy.slice(0, 200)}`)
    if (this.context.transports.isOwn(hop.host, hop.port)) return refused('can not send request to myself')
    const ways = this.context.hops.find(hop)
    const send = (found: Ways): Outcome => this.send(app, method, uri, text, found)
    return ways instanceof Promise ? ways.then(send) : send(ways)
  }

  /** Withdraws the INVITE of that id on behalf of its application. */
  cancel(txnId: string, text: AppText): Outcome {
    const known = this.requests.get(txnId)
    if (known === undefined) return refused(`unable to cancel unknown transaction id: ${txnId.slice(0, 64)}`)
    return known.cancel(text)
  }

  /** A response no transaction claims: a late repeat of a 2xx gets its ACK again. */
  stray(response: SipResponse): void {
    if (response.cseq.method === 'INVITE' && response.status >= 200 && response.status < 300)
      this.inDialog.repeatAck(response)
  }

  /** An application's connection is gone: what it has under way is withdrawn. */
  appGone(app: App): void {
    for (const known of [...this.requests.values()]) if (known.app === app) known.abandon()
  }

  stop(): void {
    this.requests.clear()
  }

  private send(app: App, method: string, uri: string, text: AppText, found: Ways): Outcome {
    if (!found.ok && !found.reason.startsWith('DNS')) return refused(found.reason)
    const ways = found.ok ? found.ways : []
    const binding = ways[0]?.binding ?? this.context.transports.bindings[0]
    if (binding === undefined) return refused('requested protocol/transport not available')
    const request = newRequest(method, uri, text, binding)
    const known = new UacRequest(this.context, this.inDialog, app, request, ways, (ended) =>
      this.requests.delete(ended.id),
    )
    this.requests.set(known.id, known)
    return known.start(found.ok && found.explicit, fromBinding(binding), found.ok ? undefined : found.reason)
  }
}

/** One request of an application outside a dialog, with its responses. */
class UacRequest {
  readonly id = newId()
  private readonly outgoing: Outgoing
  private readonly gap: EchoGap
  private readonly makesDialog: boolean
  private readonly dialogId: string
  /** The dialogs its responses have made: early ones, one a fork, and the one that was answered. */
  private dialogs: Dialog[] = []
  private answered: Dialog | undefined
  private cancelled = false
  private origin: Origin | undefined

  constructor(
    private readonly context: Context,
    private readonly inDialog: InDialog,
    readonly app: App,
    private readonly request: SipRequest,
    ways: readonly Way[],
    private readonly forget: (ended: UacRequest) => void,
  ) {
    this.outgoing = new Outgoing(context, request, ways, this)
    this.gap = new EchoGap(context.clock, context.settings.echoGapMs)
    this.makesDialog = request.method === 'INVITE' || request.method === 'SUBSCRIBE'
    this.dialogId = dialogIdOf(request.callId, request.fromTag)
    const target = ways[0]?.target
    if (target !== undefined) this.origin = { source: 'network', ...target }
  }

  /** @param unresolved why there is no address at all: the application gets a 503 in the response's place */
  start(explicitTransport: boolean, from: Origin, unresolved?: string): Outcome {
    const sent = unresolved === undefined ? this.outgoing.start(explicitTransport) : undefined
    if (sent === undefined) {
      if (unresolved === undefined) {
        this.forget(this)
        return refused('no connection could be opened')
      }
      this.failed(503, unresolved)
    }
    return {
      ok: true,
      sent: sent?.request ?? this.request,
      origin: sent ? fromHere(sent.flow) : from,
      txnId: this.id,
      dialogId: this.makesDialog ? this.dialogId : '',
    }
  }

  cancel(text: AppText): Outcome {
    const addHeaders = (cancel: SipRequest): void => {
      for (const header of text.headers)
        if (CANCEL_MAY_CARRY(header.name)) cancel.headers.append(header.name, header.value, header.spelling)
    }
    const { transaction } = this.outgoing
    if (transaction === undefined || this.request.method !== 'INVITE' || !this.outgoing.cancel(addHeaders))
      return refused(`internal server error canceling transaction id: ${this.id}`)
    this.cancelled = true
    return {
      ok: true,
      sent: cancelFor(transaction.request, addHeaders),
      origin: fromHere(transaction.flow),
      txnId: newId(),
      dialogId: '',
    }
  }

  /** Its application is gone: an INVITE is withdrawn, an answer to it ended at once. */
  abandon(): void {
    if (this.request.method === 'INVITE') this.outgoing.cancel()
  }

  response(response: SipResponse, flow: Flow): void {
    const { status } = response
    if (status === 100) return
    this.origin = fromNetwork(flow)
    if (this.makesDialog) {
      if (status < 200) this.early(response, flow)
      else if (status < 300) {
        if (!this.success(response, flow)) return
      } else this.dropEarly()
    }
    this.deliver(response, this.origin)
  }

  failed(status: 408 | 503, reason: string): void {
    this.dropEarly()
    const response = createResponse(this.request, status, status === 408 ? 'Request Timeout' : textOf(reason), newTag())
    const origin: Origin = this.origin ?? { source: 'network', protocol: 'udp', address: '127.0.0.1', port: 0 }
    // Made here, in the place of the peer's: an application must hear of it after the echo of its request.
    this.context.clock.after(Math.max(1, this.context.settings.echoGapMs), () => {
      this.deliver(response, origin)
      if (this.outgoing.transaction === undefined) this.forget(this)
    })
  }

  ended(): void {
    this.dropEarly()
    this.forget(this)
  }

  private early(response: SipResponse, flow: Flow): void {
    if (this.answered !== undefined || response.toTag === '') return
    const known = this.dialogs.find((dialog) => dialog.remoteTag === response.toTag)
    if (known !== undefined) known.refreshTarget(response)
    else if (this.dialogs.length < MAX_FORKS) this.createDialog(response, flow)
  }

  /** @returns false when the application is not to hear of it: a repeat, or a fork that is not taken */
  private success(response: SipResponse, flow: Flow): boolean {
    const { answered } = this
    if (answered !== undefined) {
      if (answered.remoteTag === response.toTag) this.inDialog.repeatAck(response)
      else this.refuseFork(response, flow)
      return false
    }
    const dialog =
      this.dialogs.find((candidate) => candidate.remoteTag === response.toTag) ?? this.createDialog(response, flow)
    this.answered = dialog
    dialog.early = false
    dialog.routeSet = routeSetOf(response, 'uac')
    dialog.refreshTarget(response)
    this.chooseWay(dialog, flow)
    this.dropEarly()
    this.context.dialogs.add(dialog)
    if (this.request.method === 'INVITE') {
      dialog.ackOwed = response.cseq.number
      dialog.cancelCrossed = this.cancelled
      if (!this.app.open) {
        this.inDialog.acknowledgeUnasked(dialog, response.cseq.number)
        this.inDialog.end(dialog, 'Application gone', false)
        return false
      }
    }
    return true
  }

  /** Another branch of a fork answered too: it is acknowledged and hung up (RFC 3261 13.2.2.4). */
  private refuseFork(response: SipResponse, flow: Flow): void {
    const known = this.context.dialogs.ofResponse(response)
    if (known !== undefined) return
    const dialog = this.createDialog(response, flow, false)
    dialog.early = false
    dialog.routeSet = routeSetOf(response, 'uac')
    this.chooseWay(dialog, flow)
    this.inDialog.acknowledgeUnasked(dialog, response.cseq.number)
    this.inDialog.end(dialog, 'Fork not taken', false)
  }

  private createDialog(response: SipResponse, flow: Flow, listed = true): Dialog {
    const { request } = this
    const dialog = new Dialog(
      'uac',
      request.method as 'INVITE' | 'SUBSCRIBE',
      request.callId,
      request.fromTag,
      response.toTag,
      request.headers.get('from') ?? '',
      response.headers.get('to') ?? '',
      this.id,
      request.cseq.number,
      contactUriOf(response) ?? request.uri,
      this.app,
    )
    dialog.localContact = request.headers.get('contact') ?? ''
    dialog.routeSet = routeSetOf(response, 'uac')
    this.chooseWay(dialog, flow)
    if (listed) {
      this.dialogs.push(dialog)
      this.context.dialogs.add(dialog)
    }
    return dialog
  }

  /** A connection serves the dialog when its next hop is the peer at its other end, or cannot be reached otherwise. */
  private chooseWay(dialog: Dialog, flow: Flow): void {
    const behindNat = dialog.routeSet.length === 0 && unreachableContact(dialog.remoteTarget, flow)
    dialog.natTarget = behindNat
      ? { protocol: flow.protocol, address: flow.remoteAddress, port: flow.remotePort }
      : undefined
    dialog.flow =
      flow.reliable && (behindNat || leadsTo(dialog.routeSet[0] ?? dialog.remoteTarget, flow)) ? flow : undefined
  }

  private dropEarly(): void {
    for (const dialog of this.dialogs) if (dialog !== this.answered && !dialog.terminated) this.inDialog.release(dialog)
    this.dialogs = []
  }

  private deliver(response: SipResponse, origin: Origin): void {
    const { app } = this
    this.gap.pass(() => {
      if (app.open) app.deliver(response, origin, this.id, this.makesDialog ? this.dialogId : '')
    })
  }
}

/** Early dialogs kept for one INVITE: more forks than this are served, but not told apart before the answer. */
const MAX_FORKS = 16

const NOT_ON_CANCEL = new Set([
  'from',
  'to',
  'contact',
  'p-asserted-identity',
  'call-id',
  'cseq',
  'max-forwards',
  'content-type',
])
const CANCEL_MAY_CARRY = (name: string): boolean => !NOT_ON_CANCEL.has(name)

/** The CANCEL as it goes out, to be shown to the application; the transaction sends its own when its time has come. */
function cancelFor(invite: SipRequest, addHeaders: (cancel: SipRequest) => void): SipRequest {
  const headers = invite.headers.clone()
  const cancel = new SipRequest('CANCEL', invite.uri, headers, '')
  for (const name of [
    'contact',
    'content-type',
    'content-length',
    'content-disposition',
    'supported',
    'require',
    'allow',
  ])
    headers.remove(name)
  headers.set('cseq', `${invite.cseq.number} CANCEL`)
  addHeaders(cancel)
  return cancel
}

/** A reason phrase on one line. */
const textOf = (reason: string): string => reason.replace(/[^\x20-\x7e]/g, ' ').slice(0, 120)

function leadsTo(uriText: string, flow: Flow): boolean {
  const uri = parseUri(uriText)
  if (uri === undefined || uri.scheme === 'tel') return false
  const host = uri.host.startsWith('[') ? uri.host.slice(1, -1) : uri.host
  return host === flow.remoteAddress
}
