import { createHash } from 'node:crypto'
import type { Clock } from '../../engine/index.js'
import type { Edges } from '../../store/edges.js'
import type { Claim, Registrations, RegistrationRecord } from '../../store/registrations.js'

export interface OwnershipOptions {
  readonly clock: Clock
  readonly edges: Pick<Edges, 'self' | 'id' | 'alive' | 'holdsLease' | 'areGone'>
  readonly store: Pick<Registrations, 'claim'>
  readonly leaseMs: number
  /** A trunk is ours. */
  readonly won: (trunkId: string, record: RegistrationRecord) => void
  /** A trunk that was ours under a former life is so again (its fence), or is another's (undefined). */
  readonly renewed: (trunkId: string, fence: number | undefined) => void
}

/** What a claim of a trunk that is new to Redis begins with. */
export interface Beginning {
  readonly callId: string
  readonly cseq: number
}

interface Candidate {
  readonly accountId: string
  readonly begin: () => Beginning
}

/** Claims in one go. */
const BATCH = 250
/** How long the edge that should have a trunk by rendezvous is left to take it. */
const YIELD_MS = 2_000

/**
 * Which trunks are ours. A trunk is claimed when it has no owner, or one whose life is over; of several edges the one that rendezvous
 * hashing names goes first, so that they share the work. What others own is remembered: nobody is asked for it again while its owner lives.
 */
export class Ownership {
  private readonly options: OwnershipOptions
  private readonly wanted = new Map<string, Candidate>()
  /** Of trunks that are not ours: '' when nobody owns them, as far as known. */
  private readonly owners = new Map<string, string>()
  private readonly freeSinceMs = new Map<string, number>()
  private readonly mine = new Map<string, Candidate>()
  /** Ours under a former life: to be claimed anew before anything is sent. */
  private readonly stale = new Map<string, string>()
  private backSinceMs = -Infinity

  constructor(options: OwnershipOptions) {
    this.options = options
  }

  /** @param begin what to begin with where Redis has nothing */
  want(trunkId: string, accountId: string, begin: () => Beginning): void {
    this.wanted.set(trunkId, { accountId, begin })
  }

  /** Not to be claimed any more. One that is ours stays so until `forget`. */
  unwant(trunkId: string): void {
    this.wanted.delete(trunkId)
    this.freeSinceMs.delete(trunkId)
  }

  owns(trunkId: string): boolean {
    return this.mine.has(trunkId)
  }

  /** Ours, but not to be acted upon before it is claimed anew. */
  isStale(trunkId: string): boolean {
    return this.stale.has(trunkId)
  }

  /** The trunk is not ours any more. */
  forget(trunkId: string): void {
    this.mine.delete(trunkId)
    this.stale.delete(trunkId)
    this.owners.delete(trunkId)
  }

  /** Our life has lapsed: what we own must be claimed anew. */
  lapsed(former: string): void {
    for (const id of this.mine.keys()) this.stale.set(id, this.stale.get(id) ?? former)
  }

  /** Redis is back: signs of life of others may have been missed, and they get the time to give one. */
  redisIsBack(): void {
    this.backSinceMs = this.options.clock.now()
  }

  /** Trunks that nobody wants any more and whose owner is gone: their records are nobody's. */
  orphans(): { readonly trunkId: string; readonly owner: string }[] {
    const found: { trunkId: string; owner: string }[] = []
    for (const [trunkId, owner] of this.owners) {
      if (this.wanted.has(trunkId) || this.mine.has(trunkId)) continue
      if (!this.isAlive(owner)) found.push({ trunkId, owner })
    }
    return found.slice(0, BATCH)
  }

  /**
   * Claims what may be claimed, some at a time.
   * @throws {StoreError} UNAVAILABLE
   */
  async claim(): Promise<void> {
    if (!this.options.edges.holdsLease) return
    await this.renewStale()
    const candidates = this.candidates()
    const former = [...new Set(candidates.map(({ former }) => former))].filter((owner) => owner !== '')
    const gone = await this.options.edges.areGone(former)
    const living = new Set(former.filter((_, i) => gone[i] !== true))
    const claims = candidates.filter(({ former }) => !living.has(former))
    if (claims.length === 0) return
    const byId = new Map(claims.map((claim) => [claim.trunkId, this.wanted.get(claim.trunkId)]))
    const results = await this.options.store.claim(this.options.edges.self, claims)
    results.forEach((result, i) => {
      const { trunkId } = claims[i]!
      if (!result.won) return void this.owners.set(trunkId, result.owner)
      this.owners.delete(trunkId)
      this.freeSinceMs.delete(trunkId)
      const candidate = byId.get(trunkId)
      if (candidate !== undefined) this.mine.set(trunkId, candidate)
      this.options.won(trunkId, result.record)
    })
  }

  private async renewStale(): Promise<void> {
    const stale = [...this.stale].slice(0, BATCH)
    if (stale.length === 0) return
    const claims = stale.flatMap(([trunkId, former]): Claim[] => {
      const own = this.mine.get(trunkId)
      return own === undefined ? [] : [{ trunkId, accountId: own.accountId, former, ...own.begin() }]
    })
    const results = await this.options.store.claim(this.options.edges.self, claims)
    results.forEach((result, i) => {
      const { trunkId } = claims[i]!
      this.stale.delete(trunkId)
      if (!result.won) {
        this.mine.delete(trunkId)
        this.owners.set(trunkId, result.owner)
      }
      this.options.renewed(trunkId, result.won ? result.record.fence : undefined)
    })
  }

  private candidates(): Claim[] {
    const { clock, edges, leaseMs } = this.options
    const now = clock.now()
    const mayReplace = now - this.backSinceMs >= leaseMs
    const all = [edges.self, ...edges.alive]
    const claims: Claim[] = []
    for (const [trunkId, { accountId, begin }] of this.wanted) {
      if (claims.length >= BATCH) break
      if (this.mine.has(trunkId)) continue
      const former = this.owners.get(trunkId) ?? ''
      if (this.isAlive(former)) {
        this.freeSinceMs.delete(trunkId)
        continue
      }
      const ours = former === '' || former.startsWith(`${edges.id}#`)
      if (!ours && !mayReplace) continue
      const freeSince = this.freeSinceMs.get(trunkId) ?? now
      this.freeSinceMs.set(trunkId, freeSince)
      if (now - freeSince < YIELD_MS && chosen(all, trunkId) !== edges.self) continue
      claims.push({ trunkId, accountId, former, ...begin() })
    }
    return claims
  }

  private isAlive(owner: string): boolean {
    const { edges } = this.options
    return owner === edges.self || edges.alive.has(owner)
  }
}

/** Which of the edges should have the trunk: the same answer on each of them (rendezvous hashing). */
function chosen(edges: readonly string[], trunkId: string): string {
  if (edges.length === 1) return edges[0] ?? ''
  let best = ''
  let most = -1
  for (const edge of edges) {
    const weight = createHash('sha1').update(`${edge}\n${trunkId}`).digest().readUInt32BE(0)
    if (weight > most || (weight === most && edge > best)) {
      most = weight
      best = edge
    }
  }
  return best
}
