import { isDeepStrictEqual } from 'node:util'
import { localId } from '../model/account.js'
import type { PhoneNumber } from '../model/number.js'
import type { Trunk } from '../model/trunk.js'
import { hostOf } from '../routing/explain.js'
import { meansToo, otherMeanings } from '../routing/spellings.js'
import { readNextHop } from '../trunks/next-hop.js'
import { ApiError } from './problem.js'
import type { Services } from './services.js'
import { pageAnswerOf } from './store-answer.js'
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
          `${number.phone_number} would be dialled like a number that exists already behind an address of this trunk's: ${REMEDY}`,
        )
  }
}

/** Numbers of a trunk at most that are looked at when it changes: a carrier's may have very many. */
const MAX_CHECKED = 2_000
const PAGE = 100

/** Whether calls may come from elsewhere, or be read otherwise, after a change. */
const isReadOtherwise = (before: Trunk, after: Trunk): boolean =>
  before.outbound_proxy !== after.outbound_proxy ||
  before.sip_domain !== after.sip_domain ||
  before.country !== after.country ||
  !isDeepStrictEqual(before.allowed_addresses, after.allowed_addresses)

/**
 * `refuseAmbiguous` of the numbers of a trunk that is about to change. What is ambiguous already may be changed: that is how it is mended,
 * one trunk after the other.
 * @throws {ApiError} NUMBER_AMBIGUOUS
 */
export async function refuseAmbiguousTrunk(
  before: Trunk,
  after: Trunk,
  services: Pick<Services, 'numbers' | 'trunks'>,
): Promise<void> {
  if (!isReadOtherwise(before, after)) return
  let cursor: string | undefined
  for (let checked = 0; checked < MAX_CHECKED; checked += PAGE) {
    const page = await pageAnswerOf('number', services.numbers.list({ trunkId: after.id, limit: PAGE, cursor }))
    await Promise.all(
      page.items.map((number) =>
        refuseAmbiguous(number, after, services).catch(async (error: unknown) => {
          if (!(error instanceof ApiError)) throw error
          const wasBefore = await refuseAmbiguous(number, before, services).then(
            () => false,
            () => true,
          )
          if (!wasBefore) throw error
        }),
      ),
    )
    if (page.next_cursor === null) return
    cursor = page.next_cursor
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
