/** As much of a JSON schema as request bodies use. */
export interface Schema {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: Schema | boolean
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly allOf?: readonly Schema[]
}

export interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema: Schema }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> }
}

export interface OpenApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> }
}

/** One place in a body that takes text: the names on the way, a number for the first entry of a list, `*` for a name that is free. */
export type FieldPath = readonly (string | 0)[]

/** Every place of a body where text may stand, numbers and booleans among them: those must refuse text. */
export function fieldsOf(schema: Schema, document: OpenApiDocument, depth = 0): FieldPath[] {
  if (depth > 8) return []
  const name = schema.$ref?.split('/').at(-1)
  if (name !== undefined) return fieldsOf(document.components.schemas[name] ?? {}, document, depth + 1)
  const alternatives = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])]
  const found: FieldPath[] = alternatives.flatMap((one) => fieldsOf(one, document, depth + 1))
  for (const [key, field] of Object.entries(schema.properties ?? {})) {
    const inner = fieldsOf(field, document, depth + 1)
    found.push(...(inner.length === 0 ? [[key]] : inner.map((path): FieldPath => [key, ...path])))
  }
  if (schema.items !== undefined) {
    const inner = fieldsOf(schema.items, document, depth + 1)
    found.push(...(inner.length === 0 ? [[0 as const]] : inner.map((path): FieldPath => [0, ...path])))
  }
  if (typeof schema.additionalProperties === 'object') found.push(['*'])
  const unique = new Map(found.map((path) => [path.join('.'), path]))
  return [...unique.values()]
}

/** The body with a value at a place, other fields as they are. */
export function withValue(body: unknown, path: FieldPath, value: unknown): unknown {
  const [first, ...rest] = path
  if (first === undefined) return value
  if (first === 0) return [withValue(undefined, rest, value)]
  const name = first === '*' ? 'X-Free' : first
  const known =
    typeof body === 'object' && body !== null && !Array.isArray(body) ? (body as Record<string, unknown>) : {}
  return { ...known, [name]: withValue(known[name], rest, value) }
}

/** A place as problem documents spell it. */
export const spelled = (path: FieldPath): string =>
  path.reduce<string>((name, part) => {
    if (part === 0) return `${name}[0]`
    return `${name}${name === '' ? '' : '.'}${part === '*' ? 'X-Free' : part}`
  }, '')
