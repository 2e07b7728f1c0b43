import { z } from 'zod'
import type { Ban } from '../edge/access/source-ledger.js'
import { noteChange } from './audit.js'
import { pageQuery, pageView } from './paging.js'
import { ApiError } from './problem.js'
import type { Api, Services } from './services.js'
import { banPage, banView, refusals } from './views.js'

const byAddress = z.strictObject({
  address: z
    .string()
    .max(49)
    .regex(
      /^[0-9A-Fa-f.:]{2,45}(?:\/[0-9]{1,3})?$/,
      'must be an IPv4 or IPv6 address, or a network such as 2001:db8::/64',
    )
    .describe('An IPv4 or IPv6 address, or the network as the list shows it'),
})

const view = ({ since, until, ...ban }: Ban): z.output<typeof banView> => ({
  ...ban,
  since: since.toISOString(),
  until: until.toISOString(),
})

/** `/v1/bans`: unknown sources of which nothing is read for a while. They are kept in the memory of this edge alone. */
export function addBans(api: Api, { bans }: Services): void {
  const tags = ['bans']

  api.get(
    '/bans',
    {
      config: { role: 'viewer', allAccounts: true },
      schema: {
        tags,
        summary: 'List the sources that this edge has banned, the newest ban first',
        description:
          'A ban is known to the edge that made it, until it ends or that edge does. At most `limit` are shown, without a cursor.',
        querystring: pageQuery.omit({ cursor: true }),
        response: { 200: banPage, ...refusals(400) },
      },
    },
    async (request) => pageView({ items: bans.bans().slice(0, request.query.limit).map(view), next_cursor: null }),
  )

  api.delete(
    '/bans/:address',
    {
      config: { role: 'operator', allAccounts: true },
      schema: {
        tags,
        summary: 'Lift a ban of this edge, and forget what it was for',
        params: byAddress,
        response: { 200: banView, ...refusals(400, 404) },
      },
    },
    async (request) => {
      const { address } = request.params
      const ban = bans.find(address)
      if (ban === undefined || !bans.lift(address))
        throw new ApiError('BAN_NOT_FOUND', `this edge has no ban on ${JSON.stringify(address)}`)
      const shown = view(ban)
      noteChange(request, { action: 'ban.lift', object: ban.address, account_id: null, before: shown })
      return shown
    },
  )
}
