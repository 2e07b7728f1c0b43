import { isSupportedCountry, parsePhoneNumberFromString, validatePhoneNumberLength } from 'libphonenumber-js'
import { parseUri } from '../engine/index.js'
import { e164 } from '../model/number.js'

export type Normalised = { readonly ok: true; readonly e164: string } | { readonly ok: false; readonly why: string }

export interface NormaliseOptions {
  /** ISO 3166-1 alpha-2: the country whose national numbers these are. */
  readonly country?: string | null | undefined
  /** RFC 3966 phone-context: a global prefix such as `+1-415`; a domain name says nothing. */
  readonly phoneContext?: string | undefined
  /**
   * Where a country is known, 011 is read as international prefix only if it is one there: elsewhere national numbers begin so (Leeds,
   * Turin, Buenos Aires), and one with a digit too many would be a number in another country. Default: it is read so anywhere.
   */
  readonly ownPrefixes?: boolean
}

const MAX_INPUT = 64
/** 15, an international prefix and a national one. */
const MAX_DIGITS = 20
const SEPARATORS = ' -.()/'

/**
 * The E.164 form of a number as people and SIP write it: `+1 (415) 555-0100`, `0014155550100`, `01114155550100`, national with its
 * country, `tel:`. Only possible numbers: whether one is given out to anybody is not asked. Or why there is none.
 */
export function normaliseNumber(input: string, options: NormaliseOptions = {}): Normalised {
  if (input.length > MAX_INPUT) return refuse(`is longer than ${MAX_INPUT} characters`)
  if (input.slice(0, 4).toLowerCase() === 'tel:') return normaliseTel(input, options)
  const { country, phoneContext, ownPrefixes = false } = options
  if (typeof country === 'string' && !isSupportedCountry(country)) return refuse('is in a country that is not known')
  const read = readDigits(input)
  if (typeof read === 'string') return refuse(read)
  const { digits, international } = read
  if (international) return parse(`+${digits}`)
  const contextDigits = phoneContext?.startsWith('+') ? readDigits(phoneContext) : undefined
  const attempts: (Normalised | undefined)[] = [
    typeof contextDigits === 'object' ? parse(`+${contextDigits.digits}${digits}`) : undefined,
    typeof country === 'string' ? parse(digits, country) : undefined,
    digits.startsWith('00') ? parse(`+${digits.slice(2)}`) : undefined,
    digits.startsWith('011') && !(ownPrefixes && typeof country === 'string')
      ? parse(`+${digits.slice(3)}`)
      : undefined,
  ]
  const possible = attempts.find((attempt) => attempt?.ok)
  if (possible !== undefined) return possible
  return (
    attempts.find((attempt) => attempt !== undefined) ??
    refuse('needs "+" and the country code, or the country it is in')
  )
}

function normaliseTel(input: string, options: NormaliseOptions): Normalised {
  const uri = parseUri(input)
  if (uri?.scheme !== 'tel') return refuse('is not a tel URI')
  return normaliseNumber(uri.number, { ...options, phoneContext: uri.params.get('phone-context') })
}

/** The digits of a number, and whether a plus stands before them; or what is wrong with it. */
function readDigits(input: string): { digits: string; international: boolean } | string {
  let digits = ''
  let international = false
  for (const character of input) {
    if (character >= '0' && character <= '9') digits += character
    else if (character === '+' && digits === '' && !international) international = true
    else if (!SEPARATORS.includes(character))
      return 'must have digits only, "+" before them, and any of - . ( ) / and spaces between'
  }
  if (digits === '') return 'has no digits'
  return digits.length > MAX_DIGITS ? 'has too many digits' : { digits, international }
}

function parse(digits: string, country?: string): Normalised {
  const options = country !== undefined && isSupportedCountry(country) ? { defaultCountry: country } : {}
  const number = parsePhoneNumberFromString(digits, { ...options, extract: false })
  // No national number begins with 00. What is left of one zero too many would be another number when it is read again.
  const again = number?.nationalNumber.startsWith('00') === true
  if (!again && number?.isPossible() && e164.safeParse(number.number).success) return { ok: true, e164: number.number }
  const problem = validatePhoneNumberLength(digits, options) ?? 'INVALID_LENGTH'
  const where = country === undefined ? '' : ` in ${country}`
  if (problem === 'TOO_SHORT') return refuse(`is too short for a number${where}`)
  if (problem === 'TOO_LONG') return refuse(`is too long for a number${where}`)
  if (problem === 'INVALID_COUNTRY') return refuse('does not begin with a country code')
  return refuse(`is not a possible number${where}`)
}

function refuse(why: string): Normalised {
  return { ok: false, why }
}
