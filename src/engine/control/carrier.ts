/** What a carrier tells of the application at its far end. */
export interface CarrierEvents {
  /** One control message, a byte string. Not called after `closed`, nor after `end` or `destroy`. */
  received(payload: string): void
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
  send(payload: string): void
  /** Sends what is waiting, then ends; `closed` follows. Idempotent. */
  end(): void
  /** Ends at once; `closed` follows at once. Idempotent. */
  destroy(): void
}
