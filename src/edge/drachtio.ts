import type { Engine } from '../engine/index.js'
import { SipServerAway, type ClientRequest, type ClientResponse, type SipClient } from '../trunks/sip-client.js'
import { nextHop, sendRequest } from './drachtio-client.js'
import { DrachtioDialog, type DialogHost } from './drachtio-dialog.js'
import { guardFrames } from './drachtio-frames.js'
import { frameOf, linkLibrary } from './drachtio-link.js'
import { createLibrary } from './drachtio-load.js'
import { DrachtioOffer } from './drachtio-offer.js'
import type { LibraryDialog, LibraryOffer, LibraryRequest, LibraryResponse, LibrarySocket } from './drachtio-library.js'
import { DrachtioRequest, DrachtioResponse, errorOf } from './drachtio-message.js'
import { quickenLibrary } from './drachtio-parser.js'
import { readableByLibrary } from './guard.js'
import { LinkedServer, LinkedSocket } from './linked-socket.js'
import type { CallLogger } from './ports.js'
import type {
  AnswerOptions,
  HeaderMap,
  OutgoingInviteEvents,
  OutgoingInviteOptions,
  SipDialog,
  SipInvite,
  SipRequest,
  SipServer,
} from './sip-server.js'

/** Where the SIP server is: behind a control port, or an engine that runs in this process. */
export type ServerPlace = { readonly host: string; readonly port: number } | { readonly engine: Pick<Engine, 'attach'> }

export type DrachtioOptions = ServerPlace & {
  readonly secret: string
  readonly logger: CallLogger
}

/** Methods that reach an application outside dialogs. */
const METHODS = ['invite', 'register', 'message', 'subscribe', 'publish', 'notify', 'info', 'refer', 'options'] as const
/** BYEs and CANCELs kept for a server that is away, at most. */
const MAX_KEPT = 20_000
const RECONNECT_MAX_DELAY_MS = 2_000

/** The SIP server behind drachtio's control protocol, by drachtio-srf: drachtio-server, or the engine. */
export class DrachtioServer implements SipServer, SipClient, DialogHost {
  readonly library = createLibrary()
  #connected = false
  #closing = false
  #inviteHandler: ((invite: SipInvite) => void) | undefined
  #requestHandler: ((request: SipRequest) => void) | undefined
  readonly #lostHandlers: (() => void)[] = []
  readonly #connectedHandlers: ((addresses: readonly string[]) => void)[] = []
  #kept: (() => void)[] = []
  /** Give up the requests outside dialogs that have no final response yet. */
  readonly #unanswered = new Set<() => void>()
  /** Offers that have no answer yet, by the server's id of their dialog. */
  readonly #offers = new Map<string, DrachtioOffer>()

  constructor(private readonly options: DrachtioOptions) {
    const { library } = this
    const dispatch = (request: LibraryRequest, response: LibraryResponse): void => this.dispatch(request, response)
    for (const method of METHODS) library.use(method, dispatch)
    // What the server sends without being asked for it by method: requests of dialogs that are not known here.
    library.use(dispatch)
    library.on('close', () => this.lost())
    library.on('error', (error) => {
      if (!this.#closing) options.logger.warn({ error: errorOf(error).message }, 'SIP server unreachable')
    })
  }

  get connected(): boolean {
    return this.#connected
  }

  /**
   * Connects, and again whenever the connection is lost, until `disconnect`. Resolves with the SIP addresses of the server (`udp/192.0.2.1:5060`).
   * @throws {Error} when the server refuses the secret
   */
  connect(): Promise<readonly string[]> {
    return new Promise((resolve, reject) => {
      this.library.on('connect', (error, hostports) => {
        if (error) {
          this.options.logger.error({ error: error.message }, 'SIP server refused the connection')
          return reject(error)
        }
        if (this.#closing) return
        this.#connected = true
        const addresses = (hostports ?? '').split(',').filter((address) => address !== '')
        this.settleKept()
        for (const handler of this.#connectedHandlers) this.run(() => handler(addresses))
        resolve(addresses)
      })
      const { options } = this
      if ('engine' in options) this.attach(options.engine, options.secret)
      else this.dial(options)
    })
  }

  private dial({ host, port, secret }: { host: string; port: number; secret: string }): void {
    const reconnect = { retryMaxDelay: RECONNECT_MAX_DELAY_MS }
    this.library.connect({ host, port, secret, enablePing: true, reconnect })
    guardFrames(this.library.app.client?.wp)
  }

  private attach(engine: Pick<Engine, 'attach'>, secret: string): void {
    const { library } = this
    const server = new LinkedServer()
    library.listen({ server, secret })
    const { client } = library.app
    if (client === undefined) throw new Error('drachtio-srf has no client where 5.0 has it')
    guardFrames(client.wp)
    const { nameOf } = quickenLibrary()
    const socket = new LinkedSocket(engine, (from, told) => {
      try {
        const frame = typeof told === 'string' ? told : frameOf(told, client, from, nameOf)
        if (frame !== undefined) client.wp?.emit('msg', from, frame)
      } catch (error) {
        this.options.logger.error({ error: errorOf(error).stack }, 'Error in reading what the SIP server sent')
      }
    })
    library.on('connect', (error) => {
      if (!error) client.routeVerbs(socket)
    })
    linkLibrary(client, socket)
    server.connect(socket)
  }

  /** Closes the connection and does not come back. */
  disconnect(): void {
    this.#closing = true
    const wire = this.library.app.client?.wp
    if (wire !== undefined) {
      wire.closing = true
      clearTimeout(wire.reconnectVars?.retryTimer ?? undefined)
    }
    const wasConnected = this.#connected
    this.#connected = false
    this.giveUpUnanswered()
    if (wasConnected) this.library.disconnect()
  }

  onInvite(handler: (invite: SipInvite) => void): void {
    this.#inviteHandler = handler
  }

  onRequest(handler: (request: SipRequest) => void): void {
    this.#requestHandler = handler
  }

  onLost(handler: () => void): void {
    this.#lostHandlers.push(handler)
  }

  /** Hears of every connection that comes to be, with the SIP addresses of the server. */
  onConnected(handler: (addresses: readonly string[]) => void): void {
    this.#connectedHandlers.push(handler)
  }

  invite(
    uri: string,
    { headers, body, proxy, silenceMs }: OutgoingInviteOptions,
    origin: SipInvite | undefined,
    events: OutgoingInviteEvents,
  ): void {
    let settled = false
    const settle = (call: () => void): void => {
      if (settled) return
      settled = true
      this.run(call)
    }
    const done = (error: unknown, answer?: LibraryDialog | LibraryOffer): void => {
      if (error || answer === undefined) {
        const response = responseOf(error)
        if (response !== undefined && response.status < 300) this.hangUpUnformed(response)
        settle(() => events.failed(whyOf(error), response && new DrachtioResponse(response)))
      } else if (!('sip' in answer)) {
        // The library's dialogs have an `ack` too: only they have `sip`.
        settle(() => events.offered(new DrachtioOffer(answer, this, this.#offers), new DrachtioResponse(answer.res)))
      } else {
        const { res } = answer as LibraryDialog & { res: LibraryResponse }
        settle(() => events.answered(new DrachtioDialog(answer, this), new DrachtioResponse(res)))
      }
    }
    try {
      this.library.createUAC(
        uri,
        {
          headers: { ...headers },
          localSdp: body === '' ? undefined : body,
          noAck: true,
          ...(proxy === undefined ? {} : { proxy: nextHop(proxy, silenceMs) }),
          _socket: origin instanceof DrachtioRequest ? origin.socket : undefined,
        },
        {
          cbRequest: (error, request) => {
            if (error || request === undefined) return
            // Heard before the library's own listener, which hands Contact, From and To to backtracking expressions.
            request.on('response', hideUnreadableContact)
            this.run(() => events.sent(this.outgoing(request)))
          },
          cbProvisional: (response) => {
            if (!settled) this.run(() => events.provisional(new DrachtioResponse(response)))
          },
        },
        done,
      )
    } catch (error) {
      done(error)
    }
  }

  request(request: ClientRequest): Promise<ClientResponse & { readonly sent: boolean }> {
    if (!this.#connected) return Promise.reject(new SipServerAway())
    return new Promise((resolve, reject) => {
      // The library forgets what a lost connection owes an answer.
      const giveUp = (): void => reject(new SipServerAway('the SIP server went away before it had answered'))
      this.#unanswered.add(giveUp)
      sendRequest(this.library, request)
        .then(resolve, reject)
        .finally(() => this.#unanswered.delete(giveUp))
    })
  }

  accept(
    invite: SipInvite,
    { headers, body }: AnswerOptions,
    done: (error: Error | undefined, dialog?: SipDialog) => void,
  ): void {
    let settled = false
    const settle = (error: Error | undefined, dialog?: SipDialog): void => {
      if (settled) return dialog?.bye({})
      settled = true
      this.run(() => done(error, dialog))
    }
    if (!(invite instanceof DrachtioRequest)) return settle(new Error('not an INVITE of this server'))
    try {
      const options = { headers: { ...headers }, localSdp: body ?? '' }
      this.library.createUAS(invite.request, invite.response, options, (error, dialog) => {
        if (error || dialog === undefined) settle(errorOf(error))
        else settle(undefined, new DrachtioDialog(dialog, this))
      })
    } catch (error) {
      settle(errorOf(error))
    }
  }

  reaches(socket: LibrarySocket | undefined): boolean {
    return this.#connected && socket?.destroyed !== true
  }

  byeByOther(dialogId: string, headers: HeaderMap): void {
    this.sendWhenConnected(() => this.sendBye(dialogId, headers))
  }

  run(listener: () => void): void {
    try {
      listener()
    } catch (error) {
      // An exception that reached the library's socket handler would end the process, and every call with it.
      this.options.logger.error({ error: errorOf(error).stack }, 'Error in a SIP event handler')
    }
  }

  private dispatch(request: LibraryRequest, response: LibraryResponse): void {
    const { method } = request
    if (method === 'ACK' || request.source === 'application') return
    const received = new DrachtioRequest(request, response)
    const offer = method === 'BYE' ? this.#offers.get(request.stackDialogId) : undefined
    if (offer !== undefined) return offer.hungUp(received)
    if (method === 'PRACK') return this.answerPrack(received)
    this.run(() => {
      if (method === 'INVITE' && this.#inviteHandler !== undefined) this.#inviteHandler(received)
      else if (method !== 'INVITE' && this.#requestHandler !== undefined) this.#requestHandler(received)
      else received.answer(503, 'Service Unavailable')
    })
  }

  /** The PRACK of a provisional response of ours. An offer in it cannot be taken on: the far end has none of it (RFC 3262 5). */
  private answerPrack(prack: DrachtioRequest): void {
    if (prack.body === '') prack.answer(200, 'OK')
    else prack.answer(488, 'Not Acceptable Here')
  }

  private outgoing(request: LibraryRequest) {
    const cancel = (headers: HeaderMap): void => {
      if (!this.reaches(request.socket)) {
        const { uri, stackTxnId } = request
        this.sendWhenConnected(() => this.send(uri, { method: 'CANCEL', stackTxnId, headers: { ...headers } }))
        return
      }
      try {
        request.cancel({ headers: { ...headers } }, () => {})
      } catch (error) {
        this.options.logger.debug({ error: errorOf(error).message }, 'CANCEL not sent')
      }
    }
    return { callId: request.get('call-id') ?? '', cancel }
  }

  /** A 2xx the library makes no dialog of (no Contact, or 202) has been acknowledged: the far end believes in a call. */
  private hangUpUnformed(response: LibraryResponse): void {
    if (response.stackDialogId) this.sendBye(response.stackDialogId, {})
  }

  private sendBye(stackDialogId: string, headers: HeaderMap): void {
    this.send('sip:placeholder', { method: 'BYE', stackDialogId, headers: { ...headers } })
  }

  private send(uri: string, options: Record<string, unknown> & { method: string }): void {
    try {
      this.library.request(uri, options, (error) => {
        if (error)
          this.options.logger.debug({ error: errorOf(error).message, method: options.method }, 'Request not sent')
      })
    } catch (error) {
      this.options.logger.debug({ error: errorOf(error).message, method: options.method }, 'Request not sent')
    }
  }

  private lost(): void {
    if (!this.#connected) return
    this.#connected = false
    this.#offers.clear()
    this.giveUpUnanswered()
    this.options.logger.error({}, 'Connection to the SIP server lost')
    for (const handler of this.#lostHandlers) this.run(handler)
  }

  private giveUpUnanswered(): void {
    for (const giveUp of this.#unanswered) giveUp()
    this.#unanswered.clear()
  }

  private sendWhenConnected(send: () => void): void {
    if (this.#connected) send()
    else if (!this.#closing && this.#kept.length < MAX_KEPT) this.#kept.push(send)
  }

  private settleKept(): void {
    const kept = this.#kept
    this.#kept = []
    for (const send of kept) send()
  }
}

/** Leaves the library nothing to parse of a 2xx whose addresses it could take too long over. */
function hideUnreadableContact(response: LibraryResponse): void {
  if (response.status < 200 || response.status > 299) return
  if (readableByLibrary((name) => new DrachtioResponse(response).header(name))) return
  for (const name of Object.keys(response.headers)) if (name.toLowerCase() === 'contact') delete response.headers[name]
}

function responseOf(error: unknown): LibraryResponse | undefined {
  if (typeof error !== 'object' || error === null || !('res' in error)) return undefined
  return error.res as LibraryResponse
}

function whyOf(error: unknown): string {
  const response = responseOf(error)
  return response === undefined ? errorOf(error).message : `${response.status} ${response.reason ?? ''}`.trim()
}
