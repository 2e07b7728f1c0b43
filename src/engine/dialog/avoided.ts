import type { Clock } from '../clock.js'
import type { Target } from '../transport/transport.js'

/** Addresses remembered at a time; past it the one remembered longest is forgotten. */
const MAX_ADDRESSES = 1_000

/** Addresses that are better not used for a while. Bounded, and without timers. */
export class Avoided {
  /** When each may be used again, the oldest entry first. */
  private readonly until = new Map<string, number>()

  constructor(private readonly clock: Clock) {}

  add(target: Target, forMs: number): void {
    const key = keyOf(target)
    this.until.delete(key)
    this.until.set(key, this.clock.now() + forMs)
    for (const oldest of this.until.keys()) {
      if (this.until.size <= MAX_ADDRESSES) break
      this.until.delete(oldest)
    }
  }

  has(target: Target): boolean {
    if (this.until.size === 0) return false
    const key = keyOf(target)
    const until = this.until.get(key)
    if (until === undefined) return false
    if (until > this.clock.now()) return true
    this.until.delete(key)
    return false
  }
}

const keyOf = ({ protocol, address, port }: Target): string => `${protocol} ${address} ${port}`
