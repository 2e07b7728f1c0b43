import type { System } from '../system.js'

/** No system: SIPp calls SIPp. What it takes is the load generator's and the machine's own. */
export const direct: System = {
  name: 'direct',
  missing: () => undefined,
  version: () => 'SIPp against SIPp, nothing between',
  start: (agent) =>
    Promise.resolve({
      target: agent,
      listens: [],
      cpu: () => ({}),
      memory: () => ({ allKb: 0, redisKb: 0 }),
      fallen: () => undefined,
      loopDelayMs: () => Promise.resolve(null),
      gauges: () => Promise.resolve({}),
      stop: () => Promise.resolve(),
    }),
}
