import { extension } from '../model/number.js'
import { printable } from '../model/printable.js'
import type { Trunk } from '../model/trunk.js'
import { readWritten } from './did.js'
import { normaliseNumber } from './normalise.js'
import type { Destination } from './outbound-plan.js'

/** Who is called, or why nobody can be. */
export type DestinationRead =
  | { readonly ok: true; readonly destination: Destination }
  | {
      readonly ok: false
      readonly code: 'DESTINATION_IMPOSSIBLE' | 'DESTINATION_NOT_ALLOWED'
      readonly why: string
      /** What would have been called otherwise, when there is such a thing. */
      readonly nearestMiss: string | null
    }

/** Shorter ones that the trunk has as extensions are extensions, whatever number they might be in some country. */
const NUMBER_LENGTH = 7
const MAX_SHOWN = 64

/**
 * Reads what an agent dials on a trunk: a possible number in any usual spelling (`+`, 00, 011, national with the trunk's `country`,
 * `tel:`, `sip:`, `;phone-context`), or an extension among the trunk's `allowed_extensions`.
 * What these name whole, or have and is shorter than 7 characters, is an extension before it is a number: in some countries nearly
 * every row of digits is a possible number.
 */
export function readDestination(
  text: string,
  { id, country, allowed_extensions: allowed }: Pick<Trunk, 'id' | 'country' | 'allowed_extensions'>,
): DestinationRead {
  const raw = readWritten(text)
  const shown = `"${printable(raw?.text ?? text, MAX_SHOWN)}"`
  if (raw === undefined) return impossible(`${shown} is neither a number nor an extension`)
  const { text: dialled, phoneContext } = raw
  const isExtension = extension.safeParse(dialled).success
  const isAllowed = isExtension && allowed.some((pattern) => hasExtension(pattern, dialled))
  const asExtension = { ok: true, destination: { kind: 'extension', value: dialled } } as const
  if (isAllowed && (dialled.length < NUMBER_LENGTH || allowed.includes(dialled))) return asExtension
  const normalised = normaliseNumber(dialled, { country, phoneContext, ownPrefixes: true })
  if (normalised.ok) return { ok: true, destination: { kind: 'e164', value: normalised.e164 } }
  if (isAllowed) return asExtension
  const isNumberLike = dialled.length >= NUMBER_LENGTH && !/[A-Za-z_*#]/.test(dialled)
  if (!isExtension || isNumberLike) {
    const missing = country === null && isNumberLike && !dialled.startsWith('+')
    return impossible(
      `${shown} ${normalised.why}`,
      missing ? `${shown} may be a national number, but trunk ${id} has no country` : null,
    )
  }
  const has = allowed.length === 0 ? 'none' : allowed.slice(0, 8).join(', ')
  return {
    ok: false,
    code: 'DESTINATION_NOT_ALLOWED',
    why: `${shown} is no possible number, and trunk ${id} does not allow it as an extension`,
    nearestMiss: `allowed_extensions of trunk ${id}: ${has}`,
  }
}

/** Whether an entry of `allowed_extensions` has this extension: the same, or its beginning and `*`. */
function hasExtension(pattern: string, dialled: string): boolean {
  return pattern.endsWith('*') ? dialled.startsWith(pattern.slice(0, -1)) : pattern === dialled
}

function impossible(why: string, nearestMiss: string | null = null): DestinationRead {
  return { ok: false, code: 'DESTINATION_IMPOSSIBLE', why, nearestMiss }
}
