import { z } from 'zod'
import { parseUri } from '../engine/index.js'
import { agentSchema, type Agent } from '../model/agent.js'
import type { Destinations } from '../model/destinations.js'
import { localId } from '../model/account.js'
import { identifier } from '../model/text.js'
import { Turns } from '../store/turns.js'
import { accountField, accountOf, idFor } from './account.js'
import { noteChange, passwordChange } from './audit.js'
import { findAgent } from './find.js'
import { pageQuery, pageView } from './paging.js'
import { password, withPasswords } from './password.js'
import { fieldRefused } from './problem.js'
import type { Api, Services } from './services.js'
import { absent, answerOf, pageAnswerOf } from './store-answer.js'
import { missingTransport, widthErrors } from './trunk-checks.js'
import { validationFailed } from './validation.js'
import type { Transport } from '../trunks/next-hop.js'
import { answer, agentPage, agentView, namedBody, refusals } from './views.js'

const byId = z.strictObject({ id: identifier })

const authUser = agentSchema.shape.auth.unwrap().unwrap()

const agentBody = namedBody(
  'AgentBody',
  agentSchema.omit({ account_id: true, id: true, created_at: true, updated_at: true }).extend({
    account_id: accountField,
    auth: authUser
      .extend({ password: password.optional().describe('Write-only; left out, the one that is kept stays') })
      .nullable()
      .default(null)
      .describe('Digest credentials of calls this agent places; null takes them away'),
  }),
)

type Addresses = Pick<Agent, 'sip_uri' | 'fallback_sip_uris'>
type Sources = Pick<Agent, 'allowed_addresses'>

/** The addresses of an agent, by the field each stands in. */
const addressesOf = ({ sip_uri, fallback_sip_uris }: Addresses): Array<[field: string, uri: string]> => [
  ['sip_uri', sip_uri],
  ...fallback_sip_uris.map((uri, n): [string, string] => [`fallback_sip_uris[${n}]`, uri]),
]

/**
 * Refuses addresses whose transport no contact of ours has, or that requests may not go to, and sources that are anybody's.
 * @throws {ApiError} VALIDATION_FAILED
 */
function checkAddresses(
  addresses: Addresses & Sources,
  { origination, destinations }: Pick<Services, 'origination' | 'destinations'>,
): void {
  const errors = addressesOf(addresses).flatMap(([field, text]) => {
    const transport = transportOf(text)
    const missing = transport && missingTransport(transport, origination(), 'sip:agent@192.0.2.10:5060')
    const why = missing ?? refusalOf(text, destinations)
    return why === undefined ? [] : [{ field, message: why }]
  })
  errors.push(...widthErrors(addresses.allowed_addresses))
  if (errors.length > 0) throw validationFailed(errors)
}

/** Why requests may not go to a SIP URI, as far as its host says; undefined: they may. */
function refusalOf(text: string, destinations: Pick<Destinations, 'hostRefusal'>): string | undefined {
  const uri = parseUri(text)
  return uri === undefined || uri.scheme === 'tel' ? undefined : destinations.hostRefusal(uri.host, uri.port)
}

/** What of an agent is not called: each address and why; null when all may be. */
function rejectionOf(agent: Addresses, destinations: Pick<Destinations, 'hostRefusal'>): string | null {
  const refused = addressesOf(agent).flatMap(([field, text]) => {
    const why = refusalOf(text, destinations)
    return why === undefined ? [] : [`${field}: ${why}`]
  })
  return refused.length === 0 ? null : refused.join('; ')
}

/** The transport that the URI names; undefined: it leaves that open. */
function transportOf(text: string): Transport | undefined {
  const uri = parseUri(text)
  if (uri === undefined || uri.scheme === 'tel') return undefined
  if (uri.scheme === 'sips') return 'tls'
  return uri.params.get('transport')?.toLowerCase() as Transport | undefined
}

/** `/v1/agents`: who answers calls. */
export function addAgents(api: Api, services: Services): void {
  const { agents, passwords, logger, destinations } = services
  const tags = ['agents']
  const turns = new Turns()
  const view = async (agent: Agent) => ({
    ...agent,
    id: localId(agent.id),
    has_password: await answerOf('agent', passwords.agent.has(agent.id)),
    rejected: rejectionOf(agent, destinations),
  })

  api.get(
    '/agents',
    {
      config: { role: 'viewer' },
      schema: { tags, summary: 'List agents', querystring: pageQuery, response: { 200: agentPage, ...refusals(400) } },
    },
    async (request) => {
      const page = await pageAnswerOf('agent', agents.list({ ...request.query, accountId: request.account }))
      return { ...pageView(page), items: await Promise.all(page.items.map(view)) }
    },
  )

  api.put(
    '/agents/:id',
    {
      config: { role: 'admin' },
      schema: {
        tags,
        summary: 'Create or replace an agent',
        params: byId,
        body: agentBody,
        response: {
          200: answer('Replaced', agentView),
          201: answer('Created', agentView),
          ...refusals(400, 409),
        },
      },
    },
    async (request, reply) => {
      const id = idFor(request, request.params.id)
      const { auth, account_id: _account, ...fields } = request.body
      checkAddresses(fields, services)
      const { agent, created } = await turns.take(id, async () => {
        const given = auth === null ? null : auth.password
        const had = await answerOf('agent', passwords.agent.has(id))
        if (auth !== null && auth.password === undefined && !had)
          throw fieldRefused('auth.password', 'is required: no password of this agent is kept')
        const user = auth === null ? null : { username: auth.username }
        const put = await withPasswords(id, [[passwords.agent, given]], logger, () =>
          answerOf('agent', agents.put({ ...fields, auth: user, id, account_id: accountOf(request) })),
        )
        const password = passwordChange('password', had, given)
        noteChange(request, {
          action: put.created ? 'agent.create' : 'agent.update',
          object: request.params.id,
          account_id: put.agent.account_id,
          before: put.before && { ...put.before, id: request.params.id, ...password.before },
          after: { ...put.agent, id: request.params.id, ...password.after },
        })
        return put
      })
      if (created) reply.header('location', `/v1/agents/${request.params.id}`)
      return reply.code(created ? 201 : 200).send(await view(agent))
    },
  )

  api.get(
    '/agents/:id',
    {
      config: { role: 'viewer' },
      schema: { tags, summary: 'Show an agent', params: byId, response: { 200: agentView, ...refusals(400, 404) } },
    },
    async (request) => {
      return view(await findAgent(request, request.params.id, agents))
    },
  )

  api.delete(
    '/agents/:id',
    {
      config: { role: 'admin' },
      schema: {
        tags,
        summary: 'Remove an agent that no number uses, and its password',
        params: byId,
        response: { 204: z.undefined().describe('Removed'), ...refusals(400, 404, 409) },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      const inside = idFor(request, id)
      // One that does not parse is removed too.
      const before = await agents.get(inside).catch(() => undefined)
      if (!(await turns.take(inside, () => answerOf('agent', agents.remove(inside))))) throw absent('agent', id)
      const account_id = accountOf(request)
      noteChange(request, { action: 'agent.delete', object: id, account_id, before: before && { ...before, id } })
      return reply.code(204).send()
    },
  )
}
