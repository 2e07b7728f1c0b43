import type { Connection } from './connection.js'
import { numbersOf } from './held-limits.js'
import { usageScript } from './limit-scripts.js'
import { keysOf, type Party } from './limited-party.js'

/** What is counted of a trunk or an agent now; null what it has no limit of. */
export interface LimitUsage {
  readonly channels: number | null
  /** Milliseconds of today, in UTC, had or reserved. */
  readonly minutesMs: number | null
  readonly outboundMs: number | null
}

/** What is in use of a party's limits, on all edges. @throws {StoreError} UNAVAILABLE */
export async function readUsage(connection: Pick<Connection, 'ask'>, party: Party | undefined): Promise<LimitUsage> {
  if (party === undefined) return { channels: null, minutesMs: null, outboundMs: null }
  const [channelsKey, , minutesKey] = keysOf(party)
  const [channels = 0, all = 0, outbound = 0] = numbersOf(
    await connection.ask('limits', (client) => usageScript.run(client, [channelsKey, minutesKey], [])),
  )
  return {
    channels: party.channels === null ? null : channels,
    minutesMs: party.minutesMs === null ? null : all,
    outboundMs: party.outboundMs === null ? null : outbound,
  }
}
