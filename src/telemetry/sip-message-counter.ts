import type { Counter } from 'prom-client'
import type { MessageKind } from '../engine/index.js'

/** Methods that have a label of their own; what else a peer sends is `OTHER`, so that peers cannot grow the metrics. */
const METHODS = new Set(
  'INVITE ACK BYE CANCEL OPTIONS REGISTER PRACK UPDATE INFO REFER SUBSCRIBE NOTIFY MESSAGE PUBLISH'.split(' '),
)

/** Combinations of method and status kept a direction; past it a new status counts under its class, `4xx`. */
const MOST_KINDS = 500

type Direction = 'in' | 'out'

/** Messages of one kind that the counter has not been told of yet. */
interface Tally {
  readonly labels: { direction: Direction; method: string; status: string }
  untold: number
}

/** Counts SIP messages by direction, method and status. A message costs one look-up and a number; the counter learns of them when it is read. */
export class SipMessageCounter {
  private readonly tallies = { in: new Map<string, Tally>(), out: new Map<string, Tally>() }

  /** @param kind undefined: what arrived could not be parsed */
  count(direction: Direction, kind: MessageKind | undefined): void {
    const known = this.tallies[direction]
    const method = kind === undefined ? 'invalid' : METHODS.has(kind.method) ? kind.method : 'OTHER'
    const status = kind !== undefined && 'status' in kind ? String(kind.status) : ''
    const tally =
      known.get(method + status) ??
      this.tally(direction, method, known.size < MOST_KINDS ? status : `${status.slice(0, 1)}xx`)
    tally.untold += 1
  }

  /** Tells the counter what has been counted since. */
  tell(counter: Counter<'direction' | 'method' | 'status'>): void {
    for (const direction of ['in', 'out'] as const)
      for (const tally of this.tallies[direction].values()) {
        if (tally.untold > 0) counter.inc(tally.labels, tally.untold)
        tally.untold = 0
      }
  }

  private tally(direction: Direction, method: string, status: string): Tally {
    const known = this.tallies[direction]
    const tally = known.get(method + status) ?? { labels: { direction, method, status }, untold: 0 }
    known.set(method + status, tally)
    return tally
  }
}
