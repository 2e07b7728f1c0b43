import { isChallenge } from '../trunks/digest/exchange.js'
import type {
  Library,
  LibraryAcknowledge,
  LibraryDialog,
  LibraryMessage,
  LibraryRequest,
  LibraryResponse,
  LibrarySocket,
} from './drachtio-library.js'
import { DrachtioMessage, DrachtioRequest, DrachtioResponse, errorOf } from './drachtio-message.js'
import { ownCopy } from './header-value.js'
import type {
  ByeChallenged,
  DialogEvents,
  DialogRequest,
  HeaderMap,
  RequestFailure,
  RequestOutcome,
  SipDialog,
  SipMessage,
} from './sip-server.js'

/** Events of the library's dialog that are a request to answer; an INVITE comes as `modify`. */
const REQUESTS = new Set(['modify', 'info', 'message', 'notify', 'options', 'publish', 'refer', 'subscribe', 'update'])

const HEARD: readonly unknown[] = [true]
const UNHEARD: readonly unknown[] = []

/** What a dialog asks of the server it lives on. */
export interface DialogHost {
  readonly library: Library
  /** Whether what came by that connection can still be answered by it. */
  reaches(socket: LibrarySocket | undefined): boolean
  /** Ends a dialog whose connection is gone: by the present one, or when the server is back. */
  byeByOther(dialogId: string, headers: HeaderMap): void
  /** Runs a listener; what it throws is reported, not thrown. */
  run(listener: () => void): void
}

/** A dialog of the library. */
export class DrachtioDialog implements SipDialog {
  readonly callId: string
  #over = false
  #events: DialogEvents | undefined

  constructor(
    private readonly dialog: LibraryDialog,
    private readonly host: DialogHost,
  ) {
    this.callId = ownCopy(dialog.sip.callId)
    lighten(dialog, host.library)
    // What it has to tell it tells here, without the listeners it would keep for each kind of event.
    dialog.listeners = listenersOf
    dialog.once = noListener
    dialog.emit = (event, ...told) => this.heard(event, told)
  }

  listen(events: DialogEvents): void {
    this.#events = events
  }

  private heard(event: string, told: readonly unknown[]): boolean {
    const { host, dialog } = this
    const events = this.#events
    if (events === undefined) return false
    if (event === 'ack') {
      if (!this.#over) host.run(() => events.acknowledged(new DrachtioMessage(told[0] as LibraryMessage)))
    } else if (event === 'destroy') {
      this.destroyed(events, told[0] as LibraryRequest, told[1] as string | undefined)
    } else if (REQUESTS.has(event)) {
      const received = new DrachtioRequest(told[0] as LibraryRequest, told[1] as LibraryResponse)
      if (this.#over) received.answer(481, 'Call Leg/Transaction Does Not Exist')
      else host.run(() => events.request(received))
    }
    dialog.remote.sdp = ''
    return true
  }

  private destroyed(events: DialogEvents, bye: LibraryRequest, reason: string | undefined): void {
    if (this.#over) return
    this.#over = true
    const byServer = bye.source === 'application'
    this.host.run(() =>
      events.ended({ bye: new DrachtioMessage(bye) as SipMessage, byServer, reason: byServer ? (reason ?? '') : '' }),
    )
  }

  request(
    { method, headers, body }: DialogRequest,
    done: (failure: RequestFailure | undefined, outcome?: RequestOutcome) => void,
  ): void {
    let finished = false
    const finish = (failure: RequestFailure | undefined, outcome?: RequestOutcome): void => {
      if (finished) return
      finished = true
      this.host.run(() => done(failure, outcome))
    }
    const fail = (cause: unknown): void => {
      const error = errorOf(cause)
      finish({ dialogGone: 'code' in error && error.code === 'ENODIALOG', message: error.message })
    }
    if (this.#over) return fail('the dialog is over')
    // The library ACKs an INVITE's 200 itself, unless the INVITE had no offer: then the ACK, with the answer, is handed out.
    const options = { method, headers: { ...headers }, ...(body === '' ? { noAck: true } : { body }) }
    try {
      this.dialog.request(options, (error, response, acknowledge) => {
        if (error || response === undefined) return fail(error)
        // The callback fires for provisional responses too.
        if (response.status < 200) return
        const outcome = outcomeOf(response)
        finish(undefined, acknowledge ? { ...outcome, acknowledge: this.acknowledger(acknowledge) } : outcome)
      })
    } catch (error) {
      fail(error)
    }
  }

  bye(headers: HeaderMap, done?: (outcome?: RequestOutcome) => void, challenged?: ByeChallenged): void {
    if (this.#over) return done?.()
    this.#over = true
    this.sendBye(headers, done ?? ((): void => {}), challenged)
  }

  /** By hand: the library's own `destroy` forgets the dialog at any answer, a challenge included. */
  private sendBye(
    headers: HeaderMap,
    done: (outcome?: RequestOutcome) => void,
    challenged: ByeChallenged | undefined,
  ): void {
    const { dialog, host } = this
    const end = (outcome?: RequestOutcome): void => {
      this.forget()
      host.run(() => done(outcome))
    }
    if (!host.reaches(dialog.socket)) {
      host.byeByOther(dialog.id, headers)
      return end()
    }
    const options = { method: 'BYE', stackDialogId: dialog.id, headers: { ...headers }, _socket: dialog.socket }
    try {
      host.library.request('sip:placeholder', options, (error, request) => {
        if (error || request === undefined) return end()
        request.on('response', (response) => {
          if (response.status < 200) return
          const outcome = outcomeOf(response)
          if (!isChallenge(response.status) || challenged === undefined) return end(outcome)
          let asked = false
          const again = (more: HeaderMap | undefined): void => {
            if (asked) return
            asked = true
            if (more === undefined) end(outcome)
            else this.sendBye(more, done, challenged)
          }
          host.run(() => challenged(outcome, again))
        })
      })
    } catch {
      end()
    }
  }

  private acknowledger(acknowledge: LibraryAcknowledge) {
    return (body: string, headers: HeaderMap): void => {
      try {
        acknowledge({ headers: { ...headers }, ...(body === '' ? {} : { body }) })
      } catch {
        // Only a lost connection makes this fail, and with it the whole call ends.
      }
    }
  }

  private forget(): void {
    this.dialog.connected = false
    this.host.library.removeDialog(this.dialog)
  }
}

/**
 * Takes from a dialog what the library keeps for features that are not used here (hold, SUBSCRIBE, its own BYE): the request and the
 * response that made it, whole, and pieces cut out of them. A held call would be three times as large.
 */
function lighten(dialog: LibraryDialog, library: Library): void {
  const { id, socket } = dialog
  library.removeDialog(dialog)
  dialog.req = { method: 'INVITE', socket }
  dialog.res = { stackDialogId: ownCopy(id) }
  dialog.sip = NOT_KEPT
  dialog.local = NOT_KEPT
  dialog.remote = { sdp: '' }
  library.addDialog(dialog)
}

const NOT_KEPT = { callId: '', sdp: '' }

/** Whether the library is to hand that event out, or answer the request by itself. */
const listenersOf = (event: string): readonly unknown[] => (REQUESTS.has(event) ? HEARD : UNHEARD)

const noListener = (): void => {}

const outcomeOf = (response: LibraryResponse): RequestOutcome => ({
  response: new DrachtioResponse(response),
  requestUri: response.req?.uri ?? '',
})
