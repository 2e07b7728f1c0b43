/** Times of `Liveness`. */
export interface LivenessSettings {
  readonly pingIntervalMs: number
  readonly pongTimeoutMs: number
  readonly maxConsecutiveTimeouts: number
}

/** The shortest share of the interval after which a ping is sent (RFC 5626 4.4.1). */
const earliest = 0.8

/**
 * Whether the far end of one stream is still there. It is pinged with a double CRLF when nothing came from it for 80 to 100 % of the interval.
 *
 * Many SIP servers never answer pings, and live: so a missing answer counts only on a stream whose peer has answered a ping before.
 * Whatever comes after a ping proves the peer alive, be it an answer or a message.
 */
export class Liveness {
  /** When anything last came. */
  heardAtMs: number
  private pinging = false
  /** When the last ping was sent that nothing has come after. */
  private askedAtMs: number | undefined
  private answersPings = false
  private dueMs = 0
  private timeouts = 0

  constructor(
    private readonly settings: LivenessSettings,
    nowMs: number,
  ) {
    this.heardAtMs = nowMs
  }

  /** From now on the peer is pinged, when there is an interval. */
  keepAlive(): void {
    if (this.settings.pingIntervalMs <= 0) return
    this.pinging = true
    this.draw()
  }

  check(nowMs: number): 'ping' | 'dead' | undefined {
    if (!this.pinging) return undefined
    if (this.askedAtMs !== undefined && this.heardAtMs >= this.askedAtMs) this.askedAtMs = undefined
    if (this.askedAtMs !== undefined && this.answersPings && nowMs - this.askedAtMs >= this.settings.pongTimeoutMs)
      return 'dead'
    if (nowMs - (this.askedAtMs ?? this.heardAtMs) < this.dueMs) return undefined
    this.askedAtMs = nowMs
    this.draw()
    return 'ping'
  }

  /** A single CRLF came between messages. @returns whether it answers a ping of ours */
  pong(): boolean {
    if (this.askedAtMs === undefined) return false
    this.askedAtMs = undefined
    this.answersPings = true
    return true
  }

  /** A SIP message came. */
  answered(): void {
    this.timeouts = 0
  }

  /** A request had no answer. @returns whether the peer has to be given up */
  timedOut(): boolean {
    const { maxConsecutiveTimeouts } = this.settings
    this.timeouts++
    // One request may be too much for a peer that takes all others.
    return maxConsecutiveTimeouts > 0 && this.timeouts >= Math.max(maxConsecutiveTimeouts, 2)
  }

  private draw(): void {
    this.dueMs = this.settings.pingIntervalMs * (earliest + (1 - earliest) * Math.random())
  }
}
