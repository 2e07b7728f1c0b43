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

/**
 * Removes a record unless numbers name it, also when one comes to name it meanwhile: numbers are listed before they are written, and
 * whoever adds one looks whether what it names is still there afterwards. So one of both notices.
 * @throws {StoreError} IN_USE
 */
export async function removeUnused<T>(
  numbers: Numbers,
  what: string,
  by: { trunkId: string } | { agentId: string },
  records: { get(): Promise<T | undefined>; remove(): Promise<boolean>; putBack(record: T): Promise<unknown> },
): Promise<{ removed: boolean; record: T | undefined }> {
  await refuseWhileInUse(numbers, what, by)
  // One that does not parse can be removed too, and not put back.
  const record = await records.get().catch(() => undefined)
  const removed = await records.remove()
  try {
    await refuseWhileInUse(numbers, what, by)
  } catch (error) {
    if (removed && record !== undefined) await records.putBack(record)
    throw error
  }
  return { removed, record }
}
