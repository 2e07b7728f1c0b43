import type { FastifySchemaCompiler } from 'fastify'
import { z } from 'zod'
import { ApiError, type FieldError } from './problem.js'

const MAX_ERRORS = 50
const MAX_FIELD_LENGTH = 120

/** The spelling of a field in problem documents: `register.expires`, `fallback_sip_uris[0]`; `whole` when the path is empty. */
export function fieldName(path: readonly PropertyKey[], whole: string): string {
  let name = ''
  for (const part of path) {
    if (typeof part === 'number') name += `[${part}]`
    else name += name === '' ? String(part) : `.${String(part)}`
  }
  if (name === '') return whole
  return name.length > MAX_FIELD_LENGTH ? `${name.slice(0, MAX_FIELD_LENGTH)}...` : name
}

type Issue = z.core.$ZodIssue

function messageOf(issue: Issue): string {
  if (issue.code !== 'invalid_type') return issue.message
  if (issue.message.endsWith('received undefined')) return 'is required'
  if (issue.message.endsWith('received NaN')) return 'must be a number'
  return `must be of another type: ${issue.message.replace('Invalid input: ', '')}`
}

function collect(issues: readonly Issue[], prefix: readonly PropertyKey[], whole: string, found: FieldError[]): void {
  for (const issue of issues) {
    if (found.length >= MAX_ERRORS) return
    const path = [...prefix, ...issue.path]
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys.slice(0, MAX_ERRORS - found.length))
        found.push({ field: fieldName([...path, key], whole), message: 'is not a field of this request' })
    } else if (issue.code === 'invalid_union' && (issue.errors.at(-1)?.length ?? 0) > 0) {
      // The last alternative is the general one: its message says what is wanted.
      collect(issue.errors.at(-1) ?? [], path, whole, found)
    } else found.push({ field: fieldName(path, whole), message: messageOf(issue) })
  }
}

/** Zod's findings as field errors, at most 50. */
export function fieldErrors(issues: readonly Issue[], whole = 'body'): FieldError[] {
  const found: FieldError[] = []
  collect(issues, [], whole, found)
  return found
}

/** The refusal that names every bad field. */
export function validationFailed(errors: readonly FieldError[]): ApiError {
  const named = errors.slice(0, 3).map(({ field, message }) => `${field}: ${message}`)
  const more = errors.length > 3 ? `; and ${errors.length - 3} more` : ''
  return new ApiError('VALIDATION_FAILED', named.join('; ') + more, { errors })
}

/** Gives Fastify our field errors in place of its own. */
export const validatorCompiler: FastifySchemaCompiler<z.ZodType> = ({ schema, httpPart }) => {
  const whole = httpPart === 'querystring' ? 'query' : httpPart === 'params' ? 'url' : 'body'
  return (data: unknown) => {
    const result = schema.safeParse(data ?? undefined)
    return result.success
      ? { value: result.data }
      : { error: validationFailed(fieldErrors(result.error.issues, whole)) }
  }
}

type WithoutDefault<T> = T extends z.ZodDefault<infer Inner> ? Inner : T

/**
 * A shape whose fields may all be left out and have no defaults: what was not given stays not given. For PATCH and for
 * telling which fields a request carries.
 */
export function optionalFields<S extends z.ZodRawShape>(
  shape: S,
): { [K in keyof S]: z.ZodOptional<WithoutDefault<S[K]> & z.core.$ZodType> } {
  const out: Record<string, z.ZodType> = {}
  for (const [name, field] of Object.entries(shape)) {
    let inner = field as z.ZodType
    if (inner instanceof z.ZodDefault) inner = inner.unwrap() as z.ZodType
    out[name] = inner.optional()
  }
  return out as { [K in keyof S]: z.ZodOptional<WithoutDefault<S[K]> & z.core.$ZodType> }
}
