import { localId } from '../model/account.js'
import type { PhoneNumber } from '../model/number.js'
import type { Trunk } from '../model/trunk.js'
import { hostOf } from '../routing/explain.js'
import { meansToo, otherMeanings } from '../routing/spellings.js'
import { readNextHop } from '../trunks/next-hop.js'
import { ApiError } from './problem.js'
import type { Services } from './services.js'
import { sharedNetwork } from './trunk-checks.js'

/**
 * Refuses a number that calls could not be told apart by: another one, on a trunk behind the same address, would be dialled the same way,
 * and the Request-URI's host does not say which is meant. What other accounts have is not told.
 * @throws {ApiError} NUMBER_AMBIGUOUS
 */
export async function refuseAmbiguous(
  number: Pick<PhoneNumber, 'phone_number' | 'kind' | 'account_id'>,
  trunk: Trunk,
  { numbers, trunks }: Pick<Services, 'numbers' | 'trunks'>,
): Promise<void> {
  const others = await Promise.all(otherMeanings(number).map((text) => numbers.get(text).catch(() => undefined)))
  for (const other of others) {
    if (other === undefined || other.trunk_id === trunk.id || other.kind === number.kind) continue
    const theirs = await trunks.get(other.trunk_id).catch(() => undefined)
    if (theirs === undefined || areDistinct(trunk, theirs)) continue
    const shared = sharedSource(trunk, theirs)
    if (shared === undefined || !collide(number, trunk, other, theirs)) continue
    throw other.account_id === number.account_id
      ? new ApiError(
          'NUMBER_AMBIGUOUS',
          `${number.phone_number} and ${other.phone_number} of trunk "${localId(theirs.id)}" would be dialled the same way, and calls for both come from ${shared}: ${REMEDY}`,
          { trunk_id: localId(theirs.id) },
        )
      : new ApiError(
          'NUMBER_AMBIGUOUS',
          `${number.phone_number} would be dialled like a number that exists already behind ${shared}: ${REMEDY}`,
        )
  }
}

const REMEDY = 'give each trunk a sip_domain of its own, which the Request-URI of its calls names'

/** Whether the extension's digits are the number to the number's trunk. */
function collide(
  number: Pick<PhoneNumber, 'phone_number' | 'kind'>,
  trunk: Trunk,
  other: Pick<PhoneNumber, 'phone_number'>,
  theirs: Trunk,
): boolean {
  return number.kind === 'extension'
    ? meansToo(number.phone_number, other.phone_number, theirs.country)
    : meansToo(other.phone_number, number.phone_number, trunk.country)
}

/** Whether the host of the Request-URI tells the trunks apart. */
function areDistinct(one: Trunk, other: Trunk): boolean {
  const [a, b] = [hostOf(one), hostOf(other)]
  return a !== undefined && b !== undefined && a !== b
}

/** The network or server that calls of both trunks may come from. */
function sharedSource(one: Trunk, other: Trunk): string | undefined {
  const servers = serversOf(other)
  return (
    sharedNetwork(one.allowed_addresses, other.allowed_addresses) ??
    serversOf(one).find((host) => servers.includes(host))
  )
}

function serversOf(trunk: Trunk): string[] {
  const hops = [readNextHop(trunk), readNextHop({ ...trunk, outbound_proxy: null })]
  return hops.flatMap((read) => (read.ok ? [read.hop.host.toLowerCase()] : []))
}
