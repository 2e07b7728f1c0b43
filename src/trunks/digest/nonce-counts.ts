/** Uses behind the highest one that are told apart: requests overtake each other on UDP. */
const WINDOW = 64n
const MASK = (1n << WINDOW) - 1n

interface Counts {
  readonly madeMs: number
  highest: number
  /** Bit n: the use `highest - n` has been seen. */
  seen: bigint
}

/**
 * The uses of each nonce that have been seen, so that none counts twice (RFC 7616 5.12). Forgets a nonce when it expires; when
 * there are too many, the one first used goes, and with it every nonce made before it counts as expired.
 */
export class NonceCounts {
  readonly #counts = new Map<string, Counts>()
  #floorMs = -1

  constructor(
    private readonly lifetimeMs: number,
    private readonly max: number,
  ) {}

  get size(): number {
    return this.#counts.size
  }

  /** Whether what was seen of nonces made at that time may have been forgotten. */
  isForgotten(madeMs: number, nowMs: number): boolean {
    // One from the future comes of a clock that was set back: it would live too long.
    return Math.abs(nowMs - madeMs) > this.lifetimeMs || madeMs <= this.#floorMs
  }

  /**
   * Takes the use of a nonce; false when it has been taken before.
   * @param nc how often the nonce has been used; 0 for credentials that do not say: once
   */
  take(nonce: string, madeMs: number, nc: number, nowMs: number): boolean {
    const counts = this.#counts.get(nonce)
    if (counts === undefined) {
      this.makeRoom(nowMs)
      this.#counts.set(nonce, { madeMs, highest: nc, seen: nc === 0 ? MASK : 1n })
      return true
    }
    if (nc === 0) return false
    if (nc > counts.highest) {
      const ahead = BigInt(nc - counts.highest)
      counts.seen = ahead >= WINDOW ? 1n : ((counts.seen << ahead) & MASK) | 1n
      counts.highest = nc
      return true
    }
    const behind = BigInt(counts.highest - nc)
    if (behind >= WINDOW || (counts.seen >> behind) & 1n) return false
    counts.seen |= 1n << behind
    return true
  }

  private makeRoom(nowMs: number): void {
    for (const [nonce, { madeMs }] of this.#counts) {
      const expired = nowMs - madeMs > this.lifetimeMs
      if (!expired && this.#counts.size < this.max) return
      this.#counts.delete(nonce)
      if (!expired) this.#floorMs = Math.max(this.#floorMs, madeMs)
    }
  }
}
