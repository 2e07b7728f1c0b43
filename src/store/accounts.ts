import type { Redis } from 'ioredis'
import type { Connection } from './connection.js'
import { formatCursor, parseCursor } from './cursor.js'
import { keys } from './keys.js'
import { splitMember } from './members.js'
import type { Page } from './page.js'

const ACCOUNT = /^[A-Za-z0-9_.-]{1,64}$/

/** The accounts there are: those that have a number, an agent or a trunk. Methods throw StoreError: UNAVAILABLE, INVALID. */
export class Accounts {
  constructor(private readonly connection: Connection) {}

  /** In the order of their names; whatever each has, one step of an index leads to the next one. */
  async list({ cursor, limit }: { cursor?: string | undefined; limit: number }): Promise<Page<string>> {
    const after = cursor === undefined ? undefined : parseCursor(cursor, ACCOUNT)
    const found = await this.connection.ask(
      'list',
      (client) =>
        Promise.all(
          [keys.numberIndex, keys.agentIndex, keys.trunkIndex].map((index) => accountsIn(client, index, after, limit)),
        ),
      { patient: true },
    )
    const all = [...new Set(found.flat())].sort()
    const items = all.slice(0, limit)
    const last = items.at(-1)
    const more = all.length > limit || found.some((accounts) => accounts.length === limit)
    return { items, next_cursor: more && last !== undefined ? formatCursor(last) : null }
  }
}

async function accountsIn(client: Redis, index: string, after: string | undefined, limit: number): Promise<string[]> {
  const accounts: string[] = []
  let low = after === undefined ? '-' : beyond(after)
  while (accounts.length < limit) {
    const [member] = await client.zrangebylex(index, low, '+', 'LIMIT', 0, 1)
    if (member === undefined) break
    const account = splitMember(member)?.accountId
    if (account !== undefined) accounts.push(account)
    low = account === undefined ? `(${member}` : beyond(account)
  }
  return accounts
}

/** Just after the members of an account: `;` follows `:`. */
const beyond = (account: string): string => `(${account};`
