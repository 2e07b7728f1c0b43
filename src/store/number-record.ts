import { accountOfId, isScopedId, scopedId } from '../model/account.js'
import { DEFAULT_ACCOUNT } from '../model/text.js'
import { numberSchema, shownNumber, type PhoneNumber } from '../model/number.js'
import type { FieldLimit, RawHash } from './hash.js'
import { invalid, parseRecord, UNTIMED, type Read } from './record.js'

/** Bytes a field may have: 1,000 agent ids as JSON; a label of 128 characters. */
const LIST_BYTES = 128 * 1024
const FIELD_BYTES = 1024

const LIST_FIELD = 'outbound_agent_ids'
const FIELDS = Object.keys(numberSchema.shape)

/** The fields of a number's hash that are read, and how much of each. */
export const numberFieldLimits: readonly FieldLimit[] = FIELDS.map((field) => [
  field,
  field === LIST_FIELD ? LIST_BYTES : FIELD_BYTES,
])

/**
 * Reads a number out of its hash, written by us or by others: text fields as they are, booleans `true` or `false` (also `1`, `0`),
 * `outbound_agent_ids` a JSON array, nothing or an empty text for the default. Only `trunk_id` must be there. The hash names the trunk and
 * the agents as the account of the number does; the record has their ids inside: those of other accounts cannot be named.
 */
export function parseNumber(phoneNumber: string, raw: RawHash): Read<PhoneNumber> {
  if (raw.kind === 'none') return raw
  if (raw.kind === 'unusable') return invalid(raw.why)
  const record: Record<string, unknown> = {}
  for (const field of FIELDS) {
    const text = raw.fields.get(field) ?? ''
    if (text === '') continue
    if (field === LIST_FIELD) {
      const list = parseJson(text)
      if (list === undefined) return invalid(`${field}: must be a JSON array of agent ids`)
      record[field] = list
    } else if (field === 'enabled') {
      if (text === 'true' || text === '1') record[field] = true
      else if (text === 'false' || text === '0') record[field] = false
      else return invalid(`${field}: must be true or false`)
    } else record[field] = text
  }
  record['phone_number'] ??= phoneNumber
  record['kind'] ??= phoneNumber.startsWith('+') ? 'e164' : 'extension'
  record['created_at'] ??= UNTIMED
  record['updated_at'] ??= UNTIMED
  if (record['phone_number'] !== phoneNumber) return invalid('phone_number: is not the number of the key')
  if (record['trunk_id'] === undefined) return invalid('trunk_id: is missing')
  const read = parseRecord(numberSchema, record)
  return read.kind === 'value' ? { kind: 'value', value: scoped(read.value) } : read
}

function scoped(number: PhoneNumber): PhoneNumber {
  const { account_id, trunk_id, inbound_agent_id, outbound_agent_ids } = number
  if (account_id === DEFAULT_ACCOUNT) return number
  return {
    ...number,
    trunk_id: scopedId(account_id, trunk_id),
    inbound_agent_id: inbound_agent_id === null ? null : scopedId(account_id, inbound_agent_id),
    outbound_agent_ids: outbound_agent_ids.map((id) => scopedId(account_id, id)),
  }
}

/** A number that is to be written, checked: by its fields, and that it names nothing of another account. */
export function checkNumber(number: PhoneNumber): Read<PhoneNumber> {
  const { account_id, trunk_id, inbound_agent_id, outbound_agent_ids } = number
  const ids = [trunk_id, ...(inbound_agent_id === null ? [] : [inbound_agent_id]), ...outbound_agent_ids]
  const isForeign = (id: string | null): boolean => id !== null && accountOfId(id) !== account_id
  const foreign = (['trunk_id', 'inbound_agent_id'] as const).find((field) => isForeign(number[field]))
  const isSound = ids.every(isScopedId)
  if (isSound && foreign !== undefined) return invalid(`${foreign}: is of another account`)
  if (isSound && ids.some(isForeign)) return invalid('outbound_agent_ids: is of another account')
  const read = parseRecord(numberSchema, isSound ? shownNumber(number) : number)
  return read.kind === 'value' ? { kind: 'value', value: scoped(read.value) } : read
}

/** The hash's fields as they are written. */
export function formatNumber(number: PhoneNumber): Map<string, string> {
  const fields = new Map<string, string>()
  for (const [field, value] of Object.entries(shownNumber(number)))
    fields.set(field, value === null ? '' : Array.isArray(value) ? JSON.stringify(value) : String(value))
  return fields
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
