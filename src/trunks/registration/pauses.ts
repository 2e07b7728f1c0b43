/** How long to wait, in milliseconds; `random` gives 0 (included) to 1 (not included). */
export interface PauseSettings {
  readonly retryBaseS: number
  readonly retryMaxS: number
  readonly refusedRetryS: number
  readonly retryAfterMaxS: number
}

/** A refresh comes this long before the end of the binding, where the grant has room for it. */
const SAFETY_S = 10
/** No registrar makes us ask more often than this. */
const SHORTEST_MS = 1_000
/** While a binding still stands it is tried no more often than this. */
const LAST_TRIES_MS = 10_000
/** Failures in a row up to which a Retry-After shorter than our own pause is believed. */
const TRUSTED_FAILURES = 3

/** Until it is tried again after nothing could be sent `times` in a row: soon, and less often when that does not help. */
export function heldPauseMs(times: number, random: () => number): number {
  return SHORTEST_MS * 2 ** Math.min(Math.max(times - 1, 0), 3) * (1 + random())
}

/** Until the refresh: a random 80 to 90 % of the grant, never later than 10 s before its end; of a very short grant, the half. */
export function refreshPauseMs(grantedS: number, random: () => number): number {
  const wanted = Math.min(grantedS * (0.8 + 0.1 * random()), grantedS - SAFETY_S)
  return Math.max(wanted * 1000, (grantedS / 2) * 1000, SHORTEST_MS)
}

/**
 * Until the next try after a failure: a random 50 to 100 % of base * 2 ** failures, at most the longest pause (RFC 5626 4.5). What the
 * registrar asked for in Retry-After takes its place, with a ceiling; one that is shorter only as long as it helps.
 * @param failures in a row, this one included
 * @param aliveMs how long the binding goes on that a failed refresh was for; 0: there is none
 */
export function retryPauseMs(
  failures: number,
  retryAfterS: number | undefined,
  settings: PauseSettings,
  random: () => number,
  aliveMs = 0,
): number {
  const { retryBaseS, retryMaxS, retryAfterMaxS } = settings
  const upperS = Math.min(retryMaxS, retryBaseS * 2 ** Math.min(Math.max(failures, 1), 30))
  const ownMs = Math.max(upperS * (0.5 + 0.5 * random()) * 1000, SHORTEST_MS)
  // A refresh that failed: another try or two before calls are lost.
  const beforeItsEndMs = aliveMs > 0 ? Math.max(aliveMs / 2, LAST_TRIES_MS) : Infinity
  if (retryAfterS === undefined) return Math.min(ownMs, beforeItsEndMs)
  const askedMs = Math.max(Math.min(retryAfterS, retryAfterMaxS) * 1000 * (1 + 0.05 * random()), SHORTEST_MS)
  return failures <= TRUSTED_FAILURES ? askedMs : Math.max(askedMs, ownMs)
}

/** Until a registrar that refused us for good is asked again: long, or what it asked for in Retry-After, but no less than the first pause. */
export function refusedPauseMs(retryAfterS: number | undefined, settings: PauseSettings, random: () => number): number {
  const { refusedRetryS, retryAfterMaxS, retryBaseS } = settings
  const asked = retryAfterS === undefined ? undefined : Math.min(retryAfterS, retryAfterMaxS)
  const pauseS = asked === undefined ? refusedRetryS : Math.max(asked, Math.min(retryBaseS, refusedRetryS))
  // A little later for each differently: many may have been refused at the same moment.
  return Math.max(pauseS * (1 + 0.05 * random()) * 1000, SHORTEST_MS)
}
