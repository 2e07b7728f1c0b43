import { z } from 'zod'
import { plainText } from './strict-text.js'
import { identifier, instant, safeText } from './text.js'

/**
 * What an API token may do, each role all that the one before it may: `viewer` reads; `operator` places and ends calls, tests routes,
 * registers trunks by hand, switches numbers on and off; `admin` changes everything, tokens included.
 */
export const roles = ['viewer', 'operator', 'admin'] as const

export type Role = (typeof roles)[number]

/** Whether a role may do what needs `least`. */
export const suffices = (role: Role, least: Role): boolean => roles.indexOf(role) >= roles.indexOf(least)

/** Names a token in lists, logs and the audit; no secret. */
export const tokenId = z.string().regex(/^[a-z0-9]{12}$/, 'must be the 12 letters and digits of a token: sbx_<id>_...')

/** A token of the API as it may be shown: without its text, of which only a digest is kept. */
export const apiTokenSchema = z.object({
  id: tokenId.describe('The part of the token between the underscores'),
  name: plainText(128).min(1).describe('For people: who or what uses it'),
  role: z.enum(roles),
  account_id: identifier.nullable().describe('The account whose things it sees and changes; null: those of all'),
  created_at: instant,
  created_by: safeText(160).describe('Name of the token it was made with'),
  expires_at: instant.nullable().describe('From then on it is refused; null: never'),
  last_used_at: instant.nullable().describe('To the minute; null: not used yet'),
})

export type ApiToken = z.output<typeof apiTokenSchema>

/** Bytes of the secret part: as many as the digest that is kept of it. */
export const TOKEN_SECRET_BYTES = 32

const TOKEN = /^sbx_([a-z0-9]{12})_([A-Za-z0-9_-]{43})$/

/** The text a client sends: `sbx_<id>_<secret>`. */
export const tokenText = (id: string, secret: Buffer): string => `sbx_${id}_${secret.toString('base64url')}`

/** The parts of a token's text; undefined when it has not the form of one. */
export function readTokenText(text: string): { id: string; secret: Buffer } | undefined {
  const match = text.length === 60 ? TOKEN.exec(text) : null
  const [, id = '', secret = ''] = match ?? []
  return match === null ? undefined : { id, secret: Buffer.from(secret, 'base64url') }
}
