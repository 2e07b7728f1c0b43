import { createHash, timingSafeEqual } from 'node:crypto'
import { ApiError } from './problem.js'

/** Names who the request is from, or undefined when the Authorization header holds no valid token. */
export type Authenticate = (authorization: string | undefined) => Principal | undefined

/** What a token may do, each role all that the one before it may: read; run calls and registrations; change everything. */
export const roles = ['viewer', 'operator', 'admin'] as const

export type Role = (typeof roles)[number]

/** Who asks: a handler under `/v1` finds it as `request.principal`. */
export interface Principal {
  /** The token's name, for people. */
  readonly name: string
  readonly role: Role
  /** The one account whose things it sees and changes; null: those of all accounts. */
  readonly accountId: string | null
  /** The token's public id; null: the admin token of the configuration. */
  readonly tokenId: string | null
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks. Set before any handler under `/v1` runs, and nowhere else. */
    principal: Principal
  }
}

/** Who holds the admin token of the configuration: it is no record, so it works without Redis and cannot be revoked. */
export const CONFIGURED_ADMIN: Principal = { name: 'admin', role: 'admin', accountId: null, tokenId: null }

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
    return timingSafeEqual(digest(token), expected) ? CONFIGURED_ADMIN : undefined
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
