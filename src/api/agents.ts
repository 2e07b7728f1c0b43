import { z } from 'zod'
import { agentSchema } from '../model/agent.js'
import { DEFAULT_ACCOUNT, identifier } from '../model/text.js'
import { pageQuery, pageView } from './paging.js'
import { ApiError } from './problem.js'
import type { Api, Services } from './services.js'
import { answerOf, pageAnswerOf } from './store-answer.js'
import { answer, agentPage, agentView, namedBody, refusals } from './views.js'

const byId = z.strictObject({ id: identifier })

const agentBody = namedBody(
  'AgentBody',
  agentSchema.omit({ account_id: true, id: true, created_at: true, updated_at: true }),
)

const absent = (id: string): ApiError => new ApiError('AGENT_NOT_FOUND', `there is no agent "${id}"`)

/** `/v1/agents`: who answers calls. */
export function addAgents(api: Api, { agents }: Services): void {
  const tags = ['agents']

  api.get(
    '/agents',
    {
      schema: { tags, summary: 'List agents', querystring: pageQuery, response: { 200: agentPage, ...refusals(400) } },
    },
    async (request) => pageView(await pageAnswerOf('agent', agents.list(request.query))),
  )

  api.put(
    '/agents/:id',
    {
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
      const { id } = request.params
      const { agent, created } = await answerOf(
        'agent',
        agents.put({ ...request.body, id, account_id: DEFAULT_ACCOUNT }),
      )
      if (created) reply.header('location', `/v1/agents/${id}`)
      return reply.code(created ? 201 : 200).send(agent)
    },
  )

  api.get(
    '/agents/:id',
    { schema: { tags, summary: 'Show an agent', params: byId, response: { 200: agentView, ...refusals(400, 404) } } },
    async (request) => {
      const agent = await answerOf('agent', agents.get(request.params.id))
      if (agent === undefined) throw absent(request.params.id)
      return agent
    },
  )

  api.delete(
    '/agents/:id',
    {
      schema: {
        tags,
        summary: 'Remove an agent that no number uses',
        params: byId,
        response: { 204: z.undefined().describe('Removed'), ...refusals(400, 404, 409) },
      },
    },
    async (request, reply) => {
      if (!(await answerOf('agent', agents.remove(request.params.id)))) throw absent(request.params.id)
      return reply.code(204).send()
    },
  )
}
