import { createHash, timingSafeEqual } from 'node:crypto'
import { ApiError } from './problem.js'

/** Names who the request is from, or undefined when the Authorization header holds no valid token. */
export type Authenticate = (authorization: string | undefined) => Principal | undefined

/** Whom a token belongs to. */
export interface Principal {
  readonly name: string
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

/** The token of an `Authorization: Bearer` header; undefined for another scheme or a malformed one. */
function bearerToken(authorization: string): string | undefined {
  if (authorization.length > 4096 || authorization.slice(0, 7).toLowerCase() !== 'bearer ') return undefined
  const token = authorization.slice(7).trim()
  return token === '' ? undefined : token
}

/** Accepts the one admin token. Digests are compared, so neither its length nor a common beginning shows in the time taken. */
export function adminTokenOnly(adminToken: string): Authenticate {
  if (adminToken === '') throw new Error('the admin token must not be empty')
  const expected = digest(adminToken)
  return (authorization) => {
    const token = authorization === undefined ? undefined : bearerToken(authorization)
    if (token === undefined) return undefined
    return timingSafeEqual(digest(token), expected) ? { name: 'admin' } : undefined
  }
}

/** The refusal of a request without a valid token, and the value of its WWW-Authenticate header (RFC 6750 section 3). */
export function refusalOf(authorization: string | undefined): { error: ApiError; challenge: string } {
  return authorization === undefined
    ? {
        error: new ApiError('TOKEN_REQUIRED', 'send the header "Authorization: Bearer <token>"'),
        challenge: 'Bearer realm="signalbox"',
      }
    : {
        error: new ApiError('TOKEN_REQUIRED', 'the Authorization header holds no token that is valid here'),
        challenge: 'Bearer realm="signalbox", error="invalid_token"',
      }
}
