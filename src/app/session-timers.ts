import type { Config } from '../config/index.js'
import type { SessionTimerPolicy } from '../edge/index.js'

/** The session timers that we ask both legs for; null: none. */
export function sessionTimers({ session_timers: timers }: Config['sip']): SessionTimerPolicy | null {
  const { enabled, expires_s, min_se_s, refresher } = timers
  return enabled ? { expiresS: Math.max(expires_s, min_se_s), minSeS: min_se_s, refresher } : null
}
