import { type NumberType, parsePhoneNumberFromString } from 'libphonenumber-js/max'

/** What matters of a number for who may call it. */
export interface NumberKind {
  /** ISO 3166-1 alpha-2; undefined where the number is of no country, or of none that is known. */
  readonly country: string | undefined
  /** Why calls to it are dear or unusual, in words; undefined: it is a number as any. */
  readonly risk?: string
  /** It is free of charge in all countries of its calling code, whichever it is said to be of: +1 800 and the like. */
  readonly free?: true
  /** The shortest beginning of numbers that names such ones: no shorter one does. */
  readonly named: string
}

/** Calling codes that are no country's, and what is behind them (ITU-T E.164 list of assigned codes). */
const networks: Readonly<Record<string, string>> = {
  808: 'an international shared-cost number',
  870: 'satellite (Inmarsat)',
  878: 'an international personal number',
  881: 'satellite',
  882: 'satellite or another international network',
  883: 'an international network',
  888: 'a disaster relief network',
  979: 'an international premium-rate number',
}

const risks: Partial<Record<Exclude<NumberType, undefined>, string>> = {
  PREMIUM_RATE: 'a premium-rate number',
  SHARED_COST: 'a shared-cost number',
  PERSONAL_NUMBER: 'a personal number',
}

/** Digits after the calling code with which a beginning names a range, and not a country. */
const NAMING_DIGITS = 2
/** Digits that every number has. */
const LEAST_DIGITS = 7
const MAX_KEPT = 2_048

/** Kinds of numbers that were asked for lately; of North American ones, where the area code says it all, those of area codes. */
const kept = new Map<string, NumberKind>()

/** The kind of an E.164 number. +1, +7, +44 and others are shared by countries: the number says which. */
export function kindOf(e164: string): NumberKind {
  const key = e164.startsWith('+1') ? e164.slice(0, 5) : e164
  const known = kept.get(key)
  if (known !== undefined) return known
  const kind = readKind(e164)
  // An area code is not judged by a number that is none.
  if (key !== e164 && kind.country === undefined) return kind
  if (kept.size >= MAX_KEPT) kept.delete(kept.keys().next().value ?? '')
  kept.set(key, kind)
  return kind
}

function readKind(e164: string): NumberKind {
  const network = networks[e164.slice(1, 4)]
  if (network !== undefined) return { country: undefined, risk: network, named: e164.slice(0, 4) }
  const number = parsePhoneNumberFromString(e164, { extract: false })
  if (number === undefined) return { country: undefined, named: e164.slice(0, 4) }
  const named = e164.slice(0, 1 + number.countryCallingCode.length + NAMING_DIGITS)
  const risk = riskOf(number.getType()) ?? (number.isValid() ? undefined : riskOfBeginning(e164))
  const free = e164.startsWith('+1') && number.getType() === 'TOLL_FREE'
  return { country: number.country, named, ...(risk && { risk }), ...(free && { free }) }
}

/** A switch takes no notice of digits too many: what begins with a premium-rate number is one. */
function riskOfBeginning(e164: string): string | undefined {
  for (let length = e164.length - 1; length > LEAST_DIGITS; length--) {
    const risk = riskOf(parsePhoneNumberFromString(e164.slice(0, length), { extract: false })?.getType())
    if (risk !== undefined) return risk
  }
  return undefined
}

const riskOf = (type: NumberType | undefined): string | undefined => (type === undefined ? undefined : risks[type])
