import { createHash, timingSafeEqual } from 'node:crypto'
import type { Socket } from 'node:net'
import type { SecureContextOptions } from 'node:tls'
import type { Clock } from '../clock.js'
import { type App, type Outcome, refused } from '../dialog/app.js'
import { type AppText, readAppText } from '../dialog/app-text.js'
import { fromNetwork } from '../dialog/context.js'
import { newId } from '../dialog/tokens.js'
import type { Carrier, SipCommand } from './carrier.js'
import type { ProxyOptions, ProxyReport } from '../proxy/proxy-options.js'
import { Connection, type ConnectionSink } from './connection.js'
import { Connections } from './connections.js'
import { accepted, proxiedResponse, rejected, SentNotice } from './leader.js'
import { ControlListener } from './listener.js'
import { readProxyCommand } from './proxy-command.js'
import { type ControlLink, type LocalApp, MemoryCarrier } from './memory-carrier.js'
import { checkSecret, ControlError } from './secret.js'
import { SocketCarrier } from './socket-carrier.js'
import { VERSION } from './version.js'

/** What applications command: the core behind the control protocol. */
export interface Commands {
  respond(txnId: string, status: number, reason: string, text: AppText): Outcome | Promise<Outcome>
  request(app: App, method: string, uri: string, text: AppText, proxy: string): Outcome | Promise<Outcome>
  requestInDialog(app: App, dialogId: string, method: string, text: AppText): Outcome | Promise<Outcome>
  cancel(txnId: string, text: AppText): Outcome
  proxy(txnId: string, options: ProxyOptions, report?: ProxyReport): string | undefined | Promise<string | undefined>
  appGone(app: App): void
}

export interface ControlSettings {
  /** Address to listen on for applications. */
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  /** A second port, over TLS; 0: any free port. Undefined: none. */
  readonly tlsPort?: number | undefined
  readonly secret: string
  /** TCP keep-alive towards applications; 0: none. */
  readonly keepAliveMs: number
}

/** Where applications connect. */
export interface ControlAddress {
  readonly host: string
  readonly port: number
  /** The port over TLS, if there is one. */
  readonly tlsPort?: number
}

/** What an application is told when it has authenticated. */
export interface Welcome {
  /** `protocol/host:port`, as shown to peers. */
  readonly advertised: readonly string[]
  /** The same, as bound. */
  readonly local: readonly string[]
}

const MAX_TAGS = 20
/** Connections that have not authenticated within this time are closed. */
const AUTHENTICATE_WITHIN_MS = 10_000
const RESPONSE_LINE = /^SIP\/2\.0 ([1-6][0-9]{2})(?: (.*))?$/
const REQUEST_LINE = /^([A-Za-z0-9!%*_+`'~.-]{1,64}) (\S+) SIP\/2\.0$/
const METHOD = /^[A-Za-z0-9!%*_+`'~.-]{1,64}$/
const VISIBLE = /^\S+$/

/** The control port: applications connect here and speak drachtio's protocol. */
export class Control implements ConnectionSink {
  readonly apps = new Connections()
  private readonly listeners: ControlListener[] = []
  private readonly sockets = new Set<Socket>()
  /** Applications in this process. */
  private readonly links = new Set<ControlLink>()
  private readonly secretDigest: Buffer
  private commands: Commands | undefined
  private welcome: Welcome = { advertised: [], local: [] }

  /**
   * @param onError hears of errors a command meets in the engine; the application gets a NOK
   * @throws {ControlError} WEAK_SECRET when the secret does not protect that address
   */
  constructor(
    private readonly settings: ControlSettings,
    private readonly clock: Clock,
    private readonly onError: (error: unknown) => void,
  ) {
    checkSecret(settings.host, settings.secret)
    // Payloads are byte strings, so the secret has to be one too.
    this.secretDigest = digest(Buffer.from(settings.secret, 'utf8').toString('latin1'))
  }

  /**
   * @param secure certificate and key for the port over TLS
   * @throws when an address is taken
   * @throws {ControlError} BAD_TLS when there is to be a port over TLS without them
   */
  async start(commands: Commands, welcome: Welcome, secure?: SecureContextOptions): Promise<ControlAddress> {
    const { host, port, tlsPort } = this.settings
    this.commands = commands
    this.welcome = welcome
    if (tlsPort !== undefined && secure === undefined)
      throw new ControlError('BAD_TLS', 'a control port over TLS needs a certificate and its key')
    try {
      const plain = await this.listen(port, host)
      if (tlsPort === undefined) return plain
      return { ...plain, tlsPort: (await this.listen(tlsPort, host, secure)).port }
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  /** TLS handshakes from now on show this certificate. */
  renew(secure: SecureContextOptions): void {
    for (const listener of this.listeners) listener.renew(secure)
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    for (const link of this.links) link.close()
    await Promise.all(this.listeners.map((listener) => listener.close()))
  }

  private listen(port: number, host: string, secure?: SecureContextOptions): Promise<{ host: string; port: number }> {
    const listener = new ControlListener((socket) => this.connected(socket), secure)
    this.listeners.push(listener)
    return listener.listen(port, host)
  }

  closed(connection: Connection): void {
    this.apps.remove(connection)
    if (!connection.authenticated) return
    try {
      this.commands?.appGone(connection)
    } catch (error) {
      this.onError(error)
    }
  }

  command(connection: Connection, payload: string | SipCommand): void {
    if (typeof payload !== 'string') return this.commandInParts(connection, payload)
    const end = payload.indexOf('\r\n')
    const fields = (end < 0 ? payload : payload.slice(0, end)).split('|')
    const [id = '', type = ''] = fields
    if (type === 'authenticate') return this.authenticate(connection, id, fields)
    if (!connection.authenticated) return this.refuse(connection, id, 'not authenticated')
    switch (type) {
      case 'route':
        if (!connection.outbound) this.apps.addRoute(connection, verbOf(fields[2]))
        return connection.send(accepted(newId(), id))
      case 'remove_route':
        this.apps.removeRoute(connection, verbOf(fields[2]))
        return connection.send(accepted(newId(), id))
      case 'ping':
        return connection.send(accepted(newId(), id, 'pong'))
      case 'sip':
        try {
          return this.sip(connection, id, fields, end < 0 ? '' : payload.slice(end + 2))
        } catch (error) {
          return this.failed(connection, id, error)
        }
      case 'proxy':
        try {
          return this.proxy(connection, id, fields, end < 0 ? '' : payload.slice(end + 2))
        } catch (error) {
          return this.failed(connection, id, error)
        }
      default:
        return this.refuse(connection, id, 'unknown command')
    }
  }

  /** The control connection of an application that was dialled. */
  readonly adopt = (socket: Socket): Connection => {
    return this.accept(this.carry(socket), true)
  }

  private carry(socket: Socket): Carrier {
    this.sockets.add(socket)
    socket.on('close', () => this.sockets.delete(socket))
    return new SocketCarrier(socket, this.clock, this.settings.keepAliveMs)
  }

  private connected(socket: Socket): void {
    const connection = this.accept(this.carry(socket))
    const impatience = this.clock.after(AUTHENTICATE_WITHIN_MS, () => {
      if (!connection.authenticated) connection.close()
    })
    socket.on('close', () => impatience.cancel())
  }

  /** Takes an application in this process, which authenticates as any other does. */
  attach(app: LocalApp): ControlLink {
    const link = new MemoryCarrier(
      {
        received: (payload) => app.received(payload),
        closed: () => {
          this.links.delete(link)
          app.closed()
        },
      },
      this.onError,
    )
    this.links.add(link)
    this.accept(link)
    return link
  }

  /** Takes an application at the far end of this carrier. */
  accept(carrier: Carrier, outbound = false): Connection {
    return new Connection(carrier, this, this.clock, outbound)
  }

  private authenticate(connection: Connection, id: string, fields: string[]): void {
    if (!timingSafeEqual(digest(fields[2] ?? ''), this.secretDigest))
      return this.refuse(connection, id, 'incorrect secret')
    connection.trust()
    connection.tags = (fields[3] ?? '')
      .split(',')
      .filter((tag) => tag !== '')
      .slice(0, MAX_TAGS)
    this.apps.add(connection)
    const { advertised, local } = this.welcome
    connection.send(accepted(newId(), id, `${advertised.join(',')}|${VERSION}|${local.join(',')}`))
    const { awaited } = connection
    connection.awaited = undefined
    awaited?.ready(connection)
  }

  private commandInParts(connection: Connection, command: SipCommand): void {
    const { id, status } = command
    if (!connection.authenticated) return this.refuse(connection, id, 'not authenticated')
    try {
      if (status !== undefined) this.respond(connection, command, status)
      else if (METHOD.test(command.method) && VISIBLE.test(command.uri)) this.request(connection, command)
      else this.answer(connection, id, refused(`invalid request-uri: ${command.method} ${command.uri.slice(0, 200)}`))
    } catch (error) {
      this.failed(connection, id, error)
    }
  }

  private sip(connection: Connection, id: string, fields: string[], sipText: string): void {
    const [, , txnId = '', dialogId = '', proxy = ''] = fields
    const text = readAppText(sipText)
    const command = { id, txnId, dialogId, proxy, text, reason: '', method: '', uri: '', status: undefined }
    const response = RESPONSE_LINE.exec(text.startLine)
    if (response !== null)
      return this.respond(connection, { ...command, reason: response[2] ?? '' }, Number(response[1]))
    const request = REQUEST_LINE.exec(text.startLine)
    if (request !== null) this.request(connection, { ...command, method: request[1]!, uri: request[2]! })
    else this.answer(connection, id, refused(`invalid request-uri: ${text.startLine.slice(0, 200)}`))
  }

  private respond(connection: Connection, { id, txnId, reason, text }: SipCommand, status: number): void {
    if (txnId === '') this.refuse(connection, id, 'transaction id missing')
    else this.answer(connection, id, this.commands!.respond(txnId, status, reason, text))
  }

  /** A request in a dialog, a CANCEL, or a new request: told apart in this order. */
  private request(connection: Connection, { id, txnId, dialogId, proxy, method, uri, text }: SipCommand): void {
    const commands = this.commands!
    if (dialogId !== '')
      return this.answer(connection, id, commands.requestInDialog(connection, dialogId, method, text))
    if (txnId !== '') {
      if (method !== 'CANCEL') return this.refuse(connection, id, 'only CANCEL may name a transaction')
      return this.answer(connection, id, commands.cancel(txnId, text))
    }
    if (method === 'CANCEL' || method === 'ACK')
      return this.answer(connection, id, refused(`${method} needs a transaction or dialog`))
    this.answer(connection, id, commands.request(connection, method, uri, text, proxy))
  }

  private proxy(connection: Connection, id: string, fields: string[], sipText: string): void {
    const command = readProxyCommand(fields, sipText)
    if (typeof command === 'string') return connection.send(rejected(newId(), id, 'NOK', command))
    const { txnId, options, fullResponse } = command
    const report: ProxyReport = {
      final: (response, flow) =>
        connection.send(proxiedResponse(newId(), id, response, fromNetwork(flow), this.clock.date())),
      done: () => connection.send(accepted(newId(), id, 'done')),
    }
    const settled = (refusal: string | undefined): void => {
      if (refusal !== undefined) connection.send(rejected(newId(), id, 'NOK', refusal))
      else if (!fullResponse) report.done()
    }
    const outcome = this.commands!.proxy(txnId, options, fullResponse ? report : undefined)
    if (outcome instanceof Promise) outcome.then(settled, (error: unknown) => this.failed(connection, id, error))
    else settled(outcome)
  }

  private answer(connection: Connection, id: string, outcome: Outcome | Promise<Outcome>): void {
    if (outcome instanceof Promise) {
      outcome.then(
        (settled) => this.answer(connection, id, settled),
        (error: unknown) => this.failed(connection, id, error),
      )
      return
    }
    if (!outcome.ok) return connection.send(rejected(newId(), id, 'NOK', outcome.reason))
    const { sent, origin, txnId, dialogId } = outcome
    connection.send(new SentNotice(id, sent, origin, txnId, dialogId, this.clock.date()))
  }

  /** The fault is ours, or in what the application wrote: it harms this one command. */
  private failed(connection: Connection, id: string, error: unknown): void {
    this.onError(error)
    connection.send(rejected(newId(), id, 'NOK', `Server error: ${(error as Error).message}`))
  }

  /** The client does not speak the protocol, or may not: it is told and the connection ends. */
  private refuse(connection: Connection, id: string, reason: string): void {
    connection.send(rejected(newId(), id, 'NO', reason))
    connection.end()
  }
}

/** Equal digests are compared in constant time, whatever the lengths of the secrets. */
const digest = (secret: string): Buffer => createHash('sha256').update(secret, 'latin1').digest()

/** SIP methods in upper case; `cdr:` events as they are. */
const verbOf = (field = ''): string => (field.startsWith('cdr:') ? field : field.toUpperCase())
