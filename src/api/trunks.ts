import { z } from 'zod'
import { identifier } from '../model/text.js'
import { trunkFields, type Trunk, type TrunkFields } from '../model/trunk.js'
import { parseOutboundProxy, parseSipDomain } from '../trunks/next-hop.js'
import { pageQuery, pageView } from './paging.js'
import { password, withPasswords } from './password.js'
import { ApiError, type FieldError } from './problem.js'
import type { Api, Services } from './services.js'
import { answerOf, pageAnswerOf } from './store-answer.js'
import { optionalFields, validationFailed } from './validation.js'
import { namedBody, refusals, trunkPage, trunkView, viewTrunk } from './views.js'

const byId = z.strictObject({ id: identifier })

/** A trunk's password, write-only; null takes it away. */
export const trunkPassword = password.nullable()

const trunkPatch = namedBody(
  'TrunkPatch',
  z.strictObject({ ...optionalFields(trunkFields.shape), password: trunkPassword.optional() }),
)

const absent = (id: string): ApiError => new ApiError('TRUNK_NOT_FOUND', `there is no trunk "${id}"`)

/** Refuses a destination that cannot be used, naming the field and giving an example. */
export function checkDestinations(fields: TrunkFields): void {
  const errors: FieldError[] = []
  const proxy = fields.outbound_proxy === null ? undefined : parseOutboundProxy(fields.outbound_proxy, fields.transport)
  if (proxy?.ok === false) errors.push({ field: 'outbound_proxy', message: proxy.why })
  for (const field of ['sip_domain', 'from_domain'] as const) {
    const domain = fields[field]
    const parsed = domain === null ? undefined : parseSipDomain(domain)
    if (parsed?.ok === false) errors.push({ field, message: parsed.why })
  }
  if (errors.length > 0) throw validationFailed(errors)
}

/** The fields of an object that were given. */
export function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}

const fieldsOf = (trunk: Trunk): TrunkFields => {
  const { id: _id, account_id: _account, created_at: _created, updated_at: _updated, ...fields } = trunk
  return fields
}

/** `/v1/trunks`: customers' carriers, trunks and PBXs. They come to be by importing a number. */
export function addTrunks(api: Api, { trunks, passwords, logger }: Services): void {
  const tags = ['trunks']
  const view = async (trunk: Trunk) => viewTrunk(trunk, await answerOf('trunk', passwords.trunk.has(trunk.id)))

  api.get(
    '/trunks',
    {
      schema: { tags, summary: 'List trunks', querystring: pageQuery, response: { 200: trunkPage, ...refusals(400) } },
    },
    async (request) => {
      const page = await pageAnswerOf('trunk', trunks.list(request.query))
      return { ...pageView(page), items: await Promise.all(page.items.map(view)) }
    },
  )

  api.get(
    '/trunks/:id',
    { schema: { tags, summary: 'Show a trunk', params: byId, response: { 200: trunkView, ...refusals(400, 404) } } },
    async (request) => {
      const trunk = await answerOf('trunk', trunks.get(request.params.id))
      if (trunk === undefined) throw absent(request.params.id)
      return view(trunk)
    },
  )

  api.patch(
    '/trunks/:id',
    {
      schema: {
        tags,
        summary: 'Change fields of a trunk; null clears a field that may be empty',
        params: byId,
        body: trunkPatch,
        response: { 200: trunkView, ...refusals(400, 404) },
      },
    },
    async (request) => {
      const { id } = request.params
      const { password, ...changes } = request.body
      const change = (current: Trunk): Trunk => {
        const changed = { ...current, ...given(changes) }
        checkDestinations(fieldsOf(changed))
        return changed
      }
      const trunk = await withPasswords(id, [[passwords.trunk, password]], logger, () =>
        answerOf('trunk', trunks.update(id, change)),
      )
      return view(trunk)
    },
  )

  api.delete(
    '/trunks/:id',
    {
      schema: {
        tags,
        summary: 'Remove a trunk that no number uses, and its password',
        params: byId,
        response: { 204: z.undefined().describe('Removed'), ...refusals(400, 404, 409) },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      if (!(await answerOf('trunk', trunks.remove(id)))) throw absent(id)
      return reply.code(204).send()
    },
  )
}
