import type { z } from 'zod'
import { invalid, parseRecord, pickFields, UNTIMED, type Read } from './record.js'
import type { RawText } from './text.js'

/** Bytes an agent's or trunk's JSON may have: 256 networks, 32 headers of 1,024 characters and the rest fit well. */
export const MAX_JSON_BYTES = 256 * 1024

/**
 * Reads a record out of its JSON, written by us or by others: unknown fields are left behind, `id` and the times may be missing.
 * @param fields the record's field names
 */
export function parseJsonRecord<T>(schema: z.ZodType<T>, fields: readonly string[], id: string, raw: RawText): Read<T> {
  if (raw.kind === 'none') return raw
  if (raw.kind === 'unusable') return invalid(raw.why)
  let object: unknown
  try {
    object = JSON.parse(raw.text)
  } catch {
    return invalid('is not JSON')
  }
  if (typeof object !== 'object' || object === null || Array.isArray(object)) return invalid('is not a JSON object')
  const record = { id, created_at: UNTIMED, updated_at: UNTIMED, ...pickFields(fields, object) }
  if (record.id !== id) return invalid('id: is not the id of the key')
  return parseRecord(schema, record)
}
