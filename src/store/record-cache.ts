import { LRUCache } from 'lru-cache'
import type { Clock } from '../engine/index.js'
import type { Read } from './record.js'

/** Where an answer came from: `stale` is memory that could not be checked, `unavailable` means nobody could be asked. */
export type FoundFrom = 'memory' | 'redis' | 'stale' | 'unavailable'

/** The answer to a look-up: neither `value` nor `invalid` and not `unavailable` means there is no such record. */
export interface Found<T> {
  readonly value?: T
  readonly from: FoundFrom
  /** The record is there and does not parse: which field, and why. At most 300 characters, without the raw value. */
  readonly invalid?: string
}

/** What became of a record: it was read, is not there, does not parse, or was dropped for room. */
export type Kept = 'read' | 'absent' | 'invalid' | 'dropped'

export interface RecordCacheOptions<T> {
  /** Records kept at most. */
  readonly max: number
  readonly clock: Clock
  /** How long an entry counts as fresh while nobody tells of changes. */
  readonly freshMs: number
  /** Reads records in one round trip; one answer an id, in order. Rejects when Redis cannot be asked. */
  read(ids: readonly string[]): Promise<readonly Read<T>[]>
  /** A record was read, or (undefined) is absent, does not parse or was dropped for room. */
  kept?(id: string, value: T | undefined, kept: Kept): void
  /** A record was read and does not parse. */
  metInvalid?(id: string, why: string): void
}

interface Entry<T> {
  readonly read: Read<T>
  readonly readAtMs: number
  /** The era it was read in; entries of another are not fresh. */
  era: number
}

interface Question<T> {
  /** Undefined: Redis could not be asked. */
  readonly answer: Promise<Read<T> | undefined>
  /** A change was announced while the question was under way: the answer may be older than the change. */
  outdated: boolean
}

const NO_ERA = -1

/** Ids without a record are kept apart: a stranger who tries numbers must not push known ones out. */
const ABSENT_SHARE = 0.1
const MIN_ABSENT = 1_000

/** Records in memory: bounded, asked for once however many want the same, and kept for the time when Redis is gone. */
export class RecordCache<T> {
  /** Whether changes are announced by `distrust`. If not, entries are fresh for `freshMs` only. */
  watched = false

  private era = 0
  private readonly present: LRUCache<string, Entry<T>>
  private readonly absent: LRUCache<string, Entry<T>>
  private readonly questions = new Map<string, Question<T>>()

  constructor(private readonly options: RecordCacheOptions<T>) {
    const { max } = options
    this.present = new LRUCache<string, Entry<T>>({
      max,
      dispose: (_entry, id, reason) => {
        if (reason === 'evict') options.kept?.(id, undefined, 'dropped')
      },
    })
    this.absent = new LRUCache<string, Entry<T>>({ max: Math.max(MIN_ABSENT, Math.floor(max * ABSENT_SHARE)) })
  }

  get size(): number {
    return this.present.size
  }

  /** Ids of the records in memory. */
  ids(): string[] {
    return [...this.present.keys()]
  }

  has(id: string): boolean {
    return this.present.has(id)
  }

  /** The answer that memory alone can give, while it is fresh. */
  warm(id: string): Found<T> | undefined {
    const entry = this.present.get(id) ?? this.absent.get(id)
    return entry !== undefined && this.isFresh(entry) ? foundOf(entry.read, 'memory') : undefined
  }

  /** The last known record, fresh or not. */
  last(id: string): T | undefined {
    const read = this.present.peek(id)?.read
    return read?.kind === 'value' ? read.value : undefined
  }

  /** Tells of every record in memory that parses, fresh or not. */
  tell(listener: (id: string, value: T, gone: false) => void): void {
    for (const id of this.ids()) {
      const value = this.last(id)
      if (value !== undefined) listener(id, value, false)
    }
  }

  /** One answer for each id; what memory cannot answer is asked in one round trip. Never rejects. */
  async find(ids: readonly string[]): Promise<Found<T>[]> {
    const warm = ids.map((id) => this.warm(id))
    const cold = ids.filter((id, i) => warm[i] === undefined && (this.questions.get(id)?.outdated ?? true))
    if (cold.length > 0) this.ask([...new Set(cold)])
    return Promise.all(ids.map((id, i) => warm[i] ?? this.awaitAnswer(id)))
  }

  /** A change of this record was announced. What was known of it stays for the time when nobody can be asked. */
  distrust(id: string): void {
    const question = this.questions.get(id)
    if (question !== undefined) question.outdated = true
    this.absent.delete(id)
    const entry = this.present.peek(id)
    if (entry !== undefined) entry.era = NO_ERA
  }

  /** Changes may have gone by unseen: everything must be asked again. */
  distrustAll(): void {
    this.era += 1
    this.absent.clear()
    for (const question of this.questions.values()) question.outdated = true
  }

  private isFresh(entry: Entry<T>): boolean {
    if (entry.era !== this.era) return false
    return this.watched || this.options.clock.now() - entry.readAtMs < this.options.freshMs
  }

  private ask(ids: readonly string[]): void {
    const batch = this.options.read(ids).catch(() => undefined)
    ids.forEach((id, i) => {
      const question: Question<T> = {
        outdated: false,
        answer: batch.then((reads) => {
          const read = reads?.[i]
          if (this.questions.get(id) === question) this.questions.delete(id)
          if (read !== undefined) this.keep(id, read, question.outdated)
          return read
        }),
      }
      this.questions.set(id, question)
    })
  }

  private async awaitAnswer(id: string): Promise<Found<T>> {
    const read = await this.questions.get(id)?.answer
    if (read !== undefined) return foundOf(read, 'redis')
    const entry = this.present.get(id)
    return entry === undefined ? { from: 'unavailable' } : foundOf(entry.read, 'stale')
  }

  private keep(id: string, read: Read<T>, outdated: boolean): void {
    const entry: Entry<T> = { read, readAtMs: this.options.clock.now(), era: outdated ? NO_ERA : this.era }
    if (read.kind === 'none') {
      this.present.delete(id)
      this.absent.set(id, entry)
    } else {
      this.absent.delete(id)
      this.present.set(id, entry)
    }
    if (read.kind === 'value') this.options.kept?.(id, read.value, 'read')
    else this.options.kept?.(id, undefined, read.kind === 'none' ? 'absent' : 'invalid')
    if (read.kind === 'invalid') this.options.metInvalid?.(id, read.why)
  }
}

function foundOf<T>(read: Read<T>, from: FoundFrom): Found<T> {
  if (read.kind === 'value') return { value: read.value, from }
  return read.kind === 'invalid' ? { invalid: read.why, from } : { from }
}
