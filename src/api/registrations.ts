import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { registrationState, shownRegistration, type Registration } from '../model/registration.js'
import { identifier } from '../model/text.js'
import type { RegistrationRequest } from '../store/registrations.js'
import type { InboundRegistration } from '../trunks/registrar/contact-book.js'
import { idFor } from './account.js'
import { noteChange } from './audit.js'
import { findTrunk } from './find.js'
import { pageQuery, pageView } from './paging.js'
import { ApiError, fieldRefused } from './problem.js'
import type { Api, Services } from './services.js'
import { answerOf, pageAnswerOf } from './store-answer.js'
import { answer, refusals, registrationPage, registrationView } from './views.js'

const byId = z.strictObject({ id: identifier })

const listQuery = pageQuery.extend({
  state: registrationState.optional().describe('Only those in this state'),
  trunk_id: identifier.optional().describe('Only that of this trunk'),
  direction: z
    .enum(['out', 'in'])
    .optional()
    .describe('Only ours at trunks (`out`), or only those of PBXs with us (`in`)'),
})

type Query = Omit<z.output<typeof listQuery>, 'trunk_id'> & { readonly accountId?: string | undefined }

/** Cursors within the registrations of PBXs begin so. */
const INBOUND = 'in.'

const outbound = (registration: Registration) => ({
  ...shownRegistration(registration),
  direction: 'out' as const,
  bindings: null,
})

const asEntry = (registration: InboundRegistration) => ({
  ...shownRegistration(registration),
  direction: 'in' as const,
  bindings: registration.bindings,
})

/** `/v1/registrations`, and a trunk's by hand: whichever edge is asked, and whichever registers the trunk. */
export function addRegistrations(api: Api, { trunks, registrations, registrar, contacts }: Services): void {
  const tags = ['registrations']

  const ofTrunk = async (trunkId: string, { state, direction }: Query) => {
    const out = direction === 'in' ? undefined : await answerOf('trunk', registrations.get(trunkId))
    const inbound = direction === 'out' ? undefined : contacts.get(trunkId)
    const items = [...(out === undefined ? [] : [outbound(out)]), ...(inbound === undefined ? [] : [asEntry(inbound)])]
    return { items: items.filter((one) => state === undefined || one.state === state), next_cursor: null }
  }

  /** Ours first, then those of PBXs: these are in memory. */
  const list = async (query: Query) => {
    const { direction, cursor, limit, state, accountId } = query
    const begun = cursor?.startsWith(INBOUND) === true
    if (begun && direction === 'out') throw fieldRefused('cursor', 'is not one of ours')
    const isInbound = begun || direction === 'in'
    if (cursor !== undefined && isInbound !== begun) throw fieldRefused('cursor', 'is not one of ours')
    const found = isInbound
      ? { items: [], next_cursor: null }
      : await pageAnswerOf('trunk', registrations.list({ cursor, limit, state, accountId }))
    const page = { ...found, items: found.items.map(outbound) }
    if (direction === 'out' || page.next_cursor !== null) return pageView(page)
    const after = begun ? Buffer.from(cursor.slice(INBOUND.length), 'base64url').toString() : undefined
    const more = contacts.list({ after: after || undefined, limit: limit - page.items.length, state, accountId })
    const next_cursor = more.next === null ? null : `${INBOUND}${Buffer.from(more.next).toString('base64url')}`
    return pageView({ ...page, items: [...page.items, ...more.items.map(asEntry)], next_cursor })
  }

  api.get(
    '/registrations',
    {
      config: { role: 'viewer' },
      schema: {
        tags,
        summary: 'List registrations of trunks',
        querystring: listQuery,
        response: { 200: registrationPage, ...refusals(400) },
      },
    },
    async (request) => {
      const { trunk_id: trunkId, ...query } = request.query
      if (trunkId === undefined) return list({ ...query, accountId: request.account })
      return ofTrunk(idFor(request, trunkId), query)
    },
  )

  const ask = async (request: FastifyRequest, id: string, what: RegistrationRequest['what']): Promise<Registration> => {
    const trunk = await findTrunk(request, id, trunks)
    if (!trunk.register.enabled)
      throw new ApiError('REGISTRATION_OFF', `trunk "${id}" has "register": {"enabled": false}; switch it on first`)
    await answerOf('trunk', registrar.request(trunk.id, what))
    noteChange(request, { action: `trunk.${what}`, object: id, account_id: trunk.account_id })
    const registration = await answerOf('trunk', registrar.view(trunk))
    if (registration === null) throw new ApiError('INTERNAL_ERROR', `trunk "${id}" has no registration`)
    return registration
  }

  const responses = (description: string) => ({
    202: answer(description, registrationView),
    ...refusals(400, 404, 409),
  })

  api.post(
    '/trunks/:id/register',
    {
      config: { role: 'operator' },
      schema: {
        tags,
        summary: 'Register a trunk now, also one that was refused or un-registered by hand',
        params: byId,
        response: responses('Asked for; the registration as it stands'),
      },
    },
    async (request, reply) => reply.code(202).send(await ask(request, request.params.id, 'register')),
  )

  api.post(
    '/trunks/:id/unregister',
    {
      config: { role: 'operator' },
      schema: {
        tags,
        summary: 'Un-register a trunk until it is registered by hand or changed',
        params: byId,
        response: responses('Asked for; the registration as it stands'),
      },
    },
    async (request, reply) => reply.code(202).send(await ask(request, request.params.id, 'unregister')),
  )
}
