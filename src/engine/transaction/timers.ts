/** Lengths of the transaction timers (RFC 3261 17, table 4), in milliseconds. */
export interface TimerSettings {
  /** Estimate of the round trip: the first interval of every repeat. Default 500. */
  readonly t1Ms: number
  /** Longest interval between repeats of a non-INVITE request or of a final response to INVITE. Default 4000. */
  readonly t2Ms: number
  /** How long a message may stay in the network. Default 5000. */
  readonly t4Ms: number
  /** How long an end waits for the other: timers B, F, H, J, L, M, and the answer to a CANCEL. Default 64 * T1 = 32000. */
  readonly t1x64Ms: number
  /** Timer C: how long an INVITE may ring after its last 101-199 response. Default 185000 (more than three minutes). */
  readonly timerCMs: number
  /** Timer D: how long repeats of a 3xx-6xx to INVITE are answered with the ACK, on unreliable transports. Default 32000. */
  readonly timerDMs: number
}

/** The values of RFC 3261 table 4. */
export const defaultTimers: TimerSettings = {
  t1Ms: 500,
  t2Ms: 4_000,
  t4Ms: 5_000,
  t1x64Ms: 32_000,
  timerCMs: 185_000,
  timerDMs: 32_000,
}
