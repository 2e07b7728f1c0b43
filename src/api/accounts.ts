import { pageQuery } from './paging.js'
import type { Api, Services } from './services.js'
import { pageAnswerOf } from './store-answer.js'
import { accountPage, refusals } from './views.js'

/** `/v1/accounts`: whose numbers, trunks and agents there are. An account is there as long as it has one of them. */
export function addAccounts(api: Api, { accounts }: Services): void {
  api.get(
    '/accounts',
    {
      config: { role: 'viewer', allAccounts: true },
      schema: {
        tags: ['accounts'],
        summary: 'List the accounts that have a number, a trunk or an agent',
        querystring: pageQuery,
        response: { 200: accountPage, ...refusals(400) },
      },
    },
    async (request) => {
      const { items, next_cursor } = await pageAnswerOf('number', accounts.list(request.query))
      return { items: items.map((account_id) => ({ account_id })), next_cursor }
    },
  )
}
