import { z } from 'zod'
import { networks } from './network.js'
import { hostPort } from './sip-address.js'
import { DEFAULT_ACCOUNT, headerMap, identifier, instant, safeText } from './text.js'

/** Where the dialled number is read from, in the trunk's order. `header:<Name>` names any other header. */
export const didSource = z.union([
  z.enum(['request-uri', 'to', 'p-called-party-id', 'diversion', 'history-info']),
  z
    .string()
    .max(80)
    .regex(
      /^header:[A-Za-z0-9!%*_+`'~.-]{1,64}$/,
      'must be request-uri, to, p-called-party-id, diversion, history-info or header:<Name>',
    ),
])
export type DidSource = z.output<typeof didSource>

export const defaultDidSources: DidSource[] = ['request-uri', 'to', 'p-called-party-id', 'diversion', 'history-info']

/** ISO 3166-1 alpha-2, upper case. */
export const country = z.string().regex(/^[A-Z]{2}$/, 'must be two capital letters, such as DE')

/** The trunk's fields as a person gives them; `id`, `account_id` and the times are ours. */
export const trunkFields = z.strictObject({
  label: safeText(128).default(''),
  sip_domain: hostPort.nullable().default(null),
  username: safeText(128).nullable().default(null),
  auth_username: safeText(128).nullable().default(null),
  outbound_proxy: safeText(300).nullable().default(null),
  transport: z.enum(['udp', 'tcp', 'tls']).nullable().default(null),
  from_user: safeText(128).nullable().default(null),
  from_domain: hostPort.nullable().default(null),
  caller_id: z.enum(['from', 'p-asserted-identity', 'p-preferred-identity', 'remote-party-id']).default('from'),
  number_format: z.enum(['+e164', 'e164', 'national']).default('+e164'),
  country: country.nullable().default(null),
  register: z
    .strictObject({ enabled: z.boolean().default(false), expires: z.number().int().min(30).max(86_400).default(300) })
    .default({ enabled: false, expires: 300 }),
  /** Source addresses this trunk's calls come from. */
  allowed_addresses: networks.default([]),
  did_from: z.array(didSource).min(1).max(8).default(defaultDidSources),
  channel_limit: z.number().int().min(1).max(100_000).nullable().default(null),
  cps_limit: z.number().min(0.1).max(10_000).nullable().default(null),
  /** Extra headers on INVITEs to the agent for calls of this trunk. */
  headers: headerMap.default({}),
})

/**
 * A customer's carrier, trunk or PBX. Its password is not here: `store/` keeps it encrypted beside the record and
 * nothing returns it.
 */
export const trunkSchema = trunkFields.extend({
  account_id: identifier.default(DEFAULT_ACCOUNT),
  id: identifier,
  created_at: instant,
  updated_at: instant,
})

export type TrunkFields = z.output<typeof trunkFields>
export type Trunk = z.output<typeof trunkSchema>
