import { z } from 'zod'
import type { LiveCall } from '../model/call.js'
import { identifier } from '../model/text.js'
import { mayKnow } from './account.js'
import { noteChange } from './audit.js'
import { addOriginate } from './originate.js'
import { pageQuery } from './paging.js'
import { ApiError, fieldRefused } from './problem.js'
import type { Api, Services } from './services.js'
import { absent, answerOf } from './store-answer.js'
import { callView, liveCallPage, refusals } from './views.js'

const byId = z.strictObject({ id: identifier })

/** Where a live call stands in the list: oldest first. */
const position = (call: LiveCall): string => `${call.started_at} ${call.call_id}`

const toCursor = (call: LiveCall): string => Buffer.from(position(call)).toString('base64url')

function fromCursor(cursor: string): string {
  const text = Buffer.from(cursor, 'base64url').toString()
  if (!/^\d{4}-[0-9T:.-]{1,30}Z [A-Za-z0-9_.-]{1,64}$/.test(text))
    throw fieldRefused('cursor', 'is not a cursor of this list')
  return text
}

function pageOfCalls(calls: LiveCall[], limit: number, cursor: string | undefined) {
  const after = cursor === undefined ? '' : fromCursor(cursor)
  const sorted = calls
    .map((call) => ({ call, at: position(call) }))
    .filter(({ at }) => at > after)
    .sort((a, b) => (a.at < b.at ? -1 : 1))
  const items = sorted.slice(0, limit).map(({ call }) => call)
  const last = items.at(-1)
  return { items, next_cursor: sorted.length > limit && last !== undefined ? toCursor(last) : null }
}

/** What the audit tells of a call that was ended. */
const told = ({ state, direction, from, to, agent_id, trunk_id }: LiveCall) => ({
  state,
  direction,
  from,
  to,
  agent_id,
  trunk_id,
})

/** `/v1/calls`: calls that are placed, calls that are going on, and each call's record after its end. */
export function addCalls(api: Api, services: Services): void {
  const { calls, cdrs } = services
  const tags = ['calls']
  addOriginate(api, services)

  api.get(
    '/calls',
    {
      config: { role: 'viewer' },
      schema: {
        tags,
        summary: 'List the calls that are going on',
        querystring: pageQuery,
        response: { 200: liveCallPage, ...refusals(400) },
      },
    },
    async (request) =>
      pageOfCalls(
        calls.list().filter(({ account_id }) => mayKnow(request, account_id)),
        request.query.limit,
        request.query.cursor,
      ),
  )

  api.get(
    '/calls/:id',
    {
      config: { role: 'viewer' },
      schema: {
        tags,
        summary: 'Show a call: as it is now, or the record of its end',
        params: byId,
        response: { 200: callView, ...refusals(400, 404) },
      },
    },
    async (request) => {
      const { id } = request.params
      const live = calls.get(id)
      if (live !== undefined && mayKnow(request, live.account_id)) return live
      const cdr = await answerOf('call', cdrs.get(id))
      if (cdr === undefined || !mayKnow(request, cdr.account_id)) throw absent('call', id)
      return { ...cdr, state: 'ended' as const }
    },
  )

  api.delete(
    '/calls/:id',
    {
      config: { role: 'operator' },
      schema: {
        tags,
        summary: 'End a call',
        params: byId,
        response: { 204: z.undefined().describe('Both legs are being ended'), ...refusals(400, 404) },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      const live = calls.get(id)
      if (live !== undefined && mayKnow(request, live.account_id) && (await calls.hangUp(id))) {
        noteChange(request, { action: 'call.end', object: id, account_id: live.account_id, before: told(live) })
        return reply.code(204).send()
      }
      const cdr = await answerOf('call', cdrs.get(id))
      if (cdr === undefined || !mayKnow(request, cdr.account_id)) throw absent('call', id)
      throw new ApiError('CALL_NOT_FOUND', `call "${id}" has ended already`)
    },
  )
}
