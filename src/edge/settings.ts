import type { NamedHosts } from './named-destination.js'
import type { SessionTimerPolicy } from './session-timers.js'

/** What an operator sets about calls. */
export interface EdgeSettings {
  /** Milliseconds one address of an agent may ring when the agent does not say itself. Default 30,000. */
  readonly ringTimeoutMs: number
  /** Milliseconds to wait for the final response after a CANCEL of ours before the call goes on without it. Default 1,000. */
  readonly cancelWaitMs: number
  /** Milliseconds a caller has for the PRACK or ACK we wait for: 64*T1. Default 32,000. */
  readonly acknowledgeTimeoutMs: number
  /**
   * Milliseconds an agent's offer may wait for the destination to say something before it is answered without it: well below the 64*T1
   * after which the agent gives up. Default 20,000.
   */
  readonly offerPatienceMs: number
  /** `User-Agent` of our INVITEs; null: none is sent. */
  readonly userAgent: string | null
  /** Headers of the caller's INVITE that reach the agent besides `X-*` and `User-to-User`. Names; never those that name addresses. */
  readonly forwardHeaders: readonly string[]
  /** `Retry-After`, in seconds, of a 503 because of our own load or stop. Default 10. */
  readonly retryAfterS: number
  /** The session timers that we ask for; null: none, only what far ends ask for is kept. */
  readonly sessionTimers: SessionTimerPolicy | null
  /** What says whom a Refer-To or the Contact of a 3xx may name. Default: anybody. */
  readonly destinations?: NamedHosts
}

export const defaultEdgeSettings: EdgeSettings = {
  ringTimeoutMs: 30_000,
  cancelWaitMs: 1_000,
  acknowledgeTimeoutMs: 32_000,
  offerPatienceMs: 20_000,
  userAgent: null,
  forwardHeaders: [],
  retryAfterS: 10,
  sessionTimers: null,
}
