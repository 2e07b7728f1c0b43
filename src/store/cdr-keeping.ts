import type { Redis } from 'ioredis'
import { cdrSchema, type Cdr } from '../model/call.js'
import { isPhoneNumber, keys } from './keys.js'
import { invalid, parseRecord, type Read } from './record.js'
import { Script } from './script.js'
import { readText } from './text.js'

/** Bytes of a record that are parsed; ours have a few kilobytes. */
const MAX_CDR_BYTES = 256 * 1024
/** Calls kept in a number's own list. */
const MAX_PER_NUMBER = 10_000
/** How long a write that may already have happened can be tried again without making a second entry. */
const GUARD_S = 6 * 3_600

export interface CdrRetention {
  /** Entries the stream keeps, about. */
  readonly streamMaxLength: number
  /** Seconds a record can be asked for by its call_id or phone number. */
  readonly recordTtlS: number
}

/**
 * Adds to the stream unless it was done before. KEYS: the stream, the mark that it was done (in the stream's slot).
 * ARGV: the stream's length, the record, the mark's seconds.
 */
const addScript = new Script(`
if redis.call('EXISTS', KEYS[2]) == 1 then return 'kept' end
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'cdr', ARGV[2])
redis.call('SET', KEYS[2], id, 'EX', ARGV[3])
return 'added'`)

/** Writes the record everywhere it is found: by call_id, in its number's list, in the stream. Doing it again changes nothing. */
export async function keepCdr(client: Redis, cdr: Cdr, { streamMaxLength, recordTtlS }: CdrRetention): Promise<void> {
  const { call_id, phone_number } = cdr
  const text = JSON.stringify(cdr)
  const guardS = Math.min(GUARD_S, recordTtlS)
  const done: Promise<unknown>[] = [client.set(keys.cdr(call_id), text, 'EX', recordTtlS, 'NX')]
  if (phone_number !== null && isPhoneNumber(phone_number)) {
    const key = keys.cdrsOfNumber(phone_number)
    const endMs = Date.parse(cdr.ended_at)
    done.push(
      client.zadd(key, 0, positionOf(endMs, call_id)),
      client.zremrangebylex(key, '-', `(${positionOf(endMs - recordTtlS * 1_000, '')}`),
      client.zremrangebyrank(key, 0, -MAX_PER_NUMBER - 1),
      client.expire(key, recordTtlS),
    )
  }
  done.push(addScript.run(client, [keys.cdrs, keys.cdrWritten(call_id)], [streamMaxLength, text, guardS]))
  await Promise.all(done)
}

export async function readCdr(client: Redis, callId: string): Promise<Read<Cdr>> {
  const raw = await readText(client, keys.cdr(callId), MAX_CDR_BYTES)
  if (raw.kind === 'none') return raw
  return raw.kind === 'unusable' ? invalid(raw.why) : parseCdr(raw.text)
}

export function parseCdr(text: string): Read<Cdr> {
  if (text.length > MAX_CDR_BYTES) return invalid(`is longer than ${MAX_CDR_BYTES} bytes`)
  try {
    return parseRecord(cdrSchema, JSON.parse(text) as unknown)
  } catch {
    return invalid('is not JSON')
  }
}

/** A call's place in its number's list, which is in the order of bytes: the end, then the call. */
export function positionOf(endMs: number, callId: string): string {
  return `${String(Math.max(0, Math.trunc(endMs))).padStart(15, '0')}:${callId}`
}
