import type { Agent } from '../model/agent.js'
import type { Trunk } from '../model/trunk.js'
import { keys } from './keys.js'
import { windowOf, type Window } from './start-times.js'

/** What of a trunk limits its calls. */
export type LimitedTrunk = Pick<
  Trunk,
  'id' | 'channel_limit' | 'cps_limit' | 'minutes_per_day' | 'outbound_minutes_per_day'
>
/** What of an agent limits its calls. */
export type LimitedAgent = Pick<Agent, 'id' | 'channel_limit' | 'cps_limit' | 'minutes_per_day'>

/** A trunk or an agent that a call is one of, and what limits it. */
export interface Party {
  readonly of: 'trunk' | 'agent'
  readonly id: string
  readonly channels: number | null
  /** Calls that may begin within a time. */
  readonly rate: Window | null
  /** Milliseconds of a day, of all calls. */
  readonly minutesMs: number | null
  /** Milliseconds of a day, of calls placed; null for a call that comes in too. */
  readonly outboundMs: number | null
}

/** Who of a call's trunk and agent is limited, and in what; nobody where nothing is counted. */
export function limitedParties(
  trunk: LimitedTrunk | undefined,
  agent: LimitedAgent | undefined,
  outbound: boolean,
): readonly Party[] {
  const parties: Party[] = []
  if (trunk !== undefined && limitsTrunk(trunk, outbound))
    parties.push({
      of: 'trunk',
      id: trunk.id,
      channels: trunk.channel_limit,
      // It is about calls to the trunk: its own come at any rate.
      rate: outbound && trunk.cps_limit !== null ? windowOf(trunk.cps_limit) : null,
      minutesMs: msOf(trunk.minutes_per_day),
      outboundMs: outbound ? msOf(trunk.outbound_minutes_per_day) : null,
    })
  if (agent !== undefined && limitsAgent(agent))
    parties.push({
      of: 'agent',
      id: agent.id,
      channels: agent.channel_limit,
      rate: agent.cps_limit === null ? null : windowOf(agent.cps_limit),
      minutesMs: msOf(agent.minutes_per_day),
      outboundMs: null,
    })
  return parties
}

/** Whether anything of such a call is counted. */
export const isLimited = (
  trunk: LimitedTrunk | undefined,
  agent: LimitedAgent | undefined,
  outbound: boolean,
): boolean => (trunk !== undefined && limitsTrunk(trunk, outbound)) || (agent !== undefined && limitsAgent(agent))

const limitsTrunk = (trunk: LimitedTrunk, outbound: boolean): boolean =>
  trunk.channel_limit !== null ||
  trunk.minutes_per_day !== null ||
  (outbound && (trunk.cps_limit !== null || trunk.outbound_minutes_per_day !== null))

const limitsAgent = (agent: LimitedAgent): boolean =>
  agent.channel_limit !== null || agent.cps_limit !== null || agent.minutes_per_day !== null

const msOf = (minutes: number | null): number | null => (minutes === null ? null : minutes * 60_000)

/** Whether the minutes of its calls are counted. */
export const isMetered = ({ minutesMs, outboundMs }: Party): boolean => minutesMs !== null || outboundMs !== null

/** Names a party among all. */
export const nameOf = ({ of, id }: Pick<Party, 'of' | 'id'>): string => `${of}:${id}`

/** Its keys: channels, starts, minutes; of one slot. */
export const keysOf = ({ of, id }: Pick<Party, 'of' | 'id'>): readonly [string, string, string] =>
  of === 'trunk'
    ? [keys.trunkChannels(id), keys.trunkCallStarts(id), keys.trunkMinutes(id)]
    : [keys.agentChannels(id), keys.agentCallStarts(id), keys.agentMinutes(id)]

/** Fields of the minutes that the party's calls count in, on a day. */
export function fieldsOf({ minutesMs, outboundMs }: Party, day: number): string[] {
  const fields: string[] = []
  if (minutesMs !== null) fields.push(String(day))
  if (outboundMs !== null) fields.push(`${day}:outbound`)
  return fields
}
