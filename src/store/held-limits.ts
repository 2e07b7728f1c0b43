import { StoreError } from './errors.js'
import { isMetered, keysOf, type Party } from './limited-party.js'

/** Which limit a call met, and whose. */
export interface Met {
  readonly of: 'trunk' | 'agent'
  readonly id: string
  readonly limit: 'channel_limit' | 'cps_limit' | 'minutes_per_day' | 'outbound_minutes_per_day'
}

/** What a call has of a trunk or an agent. */
export interface Held {
  readonly party: Party
  /** Milliseconds that are reserved of each day. */
  readonly reserved: { readonly day: number; readonly ms: number }[]
}

/** What the script that takes is asked for a call. */
export function takeArgs(
  callId: string,
  held: readonly Held[],
  { leaseMs, reserveMs }: { readonly leaseMs: number; readonly reserveMs: number },
): (string | number)[] {
  const args: (string | number)[] = [callId, leaseMs, reserveMs]
  for (const { party } of held) {
    const { channels, rate, minutesMs, outboundMs } = party
    args.push(channels ?? 0, rate?.calls ?? 0, Math.round((rate?.ms ?? 0) * 1000), minutesMs ?? -1, outboundMs ?? -1)
  }
  return args
}

/** What goes back of what a call had of a party. */
export interface Settlement {
  readonly party: Party
  readonly callId: string
  /** A start that does not count, or ''. */
  readonly start: string
  readonly back: { readonly day: number; readonly ms: number }[]
}

/** @param usedMs milliseconds that the call has had; what it had beyond what was reserved it owes */
export function settlement({ party, reserved }: Held, callId: string, start: string, usedMs: number): Settlement {
  const back: { day: number; ms: number }[] = []
  let left = reserved.reduce((sum, { ms }) => sum + ms, 0) - usedMs
  const last = reserved.at(-1)
  if (last !== undefined && left < 0) back.push({ day: last.day, ms: Math.floor(left) })
  for (const { day, ms } of [...reserved].reverse()) {
    const part = Math.min(ms, Math.floor(left))
    if (part > 0) back.push({ day, ms: part })
    left -= part
    if (left <= 0) break
  }
  return { party, callId, start, back }
}

/** Milliseconds that it has reserved. */
export const sumOf = ({ reserved }: Held): number => reserved.reduce((sum, { ms }) => sum + ms, 0)

/** Milliseconds that all parties have reserved. */
export const reservedOf = (held: readonly Held[]): number =>
  Math.min(...held.filter(({ party }) => isMetered(party)).map(sumOf))

export const keysOfAll = (held: readonly Held[]): string[] => held.flatMap(({ party }) => [...keysOf(party)])

const limits: Readonly<Record<string, Met['limit']>> = {
  channels: 'channel_limit',
  rate: 'cps_limit',
  minutes: 'minutes_per_day',
  outbound: 'outbound_minutes_per_day',
}

/** The limit that a script means by a word. */
export const limitOf = (word: unknown): Met['limit'] | undefined =>
  typeof word === 'string' && Object.hasOwn(limits, word) ? limits[word] : undefined

/** An answer of a script that is numbers. */
export function numbersOf(answer: unknown): number[] {
  if (!Array.isArray(answer)) throw new StoreError('INVALID', 'Redis: unexpected answer')
  return answer.map(Number)
}
