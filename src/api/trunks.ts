import type { FastifyRequest } from 'fastify'
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { localId } from '../model/account.js'
import { identifier } from '../model/text.js'
import type { Trunk } from '../model/trunk.js'
import { CallError } from '../model/verdict.js'
import { Turns } from '../store/turns.js'
import { accountOf, idFor } from './account.js'
import { refuseAmbiguousTrunk } from './ambiguous-number.js'
import { noteChange, passwordChange } from './audit.js'
import { findTrunk } from './find.js'
import { pageQuery, pageView } from './paging.js'
import { withPasswords } from './password.js'
import type { Api, Services } from './services.js'
import { absent, answerOf, pageAnswerOf } from './store-answer.js'
import { changedTrunk, fieldsOf, trunkChanges, type TrunkChanges } from './trunk-body.js'
import { checkTrunk } from './trunk-checks.js'
import {
  namedBody,
  refusals,
  showTrunk,
  trunkPage,
  trunkServersView,
  trunkView,
  trunkWithRegistrationView,
} from './views.js'

const byId = z.strictObject({ id: identifier })

const trunkPatch = namedBody('TrunkPatch', trunkChanges)

/** `/v1/trunks`: customers' carriers, trunks and PBXs. They come to be by importing a number. */
export function addTrunks(api: Api, services: Services): void {
  const {
    trunks,
    passwords,
    registrar,
    origination,
    destinations,
    trunkPaths,
    contacts,
    tlsStates,
    tlsProfiles,
    logger,
  } = services
  const tags = ['trunks']
  const turns = new Turns()
  const view = (trunk: Trunk) => showTrunk(trunk, services)

  async function change(request: FastifyRequest, id: string, changes: TrunkChanges): Promise<Trunk> {
    const current = await answerOf('trunk', trunks.get(id))
    if (current === undefined) throw absent('trunk', localId(id))
    const { password, inboundPassword } = changedTrunk(current, changes)
    const context = {
      origination: origination(),
      destinations,
      hasPassword: password === undefined ? await answerOf('trunk', passwords.trunk.has(id)) : password !== null,
      hasInboundPassword:
        inboundPassword === undefined ? await answerOf('trunk', passwords.trunkInbound.has(id)) : true,
    }
    let replaced = current
    const changed = (present: Trunk): Trunk => {
      replaced = present
      const { trunk } = changedTrunk(present, changes)
      checkTrunk(fieldsOf(trunk), { ...context, certificateProblem: tlsProfiles.certificateProblem(trunk) })
      return trunk
    }
    await refuseAmbiguousTrunk(current, changed(current), services)
    const before = [
      [passwords.trunk, password],
      [passwords.trunkInbound, inboundPassword],
    ] as const
    const had = {
      trunk: password !== undefined && (await answerOf('trunk', passwords.trunk.has(id))),
      inbound: inboundPassword !== undefined && (await answerOf('trunk', passwords.trunkInbound.has(id))),
    }
    const written = await withPasswords(id, before, logger, () => answerOf('trunk', trunks.update(id, changed)))
    const own = passwordChange('password', had.trunk, password)
    const inbound = passwordChange('inbound_auth.password', had.inbound, inboundPassword)
    noteChange(request, {
      action: 'trunk.update',
      object: localId(id),
      account_id: written.account_id,
      before: { ...replaced, ...own.before, ...inbound.before },
      after: { ...written, ...own.after, ...inbound.after },
    })
    // Whoever registered with what held before has no place any more.
    const isOther = inboundPassword !== undefined || !isDeepStrictEqual(current.inbound_auth, written.inbound_auth)
    if (current.register_in && (isOther || !written.register_in))
      await answerOf('trunk', contacts.drop(id, 'the trunk was changed'))
    return written
  }

  api.get(
    '/trunks',
    {
      config: { role: 'viewer' },
      schema: { tags, summary: 'List trunks', querystring: pageQuery, response: { 200: trunkPage, ...refusals(400) } },
    },
    async (request) => {
      const page = await pageAnswerOf('trunk', trunks.list({ ...request.query, accountId: request.account }))
      return { ...pageView(page), items: await Promise.all(page.items.map(view)) }
    },
  )

  api.get(
    '/trunks/:id',
    {
      config: { role: 'viewer' },
      schema: {
        tags,
        summary: 'Show a trunk and how its registration stands',
        params: byId,
        response: { 200: trunkWithRegistrationView, ...refusals(400, 404) },
      },
    },
    async (request) => {
      const trunk = await findTrunk(request, request.params.id, trunks)
      return {
        ...(await view(trunk)),
        registration: await answerOf('trunk', registrar.view(trunk)),
        bindings: trunk.register_in ? contacts.view(trunk.id) : null,
        tls_state: tlsStates.stateOf(trunk),
        warnings: tlsStates.warningsOf(trunk),
      }
    },
  )

  api.get(
    '/trunks/:id/servers',
    {
      config: { role: 'viewer' },
      schema: {
        tags,
        summary: 'Show where calls to a trunk go now, as this edge sees it: its servers and whether they answer',
        params: byId,
        response: { 200: trunkServersView, ...refusals(400, 404) },
      },
    },
    async (request) => {
      const trunk = await findTrunk(request, request.params.id, trunks)
      try {
        return { items: await trunkPaths.states(trunk), problem: null }
      } catch (error) {
        if (!(error instanceof CallError)) throw error
        return { items: [], problem: error.message }
      }
    },
  )

  api.patch(
    '/trunks/:id',
    {
      config: { role: 'admin' },
      schema: {
        tags,
        summary: 'Change fields of a trunk; null clears a field that may be empty',
        params: byId,
        body: trunkPatch,
        response: { 200: trunkView, ...refusals(400, 404, 409) },
      },
    },
    async (request) => {
      const id = idFor(request, request.params.id)
      return view(await turns.take(id, () => change(request, id, request.body)))
    },
  )

  api.delete(
    '/trunks/:id',
    {
      config: { role: 'admin' },
      schema: {
        tags,
        summary: 'Remove a trunk that no number uses, and its passwords',
        params: byId,
        response: { 204: z.undefined().describe('Removed'), ...refusals(400, 404, 409) },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      const inside = idFor(request, id)
      // One that does not parse is removed too.
      const before = await trunks.get(inside).catch(() => undefined)
      if (!(await turns.take(inside, () => answerOf('trunk', trunks.remove(inside))))) throw absent('trunk', id)
      const account_id = accountOf(request)
      noteChange(request, { action: 'trunk.delete', object: id, account_id, before: before && { ...before, id } })
      await answerOf('trunk', contacts.drop(inside, 'the trunk was removed'))
      return reply.code(204).send()
    },
  )
}
