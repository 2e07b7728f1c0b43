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

/** A record on its way to Redis. */
export interface WaitingCdr {
  readonly callId: string
  readonly phoneNumber: string | null
  readonly endMs: number
  /** The record as JSON. */
  readonly text: string
}

/**
 * Writes records everywhere they are found: by call_id, in their numbers' lists, in the stream; in one round trip. Doing it again
 * changes nothing.
 * @returns for each record why it is not written, whole; undefined when it is
 */
export async function keepCdrs(
  client: Redis,
  cdrs: readonly WaitingCdr[],
  retention: CdrRetention,
): Promise<(Error | undefined)[]> {
  let keeping = new Keeping(client, cdrs, retention)
  if ((await keeping.write()).some((error) => error?.message.startsWith('NOSCRIPT'))) {
    await addScript.load(client)
    keeping = new Keeping(client, cdrs, retention)
    await keeping.write()
  }
  return keeping.outcomes
}

/** One round trip that writes records. */
class Keeping {
  readonly outcomes: (Error | undefined)[] = []
  private readonly pipeline: ReturnType<Redis['pipeline']>
  /** For each command the record, or the records, that it is for. */
  private readonly owners: (readonly number[])[] = []
  private readonly lists = new Map<string, { owners: number[]; members: (string | number)[]; endMs: number }>()

  constructor(
    client: Redis,
    private readonly cdrs: readonly WaitingCdr[],
    private readonly retention: CdrRetention,
  ) {
    this.pipeline = client.pipeline()
  }

  async write(): Promise<readonly (Error | undefined)[]> {
    const { cdrs, outcomes, owners, pipeline } = this
    for (let at = 0; at < cdrs.length; at++) {
      outcomes.push(undefined)
      try {
        this.add(cdrs[at]!, at)
      } catch (error) {
        outcomes[at] = error instanceof Error ? error : new Error(String(error))
      }
    }
    for (const [key, list] of this.lists) this.addList(key, list)
    const results = (await pipeline.exec()) ?? []
    for (let at = 0; at < owners.length; at++) {
      const result = results[at]
      const error = result === undefined ? new Error('Redis did not answer') : result[0]
      if (error !== null) for (const owner of owners[at]!) outcomes[owner] ??= error
    }
    return outcomes
  }

  private add({ callId, phoneNumber, endMs, text }: WaitingCdr, at: number): void {
    const { pipeline, owners } = this
    const { streamMaxLength, recordTtlS } = this.retention
    const key = keys.cdr(callId)
    const position = positionOf(endMs, callId)
    pipeline.set(key, text, 'EX', recordTtlS, 'NX')
    addScript.queue(
      pipeline,
      [keys.cdrs, keys.cdrWritten(callId)],
      [streamMaxLength, text, Math.min(GUARD_S, recordTtlS)],
    )
    owners.push([at], [at])
    if (phoneNumber === null || !isPhoneNumber(phoneNumber)) return
    const listKey = keys.cdrsOfNumber(phoneNumber)
    const list = this.lists.get(listKey) ?? { owners: [], members: [], endMs }
    list.owners.push(at)
    list.members.push(0, position)
    list.endMs = Math.max(list.endMs, endMs)
    this.lists.set(listKey, list)
  }

  private addList(key: string, list: { owners: number[]; members: (string | number)[]; endMs: number }): void {
    const { recordTtlS } = this.retention
    this.pipeline
      .zadd(key, ...list.members)
      .zremrangebylex(key, '-', `(${positionOf(list.endMs - recordTtlS * 1_000, '')}`)
      .zremrangebyrank(key, 0, -MAX_PER_NUMBER - 1)
      .expire(key, recordTtlS)
    this.owners.push(list.owners, list.owners, list.owners, list.owners)
  }
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
