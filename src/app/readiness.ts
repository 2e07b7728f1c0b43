import type { Readiness } from '../api/index.js'
import type { Config } from '../config/index.js'
import type { Connection } from '../store/connection.js'
import type { Directory } from '../store/directory.js'

/** Whether the edge can take calls, from what its parts say. */
export function readinessOf(
  config: Config,
  redis: Connection,
  directory: Directory,
  connected: boolean,
  serving: boolean,
): Readiness {
  const checks = {
    sip: { ok: connected, detail: connected ? 'connected' : 'the SIP server is not connected' },
    redis: {
      ok: redis.up,
      detail: redis.up ? 'answers' : `${redis.problem ?? 'away'}; known numbers are served from memory`,
    },
    routing: { ok: directory.healthy, detail: directory.status },
  }
  const whole = checks.redis.ok && checks.routing.ok
  const ready = serving && connected && (whole || config.http.ready_without_redis)
  const status = !serving ? 'stopping' : !connected ? 'starting' : whole ? 'ready' : 'degraded'
  return { ready, status, checks }
}
