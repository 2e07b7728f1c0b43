import { z } from 'zod'
import { extension } from '../model/number.js'
import { numberText } from '../model/strict-text.js'
import { normaliseNumber } from '../routing/normalise.js'
import { pageQuery, pageView } from './paging.js'
import { fieldRefused } from './problem.js'
import type { Api, Services } from './services.js'
import { pageAnswerOf } from './store-answer.js'
import { cdrPage, refusals } from './views.js'

const cdrQuery = z.strictObject({
  ...pageQuery.shape,
  phone_number: numberText(64).optional().describe('Calls for this number only'),
  since: z.iso.datetime({ offset: true }).optional().describe('Calls that ended at this instant or later'),
})

/** The form a number in a query is kept under. */
export function readNumberFilter(text: string): string {
  // An unescaped "+" arrives as a space.
  const spelled = text.startsWith(' ') ? `+${text.trimStart()}` : text
  const normalised = normaliseNumber(spelled)
  if (normalised.ok) return normalised.e164
  if (extension.safeParse(spelled).success) return spelled
  throw fieldRefused('phone_number', normalised.why, 'NUMBER_IMPOSSIBLE')
}

/** `/v1/cdrs`: one record for each call that has ended, newest first. */
export function addCdrs(api: Api, { cdrs }: Services): void {
  api.get(
    '/cdrs',
    {
      config: { role: 'viewer' },
      schema: {
        tags: ['cdrs'],
        summary: 'List the records of ended calls, newest first',
        querystring: cdrQuery,
        response: { 200: cdrPage, ...refusals(400) },
      },
    },
    async (request) => {
      const { phone_number, since, limit, cursor } = request.query
      const page = await pageAnswerOf(
        'call',
        cdrs.list({
          limit,
          cursor,
          accountId: request.account,
          phoneNumber: phone_number === undefined ? undefined : readNumberFilter(phone_number),
          since: since === undefined ? undefined : new Date(since).toISOString(),
        }),
      )
      return pageView(page)
    },
  )
}
