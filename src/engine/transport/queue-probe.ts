import { randomBytes } from 'node:crypto'

/** Begins with NUL, as no message does; then what nobody else knows; then when it was sent. */
const NONCE_BYTES = 16
const PROBE_BYTES = 1 + NONCE_BYTES + 8
/** A probe that has not come back after this long never will: the system dropped it. */
const LOST_AFTER_MS = 5_000

/**
 * How long datagrams wait in the queue of one socket before they are read: the socket sends itself one now and then, behind all that
 * wait there. The event loop may turn quickly while seconds' worth of messages lie in front of it, which nothing else tells.
 */
export class QueueProbe {
  private readonly nonce = randomBytes(NONCE_BYTES)
  /** When those were sent that have not come back, oldest first. */
  private underWay: number[] = []
  private lastMs = 0
  private arrivals = 0

  /** Takes notice of a datagram. True: it is one of these probes. */
  take(bytes: Buffer, now: () => number): boolean {
    this.arrivals++
    if (bytes.length !== PROBE_BYTES || bytes[0] !== 0) return false
    if (bytes.compare(this.nonce, 0, NONCE_BYTES, 1, 1 + NONCE_BYTES) !== 0) return false
    this.arrivals--
    const sentMs = bytes.readDoubleBE(1 + NONCE_BYTES)
    this.underWay = this.underWay.filter((other) => other > sentMs)
    this.lastMs = Math.max(0, now() - sentMs)
    return true
  }

  /**
   * The wait as last seen, in milliseconds: of the probe that came back, or so far of one that has not. 0 when nothing arrives.
   * @param send sends a datagram to the socket itself; not called while nothing arrives
   */
  measure(nowMs: number, send: (bytes: Buffer) => void): number {
    this.underWay = this.underWay.filter((sentMs) => nowMs - sentMs < LOST_AFTER_MS)
    const [oldest] = this.underWay
    const waitMs = oldest === undefined ? this.lastMs : nowMs - oldest
    this.lastMs = oldest === undefined ? 0 : this.lastMs
    if (this.arrivals > 0) {
      this.arrivals = 0
      this.underWay.push(nowMs)
      const bytes = Buffer.alloc(PROBE_BYTES)
      this.nonce.copy(bytes, 1)
      bytes.writeDoubleBE(nowMs, 1 + NONCE_BYTES)
      send(bytes)
    }
    return waitMs
  }
}
