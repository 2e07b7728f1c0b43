import { z } from 'zod'
import { mediaEncryption } from './media-encryption.js'
import { channelLimit, cpsLimit, maxCallSeconds, minutesPerDay } from './limit-fields.js'
import { networks } from './network.js'
import { sipUri } from './sip-address.js'
import { plainText, userText } from './strict-text.js'
import { DEFAULT_ACCOUNT, headerMap, identifier, instant } from './text.js'

/** Who answers calls, and places them. */
export const agentSchema = z.strictObject({
  account_id: identifier.default(DEFAULT_ACCOUNT),
  id: identifier,
  name: plainText(128).default(''),
  sip_uri: sipUri,
  /** Tried in order after `sip_uri` on 408, 5xx or an unreachable address. */
  fallback_sip_uris: z.array(sipUri).max(8).default([]),
  /** Extra headers on the INVITE to the agent. */
  headers: headerMap.default({}),
  /** Seconds one address may ring before the next is tried; 1 to 600. Null: `sip.ring_timeout_s` of the configuration. */
  ring_timeout_s: z.number().int().min(1).max(600).nullable().default(null),
  channel_limit: channelLimit,
  /** Of calls to the agent and calls it places. */
  cps_limit: cpsLimit,
  minutes_per_day: minutesPerDay,
  max_call_seconds: maxCallSeconds,
  /** Source addresses (CIDR) calls of this agent come from. */
  allowed_addresses: networks.default([]),
  /** Digest user of calls this agent places from any address. The password is kept apart, encrypted. */
  auth: z
    .strictObject({ username: userText(128).min(1) })
    .nullable()
    .default(null),
  /** Whether media on its side of calls are encrypted. */
  media_encryption: mediaEncryption.default('allowed'),
  created_at: instant,
  updated_at: instant,
})

export type Agent = z.output<typeof agentSchema>
