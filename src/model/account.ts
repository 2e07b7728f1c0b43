import { DEFAULT_ACCOUNT, identifier } from './text.js'

/**
 * Ids of agents and trunks belong to their account: two accounts may each have a `front`. Inside, where records of all accounts stand
 * next to each other (memory, keys of Redis, limits, registrations), a record of another account than `default` goes by
 * `<account_id>/<id>`, so whatever is kept by id is kept by account. People, other programs and the far ends see the plain id.
 */
const BETWEEN = '/'

/** The id inside of what an account calls `id`: `front` of the account `default`, `acme/front` of any other. */
export const scopedId = (accountId: string, id: string): string =>
  accountId === DEFAULT_ACCOUNT ? id : accountId + BETWEEN + id

/** The id that the account itself uses. */
export function localId(scoped: string): string {
  const at = scoped.indexOf(BETWEEN)
  return at === -1 ? scoped : scoped.slice(at + 1)
}

/** The account that an id inside belongs to. */
export function accountOfId(scoped: string): string {
  const at = scoped.indexOf(BETWEEN)
  return at === -1 ? DEFAULT_ACCOUNT : scoped.slice(0, at)
}

/** Whether the text is an id inside, spelled in the one way there is. */
export function isScopedId(text: string): boolean {
  if (text.length > 129) return false
  const at = text.indexOf(BETWEEN)
  if (at === -1) return identifier.safeParse(text).success
  const account = text.slice(0, at)
  return (
    account !== DEFAULT_ACCOUNT &&
    identifier.safeParse(account).success &&
    identifier.safeParse(text.slice(at + 1)).success
  )
}
