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
 * Adds records to the stream, each unless it was done before, and keeps them under their own keys. KEYS: the stream, for each record the
 * mark that it was added (in the stream's slot), and its own key; without these nothing is kept under them.
 * ARGV: the stream's length, the marks' seconds, the records' seconds, the records.
 */
const keepScript = new Script(`
local count = #ARGV - 3
for i = 1, count do
  local mark, own, text = KEYS[1 + i], KEYS[1 + count + i], ARGV[3 + i]
  if own then redis.call('SET', own, text, 'EX', ARGV[3], 'NX') end
  if redis.call('EXISTS', mark) == 0 then
    local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'cdr', text)
    redis.call('SET', mark, id, 'EX', ARGV[2])
  end
end`)

/**
 * Adds records to a number's list and takes out the oldest. KEYS: the list. ARGV: the list's seconds, the place before which records are
 * too old, how many are kept, the places of the records.
 */
const listScript = new Script(`
for at = 4, #ARGV do redis.call('ZADD', KEYS[1], 0, ARGV[at]) end
redis.call('ZREMRANGEBYLEX', KEYS[1], '-', '(' .. ARGV[2])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -ARGV[3] - 1)
redis.call('EXPIRE', KEYS[1], ARGV[1])`)

/** A record on its way to Redis. */
export interface WaitingCdr {
  readonly callId: string
  readonly phoneNumber: string | null
  readonly endMs: number
  /** The record as JSON. */
  readonly text: string
}

/** Writes records everywhere they are found: by call_id, in their numbers' lists, in the stream; in one round trip. */
export class CdrKeeper {
  /** Redis is a cluster, where one script cannot see the stream and the records' own keys. */
  private apart = false

  constructor(private readonly retention: CdrRetention) {}

  /**
   * Writes the records. Doing it again changes nothing.
   * @returns for each record why it is not written, whole; undefined when it is
   */
  async keep(client: Redis, cdrs: readonly WaitingCdr[]): Promise<(Error | undefined)[]> {
    let outcomes = await this.write(client, cdrs)
    if (outcomes.some((error) => error?.message.startsWith('NOSCRIPT'))) {
      await Promise.all([keepScript.load(client), listScript.load(client)])
      outcomes = await this.write(client, cdrs)
    }
    if (!this.apart && outcomes.some((error) => error?.message.startsWith('CROSSSLOT'))) {
      this.apart = true
      outcomes = await this.write(client, cdrs)
    }
    return outcomes
  }

  private write(client: Redis, cdrs: readonly WaitingCdr[]): Promise<(Error | undefined)[]> {
    return new Keeping(client.pipeline(), cdrs, this.retention).write(this.apart)
  }
}

/** What is added to a number's list. */
interface ListAddition {
  readonly owners: number[]
  readonly places: string[]
  endMs: number
}

/** One round trip that writes records. */
class Keeping {
  private readonly outcomes: (Error | undefined)[] = []
  /** For each command the records that it is for. */
  private readonly owners: (readonly number[])[] = []
  private readonly lists = new Map<string, ListAddition>()

  constructor(
    private readonly pipeline: ReturnType<Redis['pipeline']>,
    private readonly cdrs: readonly WaitingCdr[],
    private readonly retention: CdrRetention,
  ) {}

  async write(apart: boolean): Promise<(Error | undefined)[]> {
    const { outcomes, owners, pipeline } = this
    this.addRecords(apart)
    for (const [key, list] of this.lists) this.addList(key, list)
    const results = (await pipeline.exec()) ?? []
    for (let at = 0; at < owners.length; at++) {
      const result = results[at]
      const error = result === undefined ? new Error('Redis did not answer') : result[0]
      if (error !== null) for (const owner of owners[at]!) outcomes[owner] ??= error
    }
    return outcomes
  }

  private addRecords(apart: boolean): void {
    const { cdrs, pipeline, outcomes, owners } = this
    const { streamMaxLength, recordTtlS } = this.retention
    const marks: string[] = []
    const own: string[] = []
    const texts: string[] = []
    const kept: number[] = []
    for (const [at, cdr] of cdrs.entries()) {
      outcomes.push(undefined)
      try {
        const key = keys.cdr(cdr.callId)
        marks.push(keys.cdrWritten(cdr.callId))
        this.note(cdr, at)
        if (apart) {
          pipeline.set(key, cdr.text, 'EX', recordTtlS, 'NX')
          owners.push([at])
        } else own.push(key)
        texts.push(cdr.text)
        kept.push(at)
      } catch (error) {
        outcomes[at] = error instanceof Error ? error : new Error(String(error))
      }
    }
    if (kept.length === 0) return
    const args = [streamMaxLength, Math.min(GUARD_S, recordTtlS), recordTtlS, ...texts]
    keepScript.queue(pipeline, [keys.cdrs, ...marks, ...own], args)
    owners.push(kept)
  }

  /** Notes a record for the list of its number. */
  private note({ callId, phoneNumber, endMs }: WaitingCdr, at: number): void {
    if (phoneNumber === null || !isPhoneNumber(phoneNumber)) return
    const key = keys.cdrsOfNumber(phoneNumber)
    const place = positionOf(endMs, callId)
    const list = this.lists.get(key)
    if (list === undefined) this.lists.set(key, { owners: [at], places: [place], endMs })
    else {
      list.owners.push(at)
      list.places.push(place)
      list.endMs = Math.max(list.endMs, endMs)
    }
  }

  private addList(key: string, { owners, places, endMs }: ListAddition): void {
    const { recordTtlS } = this.retention
    const oldest = positionOf(endMs - recordTtlS * 1_000, '')
    listScript.queue(this.pipeline, [key], [recordTtlS, oldest, MAX_PER_NUMBER, ...places])
    this.owners.push(owners)
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
