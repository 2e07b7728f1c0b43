import { StoreError } from './errors.js'
import type { Numbers } from './numbers.js'

/** Numbers that an IN_USE error names at most. */
const MAX_NAMED = 20

/** @throws {StoreError} IN_USE naming the numbers that refer to it. A record that does not parse refers to nothing. */
export async function refuseWhileInUse(
  numbers: Numbers,
  what: string,
  by: { trunkId: string } | { agentId: string },
): Promise<void> {
  let cursor: string | undefined
  do {
    const page = await numbers.list({ ...by, limit: MAX_NAMED, cursor })
    if (page.items.length > 0) {
      const named = page.items.map((number) => number.phone_number)
      throw new StoreError(
        'IN_USE',
        `${what} is used by ${named.join(', ')}${page.next_cursor === null ? '' : ' ...'}`,
        {
          numbers: named,
        },
      )
    }
    cursor = page.next_cursor ?? undefined
  } while (cursor !== undefined)
}
