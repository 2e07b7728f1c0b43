import type { Clock } from '../../engine/index.js'
import { sourceName } from './source-name.js'

/** Why a source is banned. */
export type BanReason = 'rate' | 'scanner'

/** A source of which nothing is read, for now. */
export interface Ban {
  /** An IPv4 address, or an IPv6 network: `2001:db8::/64`. */
  readonly address: string
  readonly reason: BanReason
  readonly since: Date
  readonly until: Date
  /** Length in seconds. */
  readonly seconds: number
  /** How often in a row it was banned, as far as it has not been made up for. */
  readonly offences: number
  /** Messages and connections of it that were not looked at since. */
  readonly dropped: number
}

export interface SourceLedgerOptions {
  readonly clock: Clock
  /** Requests a second; 0: no limit, nobody is banned. */
  readonly rate: number
  /** Requests at once. */
  readonly burst: number
  readonly firstBanMs: number
  readonly longestBanMs: number
  /** Sources remembered, and bans. */
  readonly maxSources: number
}

/** An offence is forgotten after this many times the length of its ban without another. */
const MADE_UP_AFTER = 10
/** A source that calls this many different users in `SCAN_WINDOW_MS`, none of whom it may call, looks for one that it may. */
const SCANNED_USERS = 12
const SCAN_WINDOW_MS = 60_000

class Source {
  loggedMs = -Infinity
  /** Requests since the last line about it. */
  unsaid = 0
  /** Hashes of the users it has called in vain. */
  tried: number[] = []
  triedSinceMs = 0

  constructor(
    public tokens: number,
    public atMs: number,
  ) {}
}

class Offender {
  reason: BanReason = 'rate'
  sinceMs = 0
  untilMs = 0
  since = new Date(0)
  offences = 0
  dropped = 0
  /** When it was last asked whether it is known by now. */
  askedMs = 0
}

/** How much each unknown source sends, and which of them are banned. All of it in memory, within bounds. */
export class SourceLedger {
  /** The one heard of least recently first. */
  private readonly sources = new Map<string, Source>()
  private readonly offenders = new Map<string, Offender>()
  /** Offenders that are IPv6 networks: without any, nobody needs the name of an IPv6 address. */
  private networks = 0

  constructor(private readonly options: SourceLedgerOptions) {}

  /** Whether a source is banned now; counts what it sends then. For every datagram. */
  isBanned(address: string): boolean {
    if (this.offenders.size === 0 || (this.networks === 0 && address.includes(':'))) return false
    const offender = this.offenders.get(sourceName(address))
    if (offender === undefined || offender.untilMs <= this.options.clock.now()) return false
    offender.dropped++
    return true
  }

  /** Whether it is time again to ask if a banned source is known by now: once a second. */
  mayHaveBecomeKnown(address: string): boolean {
    const offender = this.offenders.get(sourceName(address))
    const now = this.options.clock.now()
    if (offender === undefined || now - offender.askedMs < 1_000) return false
    offender.askedMs = now
    return true
  }

  /**
   * Takes notice of a request.
   * @param cost how many requests it counts for
   * @returns false: it is one too many, and the source is banned from now on
   */
  charge(address: string, reason: BanReason = 'rate', cost = 1): boolean {
    const { rate, burst } = this.options
    if (rate === 0) return true
    const name = sourceName(address)
    const source = this.sourceOf(name)
    if (source.tokens >= cost) {
      source.tokens -= cost
      return true
    }
    this.ban(name, source, reason)
    // What it may send at once when the ban is over.
    source.tokens = Math.min(rate, burst)
    return false
  }

  /**
   * Takes notice of a user that a source has called and may not.
   * @returns whether it is one of too many
   */
  scans(address: string, user: string): boolean {
    const source = this.sourceOf(sourceName(address))
    const now = this.options.clock.now()
    if (now - source.triedSinceMs > SCAN_WINDOW_MS) {
      source.triedSinceMs = now
      source.tried = []
    }
    const hash = hashOf(user)
    if (source.tried.length < SCANNED_USERS && !source.tried.includes(hash)) source.tried.push(hash)
    return source.tried.length >= SCANNED_USERS
  }

  /** Counts a request to be told of. Returns how many there were since the last line, when it is time for one. */
  unsaid(address: string, everyMs: number): number | undefined {
    const source = this.sourceOf(sourceName(address))
    const now = this.options.clock.now()
    source.unsaid++
    if (now - source.loggedMs < everyMs) return undefined
    source.loggedMs = now
    const { unsaid } = source
    source.unsaid = 0
    return unsaid
  }

  /** Bans that last, the newest first. */
  bans(): Ban[] {
    return [...this.offenders.keys()].reverse().flatMap((name) => this.banOf(name) ?? [])
  }

  get bansActive(): number {
    const now = this.options.clock.now()
    let count = 0
    for (const { untilMs } of this.offenders.values()) if (untilMs > now) count++
    return count
  }

  /** The ban of a source, if it is banned now. */
  find(address: string): Ban | undefined {
    return this.banOf(address) ?? this.banOf(sourceName(address))
  }

  /** Ends a ban, and forgets what it was for. False: there is none. */
  lift(address: string): boolean {
    const ban = this.find(address)
    if (ban === undefined) return false
    this.forget(ban.address)
    this.sources.delete(ban.address)
    return true
  }

  private banOf(name: string): Ban | undefined {
    const offender = this.offenders.get(name)
    if (offender === undefined || offender.untilMs <= this.options.clock.now()) return undefined
    const { reason, since, offences, dropped } = offender
    const lengthMs = offender.untilMs - offender.sinceMs
    const until = new Date(since.getTime() + lengthMs)
    return { address: name, reason, since, until, seconds: Math.round(lengthMs / 1000), offences, dropped }
  }

  private sourceOf(name: string): Source {
    const { clock, rate, burst, maxSources } = this.options
    const now = clock.now()
    const known = this.sources.get(name)
    if (known !== undefined) {
      known.tokens = Math.min(burst, known.tokens + ((now - known.atMs) / 1000) * rate)
      known.atMs = now
      this.sources.delete(name)
      this.sources.set(name, known)
      return known
    }
    if (this.sources.size >= maxSources) this.sources.delete(firstOf(this.sources)!)
    const source = new Source(burst, now)
    this.sources.set(name, source)
    return source
  }

  private ban(name: string, source: Source, reason: BanReason): void {
    const { clock, firstBanMs, longestBanMs, maxSources } = this.options
    const now = clock.now()
    const offender = this.offenders.get(name) ?? new Offender()
    const offences = this.outstanding(offender, now) + 1
    this.forget(name)
    if (this.offenders.size >= maxSources) this.forget(firstOf(this.offenders)!)
    if (name.includes(':')) this.networks++
    offender.offences = offences
    offender.reason = reason
    offender.sinceMs = now
    offender.since = clock.date()
    offender.untilMs = now + Math.min(longestBanMs, firstBanMs * 2 ** Math.min(offences - 1, 40))
    offender.dropped = 0
    this.offenders.set(name, offender)
    source.tried = []
  }

  /** Offences that good behaviour has not made up for: the last ban first, whose half the one before was. */
  private outstanding({ offences, sinceMs, untilMs }: Offender, now: number): number {
    let calmMs = now - untilMs
    let lengthMs = untilMs - sinceMs
    while (offences > 0 && calmMs >= lengthMs * MADE_UP_AFTER) {
      calmMs -= lengthMs * MADE_UP_AFTER
      lengthMs /= 2
      offences--
    }
    return offences
  }

  private forget(name: string): void {
    if (this.offenders.delete(name) && name.includes(':')) this.networks--
  }
}

const firstOf = (map: ReadonlyMap<string, unknown>): string | undefined => map.keys().next().value

/** FNV-1a, 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < Math.min(text.length, 128); i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}
