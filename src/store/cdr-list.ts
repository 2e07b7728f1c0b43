import type { Cdr } from '../model/call.js'
import { parseCdr, positionOf, readCdr } from './cdr-keeping.js'
import type { Connection } from './connection.js'
import { formatCursor, parseCursor } from './cursor.js'
import { StoreError } from './errors.js'
import { isIdentifier, keys } from './keys.js'
import type { InvalidRecord, Page } from './page.js'
import type { Read } from './record.js'

export interface CdrListRequest {
  /** Records at most, 1 to 1,000. */
  readonly limit: number
  readonly cursor?: string | undefined
  readonly phoneNumber?: string | undefined
  /** ISO instant: calls that ended then or later. */
  readonly since?: string | undefined
  readonly accountId?: string | undefined
}

/** Records looked at for one page at most. */
const MAX_EXAMINED = 5_000
const MAX_STEP = 200
/** An entry is added after its call has ended, by clocks that differ less than this. */
const CLOCK_SKEW_MS = 5 * 60_000

const STREAM_POSITION = /^[0-9]{1,16}-[0-9]{1,20}$/
const LIST_POSITION = /^[0-9]{15}:[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/

interface Step {
  readonly position: string
  readonly id: string
  readonly read: Read<Cdr>
}

/** Records after `after` (undefined: from the newest), at most `count`. */
type ReadStep = (after: string | undefined, count: number) => Promise<Step[]>

/** Lists call records, newest first: a number's from its own list, all from the stream. */
export async function listCdrs(connection: Connection, request: CdrListRequest): Promise<Page<Cdr>> {
  const { phoneNumber, since, accountId, cursor } = request
  const limit = Math.min(Math.max(Math.trunc(request.limit) || 1, 1), 1_000)
  const sinceMs = since === undefined ? 0 : Date.parse(since)
  if (Number.isNaN(sinceMs)) throw new StoreError('INVALID', 'since: is not an ISO 8601 instant')
  const readStep =
    phoneNumber === undefined ? ofStream(connection, sinceMs) : ofNumber(connection, phoneNumber, sinceMs)
  const shape = phoneNumber === undefined ? STREAM_POSITION : LIST_POSITION
  const items: Cdr[] = []
  const invalid: InvalidRecord[] = []
  let after = cursor === undefined ? undefined : parseCursor(cursor, shape)
  let more = true
  for (let examined = 0; more && items.length < limit && examined < MAX_EXAMINED;) {
    // Most may be of other accounts: not one round trip for each.
    const count = accountId === undefined ? Math.min(limit - items.length, MAX_STEP) : MAX_STEP
    const steps = await readStep(after, count)
    more = steps.length === count
    for (const { position, id, read } of steps) {
      examined += 1
      after = position
      // Nobody knows whose it is.
      if (read.kind === 'invalid' && accountId === undefined) invalid.push({ id, why: read.why })
      if (read.kind !== 'value' || Date.parse(read.value.ended_at) < sinceMs) continue
      if (accountId !== undefined && read.value.account_id !== accountId) continue
      items.push(read.value)
      if (items.length < limit) continue
      more ||= position !== steps.at(-1)?.position
      break
    }
  }
  return {
    items,
    next_cursor: more && after !== undefined ? formatCursor(after) : null,
    ...(invalid.length > 0 && { invalid }),
  }
}

function ofStream(connection: Connection, sinceMs: number): ReadStep {
  const end = String(Math.max(0, sinceMs - CLOCK_SKEW_MS))
  return async (after, count) => {
    const start = after === undefined ? '+' : before(after)
    if (start === undefined) return []
    const entries = await connection.ask('cdrs', (client) => client.xrevrange(keys.cdrs, start, end, 'COUNT', count), {
      patient: true,
    })
    return entries.map(([position, fields]) => {
      const at = fields.indexOf('cdr')
      return { position, id: position, read: parseCdr((at % 2 === 0 ? fields[at + 1] : undefined) ?? '') }
    })
  }
}

function ofNumber(connection: Connection, phoneNumber: string, sinceMs: number): ReadStep {
  const key = keys.cdrsOfNumber(phoneNumber)
  const low = sinceMs > 0 ? `[${positionOf(sinceMs, '')}` : '-'
  return (after, count) =>
    connection.ask(
      'cdrs',
      async (client) => {
        const high = after === undefined ? '+' : `(${after}`
        const positions = await client.zrevrangebylex(key, high, low, 'LIMIT', 0, count)
        return Promise.all(
          positions.map(async (position): Promise<Step> => {
            const id = position.slice(position.indexOf(':') + 1)
            return { position, id, read: isIdentifier(id) ? await readCdr(client, id) : { kind: 'none' } }
          }),
        )
      },
      { patient: true },
    )
}

/** The stream id just before this one. */
export function before(position: string): string | undefined {
  const [ms = '0', sequence = '0'] = position.split('-')
  if (BigInt(sequence) > 0n) return `${ms}-${BigInt(sequence) - 1n}`
  return BigInt(ms) > 0n ? `${BigInt(ms) - 1n}-${2n ** 64n - 1n}` : undefined
}
