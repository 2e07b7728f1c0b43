import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Clock, Timer } from '../clock.js'
import type { Connection } from './connection.js'
import { whatFailed } from './http-question.js'
import type { DialTarget } from './request-handlers.js'

/** How long a connection to an application may take to come up, its TLS handshake included. */
const CONNECT_WITHIN_MS = 2_000
/** How long an application that was dialled may take to authenticate. */
const AUTHENTICATE_WITHIN_MS = 4_000

/** Makes the control connection of a socket that is up. */
export type Adopt = (socket: Socket) => Connection

/** Dials one application. */
export class OutboundCall {
  private over = false
  private readonly socket: Socket
  private patience: Timer
  private connection: Connection | undefined

  /**
   * @param adopt called when the socket is up
   * @param done gets the connection when the application has authenticated, or why there is none; called once
   */
  constructor(
    target: DialTarget,
    verifyPeer: boolean,
    private readonly clock: Clock,
    private readonly adopt: Adopt,
    private readonly done: (outcome: Connection | string) => void,
  ) {
    const { host, port, tls } = target
    this.socket = tls ? connectTls({ host, port, rejectUnauthorized: verifyPeer }) : connect({ host, port })
    this.patience = clock.after(CONNECT_WITHIN_MS, () => this.fail(`no connection within ${CONNECT_WITHIN_MS} ms`))
    this.socket.once(tls ? 'secureConnect' : 'connect', () => this.up())
    this.socket.on('error', (error) => this.fail(whatFailed(error)))
    this.socket.on('close', () => this.fail('the application has closed the connection'))
  }

  /** Ends it, if the application has not authenticated yet. Idempotent. */
  readonly abort = (): void => {
    if (this.over) return
    this.over = true
    this.patience.cancel()
    this.socket.destroy()
  }

  private up(): void {
    if (this.over) return
    this.patience.cancel()
    this.patience = this.clock.after(AUTHENTICATE_WITHIN_MS, () =>
      this.fail(`the application has not authenticated within ${AUTHENTICATE_WITHIN_MS} ms`),
    )
    this.connection = this.adopt(this.socket)
    this.connection.awaited = {
      ready: (connection) => this.finish(connection),
      gone: () => this.fail('the application has not authenticated'),
    }
  }

  private fail(why: string): void {
    if (this.over) return
    this.finish(why)
    // What it was refused with is still to be sent.
    if (this.connection === undefined || this.connection.open) this.socket.destroy()
  }

  private finish(outcome: Connection | string): void {
    if (this.over) return
    this.over = true
    this.patience.cancel()
    this.done(outcome)
  }
}
