import type { Clock, Timer } from '../engine/index.js'
import type { Trunk } from '../model/trunk.js'
import type { Log } from '../store/observe.js'
import { InFlight } from './in-flight.js'
import { atContact, optionsOf } from './options.js'
import { Reach, type ReachThresholds } from './reach.js'
import { nameTarget, type Target } from './target.js'
import type { TargetHealth } from './target-health.js'
import type { TrunkCredentials } from './trunk-credentials.js'
import type { TrunkPath, TrunkPaths } from './trunk-paths.js'
import type { TrunkRequests } from './trunk-requests.js'

/** Where trunks are learned of: told of all there are, then of each that is read anew, changed or not, and of each that goes. */
export interface TrunkSource {
  onTrunk(listener: (id: string, trunk: Trunk | undefined) => void): () => void
}

export interface TrunkPingOptions extends ReachThresholds {
  readonly trunks: TrunkSource
  readonly paths: Pick<TrunkPaths, 'of'>
  readonly requests: Pick<TrunkRequests, 'send'>
  readonly credentialsOf: TrunkCredentials['credentialsOf']
  readonly health: TargetHealth
  readonly metrics: { readonly trunkTargetsDown: { set(count: number): void } }
  readonly logger: Pick<Log, 'info' | 'warn'>
  readonly clock: Clock
  /** Milliseconds a server may be silent before a ping has missed. */
  readonly silenceMs: number
  /** OPTIONS under way at the same time. Default 256. */
  readonly maxInFlight?: number
  /** Numbers in [0, 1), for the jitter. */
  readonly random?: () => number
}

/** Rounds of a trunk begin 90 to 110 % of its interval apart. */
const JITTER = 0.1

/** One server of a trunk under watch. */
interface Watched {
  readonly target: Target
  readonly reach: Reach
  /** Rounds in a row in which the trunk's name did not lead to it. */
  absent: number
}

interface Pinged {
  trunk: Trunk
  timer: Timer | undefined
  readonly watched: Map<string, Watched>
  /** Ends what is waited for. */
  readonly abandon: Set<() => void>
}

/**
 * Asks the servers of trunks with `ping.enabled` by OPTIONS whether they are there, each edge for itself: spread over the interval,
 * not too many at a time. A server that is down is tried last.
 */
export class TrunkPing {
  private readonly pinged = new Map<string, Pinged>()
  private readonly inFlight: InFlight
  private readonly random: () => number
  private stopListening: (() => void) | undefined

  constructor(private readonly options: TrunkPingOptions) {
    this.inFlight = new InFlight(options.maxInFlight ?? 256)
    this.random = options.random ?? Math.random
  }

  /** Begins, once the SIP server is connected. */
  start(): void {
    this.stopListening = this.options.trunks.onTrunk((id, trunk) => this.learn(id, trunk))
  }

  /** Ends every timer; answers that are under way are not waited for. */
  stop(): void {
    this.stopListening?.()
    this.inFlight.close()
    for (const id of [...this.pinged.keys()]) this.forget(id)
  }

  private learn(id: string, trunk: Trunk | undefined): void {
    const known = this.pinged.get(id)
    if (trunk?.ping.enabled !== true) {
      if (known !== undefined) this.forget(id)
      return
    }
    if (known === undefined) {
      const pinged: Pinged = { trunk, timer: undefined, watched: new Map(), abandon: new Set() }
      this.pinged.set(id, pinged)
      return this.schedule(pinged, this.random() * intervalOf(trunk))
    }
    const differs = known.trunk.ping.interval_s !== trunk.ping.interval_s
    known.trunk = trunk
    if (differs && known.timer !== undefined) this.schedule(known, this.random() * intervalOf(trunk))
  }

  private forget(id: string): void {
    const pinged = this.pinged.get(id)
    if (pinged === undefined) return
    this.pinged.delete(id)
    pinged.timer?.cancel()
    for (const abandon of pinged.abandon) abandon()
    this.options.health.forget(id)
    this.count()
  }

  private schedule(pinged: Pinged, delayMs: number): void {
    pinged.timer?.cancel()
    pinged.timer = this.options.clock.after(delayMs, () => {
      pinged.timer = undefined
      const begunMs = this.options.clock.now()
      const next = (): void => {
        if (!this.isCurrent(pinged)) return
        const elapsedMs = this.options.clock.now() - begunMs
        const jitter = 1 - JITTER + this.random() * 2 * JITTER
        this.schedule(pinged, Math.max(intervalOf(pinged.trunk) * jitter - elapsedMs, 0))
      }
      this.round(pinged).then(next, next)
    })
  }

  private isCurrent(pinged: Pinged): boolean {
    return this.pinged.get(pinged.trunk.id) === pinged
  }

  /** Pings every server of a trunk once. */
  private async round(pinged: Pinged): Promise<void> {
    const { paths, credentialsOf } = this.options
    const { trunk } = pinged
    const known = (): TrunkPath => ({ targets: [...pinged.watched.values()].map(({ target }) => target), routes: [] })
    // A name that cannot be resolved now says nothing of the servers behind it. Without credentials an answer is an answer too.
    const [path, credentials] = await Promise.all([
      paths.of(trunk).catch(known),
      credentialsOf(trunk).catch(() => undefined),
    ])
    const options = optionsOf(trunk, path.routes)
    if (options === undefined || !this.isCurrent(pinged)) return
    const watched = this.watch(pinged, path.targets)
    await Promise.all(
      watched.map(async ({ target, reach }) => {
        const answered = await this.inFlight.run(() =>
          this.isCurrent(pinged)
            ? this.ping(pinged, { ...atContact(options, target), trunkId: trunk.id, target, credentials })
            : Promise.resolve(undefined),
        )
        if (answered !== undefined && this.isCurrent(pinged) && reach.note(answered)) this.changed(trunk, target, reach)
      }),
    )
  }

  /** The servers to ping now; those that have not been there for a while are forgotten. */
  private watch(pinged: Pinged, targets: readonly Target[]): Watched[] {
    const { health, misses } = this.options
    for (const watched of pinged.watched.values()) watched.absent += 1
    const now = targets.map((target) => {
      const key = nameTarget(target)
      const watched = { target, absent: 0, reach: pinged.watched.get(key)?.reach ?? new Reach(this.options) }
      pinged.watched.set(key, watched)
      return watched
    })
    for (const [key, { target, absent }] of pinged.watched) {
      if (absent <= misses) continue
      pinged.watched.delete(key)
      health.setDown(pinged.trunk.id, target, false)
    }
    this.count()
    return now
  }

  /** Whether the server said anything; undefined when nobody can tell: our SIP server is away, or the trunk is gone. */
  private ping(pinged: Pinged, request: Parameters<TrunkRequests['send']>[0]): Promise<boolean | undefined> {
    const { requests, silenceMs, clock } = this.options
    return new Promise((resolve) => {
      const end = (answered: boolean | undefined): void => {
        deadline.cancel()
        pinged.abandon.delete(abandon)
        resolve(answered)
      }
      const abandon = (): void => end(undefined)
      // A SIP server that does not know our time for silence would let us wait for half a minute.
      const deadline = clock.after(2 * silenceMs + 1_000, () => end(false))
      pinged.abandon.add(abandon)
      requests.send({ ...request, silenceMs, maxRetries: 1 }).then(
        // Whatever it says, it is there: a 401, 404 or 503 proves the path as well as a 200.
        ({ response, sends }) => end(sends > 1 || (response.sent && response.status !== 408)),
        () => end(undefined),
      )
    })
  }

  private changed(trunk: Trunk, target: Target, { down }: Reach): void {
    const { health, logger, misses } = this.options
    health.setDown(trunk.id, target, down)
    this.count()
    const fields = { trunk: trunk.id, target: nameTarget(target) }
    if (down) logger.warn({ ...fields, misses }, 'Server of a trunk does not answer OPTIONS: it is tried last')
    else logger.info(fields, 'Server of a trunk answers OPTIONS again')
  }

  private count(): void {
    this.options.metrics.trunkTargetsDown.set(this.options.health.downCount)
  }
}

const intervalOf = (trunk: Trunk): number => trunk.ping.interval_s * 1000
