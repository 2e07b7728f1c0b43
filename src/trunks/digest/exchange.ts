import type { ClientResponse } from '../sip-client.js'

/** Who we are to a trunk: `username` is the digest user (`auth_username`, else `username`). */
export interface Credentials {
  readonly username: string
  readonly password: string
}

/** What of a request its credentials cover. */
export interface DigestRequest {
  readonly method: string
  /** Request-URI as it is sent. */
  readonly uri: string
  /** '' for none; covered by qop auth-int alone. */
  readonly body: string
}

/** Whether a challenge can be answered, or why not, in words that never hold a secret. */
export type Challenged =
  | { readonly answered: true }
  | {
      readonly answered: false
      /** `refused`: what we showed was not accepted; `unsupported`: no algorithm or qop of ours; `malformed`; `no-credentials`. */
      readonly code: 'refused' | 'unsupported' | 'malformed' | 'no-credentials'
      readonly why: string
    }

/** The credentials of one request through all its tries. */
export interface DigestExchange {
  /** Authorization and Proxy-Authorization to send with it now: ahead of any challenge at first, then the answer to the last one. */
  readonly headers: Readonly<Record<string, string>>
  /** Takes a 401 or 407. When it is answered the request is to be sent again, with `headers` and the next CSeq. */
  challenged(response: Pick<ClientResponse, 'status' | 'header'>): Challenged
  /** Takes any other final response: `nextnonce` and the like. */
  ended(response: Pick<ClientResponse, 'status' | 'header'>): void
}

/** Whether a final response asks for credentials (RFC 3261 22.1). */
export const isChallenge = (status: number | undefined): boolean => status === 401 || status === 407
