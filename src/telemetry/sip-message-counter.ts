import type { Counter } from 'prom-client'
import type { MessageKind } from '../engine/index.js'

/** Methods that have a label of their own; what else a peer sends is `OTHER`, so that peers cannot grow the metrics. */
const METHODS = new Set(
  'INVITE ACK BYE CANCEL OPTIONS REGISTER PRACK UPDATE INFO REFER SUBSCRIBE NOTIFY MESSAGE PUBLISH'.split(' '),
)

/** Combinations of method and status kept a direction; past it a new status counts under its class, `4xx`. */
const MOST_KINDS = 500

type Direction = 'in' | 'out'
type Child = Counter.Internal

/** Counts SIP messages by direction, method and status. A message costs one look-up in a map once its kind has been seen. */
export class SipMessageCounter {
  private readonly children = { in: new Map<string, Child>(), out: new Map<string, Child>() }

  constructor(private readonly counter: Counter<'direction' | 'method' | 'status'>) {}

  /** @param kind undefined: what arrived could not be parsed */
  count(direction: Direction, kind: MessageKind | undefined): void {
    const known = this.children[direction]
    const method = kind === undefined ? 'invalid' : METHODS.has(kind.method) ? kind.method : 'OTHER'
    const status = kind !== undefined && 'status' in kind ? String(kind.status) : ''
    const child = known.get(method + status)
    if (child !== undefined) child.inc()
    else if (known.size < MOST_KINDS) this.add(direction, method, status).inc()
    else this.counter.inc({ direction, method, status: `${status.slice(0, 1)}xx` })
  }

  private add(direction: Direction, method: string, status: string): Child {
    const child = this.counter.labels({ direction, method, status })
    this.children[direction].set(method + status, child)
    return child
  }
}
