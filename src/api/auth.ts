import { createHash, timingSafeEqual } from 'node:crypto'
import type { Clock } from '../engine/index.js'
import { readTokenText, type Role } from '../model/api-token.js'
import { secretDigest } from '../store/api-tokens.js'
import type { KnownTokens } from '../store/known-tokens.js'
import { ApiError } from './problem.js'

export { roles, type Role } from '../model/api-token.js'

/** Who asks: a handler under `/v1` finds it as `request.principal`. */
export interface Principal {
  /** The token's name, for people. */
  readonly name: string
  readonly role: Role
  /** The one account whose things it sees and changes; null: those of all accounts. */
  readonly accountId: string | null
  /** The token's public id; null: the admin token of the configuration. */
  readonly tokenId: string | null
  /** When the token ends, ISO 8601; null or absent: never. */
  readonly expiresAt?: string | null
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks. Set before any handler under `/v1` runs, and nowhere else. */
    principal: Principal
  }
}

/** Who holds the admin token of the configuration: it is no record, so it works without Redis and cannot be revoked. */
export const CONFIGURED_ADMIN: Principal = { name: 'admin', role: 'admin', accountId: null, tokenId: null }

/** Why nobody is known by an Authorization header: there is none, it holds no token of ours, an expired one, or one that cannot be checked now. */
export type Stranger = 'none' | 'wrong' | 'expired' | 'unavailable'

/** Names who a request is from by its Authorization header. Never rejects. */
export interface Authenticator {
  who(authorization: string | undefined): Promise<Principal | Stranger>
  /** Whether the token of this principal, let in before, still stands: with Redis away, it does. */
  stands(principal: Principal): Promise<boolean>
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

/** The token of an `Authorization: Bearer` header; undefined for another scheme or a malformed one. */
function bearerToken(authorization: string): string | undefined {
  if (authorization.length > 4096 || authorization.slice(0, 7).toLowerCase() !== 'bearer ') return undefined
  const token = authorization.slice(7).trim()
  return token === '' ? undefined : token
}

/**
 * Accepts the admin token of the configuration, and the tokens that are kept. Digests are compared, in constant time, so neither a
 * token's length nor a common beginning shows in the time taken.
 */
export function createAuthenticator(
  adminToken: string,
  tokens: Pick<KnownTokens, 'find' | 'use'>,
  clock: Clock,
): Authenticator {
  if (adminToken === '') throw new Error('the admin token must not be empty')
  const expected = digest(adminToken)
  const hasExpired = (expiresAt: string | null): boolean =>
    expiresAt !== null && Date.parse(expiresAt) <= clock.date().getTime()
  return {
    async who(authorization) {
      if (authorization === undefined) return 'none'
      const text = bearerToken(authorization)
      if (text === undefined) return 'wrong'
      if (timingSafeEqual(digest(text), expected)) return CONFIGURED_ADMIN
      const parts = readTokenText(text)
      if (parts === undefined) return 'wrong'
      const known = await tokens.find(parts.id)
      if (known === 'unavailable') return 'unavailable'
      if (known === 'absent') return 'wrong'
      if (!timingSafeEqual(secretDigest(parts.secret), Buffer.from(known.secret_sha256, 'hex'))) return 'wrong'
      if (hasExpired(known.expires_at)) return 'expired'
      tokens.use(known)
      const { id, name, role, account_id, expires_at } = known
      return { name, role, accountId: account_id, tokenId: id, expiresAt: expires_at }
    },
    async stands({ tokenId, expiresAt = null }) {
      if (tokenId === null) return true
      return !hasExpired(expiresAt) && (await tokens.find(tokenId)) !== 'absent'
    },
  }
}

/** The refusal of a request without a valid token, and the value of its WWW-Authenticate header (RFC 6750 section 3). */
export function refusalOf(stranger: Exclude<Stranger, 'unavailable'>): { error: ApiError; challenge: string } {
  if (stranger === 'none')
    return {
      error: new ApiError('TOKEN_REQUIRED', 'send the header "Authorization: Bearer <token>"'),
      challenge: 'Bearer realm="signalbox"',
    }
  const detail =
    stranger === 'expired'
      ? 'the token has expired; have another one made'
      : 'the Authorization header holds no token that is valid here'
  return { error: new ApiError('TOKEN_REQUIRED', detail), challenge: 'Bearer realm="signalbox", error="invalid_token"' }
}
