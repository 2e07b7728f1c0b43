import type { Clock } from '../clock.js'

/** What a name server said: records, and for how long they hold. No records: there are none; Infinity: for how long it did not say. */
export interface Answer<Record> {
  readonly records: readonly Record[]
  readonly ttlMs: number
}

/** How long answers are kept. */
export interface AnswerCacheSettings {
  /** Answers held; the one not used for longest goes first. */
  readonly maxEntries: number
  /** Questions under way at the same time; more are refused. */
  readonly maxUnderWay: number
  /** Bounds on the time to live that records come with. */
  readonly minTtlMs: number
  readonly maxTtlMs: number
  /** How long "there is none" is kept at most, and "no answer" at all. */
  readonly negativeTtlMs: number
  /** How long past its time a good answer still serves while the name servers fail (RFC 8767). */
  readonly staleMs: number
}

interface Entry {
  readonly records: readonly unknown[]
  readonly failure: Error | undefined
  readonly expiresAtMs: number
  /** The records' own end; past `expiresAtMs` only for those served stale. */
  readonly staleUntilMs: number
}

/** Answers of name servers, and the questions under way: who asks the same meanwhile waits for the same answer. */
export class AnswerCache {
  private readonly entries = new Map<string, Entry>()
  private readonly underWay = new Map<string, Promise<readonly unknown[]>>()

  constructor(
    private readonly clock: Clock,
    private readonly settings: AnswerCacheSettings,
  ) {}

  get size(): number {
    return this.entries.size
  }

  /** Milliseconds for which the answer to a question still holds; 0 when there is none in memory. */
  leftMs(question: string): number {
    return Math.max((this.entries.get(question)?.expiresAtMs ?? 0) - this.clock.now(), 0)
  }

  /**
   * The records for a question, from memory or by `load`.
   *
   * @param question names the kind of the records too: two kinds never share one.
   * @throws what `load` rejected with, for `negativeTtlMs` without asking again.
   */
  async ask<Record>(question: string, load: () => Promise<Answer<Record>>): Promise<readonly Record[]> {
    const entry = this.entries.get(question)
    if (entry !== undefined && entry.expiresAtMs > this.clock.now()) {
      this.keep(question, entry)
      if (entry.failure !== undefined) throw entry.failure
      return entry.records as readonly Record[]
    }
    let asking = this.underWay.get(question)
    if (asking === undefined) {
      if (this.underWay.size >= this.settings.maxUnderWay)
        throw new Error(`${this.underWay.size} questions are under way`)
      asking = this.load(question, load).finally(() => this.underWay.delete(question))
      this.underWay.set(question, asking)
    }
    return (await asking) as readonly Record[]
  }

  private async load(question: string, load: () => Promise<Answer<unknown>>): Promise<readonly unknown[]> {
    const { minTtlMs, maxTtlMs, negativeTtlMs, staleMs } = this.settings
    try {
      const { records, ttlMs } = await load()
      const found = records.length > 0
      const expiresAtMs = this.clock.now() + Math.min(Math.max(ttlMs, minTtlMs), found ? maxTtlMs : negativeTtlMs)
      this.keep(question, {
        records,
        failure: undefined,
        expiresAtMs,
        staleUntilMs: expiresAtMs + (found ? staleMs : 0),
      })
      return records
    } catch (error) {
      const old = this.entries.get(question)
      const now = this.clock.now()
      const expiresAtMs = now + negativeTtlMs
      if (old !== undefined && old.failure === undefined && old.staleUntilMs > now) {
        this.keep(question, { ...old, expiresAtMs })
        return old.records
      }
      this.keep(question, { records: [], failure: error as Error, expiresAtMs, staleUntilMs: 0 })
      throw error
    }
  }

  private keep(question: string, entry: Entry): void {
    this.entries.delete(question)
    this.entries.set(question, entry)
    if (this.entries.size <= this.settings.maxEntries) return
    const [oldest] = this.entries.keys()
    if (oldest !== undefined) this.entries.delete(oldest)
  }
}
