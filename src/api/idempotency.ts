import { createHash } from 'node:crypto'
import type { Clock } from '../engine/index.js'
import { ApiError } from './problem.js'

const KEPT_MS = 3_600_000
/** Keys that are remembered; the oldest goes first. */
const MAX_KEYS = 10_000

interface Kept<T> {
  readonly request: string
  readonly answer: Promise<T>
  readonly atMs: number
}

/** Requests that carry a key of the client's: a repeat is not done again, but answered as the first one was. */
export class RecentRequests<T> {
  readonly #kept = new Map<string, Kept<T>>()

  constructor(private readonly clock: Clock) {}

  /**
   * Does it, or gives what came of it before. What was refused may be tried again under the same key.
   * @param key undefined: it is done in any case
   * @throws {ApiError} IDEMPOTENCY_KEY_REUSED when the key stands for another request
   */
  once(key: string | undefined, request: unknown, act: () => Promise<T>): Promise<T> {
    if (key === undefined) return act()
    const now = this.clock.now()
    const digest = createHash('sha256').update(JSON.stringify(request)).digest('base64')
    const known = this.#kept.get(key)
    if (known !== undefined && now - known.atMs < KEPT_MS) {
      if (known.request === digest) return known.answer
      return Promise.reject(new ApiError('IDEMPOTENCY_KEY_REUSED', 'Idempotency-Key: was used for another request'))
    }
    const kept = { request: digest, answer: act(), atMs: now }
    this.#kept.delete(key)
    this.#kept.set(key, kept)
    if (this.#kept.size > MAX_KEYS) for (const oldest of this.#kept.keys()) if (this.#kept.delete(oldest)) break
    kept.answer.catch(() => {
      if (this.#kept.get(key) === kept) this.#kept.delete(key)
    })
    return kept.answer
  }
}
