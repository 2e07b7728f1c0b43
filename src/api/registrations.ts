import { z } from 'zod'
import { registrationState, shownRegistration, type Registration } from '../model/registration.js'
import { localId } from '../model/account.js'
import { identifier } from '../model/text.js'
import type { RegistrationRequest } from '../store/registrations.js'
import { idFor } from './account.js'
import { pageQuery, pageView } from './paging.js'
import { ApiError } from './problem.js'
import type { Api, Services } from './services.js'
import { answerOf, pageAnswerOf } from './store-answer.js'
import { answer, refusals, registrationPage, registrationView } from './views.js'

const byId = z.strictObject({ id: identifier })

const listQuery = pageQuery.extend({
  state: registrationState.optional().describe('Only those in this state'),
  trunk_id: identifier.optional().describe('Only that of this trunk'),
})

/** `/v1/registrations`, and a trunk's by hand: whichever edge is asked, and whichever registers the trunk. */
export function addRegistrations(api: Api, { trunks, registrations, registrar }: Services): void {
  const tags = ['registrations']

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
      const { state, trunk_id: trunkId, ...page } = request.query
      if (trunkId === undefined) {
        const found = await pageAnswerOf('trunk', registrations.list({ ...page, state, accountId: request.account }))
        return pageView({ ...found, items: found.items.map(shownRegistration) })
      }
      const found = await answerOf('trunk', registrations.get(idFor(request, trunkId)))
      const fits = found !== undefined && (state ?? found.state) === found.state
      return { items: fits ? [shownRegistration(found)] : [], next_cursor: null }
    },
  )

  const ask = async (inside: string, what: RegistrationRequest['what']): Promise<Registration> => {
    const id = localId(inside)
    const trunk = await answerOf('trunk', trunks.get(inside))
    if (trunk === undefined) throw new ApiError('TRUNK_NOT_FOUND', `there is no trunk "${id}"`)
    if (!trunk.register.enabled)
      throw new ApiError('REGISTRATION_OFF', `trunk "${id}" has "register": {"enabled": false}; switch it on first`)
    await answerOf('trunk', registrar.request(inside, what))
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
    async (request, reply) => reply.code(202).send(await ask(idFor(request, request.params.id), 'register')),
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
    async (request, reply) => reply.code(202).send(await ask(idFor(request, request.params.id), 'unregister')),
  )
}
