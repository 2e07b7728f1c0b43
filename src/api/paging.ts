import { z } from 'zod'
import { safeText } from '../model/text.js'
import type { Page } from '../store/page.js'

/** The query of every list. */
export const pageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(1000).default(50).describe('Items at most'),
  cursor: safeText(1024).optional().describe('`next_cursor` of the page before'),
})

/** One page of a list of `item`. */
export const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({
    items: z.array(item),
    next_cursor: z.string().nullable().describe('Null on the last page'),
    invalid: z
      .array(z.object({ id: z.string(), why: z.string() }))
      .optional()
      .describe('Stored records that do not parse, left out of the items'),
  })

/** A page of the store as the API answers it. */
export const pageView = <T>(page: Page<T>) => ({
  items: page.items,
  next_cursor: page.next_cursor,
  ...(page.invalid === undefined || page.invalid.length === 0 ? {} : { invalid: page.invalid }),
})
