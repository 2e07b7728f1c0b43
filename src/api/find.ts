import type { FastifyRequest } from 'fastify'
import type { Agent } from '../model/agent.js'
import type { Trunk } from '../model/trunk.js'
import { idFor } from './account.js'
import type { Services } from './services.js'
import { absent, answerOf } from './store-answer.js'

/** The trunk that a request calls `id`. @throws {ApiError} TRUNK_NOT_FOUND, also when it is another account's */
export async function findTrunk(request: FastifyRequest, id: string, trunks: Services['trunks']): Promise<Trunk> {
  const trunk = await answerOf('trunk', trunks.get(idFor(request, id)))
  if (trunk === undefined) throw absent('trunk', id)
  return trunk
}

/** The agent that a request calls `id`. @throws {ApiError} AGENT_NOT_FOUND, also when it is another account's */
export async function findAgent(request: FastifyRequest, id: string, agents: Services['agents']): Promise<Agent> {
  const agent = await answerOf('agent', agents.get(idFor(request, id)))
  if (agent === undefined) throw absent('agent', id)
  return agent
}
