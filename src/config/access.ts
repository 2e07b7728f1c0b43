import { z } from 'zod'
import { allowedNetwork } from '../model/destinations.js'
import { networks } from '../model/network.js'
import { plainText } from '../model/strict-text.js'

/** A whole number between two bounds, both allowed. */
const whole = (least: number, most: number) => z.number().int().min(least).max(most)

const DAY_S = 86_400

/** Who may come in: what becomes of sources that no trunk and no agent is configured with. */
export const access = z.strictObject({
  /**
   * What requests of unknown sources get: `drop`, nothing at all, or `403`; null: `drop` when a contact is on a public address, else
   * `403`. Neither keeps anything of the request.
   */
  unknown_source: z
    .preprocess((value) => (value === 403 ? '403' : value), z.enum(['drop', '403']).nullable())
    .default(null),
  /** Requests a second that an unknown source may send for long; 0: no limit, nobody is banned. */
  source_rate: whole(0, 100_000).default(20),
  /** Requests that an unknown source may send at once, before the rate counts. */
  source_burst: whole(1, 1_000_000).default(100),
  /** Seconds of an unknown source's first ban; each further one is twice as long. */
  ban_first_s: whole(1, DAY_S).default(10),
  /** Seconds of the longest ban. */
  ban_max_s: whole(1, 30 * DAY_S).default(3_600),
  /** Unknown sources remembered, with their bans; those that were heard of least recently are forgotten first. */
  max_sources: whole(64, 1_000_000).default(16_384),
  /** Addresses (CIDR) that are never limited or banned, besides those of trunks and agents. It lets nobody in. */
  exempt_addresses: networks.default([]),
  /** Texts in the User-Agent of scanners, besides those that are built in; case is nothing. Unknown sources that show one get no answer. */
  scanner_user_agents: z.array(plainText(128).min(3)).max(256).default([]),
  /**
   * Networks that requests may go to although they are not public: loopback, private, link-local and metadata addresses are refused
   * otherwise, and so are ports of known services, which an entry with a port names. Null: loopback while every contact listens on
   * loopback, as shipped for a local trial; else none.
   */
  allowed_networks: z.array(allowedNetwork).max(256).nullable().default(null),
})
