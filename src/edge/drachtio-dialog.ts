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
const REQUESTS = ['modify', 'info', 'message', 'notify', 'options', 'publish', 'refer', 'subscribe', 'update'] as const

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
  #over = false

  constructor(
    private readonly dialog: LibraryDialog,
    private readonly host: DialogHost,
  ) {}

  get callId(): string {
    return this.dialog.sip.callId
  }

  listen(events: DialogEvents): void {
    const { dialog, host } = this
    for (const name of REQUESTS)
      dialog.on(name, (request: LibraryRequest, response: LibraryResponse) => {
        const received = new DrachtioRequest(request, response)
        if (this.#over) received.answer(481, 'Call Leg/Transaction Does Not Exist')
        else host.run(() => events.request(received))
      })
    dialog.on('ack', (ack: LibraryMessage) => {
      if (!this.#over) host.run(() => events.acknowledged(new DrachtioMessage(ack)))
    })
    dialog.on('destroy', (bye: LibraryRequest, reason: string | undefined) => {
      if (this.#over) return
      this.#over = true
      const byServer = bye.source === 'application'
      host.run(() =>
        events.ended({ bye: new DrachtioMessage(bye) as SipMessage, byServer, reason: byServer ? (reason ?? '') : '' }),
      )
    })
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
    this.dialog.removeAllListeners()
  }
}

const outcomeOf = (response: LibraryResponse): RequestOutcome => ({
  response: new DrachtioResponse(response),
  requestUri: response.req?.uri ?? '',
})
