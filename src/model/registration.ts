import { z } from 'zod'
import { localId } from './account.js'
import { hideContactTokens } from './contact-token.js'
import { identifier, instant } from './text.js'

/**
 * Where a trunk's registration stands:
 * - `stopped` not wanted: switched off, or un-registered by hand
 * - `waiting` wanted, its turn has not come: the start is paced
 * - `registering` a REGISTER is under way and nothing is registered
 * - `registered` the registrar has our Contact; refreshes keep it so
 * - `retrying` it failed; tried again after a growing pause
 * - `refused` the registrar refused us for good (wrong password, forbidden): tried again after a long pause
 * - `unregistering` the binding is being taken away
 */
export const registrationState = z.enum([
  'stopped',
  'waiting',
  'registering',
  'registered',
  'retrying',
  'refused',
  'unregistering',
])
export type RegistrationState = z.output<typeof registrationState>

/** A trunk's registration as data: one Redis record a trunk, and what `GET /v1/registrations` lists. */
export const registrationSchema = z.object({
  account_id: identifier,
  trunk_id: identifier,
  state: registrationState,
  /** In words: why it is in this state. */
  reason: z.string(),
  /** The last final response; null when none has come. */
  last_code: z.number().int().nullable(),
  last_phrase: z.string().nullable(),
  /** The server in use: `sip:192.0.2.7:5065;transport=tcp`; null while there is none. */
  registrar: z.string().nullable(),
  transport: z.enum(['udp', 'tcp', 'tls']).nullable(),
  /** Seconds the registrar granted; null while nothing is registered. */
  granted_expires_s: z.number().int().nullable(),
  /** Seconds a 423 taught us to ask for at least; null when none did. */
  min_expires_s: z.number().int().min(0).max(0xffff_ffff).nullable(),
  expires_at: instant.nullable(),
  next_attempt_at: instant.nullable(),
  /** Attempts that failed since the last success. */
  failures: z.number().int(),
  /** When the state was entered. */
  since: instant,
  /** Service-Route of the last 200 (RFC 3608), in order: Routes of calls by this trunk. */
  service_route: z.array(z.string()),
  /** Path of the last 200 (RFC 3327). */
  path: z.array(z.string()),
  /** The edge that registers it. */
  edge_id: z.string().nullable(),
})
export type Registration = z.output<typeof registrationSchema>

/** A registration as others than the edges see it: with the id that its account gave the trunk; and a registrar may have written our Contact into its routes. */
export function shownRegistration(registration: Registration): Registration {
  const { trunk_id, service_route, path } = registration
  return {
    ...registration,
    trunk_id: localId(trunk_id),
    service_route: service_route.map(hideContactTokens),
    path: path.map(hideContactTokens),
  }
}
