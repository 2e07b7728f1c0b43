import { getCountryCallingCode, isSupportedCountry, parsePhoneNumberFromString } from 'libphonenumber-js'
import type { Trunk } from '../model/trunk.js'

/**
 * A number as a trunk writes it: `+e164` +13125550199, `e164` 13125550199, `national` as it is dialled inside the trunk's country,
 * digits alone (3125550199 in the US, 030901820 in Germany). A number of another country, or on a trunk without one, keeps its plus:
 * which prefix would stand for it, only the trunk knows. Anything that is no E.164 number is left as it is.
 */
export function formatNumber(
  value: string,
  { number_format: format, country }: Pick<Trunk, 'number_format' | 'country'>,
): string {
  if (!value.startsWith('+')) return value
  if (format === '+e164') return value
  if (format === 'e164') return value.slice(1)
  if (country === null || !isSupportedCountry(country)) return value
  const number = parsePhoneNumberFromString(value, { extract: false })
  if (number === undefined || number.countryCallingCode !== getCountryCallingCode(country)) return value
  const digits = number.formatNational().replace(/[^0-9]/g, '')
  return digits === '' ? value : digits
}
