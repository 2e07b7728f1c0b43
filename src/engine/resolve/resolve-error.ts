/** Why a next hop has no target. */
export type ResolveErrorCode =
  /** Every question was answered, and none with an address. */
  | 'NOT_FOUND'
  /** The name servers did not answer in time. */
  | 'TIMEOUT'
  /** The name servers refused, failed or could not be reached. */
  | 'FAILED'
  /** No contact of ours has the transport or the address family. */
  | 'UNSUPPORTED'
  /** The host or port is none that may be sent to. */
  | 'INVALID'
  /** Requests may not go to an address, or port, that it leads to. */
  | 'REFUSED'

/** A next hop that leads nowhere. The message says what was asked and what came back. */
export class ResolveError extends Error {
  override readonly name = 'ResolveError'

  constructor(
    readonly code: ResolveErrorCode,
    message: string,
    /** The questions in their order, each with its outcome: `SRV _sip._udp.example.com: not found`. */
    readonly asked: readonly string[] = [],
  ) {
    super(message)
  }
}
