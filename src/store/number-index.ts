import type { Redis } from 'ioredis'
import type { PhoneNumber } from '../model/number.js'
import { readHash } from './hash.js'
import { keys } from './keys.js'
import { numberFieldLimits, parseNumber } from './number-record.js'
import type { Read } from './record.js'
import { addMembers, removeMembers, without, type Membership } from './sorted-index.js'

/** Reads a number's hash and parses it. */
export async function readNumber(client: Redis, phoneNumber: string): Promise<Read<PhoneNumber>> {
  return parseNumber(phoneNumber, await readHash(client, keys.number(phoneNumber), numberFieldLimits))
}

/**
 * The index entries a number must have: among its account's numbers, on its trunk, under each agent it names.
 *
 * They stand in other keys than the number (and, on a Cluster, on other servers), so no step writes both. Therefore: entries are added
 * before the number is written and once more after, and taken away after that by `unlink`, which looks again at the number. Whatever
 * interleaves, a number that names an agent or a trunk is listed there; an entry too many is found out, and removed, when it is read.
 */
export function membershipsOf(number: PhoneNumber): Membership[] {
  const { phone_number: member, account_id, trunk_id, inbound_agent_id, outbound_agent_ids } = number
  const agents = new Set(inbound_agent_id === null ? outbound_agent_ids : [inbound_agent_id, ...outbound_agent_ids])
  return [
    { key: keys.numberIndex, member: `${account_id}:${member}` },
    { key: keys.numbersOfTrunk(trunk_id), member },
    ...[...agents].map((id) => ({ key: keys.numbersOfAgent(id), member })),
  ]
}

/** Takes entries away that the number does not need any more: those it needs after all are put back. */
export async function unlink(client: Redis, phoneNumber: string, memberships: readonly Membership[]): Promise<void> {
  if (memberships.length === 0) return
  await removeMembers(client, memberships)
  const read = await readNumber(client, phoneNumber)
  if (read.kind !== 'value') return
  const needed = membershipsOf(read.value)
  await addMembers(client, without(memberships, without(memberships, needed)))
}

/** Gives each of these numbers the entries it needs, however it was written. */
export async function link(client: Redis, phoneNumbers: readonly string[]): Promise<void> {
  const reads = await Promise.all(phoneNumbers.map((phoneNumber) => readNumber(client, phoneNumber)))
  await addMembers(
    client,
    reads.flatMap((read) => (read.kind === 'value' ? membershipsOf(read.value) : [])),
  )
}
