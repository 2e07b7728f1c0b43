/** What stands in a log in place of a secret. */
export const BLANK = '***'

/** How the names of fields that hold secrets end, written without `_` and `-` in lower case. */
const SECRET_ENDINGS = ['authorization', 'authenticate', 'cookie', 'password', 'passwd', 'token', 'secret', 'secretkey']

const DEEPEST = 6

/** The fields of a log line with secrets blanked. What holds none is given back as it is, uncopied. */
export function blankFields(fields: Record<string, unknown>): Record<string, unknown> {
  return blanked(fields, 0) as Record<string, unknown>
}

function blanked(value: unknown, depth: number): unknown {
  if (Array.isArray(value)) return blankedArray(value, depth)
  // Errors, buffers, requests and the like have serialisers of their own.
  if (value === null || typeof value !== 'object' || !isPlain(value)) return value
  if (depth === DEEPEST) return BLANK
  let copy: Record<string, unknown> | undefined
  for (const name in value) {
    const inner: unknown = (value as Record<string, unknown>)[name]
    const clean = isSecret(name, inner) ? BLANK : blanked(inner, depth + 1)
    if (clean !== inner) (copy ??= { ...value } as Record<string, unknown>)[name] = clean
  }
  return copy ?? value
}

function blankedArray(values: readonly unknown[], depth: number): unknown {
  const clean = values.map((value) => blanked(value, depth + 1))
  return clean.some((value, i) => value !== values[i]) ? clean : values
}

/** `response` is that of digest authentication when it is text; otherwise it is an answer of some kind. */
function isSecret(name: string, value: unknown): boolean {
  if (value === null || value === undefined) return false
  let kind = kinds.get(name)
  if (kind === undefined) {
    kind = kindOf(name)
    if (kinds.size < MAX_NAMES && name.length <= LONGEST_NAME) kinds.set(name, kind)
  }
  return kind === 'secret' || (kind === 'response' && typeof value === 'string')
}

/** What names of fields have turned out to be. Ours are few; those of others find it full one day. */
const kinds = new Map<string, 'secret' | 'response' | 'plain'>()
const MAX_NAMES = 1_000
const LONGEST_NAME = 64

function kindOf(name: string): 'secret' | 'response' | 'plain' {
  const bare = name.toLowerCase().replaceAll('_', '').replaceAll('-', '')
  if (bare === 'response') return bare
  return SECRET_ENDINGS.some((ending) => bare.endsWith(ending)) ? 'secret' : 'plain'
}

/** Whether the object is a literal: no error, buffer, request and the like. */
export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
