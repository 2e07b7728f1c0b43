import type { Target } from './target.js'

/** A final response to a request of ours, and where it came from. */
export interface ClientResponse {
  readonly status: number
  readonly reason: string
  /** The header's value, several lines joined by `,`; undefined when absent. Names in any case, long form. */
  header(name: string): string | undefined
  readonly sourceAddress: string
  readonly sourcePort: number
  readonly protocol: string
}

/** One request outside dialogs, sent to one server. */
export interface ClientRequest {
  readonly method: string
  /** Request-URI. */
  readonly uri: string
  /** `@localhost` in From, To and Contact stands for our own address. From and Call-ID are kept as they are given, so is a CSeq. */
  readonly headers: Readonly<Record<string, string>>
  readonly target: Target
  /** Milliseconds the server may be wholly silent before it counts as gone; absent: the time of RFC 3261. */
  readonly silenceMs?: number
}

/** Nothing can be sent, or was answered, because the SIP server is away: no fault of the far end. */
export class SipServerAway extends Error {
  override readonly name = 'SipServerAway'

  constructor(why = 'the SIP server is away') {
    super(why)
  }
}

/** Sends requests outside dialogs by the SIP server. */
export interface SipClient {
  /**
   * The final response. A server that is silent, or that nothing can be sent to, is one too: 408, or a 503 whose `sent` is false.
   * @throws {SipServerAway} when the SIP server is away, or goes away before it has answered
   * @throws {Error} when it refuses the request
   */
  request(request: ClientRequest): Promise<ClientResponse & { readonly sent: boolean }>
}
