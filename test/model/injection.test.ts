import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { configSchema, ConfigError, loadConfig } from '../../src/config/index.js'
import { keysAt, kindAt } from '../../src/config/schema.js'
import { agentSchema } from '../../src/model/agent.js'
import { numberSchema } from '../../src/model/number.js'
import { trunkSchema } from '../../src/model/trunk.js'
import { parseNumber } from '../../src/store/number-record.js'
import { parseRecord } from '../../src/store/record.js'
import { readNextHop } from '../../src/trunks/next-hop.js'
import { findCorpora, readCorpus } from '../support/corpora.js'
import { hostileValues } from '../support/hostile-values.js'
import { fieldsOf, spelled, withValue, type OpenApiDocument, type Schema } from '../support/openapi-fields.js'

// B12: fields are taken from the schemas themselves, so that none can be forgotten.
const Injection = suite('Injection by Redis and configuration')

const corpora = findCorpora()
const values: readonly string[] =
  corpora === undefined
    ? hostileValues
    : (JSON.parse(readCorpus(corpora, 'guards', 'injection-values.json').toString()) as { values: string[] }).values

const AT = '2026-01-01T00:00:00.000Z'
const times = { created_at: AT, updated_at: AT }
const none: OpenApiDocument = { paths: {}, components: { schemas: {} } }
const placesOf = (schema: z.ZodType) =>
  fieldsOf(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Schema, none)

/** Parameters are what header values are made of. */
const isParameters = (value: string): boolean => value === 'a;b=c' || value === 'tel:+1;phone-context=x'

Injection(
  '[B12] the routing table: each hostile value in each field makes the record invalid, naming the field',
  () => {
    for (const field of Object.keys(numberSchema.shape))
      for (const value of values) {
        const fields = new Map(Object.entries({ trunk_id: 't', [field]: value }))
        const read = parseNumber('+14155550100', { kind: 'fields', fields } as never)
        const shown = `${field} ${JSON.stringify(value.slice(0, 40))}`
        assert.is(read.kind, 'invalid', shown)
        if (read.kind === 'invalid') assert.ok(read.why.startsWith(field), `${shown}: ${read.why}`)
      }
  },
)

for (const [what, schema, base] of [
  ['agents', agentSchema, { id: 'a', sip_uri: 'sip:a@203.0.113.5', ...times }],
  ['trunks', trunkSchema, { id: 't', ...times }],
] as const)
  Injection(
    `[B12] records of ${what}: each hostile value in each field makes the record invalid, naming the field`,
    () => {
      const places = placesOf(schema)
      assert.ok(places.length > 10)
      for (const place of places)
        for (const value of values) {
          const record = withValue(base, place, value)
          const read = parseRecord(schema as z.ZodType, record)
          const shown = `${spelled(place)} ${JSON.stringify(value.slice(0, 40))}`
          if (read.kind === 'value' && place[0] === 'outbound_proxy') {
            const hop = readNextHop(read.value as z.output<typeof trunkSchema>)
            assert.ok(!hop.ok && hop.why.startsWith('outbound_proxy'), shown)
            continue
          }
          if (read.kind === 'value') {
            assert.ok(place.at(-1) === '*' && isParameters(value), shown)
            continue
          }
          assert.is(read.kind, 'invalid', shown)
          if (read.kind === 'invalid') assert.ok(read.why.includes(String(place[0])), `${shown}: ${read.why}`)
        }
    },
  )

/** Every key of the configuration, sections left out. */
const keysBelow = (path: string[] = []): string[][] =>
  keysAt(path).flatMap((key) => (kindAt([...path, key]) === 'section' ? keysBelow([...path, key]) : [[...path, key]]))

/** Paths are opened, and refused when there is nothing; secrets are compared. Neither is written into a message. */
const isPathOrSecret = (key: string): boolean => /_file$|^dir$|secret$|token$|_password$/.test(key)

Injection('[B12] the configuration: each hostile value of each key is refused at the start, naming the key', () => {
  const keys = keysBelow()
  assert.ok(keys.length > 50)
  for (const path of keys)
    for (const value of values) {
      if (value.trim() === '') continue
      const name = path.join('.')
      const shown = `${name} ${JSON.stringify(value.slice(0, 40))}`
      try {
        const tree = path.reduceRight<unknown>(
          (inner, key) => ({ [key]: inner }),
          kindAt(path) === 'list' ? [value] : value,
        )
        const direct = configSchema.safeParse(tree)
        if (direct.success) {
          const harmless = !/[\u0000-\u001f\u007f\u2028\u2029\ud800-\udfff]/.test(value) && value.length <= 1_024
          assert.ok(isPathOrSecret(path.at(-1) ?? '') && harmless, shown)
          continue
        }
        loadConfig({ env: { [`SIGNALBOX__${path.join('__').toUpperCase()}`]: value } })
        // Only what the environment cannot hold as it stands gets here.
        assert.ok(/^[\s,]|[\s,]$/.test(value), `${shown} from the environment`)
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error
        assert.ok(
          error.problems.some((problem) => problem.path.startsWith(name)),
          `${shown}: ${error.message}`,
        )
      }
    }
})

Injection.run()
