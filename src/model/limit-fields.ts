import { isSupportedCountry } from 'libphonenumber-js'
import { z } from 'zod'

/** Calls at the same time; null: no limit. */
export const channelLimit = z.number().int().min(1).max(100_000).nullable().default(null)

/** Calls that may begin in a second; null: no limit. */
export const cpsLimit = z.number().min(0.1).max(10_000).nullable().default(null)

/** Minutes that all calls of a day, in UTC, may take together from their answer to their end; null: no limit. */
export const minutesPerDay = z.number().int().min(1).max(10_000_000).nullable().default(null)

/** Seconds from its answer after which a call is ended; null: no limit of its own. */
export const maxCallSeconds = z.number().int().min(1).max(604_800).nullable().default(null)

const ENTRY = 'must be a country such as DE, the beginning of a number such as +4420, or "*" for every country'

/** A country, the beginning of numbers in E.164, or every country. */
const allowedDestination = z
  .string()
  .regex(/^(?:[A-Z]{2}|\+[1-9][0-9]{0,14}|\*)$/, ENTRY)
  .refine((entry) => !/^[A-Z]{2}$/.test(entry) || isSupportedCountry(entry), 'is no country that has phone numbers')

/**
 * Where calls to a trunk may go: countries, beginnings of numbers, `*` for every country. Premium-rate, shared-cost, personal and
 * satellite numbers and international networks only where a beginning names them. Null: the country of the presented number.
 */
export const allowedDestinations = z.array(allowedDestination).max(512).nullable().default(null)
