import type { z } from 'zod'

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

export function invalid(why: string): { kind: 'invalid'; why: string } {
  let text = ''
  for (const character of why.slice(0, MAX_WHY)) text += isPrintable(character) ? character : '?'
  return { kind: 'invalid', why: text }
}

function isPrintable(character: string): boolean {
  const code = character.charCodeAt(0)
  return (
    code >= 0x20 &&
    code !== 0x7f &&
    code !== 0x2028 &&
    code !== 0x2029 &&
    !(code >= 0xd800 && code <= 0xdfff && character.length === 1)
  )
}
