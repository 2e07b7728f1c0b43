import type { Trunk } from '../model/trunk.js'
import { describeAllowed } from '../trunks/identify.js'
import type { DidReading } from './did.js'

/** What was looked up in vain. */
export function describeUnknown(readings: readonly DidReading[]): string {
  const forms = [...new Set(readings.flatMap(({ candidates }) => candidates))]
  if (forms.length > 0) return `there is no record for ${forms.slice(0, 8).join(', ')}`
  const value = readings.find((reading) => reading.value !== null)?.value
  return value === undefined
    ? 'no number could be read'
    : `"${value ?? ''}" is neither a possible number nor an extension`
}

/** A trunk that sends national numbers must say of which country. */
export function missingCountry(readings: readonly DidReading[], trunk: Trunk | undefined): string | null {
  if (trunk === undefined || trunk.country !== null) return null
  const national = readings.find(({ value }) => value !== null && /^[0-9]{6,15}$/.test(value))
  return national === undefined
    ? null
    : `${national.value ?? ''} may be a national number, but trunk ${trunk.id} has no country`
}

/** The host of `sip_domain`, which may carry a port. */
export function hostOf({ sip_domain }: Trunk): string | undefined {
  if (sip_domain === null) return undefined
  const colon = sip_domain.lastIndexOf(':')
  return (colon > sip_domain.lastIndexOf(']') ? sip_domain.slice(0, colon) : sip_domain).toLowerCase()
}

/** Whose calls a trunk takes. */
export const whomItAllows = (trunk: Trunk): string =>
  trunk.allowed_addresses.length === 0 ? 'whose allowed_addresses is empty' : `which allows ${describeAllowed(trunk)}`
