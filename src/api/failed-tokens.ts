import { LRUCache } from 'lru-cache'
import type { Clock } from '../engine/index.js'
import { maskAddress, parseAddress } from '../model/network.js'

/** Sources that are remembered; those that failed longest ago go first. */
const MAX_SOURCES = 10_000
const MINUTE_MS = 60_000

interface Bucket {
  /** Failures that are still free, a fraction among them. */
  left: number
  atMs: number
}

/**
 * Failed tokens by source address: so many a minute are refused as such, further ones are told to wait. It does not stand in
 * the way of a token that nobody guesses, so that one who guesses cannot lock out whoever shares the address.
 */
export class FailedTokens {
  private readonly buckets = new LRUCache<string, Bucket>({ max: MAX_SOURCES })

  constructor(
    private readonly clock: Clock,
    private readonly perMinute: number,
  ) {}

  /** Counts one; the seconds until the next is free when that is too many, else undefined. */
  note(address: string): number | undefined {
    const source = sourceOf(address)
    const bucket = this.fill(this.buckets.get(source) ?? { left: this.perMinute, atMs: this.clock.now() })
    this.buckets.set(source, bucket)
    const waitS = this.untilFree(bucket)
    if (waitS === undefined) bucket.left -= 1
    return waitS
  }

  /** The seconds until a failure is free, without one; undefined: it is. */
  wait(address: string): number | undefined {
    const bucket = this.buckets.get(sourceOf(address))
    return bucket && this.untilFree(this.fill(bucket))
  }

  private untilFree({ left }: Bucket): number | undefined {
    return left >= 1 ? undefined : Math.ceil(((1 - left) * MINUTE_MS) / this.perMinute / 1_000)
  }

  private fill(bucket: Bucket): Bucket {
    const { perMinute, clock } = this
    const now = clock.now()
    bucket.left = Math.min(perMinute, bucket.left + ((now - bucket.atMs) / MINUTE_MS) * perMinute)
    bucket.atMs = now
    return bucket
  }
}

/** What counts as one source: an IPv4 address, or the /64 that one customer of IPv6 has. */
function sourceOf(address: string): string {
  const parsed = parseAddress(address)
  if (parsed === undefined) return ''
  return parsed.family === 4 ? `4 ${parsed.bits}` : `6 ${maskAddress(parsed.bits, 64, 6)}`
}
