import type { Algorithm } from './algorithm.js'

export type Qop = 'auth' | 'auth-int'

export interface ResponseParts {
  readonly algorithm: Algorithm
  readonly username: string
  readonly realm: string
  readonly password: string
  readonly nonce: string
  readonly method: string
  readonly uri: string
  /** Undefined: the way of RFC 2069. */
  readonly qop: Qop | undefined
  /** Eight hexadecimal digits; with qop. */
  readonly nc: string
  /** With qop, and for the key of a session. */
  readonly cnonce: string
  /** The request's body; with auth-int. */
  readonly body: string
}

/** The `response` of credentials (RFC 7616 3.4.1 to 3.4.3), lower-case hexadecimal. */
export function computeResponse(parts: ResponseParts): string {
  const { algorithm, nonce, cnonce, nc, qop, method, uri, body } = parts
  const hash = (...texts: string[]): string => algorithm.hash(texts.join(':'))
  const secret = hash(parts.username, parts.realm, parts.password)
  const key = algorithm.sess ? hash(secret, nonce, cnonce) : secret
  const what = qop === 'auth-int' ? hash(method, uri, algorithm.hash(body)) : hash(method, uri)
  return qop === undefined ? hash(key, nonce, what) : hash(key, nonce, nc, cnonce, qop, what)
}
