import type { Clock, Timer } from '../engine/index.js'

/** A certificate whose end somebody should hear of in time. */
export interface WatchedCertificate {
  /** Whose it is, as a label of metrics: `server`, `client:<name>`, `peers`. */
  readonly label: string
  /** In words, for the log. */
  readonly what: string
  readonly notAfter: Date
}

const DAY_MS = 86_400_000
/** Days before the end at which it is told, once each. */
const TOLD_DAYS = [0, 1, 7, 30] as const
/** How often certificates are looked at, for the log. */
const LOOK_MS = 3_600_000

interface CertificateWatchOptions {
  /** The certificates there are now. */
  readonly certificates: () => readonly WatchedCertificate[]
  readonly logger: { warn(fields: object, message: string): void }
  readonly clock: Clock
}

/** Tells of certificates that end: in the log at 30, 7 and 1 days before, once each, and in a metric at every scrape. */
export class CertificateWatch {
  /** The fewest days at which each was told of. Holds those that are there, no others. */
  private told = new Map<string, number>()
  private timer: Timer | undefined

  constructor(private readonly options: CertificateWatchOptions) {}

  start(): void {
    this.look()
    this.timer = this.options.clock.after(LOOK_MS, () => this.start())
  }

  stop(): void {
    this.timer?.cancel()
  }

  /** Seconds until the first certificate of each label ends; below zero: it has ended. */
  seconds(): Map<string, number> {
    const now = this.options.clock.date().getTime()
    const found = new Map<string, number>()
    for (const { label, notAfter } of this.options.certificates()) {
      const left = Math.floor((notAfter.getTime() - now) / 1000)
      if (!Number.isNaN(left)) found.set(label, Math.min(left, found.get(label) ?? Infinity))
    }
    return found
  }

  private look(): void {
    const { certificates, logger, clock } = this.options
    const now = clock.date().getTime()
    const told = new Map<string, number>()
    for (const { what, notAfter } of certificates()) {
      const leftMs = notAfter.getTime() - now
      const days = TOLD_DAYS.find((limit) => leftMs <= limit * DAY_MS)
      if (days === undefined) continue
      // Renewed, it is another.
      const key = `${what} ${notAfter.getTime()}`
      const before = Math.min(this.told.get(key) ?? Infinity, told.get(key) ?? Infinity)
      told.set(key, Math.min(days, before))
      if (days >= before) continue
      const end = notAfter.toISOString()
      const message =
        leftMs > 0 ? `Certificate ends within ${days} ${days === 1 ? 'day' : 'days'}` : 'Certificate has ended'
      logger.warn({ certificate: what, notAfter: end }, `${message}: ${what}`)
    }
    this.told = told
  }
}
