import type { z } from 'zod'
import { accountOfId, localId } from '../model/account.js'
import { invalid, parseRecord, pickFields, UNTIMED, type Read } from './record.js'
import type { RawText } from './text.js'

/** Bytes an agent's or trunk's JSON may have: 256 networks, 32 headers of 1,024 characters and the rest fit well. */
export const MAX_JSON_BYTES = 256 * 1024

/**
 * Reads a record out of its JSON, written by us or by others: unknown fields are left behind, `id` and the times may be missing.
 * @param fields the record's field names
 * @param id the id inside, which the record gets: the JSON has the account's own and the account
 */
export function parseJsonRecord<T extends { readonly id: string; readonly account_id: string }>(
  schema: z.ZodType<T>,
  fields: readonly string[],
  id: string,
  raw: RawText,
): Read<T> {
  if (raw.kind === 'none') return raw
  if (raw.kind === 'unusable') return invalid(raw.why)
  let object: unknown
  try {
    object = JSON.parse(raw.text)
  } catch {
    return invalid('is not JSON')
  }
  if (typeof object !== 'object' || object === null || Array.isArray(object)) return invalid('is not a JSON object')
  const account_id = accountOfId(id)
  const own = localId(id)
  const record = { account_id, id: own, created_at: UNTIMED, updated_at: UNTIMED, ...pickFields(fields, object) }
  if (record.id !== own) return invalid('id: is not the id of the key')
  const read = parseRecord(schema, record)
  if (read.kind !== 'value') return read
  if (read.value.account_id !== account_id) return invalid('account_id: is not the account of the key')
  return own === id ? read : { kind: 'value', value: { ...read.value, id } }
}
