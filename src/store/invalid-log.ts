import { LRUCache } from 'lru-cache'
import type { Clock } from '../engine/index.js'
import type { RecordKind } from './keys.js'
import type { Log } from './observe.js'

/** The same complaint about the same record is repeated at most this often. */
const REPEAT_MS = 60_000
const WINDOW_MS = 10_000
const LINES_PER_WINDOW = 20

/** Complains in the log of records that do not parse: once a record and reason, and not more than 20 lines in 10 s. */
export class InvalidLog {
  private readonly said = new LRUCache<string, { why: string; atMs: number }>({ max: 1_000 })
  private windowAtMs = -WINDOW_MS
  private lines = 0
  private withheld = 0

  constructor(
    private readonly logger: Log,
    private readonly clock: Clock,
  ) {}

  add(kind: RecordKind, id: string, why: string): void {
    const now = this.clock.now()
    const key = `${kind} ${id}`
    const before = this.said.get(key)
    if (before?.why === why && now - before.atMs < REPEAT_MS) return
    this.said.set(key, { why, atMs: now })
    if (now - this.windowAtMs >= WINDOW_MS) {
      if (this.withheld > 0) this.logger.error({ records: this.withheld }, 'more records in Redis did not parse')
      this.windowAtMs = now
      this.lines = 0
      this.withheld = 0
    }
    if (this.lines >= LINES_PER_WINDOW) this.withheld += 1
    else {
      this.lines += 1
      this.logger.error(
        { record: kind, id, why },
        `the ${kind} record in Redis does not parse: calls that need it are refused`,
      )
    }
  }
}
