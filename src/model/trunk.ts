import { z } from 'zod'
import { mediaEncryption } from './media-encryption.js'
import { allowedDestinations, channelLimit, cpsLimit, maxCallSeconds, minutesPerDay } from './limit-fields.js'
import { networks } from './network.js'
import { hostPort } from './sip-address.js'
import { notReserved, plainText, userText } from './strict-text.js'
import { DEFAULT_ACCOUNT, headerMap, identifier, instant, safeText } from './text.js'
import { trunkTls } from './trunk-tls.js'

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

/** `200`, `2*`, `*`: an extension, or all that begin so. */
const extensionPattern = notReserved(
  z.string().regex(/^(?:[A-Za-z0-9_.#-]{1,32}\*?|\*)$/, 'must be an extension such as 200, or its beginning and "*"'),
)

/** A header that an agent may send through to a trunk. Those of ours never are. */
const passedHeader = z
  .string()
  .regex(/^X-[A-Za-z0-9][A-Za-z0-9._-]{0,61}$/i, 'must be the name of an X- header')
  .refine((name) => !name.toLowerCase().startsWith('x-signalbox'), 'is written by Signalbox itself')

/** The trunk's fields as a person gives them; `id`, `account_id` and the times are ours. */
export const trunkFields = z.strictObject({
  label: plainText(128).default(''),
  sip_domain: hostPort.nullable().default(null),
  username: userText(128).nullable().default(null),
  auth_username: userText(128).nullable().default(null),
  outbound_proxy: safeText(300).nullable().default(null),
  transport: z.enum(['udp', 'tcp', 'tls']).nullable().default(null),
  from_user: userText(128).nullable().default(null),
  from_domain: hostPort.nullable().default(null),
  caller_id: z.enum(['from', 'p-asserted-identity', 'p-preferred-identity', 'remote-party-id']).default('from'),
  number_format: z.enum(['+e164', 'e164', 'national']).default('+e164'),
  country: country.nullable().default(null),
  register: z
    .strictObject({ enabled: z.boolean().default(false), expires: z.number().int().min(30).max(86_400).default(300) })
    .default({ enabled: false, expires: 300 }),
  /** OPTIONS probing of the trunk's servers. */
  ping: z
    .strictObject({ enabled: z.boolean().default(false), interval_s: z.number().int().min(1).max(3_600).default(30) })
    .default({ enabled: false, interval_s: 30 }),
  /** Source addresses this trunk's calls come from. */
  allowed_addresses: networks.default([]),
  /** Who calls from this trunk when its address does not say: digest credentials it must show. The password is kept apart. */
  inbound_auth: z
    .strictObject({ username: userText(128).min(1), realm: userText(128).min(1).default('signalbox') })
    .nullable()
    .default(null),
  /** What a call from this trunk must show, all of it; empty: any one rule that identifies the trunk will do. */
  require: z
    .array(z.enum(['address', 'digest']))
    .max(2)
    .refine((rules) => new Set(rules).size === rules.length, 'names a rule twice')
    .default([]),
  /** Whether the caller that this trunk asserts (P-Asserted-Identity, Diversion and the like) is believed. */
  trust_identity: z.boolean().default(false),
  /** It registers to us, with `inbound_auth`: calls to it go to the contacts that it registered, and nowhere else. */
  register_in: z.boolean().default(false),
  did_from: z.array(didSource).min(1).max(8).default(defaultDidSources),
  channel_limit: channelLimit,
  /** Of calls to the trunk. */
  cps_limit: cpsLimit,
  minutes_per_day: minutesPerDay,
  /** Of calls to the trunk, within `minutes_per_day`. */
  outbound_minutes_per_day: minutesPerDay,
  max_call_seconds: maxCallSeconds,
  allowed_destinations: allowedDestinations,
  /** Extensions that agents may call on this trunk besides possible numbers: whole ones, or their beginning and `*`. */
  allowed_extensions: z.array(extensionPattern).max(64).default([]),
  /** Names of `X-` headers of an agent's INVITE that reach the trunk. */
  pass_headers: z.array(passedHeader).max(32).default([]),
  /** Whether media on its side of calls are encrypted. */
  media_encryption: mediaEncryption.default('allowed'),
  /** How its servers are dealt with over TLS; null: as all. */
  tls: trunkTls.nullable().default(null),
  /** Extra headers on INVITEs of this trunk's calls: to the agent on the way in, to the trunk on the way out. */
  headers: headerMap.default({}),
})

/**
 * A customer's carrier, trunk or PBX. Its passwords are not here: `store/` keeps them encrypted beside the record and
 * nothing returns them.
 */
export const trunkSchema = trunkFields.extend({
  account_id: identifier.default(DEFAULT_ACCOUNT),
  id: identifier,
  created_at: instant,
  updated_at: instant,
})

export type TrunkFields = z.output<typeof trunkFields>
export type Trunk = z.output<typeof trunkSchema>
