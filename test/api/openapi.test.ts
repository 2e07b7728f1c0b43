import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { inject, startApi } from '../support/api-fakes.js'

const OpenApi = suite('OpenApi')

interface Operation {
  readonly summary?: string
  readonly tags?: string[]
  readonly security?: unknown[]
  readonly parameters?: { name: string; in: string }[]
  readonly responses: Record<string, { description: string; content?: Record<string, { schema: object }> }>
  readonly requestBody?: { content: Record<string, { schema: { $ref?: string } }> }
}

interface Document {
  readonly openapi: string
  readonly paths: Record<string, Record<string, Operation>>
  readonly components: { readonly schemas: Record<string, object> }
  readonly tags: { name: string }[]
}

async function read() {
  const { api } = startApi()
  const routes: string[] = []
  api.addHook('onRoute', (route) => {
    const hidden = (route.schema as { hide?: boolean } | undefined)?.hide === true
    if (hidden || route.url.startsWith('/docs')) return
    for (const method of [route.method].flat())
      if (method !== 'HEAD') routes.push(`${method.toLowerCase()} ${route.url.replace(/:([a-z_]+)/g, '{$1}')}`)
  })
  const answer = await inject(api, 'GET', '/openapi.json')
  return { api, routes, document: JSON.parse(answer.text) as Document }
}

OpenApi('describes every route, and nothing else', async () => {
  const { routes, document } = await read()
  const described = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method} ${path}`),
  )
  assert.equal(described.sort(), routes.sort())
  assert.ok(described.includes('post /v1/route-tests'))
  assert.match(document.openapi, /^3\.1/)
})

OpenApi('every operation has a summary, a declared tag, its path parameters and an answer for success', async () => {
  const { document } = await read()
  const tags = document.tags.map(({ name }) => name)
  for (const [path, operations] of Object.entries(document.paths))
    for (const [method, operation] of Object.entries(operations)) {
      const what = `${method} ${path}`
      assert.ok((operation.summary ?? '').length > 5, what)
      assert.ok(tags.includes(operation.tags?.[0] ?? ''), what)
      assert.ok(
        Object.keys(operation.responses).some((status) => status.startsWith('2')),
        what,
      )
      for (const { description } of Object.values(operation.responses)) assert.ok(description.length > 2, what)
      const inPath = [...path.matchAll(/\{([a-z_]+)\}/g)].map(([, name]) => name)
      const declared = (operation.parameters ?? []).filter((one) => one.in === 'path').map(({ name }) => name)
      assert.equal(declared, inPath, what)
      if (path.startsWith('/v1')) assert.ok('401' in operation.responses, what)
      else assert.equal(operation.security, [], what)
    }
})

OpenApi('every body and every answer under /v1 is a named schema', async () => {
  const { document } = await read()
  for (const [path, operations] of Object.entries(document.paths))
    for (const [method, { requestBody, responses }] of Object.entries(operations)) {
      if (!path.startsWith('/v1')) continue
      const bodies = Object.values(requestBody?.content ?? {})
      const answers = Object.entries(responses)
        .filter(([status]) => status !== '204')
        .flatMap(([, { content }]) => Object.values(content ?? {}))
      for (const { schema } of [...bodies, ...answers])
        assert.match(
          (schema as { $ref?: string }).$ref ?? JSON.stringify(schema),
          /^#\/components\/schemas\/[A-Za-z]+$/,
          `${method} ${path}`,
        )
    }
})

OpenApi('every reference leads to a schema, and every schema is referred to', async () => {
  const { document } = await read()
  const text = JSON.stringify(document)
  const referred = new Set([...text.matchAll(/"#\/components\/schemas\/([A-Za-z]+)"/g)].map(([, name]) => name))
  assert.equal([...referred].sort(), Object.keys(document.components.schemas).sort())
})

OpenApi('no answer has a password', async () => {
  const { document } = await read()
  for (const name of ['Trunk', 'Number', 'NumberWithTrunk', 'Agent'])
    assert.not.ok(
      Object.keys((document.components.schemas[name] as { properties: object }).properties).includes('password'),
    )
})

OpenApi('/docs is a page to browse it', async () => {
  const { api } = await read()
  const page = await inject(api, 'GET', '/docs/')
  assert.is(page.status, 200)
  assert.match(page.text, 'swagger-ui')
  assert.match(String(page.headers['content-security-policy']), "default-src 'self'")
  assert.is((await inject(api, 'GET', '/docs/json')).status, 200)
})

OpenApi.run()
