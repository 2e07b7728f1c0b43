import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from 'fastify-type-provider-zod'
import type { Api } from './services.js'
import { schemaNames } from './views.js'

interface Document {
  components?: { schemas?: Record<string, unknown> }
}

const PREFIX = '#/components/schemas/'

/** The names of component schemas that `value` refers to, directly or through one another. */
function referred(value: unknown, schemas: Record<string, unknown>, found = new Set<string>()): Set<string> {
  if (typeof value !== 'object' || value === null) return found
  for (const [key, child] of Object.entries(value)) {
    if (key === '$ref' && typeof child === 'string' && child.startsWith(PREFIX)) {
      const name = child.slice(PREFIX.length)
      if (found.has(name)) continue
      found.add(name)
      referred(schemas[name], schemas, found)
    } else referred(child, schemas, found)
  }
  return found
}

/**
 * Keeps the component schemas that something refers to, under their own names: the generator makes two of each, one for requests
 * (with "Input" behind the name) and one for answers.
 */
function tidy<T extends Document>(document: T): T {
  const schemas = document.components?.schemas ?? {}
  const used = referred({ ...document, components: {} }, schemas)
  const names = new Map(
    [...used].map((name) => [name, name.endsWith('Input') && !used.has(name.slice(0, -5)) ? name.slice(0, -5) : name]),
  )
  const kept = Object.fromEntries([...names].sort().map(([name, short]) => [short, schemas[name]]))
  const tidied = { ...document, components: { ...document.components, schemas: kept } }
  return JSON.parse(JSON.stringify(tidied), (key, value: unknown) =>
    key === '$ref' && typeof value === 'string' && value.startsWith(PREFIX)
      ? PREFIX + (names.get(value.slice(PREFIX.length)) ?? value.slice(PREFIX.length))
      : value,
  ) as T
}

/** Describes every route that is added from here on: the document at `/openapi.json`, the page to browse it at `/docs`. */
export function addOpenApi(api: Api): void {
  const named = { schemaRegistry: schemaNames }
  const withComponents = createJsonSchemaTransformObject(named)
  api.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Signalbox',
        description:
          'A SIP signalling edge for voice agents. Every request under /v1 carries "Authorization: Bearer <token>"; every refusal is a problem document (RFC 9457) with a stable code.',
        version: '1',
      },
      tags: [
        { name: 'accounts', description: 'Whose numbers, trunks and agents there are' },
        { name: 'agents', description: 'Who answers calls' },
        { name: 'numbers', description: 'The routing table: which agent answers which number' },
        { name: 'trunks', description: "Customers' carriers, trunks and PBXs" },
        { name: 'registrations', description: 'How trunks are registered' },
        { name: 'calls', description: 'Calls that are going on' },
        { name: 'cdrs', description: 'Records of calls that ended' },
        { name: 'events', description: 'What happens, as it happens' },
        { name: 'route-tests', description: 'Where a call would go, and why' },
        { name: 'origination', description: 'Where customers send calls to' },
        { name: 'bans', description: 'Sources that this edge reads nothing of, for a while' },
        { name: 'secret-key', description: 'The key that encrypts passwords at rest' },
        { name: 'tokens', description: 'Who may use this API' },
        { name: 'audit', description: 'Who changed what' },
        { name: 'health', description: 'For probes and Prometheus' },
      ],
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    },
    transform: createJsonSchemaTransform(named),
    transformObject: (document) => tidy(withComponents(document) as Document) as ReturnType<typeof withComponents>,
  })
  api.register(swaggerUi, { routePrefix: '/docs', staticCSP: true, uiConfig: { persistAuthorization: false } })
  api.register(async (scope) => {
    scope.get('/openapi.json', { schema: { hide: true } }, async () => api.swagger())
  })
}
