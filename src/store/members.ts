import { accountOfId, isScopedId, localId, scopedId } from '../model/account.js'
import { isIdentifier } from './keys.js'

/** Splits a member of a list: `<account_id>:<id>`. */
export function splitMember(member: string): { accountId: string; id: string } | undefined {
  const colon = member.indexOf(':')
  const accountId = member.slice(0, Math.max(colon, 0))
  return isIdentifier(accountId) ? { accountId, id: member.slice(colon + 1) } : undefined
}

/** How a list names the record of that id inside. */
export const memberOf = (id: string): string => `${accountOfId(id)}:${localId(id)}`

/** The id inside of the agent or trunk that a list names so; undefined for what no record can be called. */
export function idOfMember(member: string): string | undefined {
  const split = splitMember(member)
  if (split === undefined) return undefined
  const id = scopedId(split.accountId, split.id)
  return isScopedId(id) ? id : undefined
}
