import { getCountryCallingCode, isSupportedCountry } from 'libphonenumber-js'
import { unescapeUser } from '../engine/index.js'
import type { Trunk } from '../model/trunk.js'
import { readDestination } from './destination.js'
import { readWritten } from './did.js'
import { kindOf } from './number-kind.js'

/** Why a number may not be called on a trunk. */
export interface DestinationFault {
  readonly code: 'DESTINATION_BARRED' | 'DESTINATION_HIGH_RISK' | 'DESTINATION_IMPOSSIBLE'
  readonly why: string
}

export type BarringTrunk = Pick<Trunk, 'id' | 'country' | 'allowed_destinations' | 'allowed_extensions'>

interface Allowed {
  readonly countries: ReadonlySet<string>
  /** Beginnings of numbers, with their plus. */
  readonly beginnings: ReadonlySet<string>
}

const ANYWHERE = '*'
const NOTHING: Allowed = { countries: new Set(), beginnings: new Set() }

/** Read once a record of a trunk, which is another object when it changes. */
const read = new WeakMap<BarringTrunk, Allowed>()

function allowedOf(trunk: BarringTrunk): Allowed {
  const { allowed_destinations: entries } = trunk
  if (entries === null) return NOTHING
  let allowed = read.get(trunk)
  if (allowed === undefined) {
    allowed = {
      countries: new Set(entries.filter((entry) => !entry.startsWith('+'))),
      beginnings: new Set(entries.filter((entry) => entry.startsWith('+'))),
    }
    read.set(trunk, allowed)
  }
  return allowed
}

/**
 * Why a number may not be called on the trunk, or undefined. Its `allowed_destinations` decide, by country and not by calling code; where
 * it has none, the country of the presented number. Numbers that are dear or unusual need a beginning that names them.
 * @param e164 who is called
 * @param presented the number of ours that is shown: E.164 or an extension
 */
export function destinationFault(
  e164: string,
  presented: string | null,
  trunk: BarringTrunk,
): DestinationFault | undefined {
  const allowed = allowedOf(trunk)
  const beginning = longestBeginning(e164, allowed.beginnings)
  const { country, risk, named, free } = kindOf(e164)
  if (risk !== undefined) {
    if (beginning >= named.length) return undefined
    const why = `${e164} is ${risk}: name the prefix ${named} in allowed_destinations of trunk ${trunk.id} to allow it`
    return { code: 'DESTINATION_HIGH_RISK', why }
  }
  if (beginning > 0) return undefined
  const { allowed_destinations: entries } = trunk
  const home = entries === null ? homeOf(presented, trunk) : undefined
  if (country !== undefined) {
    if (country === home || allowed.countries.has(country) || allowed.countries.has(ANYWHERE)) return undefined
    if (free === true && [home, ...allowed.countries].some(isNorthAmerican)) return undefined
  }
  const where = country === undefined ? 'is of no country that is known' : `is in ${country}`
  const has =
    entries === null
      ? home === undefined
        ? 'none, and neither the presented number nor the trunk has a country'
        : `none, so that calls go to ${home} only`
      : entries.length === 0
        ? 'an empty list'
        : entries.slice(0, 8).join(', ')
  return {
    code: 'DESTINATION_BARRED',
    why: `${e164} ${where}; allowed_destinations of trunk ${trunk.id}: ${has}`,
  }
}

/**
 * Why a call to the trunk may not be led on to this target, or undefined. Numbers in any spelling are held to the same as those that
 * agents dial; what is no number at all is the trunk's own business.
 * @param target a `sip:` or `tel:` URI
 */
export function transferFault(
  target: string,
  presented: string | null,
  trunk: BarringTrunk,
): DestinationFault | undefined {
  const destination = readDestination(target, trunk)
  if (destination.ok) {
    const { kind, value } = destination.destination
    return kind === 'e164' ? destinationFault(value, presented, trunk) : undefined
  }
  return dialledFault(target, destination.why, presented, trunk)
}

/** Why what is neither a number nor an allowed extension may not be called: a switch may dial it all the same. */
function dialledFault(
  target: string,
  why: string,
  presented: string | null,
  trunk: BarringTrunk,
): DestinationFault | undefined {
  const impossible = { code: 'DESTINATION_IMPOSSIBLE', why } as const
  const written = readWritten(target)
  // A `tel:` URI names a number, whatever stands in it.
  if (written === undefined) return /^\s*tel:/i.test(target) ? impossible : undefined
  const text = withoutEscapes(written.text)
  if (looksLikeNumber(text)) return impossible
  for (const digits of digitsIn(text)) {
    const read = readDestination(digits, trunk)
    if (!read.ok || read.destination.kind !== 'e164') continue
    const fault = destinationFault(read.destination.value, presented, trunk)
    if (fault !== undefined) return { ...fault, why: `it may be dialled as ${read.destination.value}: ${fault.why}` }
  }
  return undefined
}

/** Whether a switch would dial it: a plus and a digit at its head, or as many digits as numbers have and no letters. */
const looksLikeNumber = (text: string): boolean =>
  /^[^0-9A-Za-z]*\+[^0-9A-Za-z]*[0-9]/.test(text) ||
  (!/[A-Za-z]/.test(text) && text.replace(/[^0-9]/g, '').length >= NUMBER_DIGITS)

const NUMBER_DIGITS = 7
const MAX_ESCAPES = 3
/** Letters and digits at most of what is dialled: ids (RFC 9562: 32) are longer. */
const MAX_DIALLED = 28

/** Escapes in escapes (`%252B`) undone: some switches read them so. */
function withoutEscapes(text: string): string {
  let plain = text
  for (let n = 0; n < MAX_ESCAPES && plain.includes('%'); n++) plain = unescapeUser(plain)
  return plain
}

/** Letters of the keys of a telephone (ITU-T E.161), by their place in the alphabet. */
const KEYS = '22233344455566677778889999'

/**
 * What of digits may be dialled of a text that begins with one and has letters too: those before the first letter, all of them, and all
 * with the letters as the keys that they stand on. What begins with a letter is a name, and what is too long an id.
 */
function digitsIn(text: string): string[] {
  if (!/^[^A-Za-z]*[0-9]/.test(text)) return []
  const plain = text.replace(/[^0-9A-Za-z]/g, '')
  if (plain.length > MAX_DIALLED) return []
  return [
    /^[0-9]*/.exec(plain)![0],
    plain.replace(/[A-Za-z]/g, ''),
    plain.replace(/[A-Za-z]/g, (letter) => KEYS[letter.toUpperCase().charCodeAt(0) - 65]!),
  ]
}

const isNorthAmerican = (country: string | undefined): boolean =>
  country !== undefined && isSupportedCountry(country) && getCountryCallingCode(country) === '1'

/** The country whose numbers may be called where nothing else is said. */
const homeOf = (presented: string | null, { country }: BarringTrunk): string | undefined =>
  (presented?.startsWith('+') === true ? kindOf(presented).country : undefined) ?? country ?? undefined

/** The length of the longest of these that the number begins with; 0: none. */
function longestBeginning(e164: string, beginnings: ReadonlySet<string>): number {
  if (beginnings.size === 0) return 0
  for (let length = e164.length; length > 1; length--) if (beginnings.has(e164.slice(0, length))) return length
  return 0
}
