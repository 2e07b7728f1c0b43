import { LRUCache } from 'lru-cache'
import type { Clock } from '../engine/index.js'
import type { ApiTokens, KeptToken } from './api-tokens.js'

/** Tokens in memory, and as many ids that no token has. */
const MAX_KNOWN = 10_000
/** How long what was read is believed: a revocation is seen this much later, everywhere. */
const FRESH_MS = 500
/** How long a token is believed of which Redis cannot be asked. */
const STALE_MS = 60_000
/** `last_used_at` is written this often at most. */
const USED_MS = 60_000

interface Entry {
  readonly token: KeptToken | undefined
  readonly readAtMs: number
}

/** What is known of a token id: the token, that there is none, or that nobody can be asked. */
export type Known = KeptToken | 'absent' | 'unavailable'

/** The tokens that clients present, in memory: bounded, asked for again when they age, and asked for once however many wait. */
export class KnownTokens {
  private readonly present = new LRUCache<string, Entry>({ max: MAX_KNOWN })
  /** Apart, so that one who tries ids does not push tokens out. */
  private readonly absent = new LRUCache<string, Entry>({ max: MAX_KNOWN })
  private readonly used = new LRUCache<string, number>({ max: MAX_KNOWN })
  private readonly asking = new Map<string, Promise<Entry | undefined>>()

  constructor(
    private readonly tokens: Pick<ApiTokens, 'find' | 'touch'>,
    private readonly clock: Clock,
  ) {}

  /** Never rejects. */
  async find(id: string): Promise<Known> {
    const known = this.present.get(id) ?? this.absent.get(id)
    const ageMs = known === undefined ? Infinity : this.clock.now() - known.readAtMs
    if (known !== undefined && ageMs < FRESH_MS) return known.token ?? 'absent'
    const read = await this.ask(id)
    if (read !== undefined) return read.token ?? 'absent'
    return ageMs < STALE_MS ? (known?.token ?? 'unavailable') : 'unavailable'
  }

  /** The token was used now. */
  use({ id, last_used_at }: KeptToken): void {
    const now = this.clock.date()
    const nowMs = now.getTime()
    // What lies in the future, a clock wrote that was ahead.
    const times = [this.used.get(id) ?? 0, last_used_at === null ? 0 : Date.parse(last_used_at)]
    if (times.some((at) => at <= nowMs && nowMs - at < USED_MS)) return
    this.used.set(id, nowMs)
    // Lost while Redis is away: it tells people about when, no more.
    this.tokens.touch(id, now.toISOString()).catch(() => undefined)
  }

  /** What was known of the token no longer holds. */
  forget(id: string): void {
    this.present.delete(id)
    this.absent.delete(id)
    this.asking.delete(id)
  }

  private ask(id: string): Promise<Entry | undefined> {
    const under = this.asking.get(id)
    if (under !== undefined) return under
    const readAtMs = this.clock.now()
    const question = this.tokens.find(id).then(
      (read) => {
        const entry: Entry = { token: read.kind === 'value' ? read.value : undefined, readAtMs }
        if (this.asking.get(id) === question) this.keep(id, entry)
        return entry
      },
      () => {
        if (this.asking.get(id) === question) this.asking.delete(id)
        return undefined
      },
    )
    this.asking.set(id, question)
    return question
  }

  private keep(id: string, entry: Entry): void {
    this.asking.delete(id)
    const [here, there] = entry.token === undefined ? [this.absent, this.present] : [this.present, this.absent]
    there.delete(id)
    here.set(id, entry)
  }
}
