import { z } from 'zod'
import { extension, numberSchema, type PhoneNumber } from '../model/number.js'
import { identifier, safeText } from '../model/text.js'
import type { Trunk } from '../model/trunk.js'
import { normaliseNumber } from '../routing/normalise.js'
import { checkAgents, importNumber, numberImport } from './import-number.js'
import { pageQuery, pageView } from './paging.js'
import { ApiError, fieldRefused } from './problem.js'
import type { Api, Services } from './services.js'
import { answerOf, pageAnswerOf } from './store-answer.js'
import { given } from './trunks.js'
import { optionalFields } from './validation.js'
import { answer, namedBody, numberPage, numberWithTrunkView, refusals, viewTrunk } from './views.js'

const byNumber = z.strictObject({ phone_number: safeText(64) })

const { label, trunk_id, inbound_agent_id, outbound_agent_ids, enabled } = numberSchema.shape

const numberPatch = namedBody(
  'NumberPatch',
  z.strictObject({
    ...optionalFields({ label, trunk_id, inbound_agent_id, outbound_agent_ids, enabled }),
    replace: z.boolean().default(false).describe('Take the number over from the inbound agent it has now'),
  }),
)

const numbersQuery = z.strictObject({
  ...pageQuery.shape,
  trunk_id: identifier.optional(),
  agent_id: identifier.optional().describe('Numbers this agent answers or may call from'),
})

const absent = (text: string): ApiError => new ApiError('NUMBER_NOT_FOUND', `there is no number ${text}`)

/** The keys a number in a URL may be stored under: itself as an extension, then its E.164 form. */
function candidates(text: string): string[] {
  const normalised = normaliseNumber(text)
  const keys = extension.safeParse(text).success ? [text] : []
  if (normalised.ok) keys.push(normalised.e164)
  else if (keys.length === 0) throw fieldRefused('phone_number', normalised.why, 'NUMBER_IMPOSSIBLE')
  return keys
}

/** `/v1/numbers`: the routing table. */
export function addNumbers(api: Api, services: Services): void {
  const { agents, numbers, trunks, passwords, origination } = services
  const tags = ['numbers']

  async function find(text: string): Promise<PhoneNumber> {
    for (const key of candidates(text)) {
      const number = await answerOf('number', numbers.get(key))
      if (number !== undefined) return number
    }
    throw absent(text)
  }

  async function view(number: PhoneNumber, known?: Trunk): Promise<z.output<typeof numberWithTrunkView>> {
    const trunk = known ?? (await answerOf('trunk', trunks.get(number.trunk_id)))
    const shown = trunk === undefined ? null : viewTrunk(trunk, await answerOf('trunk', passwords.trunk.has(trunk.id)))
    const { origination_uris } = origination()
    return { ...number, trunk: shown, origination_uris, next_hop: shown?.next_hop ?? null }
  }

  api.get(
    '/numbers',
    {
      schema: {
        tags,
        summary: 'List numbers',
        querystring: numbersQuery,
        response: { 200: numberPage, ...refusals(400) },
      },
    },
    async (request) => {
      const { trunk_id, agent_id, ...page } = request.query
      return pageView(await pageAnswerOf('number', numbers.list({ ...page, trunkId: trunk_id, agentId: agent_id })))
    },
  )

  api.post(
    '/numbers',
    {
      schema: {
        tags,
        summary: 'Import a number, with its trunk or by the fields of one',
        body: numberImport,
        response: {
          200: answer('Replaced, as `replace` asked', numberWithTrunkView),
          201: answer('Added', numberWithTrunkView),
          ...refusals(400, 409),
        },
      },
    },
    async (request, reply) => {
      const { number, trunk, created } = await importNumber(request.body, services)
      if (created) reply.header('location', `/v1/numbers/${encodeURIComponent(number.phone_number)}`)
      return reply.code(created ? 201 : 200).send(await view(number, trunk))
    },
  )

  api.get(
    '/numbers/:phone_number',
    {
      schema: {
        tags,
        summary: 'Show a number with its trunk',
        params: byNumber,
        response: { 200: numberWithTrunkView, ...refusals(400, 404) },
      },
    },
    async (request) => view(await find(request.params.phone_number)),
  )

  api.patch(
    '/numbers/:phone_number',
    {
      schema: {
        tags,
        summary: 'Change fields of a number; "inbound_agent_id": null takes its agent away',
        params: byNumber,
        body: numberPatch,
        response: { 200: numberWithTrunkView, ...refusals(400, 404, 409) },
      },
    },
    async (request) => {
      const { replace, ...changes } = request.body
      await checkAgents(agents, changes)
      if (changes.trunk_id !== undefined && (await answerOf('trunk', trunks.get(changes.trunk_id))) === undefined)
        throw fieldRefused('trunk_id', `there is no trunk "${changes.trunk_id}"`, 'TRUNK_UNKNOWN')
      const { phone_number } = await find(request.params.phone_number)
      const change = (current: PhoneNumber): PhoneNumber => {
        refuseTaken(current, changes.inbound_agent_id, replace)
        return { ...current, ...given(changes) }
      }
      return view(await answerOf('number', numbers.update(phone_number, change)))
    },
  )

  api.delete(
    '/numbers/:phone_number',
    {
      schema: {
        tags,
        summary: 'Remove a number; its trunk stays',
        params: byNumber,
        response: { 204: z.undefined().describe('Removed'), ...refusals(400, 404) },
      },
    },
    async (request, reply) => {
      // Not by `find`: a record that others wrote and that does not parse must be removable too.
      for (const key of candidates(request.params.phone_number))
        if (await answerOf('number', numbers.remove(key))) return reply.code(204).send()
      throw absent(request.params.phone_number)
    },
  )
}

/** One number, one inbound agent: another takes it over only when the request says so. */
function refuseTaken(current: PhoneNumber, wanted: string | null | undefined, replace: boolean): void {
  const has = current.inbound_agent_id
  if (replace || typeof wanted !== 'string' || has === null || has === wanted) return
  throw new ApiError(
    'INBOUND_AGENT_TAKEN',
    `${current.phone_number} is answered by agent "${has}"; say "replace": true to take it over`,
    { inbound_agent_id: has },
  )
}
