/** Why name servers gave no answer; the codes are those of c-ares. */
export type DnsErrorCode =
  /** None answered in time. */
  | 'ETIMEOUT'
  /** Nothing could be sent, or the far end refused it. */
  | 'ECONNREFUSED'
  | 'ESERVFAIL'
  | 'EREFUSED'
  /** The server answered with another error. */
  | 'ENOTIMP'
  /** The answer makes no sense. */
  | 'EBADRESP'
  /** Aliases that lead nowhere within their bound. */
  | 'ECNAME'
  /** No question can hold the name. */
  | 'EBADNAME'
  /** There is no server to ask. */
  | 'ENOSERVER'
  | 'ECANCELLED'

/** A question that has no answer; a name or type that does not exist is one, without records. */
export class DnsError extends Error {
  override readonly name = 'DnsError'

  constructor(
    readonly code: DnsErrorCode,
    message: string,
  ) {
    super(message)
  }
}
