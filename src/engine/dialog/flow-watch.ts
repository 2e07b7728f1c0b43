import type { Flow } from '../transport/transport.js'

/** Who waits for a first response on a stream. */
export interface Waiting {
  /** The stream has ended: no response will come on it. */
  connectionClosed(flow: Flow): void
}

/** Requests whose stream may close before anything was heard: over a stream nobody sends them again (RFC 3261 17.1). */
export class FlowWatch {
  private readonly waiting = new Map<Flow, Set<Waiting>>()
  private stopped = false

  constructor(private readonly report: (error: unknown) => void) {}

  /** Tells `who` when the stream closes, until `unwatch`. Nothing closes over UDP. */
  watch(flow: Flow, who: Waiting): void {
    if (!flow.reliable || this.stopped) return
    const others = this.waiting.get(flow)
    if (others === undefined) this.waiting.set(flow, new Set([who]))
    else others.add(who)
  }

  unwatch(flow: Flow, who: Waiting): void {
    const others = this.waiting.get(flow)
    if (others?.delete(who) === true && others.size === 0) this.waiting.delete(flow)
  }

  /** Forgets everybody: nobody is told any more. */
  stop(): void {
    this.waiting.clear()
    this.stopped = true
  }

  closed(flow: Flow): void {
    const waiting = this.waiting.get(flow)
    if (waiting === undefined) return
    this.waiting.delete(flow)
    for (const who of waiting) {
      try {
        who.connectionClosed(flow)
      } catch (error) {
        this.report(error)
      }
    }
  }
}
