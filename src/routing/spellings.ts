import { getCountries, getCountryCallingCode } from 'libphonenumber-js'
import type { PhoneNumber } from '../model/number.js'
import { candidatesOf } from './did.js'
import { normaliseNumber } from './normalise.js'

/** Digits alone, as many as a national number may have. */
const NATIONAL = /^[0-9]{5,15}$/
const MAX_SPELLINGS = 256

let callingCodes: readonly string[] | undefined

/**
 * The records besides its own that what is dialled for a number may mean as well: extensions spelled as the number is in its country or
 * without its plus, and numbers that an extension is the national spelling of somewhere.
 */
export function otherMeanings({ phone_number, kind }: Pick<PhoneNumber, 'phone_number' | 'kind'>): string[] {
  const others = kind === 'extension' ? numbersSpelled(phone_number) : extensionsSpelled(phone_number)
  return [...new Set(others)].filter((other) => other !== phone_number).slice(0, MAX_SPELLINGS)
}

/** Whether a trunk of this country may read the one as well as the other out of the same text. */
export const meansToo = (dialled: string, meant: string, country: string | null): boolean =>
  candidatesOf({ text: dialled, phoneContext: undefined }, country).includes(meant)

function numbersSpelled(extension: string): string[] {
  if (!NATIONAL.test(extension)) return []
  callingCodes ??= [...new Set(getCountries().map((country) => getCountryCallingCode(country)))]
  const national = extension.replace(/^0/, '')
  return [extension, ...callingCodes.map((code) => `${code}${national}`)].flatMap((digits) => {
    const normalised = normaliseNumber(`+${digits}`)
    return normalised.ok ? [normalised.e164] : []
  })
}

function extensionsSpelled(e164: string): string[] {
  const digits = e164.slice(1)
  // A calling code has one to three digits.
  const nationals = [1, 2, 3].map((length) => digits.slice(length))
  return [digits, `00${digits}`, `011${digits}`, ...nationals, ...nationals.map((national) => `0${national}`)].filter(
    (text) => NATIONAL.test(text),
  )
}
