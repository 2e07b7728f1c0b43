import type { AppLines } from '../dialog/app-text.js'
import type { Notice } from './leader.js'

/** A SIP message that an application in this process sends, in its parts: what the `sip` command says in text. */
export interface SipCommand {
  readonly id: string
  /** '' : none */
  readonly txnId: string
  /** '' : none */
  readonly dialogId: string
  /** '' : none */
  readonly proxy: string
  /** Of a response; undefined: it is a request. */
  readonly status: number | undefined
  readonly reason: string
  readonly method: string
  readonly uri: string
  readonly text: AppLines
}

/** What a carrier tells of the application at its far end. */
export interface CarrierEvents {
  /** One control message: a byte string, or a command in its parts. Not called after `closed`, nor after `end` or `destroy`. */
  received(payload: string | SipCommand): void
  /** Nothing goes either way any more. Called once, whoever ended it; it may be called while `send` runs. */
  closed(): void
}

/**
 * Carries whole control messages between the engine and one application: over a socket as frames, or in memory. Messages are byte
 * strings (see message/) and arrive in the order they were sent.
 */
export interface Carrier {
  /** Begins to hand over what arrives. Called once, before anything else. */
  start(events: CarrierEvents): void
  /** The application has authenticated: it may send large messages from here on. */
  trust(): void
  /** Sends one message. An application that takes nothing for long is given up. */
  send(payload: string | Notice): void
  /** Sends what is waiting, then ends; `closed` follows. Idempotent. */
  end(): void
  /** Ends at once; `closed` follows at once. Idempotent. */
  destroy(): void
}
