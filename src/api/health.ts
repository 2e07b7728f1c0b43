import { z } from 'zod'
import type { Api, Services } from './services.js'
import { answer, healthView, readinessView } from './views.js'

/** `/healthz`, `/readyz` and `/metrics`: for probes and Prometheus, without a token. */
export function addHealth(api: Api, { readiness, metrics }: Services): void {
  const tags = ['health']

  api.get(
    '/healthz',
    { schema: { tags, security: [], summary: 'Whether the process answers', response: { 200: healthView } } },
    async () => ({ status: 'ok' as const }),
  )

  api.get(
    '/readyz',
    {
      schema: {
        tags,
        security: [],
        summary: 'Whether the edge can take calls, part by part',
        response: { 200: readinessView, 503: answer('Not now', readinessView) },
      },
    },
    async (_request, reply) => {
      const state = readiness()
      return reply.code(state.ready ? 200 : 503).send(state)
    },
  )

  api.get(
    '/metrics',
    {
      schema: {
        tags,
        security: [],
        summary: 'Prometheus metrics',
        response: { 200: { description: 'Text exposition format', content: { 'text/plain': { schema: z.string() } } } },
      },
    },
    async (_request, reply) => reply.header('content-type', metrics.contentType).send(await metrics.render()),
  )
}
