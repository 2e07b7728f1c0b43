import type { Agent } from '../model/agent.js'
import type { Trunk } from '../model/trunk.js'
import type { VerdictCode } from '../model/verdict.js'
import { isLimited } from '../store/limited-party.js'
import type { CallLimits, Met } from '../store/limits.js'
import type { Call } from './call.js'
import type { HeaderMap } from './sip-server.js'

/** What counts the calls of trunks and agents, for all edges together. */
export type CallLimiter = Pick<CallLimits, 'take' | 'answered' | 'release'>

/** What limits calls. */
export interface LimitParts {
  readonly limits: CallLimiter
  /** Seconds from its answer that any call may last; null: no limit but those of trunks and agents. Default null. */
  readonly maxCallSeconds?: number | null | undefined
}

/** Whose call it is, and which way it goes. */
interface LimitedBy {
  readonly trunk: Trunk | undefined
  readonly agent: Agent
  readonly outbound: boolean
}

/** A limit that a call met: the verdict, what exactly is in the way, and the seconds after which there may be room. */
export interface Full {
  readonly code: VerdictCode
  readonly detail: string
  readonly retryAfterS?: number | undefined
}

/** Seconds after which a call that came too soon may be tried again: `cps_limit` is about a second. */
const RATE_RETRY_S = 1
const DAY_S = 86_400

/**
 * Takes what the call needs of the limits of its trunk and agent, and sees to it that it does not go beyond them: it is ended when its
 * minutes or its time are over. What it took goes back at its end. Undefined at once where nothing is limited.
 */
export function takeLimits(
  call: Call,
  trunk: Trunk | undefined,
  agent: Agent,
  outbound: boolean,
  parts: Pick<LimitParts, 'maxCallSeconds'> & { readonly limits?: CallLimiter | undefined },
): Promise<Full | undefined> | undefined {
  limitTime(call, trunk, agent, parts.maxCallSeconds ?? null)
  const { limits } = parts
  if (limits === undefined || !isLimited(trunk, agent, outbound)) return undefined
  const by = { trunk, agent, outbound }
  const { id } = call
  call.onEnd(() => limits.release(id))
  const spent = (met: Met): void => {
    const { code, detail } = fullBy(met, by, call.facts.startedAt)
    call.end({ result: code, by: 'edge', detail })
  }
  if (isMinutesLimited(by)) call.onAnswer(() => limits.answered(id))
  return limits
    .take({ id, outbound, trunk, agent, spent })
    .then((met) => (met === undefined ? undefined : fullBy(met, by, call.facts.startedAt)))
}

const isMinutesLimited = ({ trunk, agent }: LimitedBy): boolean =>
  agent.minutes_per_day !== null ||
  (trunk !== undefined && (trunk.minutes_per_day !== null || trunk.outbound_minutes_per_day !== null))

/** `Retry-After` of a refusal, where time alone helps. */
export const retryHeaders = ({ retryAfterS }: Full): HeaderMap =>
  retryAfterS === undefined ? {} : { 'Retry-After': String(retryAfterS) }

/** Ends the call when it has lasted as long as the strictest of its limits lets it. */
function limitTime(call: Call, trunk: Trunk | undefined, agent: Agent, maxSeconds: number | null): void {
  const ofTrunk = trunk?.max_call_seconds ?? null
  if (maxSeconds === null && agent.max_call_seconds === null && ofTrunk === null) return
  let seconds = maxSeconds ?? Infinity
  let whose = 'limits.max_call_seconds'
  if (agent.max_call_seconds !== null && agent.max_call_seconds < seconds) {
    seconds = agent.max_call_seconds
    whose = `max_call_seconds of agent ${agent.id}`
  }
  if (ofTrunk !== null && ofTrunk < seconds) {
    seconds = ofTrunk
    whose = `max_call_seconds of trunk ${trunk?.id ?? ''}`
  }
  call.lastAtMost(seconds * 1_000, `it has lasted ${seconds} s: ${whose}`)
}

/** What a limit that was met means to the call. */
function fullBy({ of, id, limit }: Met, { trunk, agent, outbound }: LimitedBy, at: string): Full {
  const detail = `${of} ${id} ${wordsOf[limit](of === 'trunk' ? trunk : agent)}`
  const trunks = of === 'trunk'
  if (limit === 'channel_limit')
    return { code: !trunks ? 'AGENT_CHANNELS_FULL' : outbound ? 'TRUNK_CHANNELS_FULL' : 'TRUNK_BUSY', detail }
  if (limit === 'cps_limit')
    return { code: trunks ? 'TRUNK_RATE_LIMITED' : 'AGENT_RATE_LIMITED', detail, retryAfterS: RATE_RETRY_S }
  const retryAfterS = DAY_S - (Math.floor(Date.parse(at) / 1_000) % DAY_S)
  return { code: trunks ? 'TRUNK_MINUTES_SPENT' : 'AGENT_MINUTES_SPENT', detail, retryAfterS }
}

type Limits = Partial<Record<Met['limit'], number | null>>

const wordsOf: Readonly<Record<Met['limit'], (limits: Limits | undefined) => string>> = {
  channel_limit: (limits) => `has ${limits?.channel_limit ?? 0} calls`,
  cps_limit: (limits) => `takes ${limits?.cps_limit ?? 0} calls a second`,
  minutes_per_day: (limits) => `has had its ${limits?.minutes_per_day ?? 0} minutes_per_day`,
  outbound_minutes_per_day: (limits) => `has had its ${limits?.outbound_minutes_per_day ?? 0} outbound_minutes_per_day`,
}
