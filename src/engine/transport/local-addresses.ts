import { lookup } from 'node:dns/promises'
import { networkInterfaces } from 'node:os'
import { familyOf } from './address.js'
import type { ContactOption } from './contact.js'
import { TransportError } from './transport.js'

/** The families that a contact's host stands for all addresses of; none when it names one host. */
export function wildcardFamilies(host: string): readonly (4 | 6)[] {
  return host === '*' ? [4, 6] : host === '0.0.0.0' ? [4] : host === '::' ? [6] : []
}

/**
 * The addresses a contact's host stands for: itself, the first address of a name, or for `*`, `0.0.0.0` and `::` those of this
 * machine. Each is bound on its own, so that an answer leaves from the address that was asked. IPv6 link-local ones are left
 * out: they mean nothing in a Via.
 *
 * @throws {TransportError} CANNOT_LISTEN when there is none.
 */
export async function addressesOf(contact: ContactOption): Promise<string[]> {
  const { host } = contact
  const wanted = wildcardFamilies(host)
  if (wanted.length > 0) {
    const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
    const fit = all.filter(({ address, family }) => {
      return wanted.includes(family === 'IPv4' ? 4 : 6) && !address.toLowerCase().startsWith('fe80:')
    })
    if (fit.length === 0)
      throw new TransportError('CANNOT_LISTEN', `this machine has no address for contact ${contact.text}`)
    return [...new Set(fit.map(({ address }) => address))]
  }
  if (familyOf(host) !== undefined) return [host]
  try {
    return [(await lookup(host)).address]
  } catch (cause) {
    throw new TransportError('CANNOT_LISTEN', `contact ${contact.text}: ${(cause as Error).message}`, { cause })
  }
}
