import type { Destinations } from '../../src/engine/transport/destinations.js'
import type { App, Origin, Outcome, ReceivedOn, RequestRouter } from '../../src/engine/dialog/app.js'
import type { CallRecords } from '../../src/engine/dialog/call-record.js'
import { readAppText } from '../../src/engine/dialog/app-text.js'
import type { CoreSettings } from '../../src/engine/dialog/context.js'
import { Core } from '../../src/engine/dialog/core.js'
import { Dialogs } from '../../src/engine/dialog/dialogs.js'
import { Hops } from '../../src/engine/dialog/hops.js'
import { defaultSessionTimers, type SessionTimerSettings } from '../../src/engine/dialog/session-expires.js'
import { defaultLimits } from '../../src/engine/message/limits.js'
import type { SipMessage, SipRequest, SipResponse } from '../../src/engine/message/message.js'
import { parseDatagram } from '../../src/engine/message/parse.js'
import type { ProxyOptions, ProxyReport } from '../../src/engine/proxy/proxy-options.js'
import type { Resolver } from '../../src/engine/resolve/resolver.js'
import { defaultTimers } from '../../src/engine/transaction/timers.js'
import type { Binding, Flow, Protocol, Target } from '../../src/engine/transport/transport.js'
import type { Transports } from '../../src/engine/transport/transports.js'
import { ManualClock } from './manual-clock.js'

export interface Delivered {
  readonly message: SipMessage
  readonly origin: Origin
  readonly txnId: string
  readonly dialogId: string
  readonly receivedOn: ReceivedOn | undefined
  readonly unsolicited: boolean
}

/** An application that writes down what it is given. */
export class RecordingApp implements App {
  open = true
  readonly delivered: Delivered[] = []

  deliver(message: SipMessage, origin: Origin, txnId: string, dialogId: string, receivedOn?: ReceivedOn): void {
    this.delivered.push({ message, origin, txnId, dialogId, receivedOn, unsolicited: false })
  }

  unsolicited(bye: SipRequest, origin: Origin, dialogId: string): void {
    this.delivered.push({ message: bye, origin, txnId: '', dialogId, receivedOn: undefined, unsolicited: true })
  }

  /** The newest delivery; fails when there is none. */
  last(): Delivered {
    const last = this.delivered.at(-1)
    if (last === undefined) throw new Error('the application was given nothing')
    return last
  }

  requests(method: string): Delivered[] {
    return this.delivered.filter(({ message }) => message.kind === 'request' && message.method === method)
  }
}

function bindingOf(protocol: Protocol, family: 4 | 6 = 4, port = 5060): Binding {
  const address = family === 4 ? '192.0.2.1' : '2001:db8::1'
  const host = family === 4 ? address : `[${address}]`
  const shown = protocol === 'udp' ? '' : `;transport=${protocol}`
  return {
    protocol,
    address,
    port,
    family,
    external: false,
    advertisedHost: host,
    advertisedPort: port,
    sentBy: port === 5060 ? host : `${host}:${port}`,
    contactUri: `sip:${host}:${port}${shown}`,
    secure: protocol === 'tls',
  }
}

const familyOf = (address: string): 4 | 6 => (address.includes(':') ? 6 : 4)

/** The core on a hand-moved clock, with a network and an application that only write down what reaches them. */
export class CoreHarness {
  readonly clock = new ManualClock()
  /** The application; another one may take its place. */
  app = new RecordingApp()
  /** Everything sent, oldest first, with where it went: `udp:198.51.100.7:5060`. */
  readonly sent: Array<{ to: string; message: SipMessage }> = []
  readonly dialogs = new Dialogs()
  readonly errors: unknown[] = []
  /** Destinations (`udp:address:port`) at which sending fails. */
  readonly unreachable = new Set<string>()
  readonly protocols = new Set<Protocol>(['udp', 'tcp'])
  appAvailable = true
  /** Where nothing is sent to. */
  destinations: Destinations | undefined
  /** What every name resolves to. */
  targets: Target[] = []
  /** Milliseconds that name servers take. */
  namesTakeMs = 0
  readonly core: Core
  private readonly flows = new Map<string, Flow & { open: boolean }>()

  constructor(
    options: {
      echoGapMs?: number
      appRoutes?: boolean
      sessionTimers?: Partial<SessionTimerSettings>
      settings?: Partial<CoreSettings>
      records?: CallRecords
      router?: RequestRouter
    } = {},
  ) {
    const transports = {
      bindings: [bindingOf('udp'), bindingOf('tcp')],
      bindingFor: ({ protocol, address }: Target) =>
        this.protocols.has(protocol) ? bindingOf(protocol, familyOf(address)) : undefined,
      flowTo: ({ protocol, address, port }: Target, binding?: Binding, peer?: { address: string; port: number }) =>
        this.destinations?.refusal(address, port, peer) === undefined
          ? this.flow(protocol, address, port, binding?.port)
          : undefined,
      refusal: (target: Target, peer?: { address: string; port: number }) =>
        this.destinations?.refusal(target.address, target.port, peer),
      flowForResponse: (_via: unknown, flow: Flow) => flow,
      isOwn: (host: string) => host === '192.0.2.1',
      supports: () => true,
    } as unknown as Transports
    const resolver = { resolve: () => this.resolved() } as unknown as Resolver
    this.core = new Core(
      {
        clock: this.clock,
        timers: defaultTimers,
        settings: {
          echoGapMs: options.echoGapMs ?? 0,
          appAnswerTimeoutMs: 64_000,
          appRoutes: options.appRoutes ?? false,
          sessionTimers: { ...defaultSessionTimers, ...options.sessionTimers },
          ...options.settings,
        },
        transports,
        hops: new Hops(transports, resolver),
        apps: { choose: () => (this.appAvailable ? this.app : undefined) },
        dialogs: this.dialogs,
        records: options.records,
        router: options.router,
      },
      (error) => this.errors.push(error),
    )
  }

  private resolved(): Promise<Target[]> {
    if (this.namesTakeMs === 0) return Promise.resolve(this.targets)
    return new Promise((resolve) => this.clock.after(this.namesTakeMs, () => resolve(this.targets)))
  }

  /** The flow to a peer, from a port of ours; for streams the one connection that is open. */
  flow(protocol: Protocol, address: string, port: number, from = 5060): Flow & { open: boolean } {
    const to = `${protocol}:${address}:${port}`
    const key = `${from} ${to}`
    const known = this.flows.get(key)
    if (known?.open) return known
    const binding = bindingOf(protocol, familyOf(address), from)
    const flow = {
      protocol,
      reliable: protocol !== 'udp',
      binding,
      remoteAddress: address,
      remotePort: port,
      localAddress: binding.address,
      localPort: from,
      open: true,
      send: (text: string, failed?: (error: Error) => void) => {
        if (this.unreachable.has(to)) {
          if (failed) this.clock.after(0, () => failed(new Error('connection refused')))
          return
        }
        this.sent.push({ to, message: parse(text) })
      },
    }
    this.flows.set(key, flow)
    return flow
  }

  /** A connection closes. */
  close(flow: Flow & { open: boolean }): void {
    flow.open = false
    this.core.closed(flow)
  }

  /** A message from the peer arrives; lines are joined with CRLF, a body goes after an empty line. */
  receive(lines: readonly string[], from: Flow = this.flow('udp', '198.51.100.7', 5060)): void {
    const parsed = parseDatagram(Buffer.from(textOf(lines), 'latin1'), defaultLimits)
    if (parsed === undefined) throw new Error('not SIP')
    this.core.received(parsed, from)
  }

  /** The application answers a request it was given. */
  respond(txnId: string, status: number, headers: readonly string[] = [], body = ''): Outcome {
    return now(this.respondInTime(txnId, status, headers, body))
  }

  /** The same when the response may have to wait for a PRACK. */
  respondInTime(txnId: string, status: number, headers: readonly string[] = [], body = ''): Outcome | Promise<Outcome> {
    return this.core.respond(txnId, status, '', readAppText(appText(`SIP/2.0 ${status} `, headers, body)))
  }

  /** The application sends a request outside dialogs. */
  request(method: string, uri: string, headers: readonly string[] = [], body = '', proxy = ''): Outcome {
    return now(
      this.core.sendRequest(
        this.app,
        method,
        uri,
        readAppText(appText(`${method} ${uri} SIP/2.0`, headers, body)),
        proxy,
      ),
    )
  }

  requestInDialog(dialogId: string, method: string, headers: readonly string[] = [], body = ''): Outcome {
    return now(
      this.core.requestInDialog(
        this.app,
        dialogId,
        method,
        readAppText(appText(`${method} sip:placeholder SIP/2.0`, headers, body)),
      ),
    )
  }

  /** The application has a request proxied; resolves with why not. What it hears of it is in `report`. */
  async proxy(txnId: string, options: Partial<ProxyOptions> & { destinations: string[] }, report?: ProxyReport) {
    return this.core.proxy(
      txnId,
      {
        recordRoute: false,
        followRedirects: false,
        simultaneous: false,
        text: readAppText('INVITE sip:placeholder SIP/2.0\r\n\r\n'),
        ...options,
      },
      report,
    )
  }

  cancel(txnId: string, headers: readonly string[] = []): Outcome {
    return this.core.cancelRequest(txnId, readAppText(appText('CANCEL sip:placeholder SIP/2.0', headers, '')))
  }

  lastSent(): SipMessage {
    const last = this.sent.at(-1)
    if (last === undefined) throw new Error('nothing was sent')
    return last.message
  }

  sentRequests(method: string): SipRequest[] {
    return this.sent.flatMap(({ message }) =>
      message.kind === 'request' && message.method === method ? [message] : [],
    )
  }

  sentResponses(status: number): SipResponse[] {
    return this.sent.flatMap(({ message }) =>
      message.kind === 'response' && message.status === status ? [message] : [],
    )
  }

  /** What must hold when everything is over. */
  leftovers(): { dialogs: number; transactions: number; timers: number; errors: number } {
    return {
      dialogs: this.dialogs.count,
      transactions: this.core.transactionCount,
      timers: this.clock.pending,
      errors: this.errors.length,
    }
  }
}

export const nothingLeft = { dialogs: 0, transactions: 0, timers: 0, errors: 0 }

function now(outcome: Outcome | Promise<Outcome>): Outcome {
  if (outcome instanceof Promise) throw new Error('expected an answer at once')
  return outcome
}

const appText = (startLine: string, headers: readonly string[], body: string): string =>
  `${[startLine, ...headers].join('\r\n')}\r\n\r\n${body}`

function textOf(lines: readonly string[]): string {
  const blank = lines.indexOf('')
  const head = blank < 0 ? lines : lines.slice(0, blank)
  const body =
    blank < 0
      ? ''
      : lines
          .slice(blank + 1)
          .map((line) => `${line}\r\n`)
          .join('')
  return `${head.join('\r\n')}\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}

function parse(text: string): SipMessage {
  const parsed = parseDatagram(Buffer.from(text, 'latin1'), defaultLimits)
  if (parsed === undefined || !parsed.ok)
    throw new Error(`sent something that does not parse: ${JSON.stringify(parsed)}\n${text}`)
  return parsed.message
}

/** The sent outcome; fails when it was refused. */
export function sentOf(outcome: Outcome): Extract<Outcome, { ok: true }> {
  if (!outcome.ok) throw new Error(`refused: ${outcome.reason}`)
  return outcome
}
