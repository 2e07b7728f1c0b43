import type { Clock } from '../clock.js'
import type { App, Origin, ReceivedOn } from '../dialog/app.js'
import type { SipMessage, SipRequest } from '../message/message.js'
import type { Carrier, SipCommand } from './carrier.js'
import { type Notice, ReceivedNotice } from './leader.js'

export interface ConnectionSink {
  /** One control message: a byte string, or a command in its parts. */
  command(connection: Connection, payload: string | SipCommand): void
  /** Nothing reaches the application any more. Called once. */
  closed(connection: Connection): void
}

/** The control connection of one application, whatever carries it. */
export class Connection implements App {
  tags: readonly string[] = []
  /** Methods (upper case) and `cdr:` events it takes. */
  readonly verbs = new Set<string>()
  /** Who dialled this application and waits for it: hears once that it has authenticated, or is gone before. */
  awaited: { ready(connection: Connection): void; gone(): void } | undefined
  private trusted = false
  private over = false

  /** @param outbound it was dialled for one request; it takes no others */
  constructor(
    private readonly carrier: Carrier,
    private readonly sink: ConnectionSink,
    private readonly clock: Clock,
    readonly outbound = false,
  ) {
    carrier.start({
      received: (payload) => sink.command(this, payload),
      closed: () => this.leave(),
    })
  }

  get open(): boolean {
    return !this.over
  }

  /** It has shown the right secret; nothing else is listened to before. */
  get authenticated(): boolean {
    return this.trusted
  }

  trust(): void {
    this.trusted = true
    this.carrier.trust()
  }

  deliver(message: SipMessage, origin: Origin, txnId: string, dialogId: string, receivedOn?: ReceivedOn): void {
    if (this.over) return
    this.send(new ReceivedNotice(message, origin, txnId, dialogId, this.clock.date(), receivedOn))
  }

  unsolicited(bye: SipRequest, origin: Origin, dialogId: string): void {
    if (!this.over) this.send(new ReceivedNotice(bye, origin, undefined, dialogId, this.clock.date(), undefined))
  }

  send(payload: string | Notice): void {
    if (!this.over) this.carrier.send(payload)
  }

  /** Sends what is written, then ends; what still arrives is not read. */
  end(): void {
    if (!this.over) this.carrier.end()
  }

  /** Ends at once. Idempotent. */
  close(): void {
    this.carrier.destroy()
  }

  private leave(): void {
    if (this.over) return
    this.over = true
    const { awaited } = this
    this.awaited = undefined
    awaited?.gone()
    this.sink.closed(this)
  }
}
