import type { Clock, Timer } from '../engine/index.js'
import type { Authenticator, Principal } from './auth.js'

/** How often the tokens are looked at that streams were opened with: a revoked one loses them this much later, and what `KnownTokens` adds. */
const EVERY_MS = 1_000

interface Stream {
  readonly principal: Principal
  readonly end: () => void
}

/** Ends streams whose token is revoked or expires while they go on: a request is checked once, when it comes. */
export class StreamWatch {
  private readonly streams = new Set<Stream>()
  private timer: Timer | undefined

  constructor(
    private readonly authenticator: Pick<Authenticator, 'stands'>,
    private readonly clock: Clock,
  ) {}

  /** Calls `end` once the token no longer stands; what this gives back ends the watching. */
  add(principal: Principal, end: () => void): () => void {
    // The admin token of the configuration stands as long as the process.
    if (principal.tokenId === null) return () => undefined
    const stream = { principal, end }
    this.streams.add(stream)
    this.schedule()
    return () => {
      this.streams.delete(stream)
      if (this.streams.size > 0) return
      this.timer?.cancel()
      this.timer = undefined
    }
  }

  private schedule(): void {
    this.timer ??= this.clock.after(EVERY_MS, () => void this.look())
  }

  private async look(): Promise<void> {
    this.timer = undefined
    await Promise.all(
      [...this.streams].map(async (stream) => {
        if (!(await this.authenticator.stands(stream.principal)) && this.streams.has(stream)) stream.end()
      }),
    )
    if (this.streams.size > 0) this.schedule()
  }
}
