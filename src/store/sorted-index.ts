import type { Redis } from 'ioredis'
import type { Connection } from './connection.js'
import { formatCursor, parseCursor } from './cursor.js'
import type { InvalidRecord, Page } from './page.js'

/** A member of an index: `<account_id>:<id>`, or a number alone. */
const MEMBER = /^[A-Za-z0-9_.*#+:-]{1,140}$/

/** Records read at most for one page; a filter that lets little through gives short pages rather than long waits. */
const MAX_EXAMINED = 5_000
const MAX_STEP = 500

/** A sorted set whose members all have score 0: they stand in the order of their bytes. */
export interface Membership {
  readonly key: string
  readonly member: string
}

export async function addMembers(client: Redis, memberships: Iterable<Membership>): Promise<void> {
  await Promise.all([...memberships].map(({ key, member }) => client.zadd(key, 0, member)))
}

export async function removeMembers(client: Redis, memberships: Iterable<Membership>): Promise<void> {
  await Promise.all([...memberships].map(({ key, member }) => client.zrem(key, member)))
}

/** Members that are in `these` and not in `those`. */
export function without(these: readonly Membership[], those: readonly Membership[]): Membership[] {
  const taken = new Set(those.map(({ key, member }) => `${key} ${member}`))
  return these.filter(({ key, member }) => !taken.has(`${key} ${member}`))
}

/** What became of a member that was looked at: an item of the list, passed over by a filter, out of date, or a record that does not parse. */
export type Examined<T> =
  | { readonly kind: 'item'; readonly item: T }
  | { readonly kind: 'passed' }
  | { readonly kind: 'gone' }
  | { readonly kind: 'invalid'; readonly record: InvalidRecord }

export interface PageOfIndex<T> {
  readonly key: string
  /** Only members that begin with this. */
  readonly prefix: string
  readonly cursor: string | undefined
  readonly limit: number
  /** Looks at the records of these members, in one round trip. */
  examine(client: Redis, members: readonly string[]): Promise<Examined<T>[]>
  /** Members that point to nothing any more: taken out, or left for a later time. */
  forget(member: string): Promise<void>
}

/** Reads one page of an index in its order, looking at a bounded number of records. */
export async function readPage<T>(connection: Connection, page: PageOfIndex<T>): Promise<Page<T>> {
  const { key, prefix } = page
  const limit = Math.min(Math.max(Math.trunc(page.limit) || 1, 1), 1_000)
  let after = page.cursor === undefined ? undefined : parseCursor(page.cursor, MEMBER)
  const items: T[] = []
  const invalid: InvalidRecord[] = []
  const gone: string[] = []
  let more = true
  for (let examined = 0; more && items.length < limit && examined < MAX_EXAMINED;) {
    const step = Math.min(limit - items.length, MAX_STEP)
    const low = after === undefined || after < prefix ? `[${prefix}` : `(${after}`
    const { members, results } = await connection.ask(
      'list',
      async (client) => {
        const found = await client.zrangebylex(
          key,
          prefix === '' && after === undefined ? '-' : low,
          highOf(prefix),
          'LIMIT',
          0,
          step,
        )
        return { members: found, results: await page.examine(client, found) }
      },
      { patient: true },
    )
    results.forEach((result, i) => {
      const member = members[i] ?? ''
      if (result.kind === 'item') items.push(result.item)
      else if (result.kind === 'invalid') invalid.push(result.record)
      else if (result.kind === 'gone') gone.push(member)
    })
    examined += members.length
    after = members.at(-1) ?? after
    more = members.length === step
  }
  for (const member of gone.slice(0, 100)) await page.forget(member)
  return {
    items,
    next_cursor: more && after !== undefined ? formatCursor(after) : null,
    ...(invalid.length > 0 && { invalid }),
  }
}

/** The end of the range of members that begin with `prefix`, which ends in ':'. */
function highOf(prefix: string): string {
  return prefix === '' ? '+' : `(${prefix.slice(0, -1)};`
}
