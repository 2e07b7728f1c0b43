import type { Clock } from '../engine/index.js'
import { nameTarget, type Target } from './target.js'

/** A server without the claim how its transport was chosen. */
type Server = Omit<Target, 'settled'>

/** What is known of a server. `down`: it does not answer OPTIONS; `avoided`: it failed lately and is tried last for a while. */
export interface TargetState {
  readonly state: 'up' | 'down' | 'avoided'
  /** Until when it is avoided; undefined when it is not. */
  readonly avoidedUntil?: Date
}

export interface TargetHealthOptions {
  readonly clock: Clock
  /** Milliseconds a server that failed is tried last; 0: failures are not remembered. */
  readonly avoidMs: number
  /** Failures remembered at most; past it the oldest is forgotten. Default 10,000. */
  readonly maxRemembered?: number
}

/** Seconds of the longest Retry-After that is honoured. */
const MAX_RETRY_AFTER_S = 3_600

interface Avoidance {
  readonly untilMs: number
  /** The server asked for it by Retry-After: an answer to another request does not end it (RFC 3261 21.5.4). */
  readonly asked: boolean
}

/** Which servers are better tried last: those that failed lately, whichever trunk met it, and those that a trunk's OPTIONS do not reach. */
export class TargetHealth {
  private readonly clock: Clock
  private readonly avoidMs: number
  private readonly maxRemembered: number
  /** The oldest entry first. */
  private readonly avoided = new Map<string, Avoidance>()
  private readonly down = new Map<string, Set<string>>()

  constructor({ clock, avoidMs, maxRemembered = 10_000 }: TargetHealthOptions) {
    this.clock = clock
    this.avoidMs = avoidMs
    this.maxRemembered = maxRemembered
  }

  /**
   * A request to the server met silence, a transport error, or 503.
   * @param retryAfterS the Retry-After of the 503: for so long it is avoided, 3,600 s at most
   */
  failed(target: Server, retryAfterS?: number): void {
    const forMs = retryAfterS === undefined ? this.avoidMs : Math.min(retryAfterS, MAX_RETRY_AFTER_S) * 1000
    const key = nameTarget(target)
    const known = this.avoidance(key)
    const untilMs = Math.max(this.clock.now() + forMs, known?.untilMs ?? 0)
    const asked = retryAfterS !== undefined || known?.asked === true
    this.avoided.delete(key)
    if (untilMs <= this.clock.now()) return
    this.avoided.set(key, { untilMs, asked })
    const [oldest] = this.avoided.keys()
    if (this.avoided.size > this.maxRemembered && oldest !== undefined) this.avoided.delete(oldest)
  }

  /** The server answered a request, and not with 503. */
  answered(target: Server): void {
    const key = nameTarget(target)
    if (this.avoided.get(key)?.asked === false) this.avoided.delete(key)
  }

  /** What a final response says of the server it came from, or of the silence in its place (408, and a 503 that was never sent). */
  note(target: Server, response: { status: number; sent?: boolean; header(name: string): string | undefined }): void {
    if (response.status !== 503 && response.status !== 408) return this.answered(target)
    const told = response.status === 503 && response.sent !== false
    this.failed(target, told ? readRetryAfter(response.header('retry-after')) : undefined)
  }

  /** OPTIONS of a trunk do, or do not, reach the server. */
  setDown(trunkId: string, target: Server, down: boolean): void {
    const key = nameTarget(target)
    const known = this.down.get(trunkId)
    if (down) {
      if (known === undefined) this.down.set(trunkId, new Set([key]))
      else known.add(key)
    } else if (known?.delete(key) === true && known.size === 0) this.down.delete(trunkId)
  }

  /** Forgets what OPTIONS of a trunk found. */
  forget(trunkId: string): void {
    this.down.delete(trunkId)
  }

  /** Servers that do not answer OPTIONS, counted for each trunk. */
  get downCount(): number {
    let count = 0
    for (const servers of this.down.values()) count += servers.size
    return count
  }

  /** The same targets in the same order, those that are down or avoided after the others. */
  order<T extends Server>(trunkId: string, targets: readonly T[]): readonly T[] {
    if (this.avoided.size === 0 && this.down.size === 0) return targets
    const good: T[] = []
    const bad: T[] = []
    for (const target of targets) (this.stateOf(trunkId, target).state === 'up' ? good : bad).push(target)
    return [...good, ...bad]
  }

  stateOf(trunkId: string, target: Server): TargetState {
    const key = nameTarget(target)
    const avoidance = this.avoidance(key)
    const isDown = this.down.get(trunkId)?.has(key) === true
    if (avoidance === undefined) return { state: isDown ? 'down' : 'up' }
    const leftMs = avoidance.untilMs - this.clock.now()
    return { state: isDown ? 'down' : 'avoided', avoidedUntil: new Date(this.clock.date().getTime() + leftMs) }
  }

  private avoidance(key: string): Avoidance | undefined {
    const avoidance = this.avoided.get(key)
    if (avoidance === undefined || avoidance.untilMs > this.clock.now()) return avoidance
    this.avoided.delete(key)
    return undefined
  }
}

/** Seconds of a Retry-After, whose comment and parameters do not matter here (RFC 3261 20.33); undefined when it is absent or none. */
export function readRetryAfter(value: string | undefined): number | undefined {
  const digits = value === undefined ? undefined : /^\s{0,16}([0-9]{1,10})(?![0-9])/.exec(value.slice(0, 64))?.[1]
  return digits === undefined ? undefined : Number(digits)
}
