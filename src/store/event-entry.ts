import { eventSchema, type SignalboxEvent } from '../model/event.js'

/** Characters of one event as JSON; call records, the longest, have a few thousand. */
export const MAX_EVENT_LENGTH = 256 * 1024

/** An event of the stream. */
export interface StreamedEvent {
  /** Where it stands in the stream: `<milliseconds>-<number>`; undefined for one told while Redis was away. */
  readonly id: string | undefined
  readonly event: SignalboxEvent
  /** The event as one line of JSON. */
  readonly text: string
}

/** An entry of the stream: an event, and which one of which edge. */
export interface EventEntry {
  readonly id: string
  /** The edge that wrote it. */
  readonly origin: string
  /** Rises with each event of that edge. */
  readonly number: number
  /** Undefined when it does not parse. */
  readonly streamed: StreamedEvent | undefined
}

/** Reads an entry as Redis gives it; others may write to the stream too, so nothing in it is believed. */
export function parseEntry(id: string, fields: readonly string[]): EventEntry {
  const values = new Map<string, string>()
  for (let at = 0; at + 1 < fields.length; at += 2) values.set(fields[at]!, fields[at + 1]!)
  const number = Number(values.get('number'))
  return {
    id,
    origin: (values.get('origin') ?? '').slice(0, 128),
    number: Number.isSafeInteger(number) ? number : 0,
    streamed: parseEvent(id, values.get('event') ?? ''),
  }
}

function parseEvent(id: string, json: string): StreamedEvent | undefined {
  if (json.length > MAX_EVENT_LENGTH) return undefined
  try {
    const read = eventSchema.safeParse(JSON.parse(json))
    // Written anew: what is not a field of an event goes to nobody.
    return read.success ? { id, event: read.data, text: JSON.stringify(read.data) } : undefined
  } catch {
    return undefined
  }
}

/** A position in the stream as its two numbers; undefined when the text is none. */
function parsePosition(id: string): readonly [bigint, bigint] | undefined {
  const match = /^(\d{1,20})-(\d{1,20})$/.exec(id)
  if (match === null) return undefined
  const [ms, number] = [BigInt(match[1]!), BigInt(match[2]!)]
  return ms <= MAX && number <= MAX ? [ms, number] : undefined
}

const MAX = 2n ** 64n - 1n

/** Before the first entry of any stream. */
export const START = '0-0'

/** Whether the text is a position of the stream. */
export const isPosition = (id: string): boolean => parsePosition(id) !== undefined

/** Whether one position lies before another. Both must be positions. */
export function isBefore(one: string, other: string): boolean {
  const [ms, number] = parsePosition(one) ?? [0n, 0n]
  const [otherMs, otherNumber] = parsePosition(other) ?? [0n, 0n]
  return ms < otherMs || (ms === otherMs && number < otherNumber)
}

/** The position right behind another one: where to read on from (exclusive ranges need Redis 6.2). */
export function behind(id: string): string {
  const [ms, number] = parsePosition(id) ?? [0n, 0n]
  return number === MAX ? `${ms + 1n}-0` : `${ms}-${number + 1n}`
}

/** Origins that are remembered; the one unheard of for longest is forgotten. */
const MAX_ORIGINS = 1_024

/** Finds entries that were written twice, because the first answer of Redis was lost on its way. */
export class Repeats {
  readonly #latest = new Map<string, number>()

  /** Whether this event, or a later one of the same edge, has been here. */
  seen({ origin, number }: Pick<EventEntry, 'origin' | 'number'>): boolean {
    const latest = this.#latest.get(origin)
    if (latest !== undefined && number <= latest) return true
    this.#latest.delete(origin)
    this.#latest.set(origin, number)
    if (this.#latest.size > MAX_ORIGINS) for (const oldest of this.#latest.keys()) return this.forget(oldest)
    return false
  }

  private forget(origin: string): false {
    this.#latest.delete(origin)
    return false
  }
}
