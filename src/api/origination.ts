import type { Api, Services } from './services.js'
import { originationView, refusals } from './views.js'

/** `/v1/origination`: where customers send calls to, and the addresses we send from. */
export function addOrigination(api: Api, { origination }: Services): void {
  api.get(
    '/origination',
    {
      config: { role: 'viewer' },
      schema: {
        tags: ['origination'],
        summary: 'Where to send calls to, and which addresses to let in',
        response: { 200: originationView, ...refusals() },
      },
    },
    async () => origination(),
  )
}
