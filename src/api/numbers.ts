import { z } from 'zod'
import type { FastifyRequest } from 'fastify'
import { given } from '../model/given.js'
import { extension, numberSchema, shownNumber, type PhoneNumber } from '../model/number.js'
import { identifier, safeText } from '../model/text.js'
import type { Trunk } from '../model/trunk.js'
import { normaliseNumber } from '../routing/normalise.js'
import { importNumber, knownTrunk, NOT_YET, numberImport, takeBack } from './import-number.js'
import { accountOf, idFor, mayKnow, namedWithin } from './account.js'
import { refuseAmbiguous } from './ambiguous-number.js'
import { noteImport } from './audit-import.js'
import { noteChange } from './audit.js'
import { checkAgents, readKnown, refuseTaken } from './number-checks.js'
import { pageQuery, pageView } from './paging.js'
import { ApiError, fieldRefused } from './problem.js'
import { needRole } from './roles.js'
import type { Api, Services } from './services.js'
import { answerOf, pageAnswerOf } from './store-answer.js'
import { optionalFields } from './validation.js'
import { answer, namedBody, numberPage, numberWithTrunkView, refusals, showTrunk } from './views.js'

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

const importQuery = z.strictObject({
  dry_run: z
    .enum(['true', 'false'])
    .default('false')
    .transform((text) => text === 'true')
    .describe('Check everything and write nothing: a trunk that would be added has the id "new"'),
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
  const { agents, numbers, trunks, origination } = services
  const tags = ['numbers']

  async function find(request: FastifyRequest, text: string): Promise<PhoneNumber> {
    for (const key of candidates(text)) {
      const number = await readKnown(key, services, request.account, () => undefined)
      if (number !== undefined && mayKnow(request, number.account_id)) return number
    }
    throw absent(text)
  }

  async function view(number: PhoneNumber, known?: Trunk): Promise<z.output<typeof numberWithTrunkView>> {
    const trunk = known ?? (await answerOf('trunk', trunks.get(number.trunk_id)))
    const shown = trunk === undefined ? null : await showTrunk(trunk, services)
    const { origination_uris, signalling_addresses } = origination()
    return {
      ...shownNumber(number),
      trunk: shown,
      origination_uris,
      allow_addresses: signalling_addresses,
      next_hop: shown?.next_hop ?? null,
      registration_next_hop: shown?.registration_next_hop ?? null,
    }
  }

  api.get(
    '/numbers',
    {
      config: { role: 'viewer' },
      schema: {
        tags,
        summary: 'List numbers',
        querystring: numbersQuery,
        response: { 200: numberPage, ...refusals(400) },
      },
    },
    async (request) => {
      const { trunk_id, agent_id, ...page } = request.query
      const filter = {
        accountId: request.account,
        trunkId: trunk_id === undefined ? undefined : idFor(request, trunk_id),
        agentId: agent_id === undefined ? undefined : idFor(request, agent_id),
      }
      const found = await pageAnswerOf('number', numbers.list({ ...page, ...filter }))
      return pageView({ ...found, items: found.items.map(shownNumber) })
    },
  )

  api.post(
    '/numbers',
    {
      config: { role: 'admin' },
      schema: {
        tags,
        summary: 'Import a number, with its trunk or by the fields of one',
        querystring: importQuery,
        body: numberImport,
        response: {
          200: answer('Replaced, as `replace` asked; or, in a dry run, what would be', numberWithTrunkView),
          201: answer('Added', numberWithTrunkView),
          ...refusals(400, 409),
        },
      },
    },
    async (request, reply) => {
      const dryRun = request.query.dry_run
      const imported = await importNumber(request.body, accountOf(request), services, dryRun)
      const { number, trunk, created } = imported
      if (dryRun) {
        const would = await view(number, trunk)
        const { password, inbound_auth } = request.body
        const passwords = {
          has_password: typeof password === 'string',
          has_inbound_password: inbound_auth?.password !== undefined,
        }
        if (would.trunk?.id === NOT_YET) would.trunk = { ...would.trunk, ...passwords }
        return reply.code(200).send({ ...would, dry_run: true })
      }
      noteImport(request, request.body, imported)
      if (created) reply.header('location', `/v1/numbers/${encodeURIComponent(number.phone_number)}`)
      return reply.code(created ? 201 : 200).send(await view(number, trunk))
    },
  )

  api.get(
    '/numbers/:phone_number',
    {
      config: { role: 'viewer' },
      schema: {
        tags,
        summary: 'Show a number with its trunk',
        params: byNumber,
        response: { 200: numberWithTrunkView, ...refusals(400, 404) },
      },
    },
    async (request) => view(await find(request, request.params.phone_number)),
  )

  api.patch(
    '/numbers/:phone_number',
    {
      config: { role: 'operator' },
      schema: {
        tags,
        summary: 'Change fields of a number; "inbound_agent_id": null takes its agent away',
        description: 'With the role operator, "enabled" alone.',
        params: byNumber,
        body: numberPatch,
        response: { 200: numberWithTrunkView, ...refusals(400, 404, 409) },
      },
    },
    async (request, reply) => {
      const { replace, ...wanted } = request.body
      if (Object.keys(given(wanted)).some((field) => field !== 'enabled'))
        needRole(request, reply, 'admin', 'changing more of a number than "enabled"')
      const { phone_number, account_id, kind } = await find(request, request.params.phone_number)
      const changes = namedWithin(account_id, wanted)
      const check = async (): Promise<void> => {
        await checkAgents(agents, changes, account_id)
        if (changes.trunk_id === undefined) return
        const trunk = await knownTrunk(changes.trunk_id, services, account_id)
        await refuseAmbiguous({ phone_number, kind, account_id }, trunk, services)
      }
      await check()
      let before: PhoneNumber | undefined
      const change = (current: PhoneNumber): PhoneNumber => {
        if (current.account_id !== account_id) throw absent(request.params.phone_number)
        refuseTaken(current, changes.inbound_agent_id, replace)
        before = current
        return { ...current, ...given(changes) }
      }
      const changed = await answerOf('number', numbers.update(phone_number, change))
      // What was removed while this was written was not yet in use: nobody else noticed.
      await check().catch(async (error: unknown) => {
        if (before !== undefined) await takeBack(changed, before, services)
        throw error
      })
      noteChange(request, {
        action: 'number.update',
        object: phone_number,
        account_id,
        before: before && shownNumber(before),
        after: shownNumber(changed),
      })
      return view(changed)
    },
  )

  api.delete(
    '/numbers/:phone_number',
    {
      config: { role: 'admin' },
      schema: {
        tags,
        summary: 'Remove a number; its trunk stays',
        params: byNumber,
        response: { 204: z.undefined().describe('Removed'), ...refusals(400, 404) },
      },
    },
    async (request, reply) => {
      // Not by `find`: a record that others wrote and that does not parse must be removable too.
      for (const key of candidates(request.params.phone_number)) {
        const before = await numbers.get(key).catch(() => undefined)
        if (!(await answerOf('number', numbers.remove(key, request.account)))) continue
        const account_id = before?.account_id ?? request.account ?? null
        noteChange(request, {
          action: 'number.delete',
          object: key,
          account_id,
          before: before && shownNumber(before),
        })
        return reply.code(204).send()
      }
      throw absent(request.params.phone_number)
    },
  )
}
