/** So many calls may begin within so many milliseconds. */
export interface Window {
  readonly calls: number
  readonly ms: number
}

/** The window of a limit in calls a second: whole calls in a second or a little more (2.5: 3 calls in 1.2 s), one call in 1/cps s below 1. */
export function windowOf(cps: number): Window {
  const calls = Math.ceil(cps)
  return { calls, ms: (calls / cps) * 1000 }
}

interface Times {
  /** The oldest first; no more than the window's calls. */
  readonly ms: number[]
  endsMs: number
}

/** When the latest calls of each trunk began, as far as this edge knows. */
export class StartTimes {
  private readonly times = new Map<string, Times>()

  get size(): number {
    return this.times.size
  }

  add(trunkId: string, nowMs: number, window: Window): void {
    const times = this.times.get(trunkId) ?? { ms: [], endsMs: 0 }
    times.ms.push(nowMs)
    times.ms.splice(0, times.ms.length - window.calls)
    times.endsMs = nowMs + window.ms
    this.times.set(trunkId, times)
  }

  /** Whether as many calls as may have begun within the window that ends now. */
  full(trunkId: string, nowMs: number, window: Window): boolean {
    const oldest = this.times.get(trunkId)?.ms.at(-window.calls)
    return oldest !== undefined && nowMs - oldest < window.ms
  }

  /** Forgets trunks whose last call began too long ago to matter. */
  prune(nowMs: number): void {
    for (const [trunkId, { endsMs }] of this.times) if (endsMs <= nowMs) this.times.delete(trunkId)
  }
}
