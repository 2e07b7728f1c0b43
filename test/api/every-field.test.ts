import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { startApi } from '../support/api-fakes.js'
import { findCorpora, readCorpus } from '../support/corpora.js'
import { hostileValues } from '../support/hostile-values.js'
import { fieldsOf, spelled, withValue, type FieldPath, type OpenApiDocument } from '../support/openapi-fields.js'

// B12: generated from the API's own description, so that a new field is tested the day it is described.
const EveryField = suite('Every field of the API')

const corpora = findCorpora()
const values: readonly string[] =
  corpora === undefined
    ? hostileValues
    : (JSON.parse(readCorpus(corpora, 'guards', 'injection-values.json').toString()) as { values: string[] }).values

/** What a request needs besides the field that is looked at. */
const bodies: Readonly<Record<string, Record<string, unknown>>> = {
  'put /v1/agents/{id}': { sip_uri: 'sip:agent@127.0.0.1:5090' },
  'post /v1/numbers': { phone_number: '+14155550100', allowed_addresses: ['127.0.0.1/32'], username: 'u' },
  'post /v1/calls': { agent_id: 'front', from: '+14155550100', to: '+13125550199' },
  'post /v1/tokens': { name: 'reader', role: 'viewer' },
  'post /v1/route-tests': { to: '+14155550100', source_address: '127.0.0.1' },
}

/** Passwords are anything that fits in a line: they are hashed, never written. */
const isPassword = (path: FieldPath): boolean => path.at(-1) === 'password'
/** Parameters are what header values are made of. A destination may be a URI: whether it is a possible one, routing says. */
const isParameters = (value: string): boolean => value === 'a;b=c' || value === 'tel:+1;phone-context=x'

function isAtHome(operation: string, path: FieldPath, value: string): boolean {
  if (isPassword(path))
    return !/[\u0000-\u001f\u007f\u2028\u2029]/.test(value) && value !== '\ud800' && value.length <= 256
  if (path.at(-1) === '*') return isParameters(value)
  const dialled = operation === 'post /v1/calls' || operation === 'post /v1/route-tests'
  return dialled && ['to', 'from'].includes(String(path.at(-1))) && value === 'tel:+1;phone-context=x'
}

const { api, ask, services } = startApi()
await api.ready()
const document = JSON.parse((await ask('GET', '/openapi.json')).text) as OpenApiDocument
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ name: `${method} ${path}`, method, path, operation })),
)

/** A URL of the path with its parameters filled in. */
const urlOf = (path: string): string =>
  path.replace('{phone_number}', '%2B14155550100').replace(/\{[a-z_]+\}/g, 'known')

let looked = 0
for (const { name, method, path, operation } of operations) {
  const schema = operation.requestBody?.content['application/json']?.schema
  if (schema === undefined) continue
  const fields = fieldsOf(schema, document)
  EveryField(`[B12] ${name}: hostile values are refused with the name of each of its fields`, async () => {
    assert.ok(fields.length > 0, name)
    for (const field of fields)
      for (const value of values) {
        services.clear()
        // What is changed has to be there.
        if (method === 'patch') await prepare()
        const url = urlOf(path)
        const body = withValue(bodies[name], field, value)
        const answer = await ask(method.toUpperCase() as 'PUT', url, body as Record<string, unknown>)
        const shown = `${spelled(field)} ${JSON.stringify(value.slice(0, 40))}: ${answer.status} ${answer.text.slice(0, 200)}`
        looked += 1
        if (answer.status < 400) {
          assert.ok(isAtHome(name, field, value), shown)
          continue
        }
        assert.ok(answer.status < 500, shown)
        const [first = ''] = field
        assert.ok(
          answer.body.errors?.some((error) => error.field.startsWith(String(first))),
          shown,
        )
        assert.ok(answer.text.length < 4_000, 'the answer does not repeat a long value')
      }
  })
}

async function prepare(): Promise<void> {
  const made = await ask('POST', '/v1/numbers', bodies['post /v1/numbers'])
  assert.is(made.status, 201, made.text)
  const [trunk] = services.trunkRecords.values()
  if (trunk !== undefined) services.trunkRecords.set('known', { ...trunk, id: 'known' })
}

EveryField('[B12] hostile values in every parameter of URL and query are refused with its name', async () => {
  for (const { name, method, path, operation } of operations)
    for (const parameter of operation.parameters ?? []) {
      if (parameter.in !== 'path' && parameter.in !== 'query') continue
      for (const value of values) {
        // Neither can be written in a URL that a client sends.
        if (value === '\ud800' || value.length > 10_000) continue
        const encoded = encodeURIComponent(value)
        const url =
          parameter.in === 'path'
            ? urlOf(path.replace(`{${parameter.name}}`, encoded))
            : `${urlOf(path)}?${parameter.name}=${encoded}`
        const body = operation.requestBody === undefined ? undefined : (bodies[name] ?? {})
        const answer = await ask(method.toUpperCase() as 'PUT', url, body)
        const shown = `${name} ${parameter.name} ${JSON.stringify(value.slice(0, 40))}: ${answer.status} ${answer.text.slice(0, 200)}`
        assert.is(answer.status, 400, shown)
        assert.ok(
          answer.body.errors?.some((error) => error.field.startsWith(parameter.name)),
          shown,
        )
      }
    }
})

EveryField('the list of fields is not empty, and has those that are known', () => {
  const all = operations.flatMap(({ operation }) => {
    const schema = operation.requestBody?.content['application/json']?.schema
    return schema === undefined ? [] : fieldsOf(schema, document).map(spelled)
  })
  for (const field of [
    'sip_uri',
    'fallback_sip_uris[0]',
    'headers.X-Free',
    'inbound_auth.realm',
    'register.expires',
    'to',
    'label',
  ])
    assert.ok(all.includes(field), field)
  assert.ok(looked > 1_000, String(looked))
})

EveryField.run()
