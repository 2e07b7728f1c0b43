import type { ServerResponse } from 'node:http'
import { z } from 'zod'
import { eventType, type EventType, type SignalboxEvent } from '../model/event.js'
import { numberText } from '../model/strict-text.js'
import { identifier, safeText } from '../model/text.js'
import type { Principal } from './auth.js'
import { readNumberFilter } from './cdrs.js'
import { EventClient } from './event-client.js'
import { ApiError } from './problem.js'
import type { Api, Services } from './services.js'
import type { StreamWatch } from './stream-watch.js'
import { eventStreamView, refusals } from './views.js'

/** Clients that may follow the stream of one edge at the same time. */
const MAX_CLIENTS = 100
/** Of these, those with tokens that are bound to one account: it does not take the places of others. */
const MAX_OF_ACCOUNT = 50

const typeList = safeText(200)
  .transform((text) => text.split(',').map((type) => type.trim()))
  .pipe(z.array(eventType).min(1))

const eventQuery = z.strictObject({
  types: typeList.optional().describe(`Only these, separated by commas: ${eventType.options.join(', ')}`),
  trunk_id: identifier.optional().describe('Only what concerns this trunk'),
  agent_id: identifier.optional().describe('Only calls of this agent'),
  phone_number: numberText(64).optional().describe('Only calls of this number'),
})

interface Filter {
  readonly accountId?: string | undefined
  readonly types?: readonly EventType[] | undefined
  readonly trunkId?: string | undefined
  readonly agentId?: string | undefined
  readonly phoneNumber?: string | undefined
}

/** `/v1/events`: what happens on every edge, as server-sent events. */
export function addEvents(api: Api, { events, clock, metrics, logger }: Services, watch: StreamWatch): void {
  /** Each with the account its token is bound to. */
  const clients = new Map<EventClient, string | null>()
  let closing = false

  api.addHook('preClose', async () => {
    closing = true
    for (const client of [...clients.keys()]) client.end()
  })

  const follow = async (
    response: ServerResponse,
    principal: Principal,
    filter: Filter,
    after: string | undefined,
  ): Promise<void> => {
    let listening: { close(): void } | undefined
    const client = new EventClient(
      response,
      clock,
      (event) => matches(event, filter),
      () => {
        clients.delete(client)
        unwatch()
        metrics.eventListeners.set(clients.size)
        listening?.close()
      },
    )
    const unwatch = watch.add(principal, () => client.end())
    clients.set(client, principal.accountId)
    metrics.eventListeners.set(clients.size)
    client.open()
    try {
      const { resumed, close } = await events.listen(client, after)
      listening = { close }
      if (!resumed) client.reset()
      // It may have gone while we asked.
      if (!clients.has(client)) close()
    } catch (error) {
      logger.error({ error: String(error) }, 'event stream failed')
      client.end()
    }
  }

  api.get(
    '/events',
    {
      config: { role: 'viewer' },
      exposeHeadRoute: false,
      schema: {
        tags: ['events'],
        summary: 'Follow what happens: registrations that change, calls that start, ring, are answered and end',
        description:
          'Server-sent events. Send the id of the last event seen as Last-Event-ID to go on from there; the comment "reset" says that ' +
          'this cannot be done and events were missed. The stream ends within two seconds after its token is revoked or has expired.',
        querystring: eventQuery,
        response: {
          200: {
            description:
              'id, event (the type) and data (the event as one line of JSON), for as long as the connection stays',
            content: { 'text/event-stream': { schema: eventStreamView } },
          },
          ...refusals(400, 503),
        },
      },
    },
    async (request, reply) => {
      if (closing) throw new ApiError('EDGE_STOPPING', 'the edge is stopping; ask another one')
      const { accountId } = request.principal
      const ofAccount = accountId === null ? 0 : [...clients.values()].filter((one) => one === accountId).length
      if (clients.size >= MAX_CLIENTS || ofAccount >= MAX_OF_ACCOUNT) {
        reply.header('retry-after', '10')
        throw new ApiError(
          'TOO_MANY_LISTENERS',
          ofAccount >= MAX_OF_ACCOUNT
            ? `${MAX_OF_ACCOUNT} clients of the account follow the events of this edge already`
            : `${MAX_CLIENTS} clients follow the events of this edge already`,
        )
      }
      const { types, trunk_id, agent_id, phone_number } = request.query
      const filter = {
        accountId: request.account,
        types,
        trunkId: trunk_id,
        agentId: agent_id,
        phoneNumber: phone_number === undefined ? undefined : readNumberFilter(phone_number),
      }
      const after = request.headers['last-event-id']
      reply.hijack()
      await follow(reply.raw, request.principal, filter, typeof after === 'string' && after !== '' ? after : undefined)
    },
  )
}

function matches(event: SignalboxEvent, { accountId, types, trunkId, agentId, phoneNumber }: Filter): boolean {
  if (accountId !== undefined && event.account_id !== accountId) return false
  if (types !== undefined && !types.includes(event.type)) return false
  if (trunkId !== undefined && event.data.trunk_id !== trunkId) return false
  if (agentId === undefined && phoneNumber === undefined) return true
  const { data } = event
  if (!('call_id' in data)) return false
  return (
    (agentId === undefined || data.agent_id === agentId) &&
    (phoneNumber === undefined || data.phone_number === phoneNumber)
  )
}
