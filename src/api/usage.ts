import { z } from 'zod'
import { identifier } from '../model/text.js'
import type { LimitUsage } from '../store/limits.js'
import { findAgent, findTrunk } from './find.js'
import type { Api, Services } from './services.js'
import { answerOf } from './store-answer.js'
import { agentUsageView, refusals, trunkUsageView } from './views.js'

const byId = z.strictObject({ id: identifier })

const minutesOf = (ms: number | null): number | null => (ms === null ? null : Math.round(ms / 600) / 100)

/** `/v1/trunks/{id}/usage`, `/v1/agents/{id}/usage`: what is in use of limits, on all edges. */
export function addUsage(api: Api, { trunks, agents, limits }: Services): void {
  const shared = ({ channels, minutesMs }: LimitUsage) => ({
    channels_in_use: channels,
    minutes_today: minutesOf(minutesMs),
  })

  api.get(
    '/trunks/:id/usage',
    {
      config: { role: 'viewer' },
      schema: {
        tags: ['trunks'],
        summary: "Show what is in use of a trunk's limits now, on all edges together",
        params: byId,
        response: { 200: trunkUsageView, ...refusals(400, 404) },
      },
    },
    async (request) => {
      const trunk = await findTrunk(request, request.params.id, trunks)
      const usage = await answerOf('trunk', limits.trunkUsage(trunk))
      const { channel_limit, minutes_per_day, outbound_minutes_per_day } = trunk
      return {
        ...shared(usage),
        outbound_minutes_today: minutesOf(usage.outboundMs),
        channel_limit,
        minutes_per_day,
        outbound_minutes_per_day,
      }
    },
  )

  api.get(
    '/agents/:id/usage',
    {
      config: { role: 'viewer' },
      schema: {
        tags: ['agents'],
        summary: "Show what is in use of an agent's limits now, on all edges together",
        params: byId,
        response: { 200: agentUsageView, ...refusals(400, 404) },
      },
    },
    async (request) => {
      const agent = await findAgent(request, request.params.id, agents)
      const usage = await answerOf('agent', limits.agentUsage(agent))
      return { ...shared(usage), channel_limit: agent.channel_limit, minutes_per_day: agent.minutes_per_day }
    },
  )
}
