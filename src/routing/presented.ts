import { printable } from '../model/printable.js'
import type { OutboundTrace } from '../model/decision.js'
import type { PhoneNumber } from '../model/number.js'
import type { Found } from '../store/directory.js'
import { candidatesOf, readWritten } from './did.js'
import type { Lookups } from './lookups.js'

/** A number that an agent wants to present, and the records it may mean. */
export interface Presented {
  /** As it was written, printable; null when nothing was. */
  readonly value: string | null
  /** The forms it was looked up under, the likeliest first. */
  readonly normalised: readonly string[]
  /** What was found, one for each form that was. */
  readonly numbers: readonly PhoneNumber[]
  /** Why a record cannot be used, when one cannot. */
  readonly trouble?: { readonly code: 'NUMBER_RECORD_INVALID' | 'ROUTING_UNAVAILABLE'; readonly why: string }
}

const MAX_VALUE = 128

/**
 * Looks a presented number up in every spelling that inbound calls are read in: as it stands, and as E.164. Which country a
 * national number is of nobody knows before its trunk is: such a one is not found.
 * @param text the number alone, or a `sip:` or `tel:` URI
 */
export async function lookUpPresented(text: string, lookups: Lookups): Promise<Presented> {
  const raw = readWritten(text)
  const value = text.trim() === '' ? null : printable(raw?.text ?? text.trim(), MAX_VALUE)
  const normalised = raw === undefined ? [] : candidatesOf(raw, null)
  const numbers: PhoneNumber[] = []
  let trouble: Presented['trouble']
  for (const form of normalised) {
    const found = await lookups.find(form, () => normalised)
    if (found.value !== undefined) numbers.push(found.value)
    else trouble ??= troubleOf(form, found)
  }
  return { value, normalised, numbers, ...(trouble && { trouble }) }
}

/** The part of an outbound decision's explanation that tells of the number. */
export const presentedTrace = (
  source: string,
  { value, normalised }: Pick<Presented, 'value' | 'normalised'>,
  found: PhoneNumber | undefined,
): OutboundTrace['presented'] => ({ source, value, normalised: [...normalised], found: found?.phone_number ?? null })

function troubleOf(form: string, { invalid, from }: Found<PhoneNumber>): Presented['trouble'] {
  if (invalid !== undefined)
    return { code: 'NUMBER_RECORD_INVALID', why: `the record of ${form} does not parse: ${invalid}` }
  if (from !== 'unavailable') return undefined
  return { code: 'ROUTING_UNAVAILABLE', why: `${form} is not in memory, and Redis cannot be asked` }
}
