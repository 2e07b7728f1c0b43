import { CliError, exitCodes } from './errors.js'

type Reader = (text: string) => unknown

/** A cell that cannot be what its column holds. */
class BadCell extends Error {}

const asText: Reader = (text) => text.trim()
/** Spaces may belong to a password. */
const asPassword: Reader = (text) => text
const asList: Reader = (text) =>
  text
    .split(';')
    .map((item) => item.trim())
    .filter((item) => item !== '')

/** A row is one line: line breaks are written `\n`. */
const asPem: Reader = (text) => text.replaceAll('\\n', '\n')

const asNumber: Reader = (text) => {
  const value = Number(text.trim())
  if (!Number.isFinite(value)) throw new BadCell('is not a number')
  return value
}

const asBoolean: Reader = (text) => {
  const word = text.trim().toLowerCase()
  if (['true', 'yes', '1'].includes(word)) return true
  if (['false', 'no', '0'].includes(word)) return false
  throw new BadCell('is neither true nor false')
}

/** The columns a file may have: the fields of `POST /v1/numbers`, and how their cells are read. */
export const importColumns: Readonly<Record<string, Reader>> = {
  ...Object.fromEntries(
    (
      'account_id phone_number kind label source inbound_agent_id trunk_id sip_domain termination_uri username auth_username outbound_proxy ' +
      'transport from_user from_domain caller_id number_format country inbound_auth.username inbound_auth.realm ' +
      'media_encryption tls.server_name tls.client_certificate tls.pinned_name'
    )
      .split(' ')
      .map((name) => [name, asText]),
  ),
  password: asPassword,
  'inbound_auth.password': asPassword,
  enabled: asBoolean,
  replace: asBoolean,
  trust_identity: asBoolean,
  'register.enabled': asBoolean,
  'register.expires': asNumber,
  register_in: asBoolean,
  'ping.enabled': asBoolean,
  'ping.interval_s': asNumber,
  'tls.ca': asPem,
  'tls.pinned_sha256': asList,
  'tls.verify': asBoolean,
  channel_limit: asNumber,
  cps_limit: asNumber,
  minutes_per_day: asNumber,
  outbound_minutes_per_day: asNumber,
  max_call_seconds: asNumber,
  allowed_destinations: asList,
  outbound_agent_ids: asList,
  allowed_addresses: asList,
  require: asList,
  did_from: asList,
  allowed_extensions: asList,
  pass_headers: asList,
}

const HEADER_COLUMN = /^headers\.[A-Za-z0-9!%*_+`'~-]{1,64}$/

/** Reads a header row. @throws {CliError} naming columns by their place: a file without a header row may hold passwords there */
export function readHeader(cells: readonly string[]): string[] {
  const names = cells.map((cell) => cell.trim())
  if (!names.includes('phone_number'))
    throw new CliError('the first row must name the columns, phone_number among them', exitCodes.usage)
  const problems: string[] = []
  names.forEach((name, at) => {
    if (Object.hasOwn(importColumns, name)) {
      if (importColumns[name] !== asList && names.indexOf(name) !== at)
        problems.push(`column ${at + 1} names ${name} again`)
    } else if (!HEADER_COLUMN.test(name)) problems.push(`column ${at + 1} of the first row is no field of an import`)
  })
  if (problems.length > 0) throw new CliError(`${problems.slice(0, 10).join('; ')}`, exitCodes.usage)
  return names
}

/** The request that a row stands for, over what holds for every row; or why it is none. Empty cells say nothing. */
export function readRow(
  header: readonly string[],
  cells: readonly string[],
  base: Readonly<Record<string, unknown>>,
): { readonly body: Record<string, unknown> } | { readonly problem: string } {
  if (cells.length > header.length)
    return { problem: `the row has ${cells.length} cells, the first row ${header.length}` }
  const row: Record<string, unknown> = {}
  for (const [at, name] of header.entries()) {
    const cell = cells[at] ?? ''
    if (cell === '') continue
    let value: unknown
    try {
      value = (importColumns[name] ?? asText)(cell)
    } catch (error) {
      if (error instanceof BadCell) return { problem: `${name}: ${error.message}` }
      throw error
    }
    put(row, name, value)
  }
  return {
    body: {
      ...base,
      ...Object.fromEntries(Object.entries(row).map(([name, value]) => [name, merged(base[name], value)])),
    },
  }
}

/** `register.enabled` is the field `enabled` of `register`; a list that stands in several columns is one. */
function put(row: Record<string, unknown>, name: string, value: unknown): void {
  const dot = name.indexOf('.')
  if (dot < 0) {
    const before = row[name]
    row[name] =
      Array.isArray(before) && Array.isArray(value) ? [...(before as unknown[]), ...(value as unknown[])] : value
    return
  }
  const [group, field] = [name.slice(0, dot), name.slice(dot + 1)]
  row[group] = { ...(row[group] as object | undefined), [field]: value }
}

const isGroup = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const merged = (base: unknown, value: unknown): unknown =>
  isGroup(base) && isGroup(value) ? { ...base, ...value } : value
