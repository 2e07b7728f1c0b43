import type { z } from 'zod'
import { printable } from '../model/printable.js'

/** A record that was read: parsed, absent, or there and not usable. */
export type Read<T> =
  | { readonly kind: 'none' }
  | { readonly kind: 'value'; readonly value: T }
  | { readonly kind: 'invalid'; readonly why: string }

const MAX_WHY = 300

/** The times of a record that was written by others without them. */
export const UNTIMED = '1970-01-01T00:00:00.000Z'

/** The fields a record has, out of an object that may have any: unknown ones are left behind. */
export function pickFields(fields: Iterable<string>, object: object): Record<string, unknown> {
  const picked: Record<string, unknown> = {}
  for (const field of fields)
    if (Object.hasOwn(object, field)) picked[field] = (object as Record<string, unknown>)[field]
  return picked
}

/** Parses an object that came from outside; the reason names the fields and never shows their values. */
export function parseRecord<T>(schema: z.ZodType<T>, object: unknown): Read<T> {
  const result = schema.safeParse(object)
  if (result.success) return { kind: 'value', value: result.data }
  const problems = result.error.issues
    .slice(0, 5)
    .map((issue) => `${issue.path.map(String).join('.')}: ${issue.message}`)
  return invalid(problems.join('; '))
}

/** A record that is there and does not parse, for this reason. */
export function invalid(why: string): { kind: 'invalid'; why: string } {
  return { kind: 'invalid', why: printable(why, MAX_WHY) }
}
