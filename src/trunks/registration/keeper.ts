import type { Clock, Timer } from '../../engine/index.js'
import type { Registrations } from '../../store/registrations.js'
import type { TrunkRegistration } from './trunk-registration.js'

export interface KeeperOptions {
  readonly clock: Clock
  readonly store: Pick<Registrations, 'save'>
  /** This life of this edge. */
  readonly self: () => string
  /** Whether it may be written now. */
  readonly mayWrite: (driver: TrunkRegistration) => boolean
  /** The trunk has another owner. */
  readonly lost: (driver: TrunkRegistration) => void
}

/** Changes are written together, this much later. */
const GATHER_MS = 100
const BATCH = 200
/** While Redis is away it is tried again this often. */
const RETRY_MS = 1_000

/** Writes registrations to Redis: each as it is at that moment, however often it has changed; nobody waits for it. */
export class Keeper {
  private readonly options: KeeperOptions
  private readonly dirty = new Set<TrunkRegistration>()
  private timer: Timer | undefined
  private writing: Promise<boolean> | undefined

  constructor(options: KeeperOptions) {
    this.options = options
  }

  mark(driver: TrunkRegistration): void {
    this.dirty.add(driver)
    this.timer ??= this.options.clock.after(GATHER_MS, () => void this.write())
  }

  forget(driver: TrunkRegistration): void {
    this.dirty.delete(driver)
  }

  /** Writes what is left. */
  async stop(): Promise<void> {
    await this.writing
    await this.writeAll().catch(() => undefined)
    this.timer?.cancel()
    this.dirty.clear()
  }

  private async write(): Promise<void> {
    this.writing = this.writeAll().then(
      () => true,
      () => false,
    )
    const written = await this.writing
    this.writing = undefined
    this.timer = undefined
    if (this.dirty.size > 0)
      this.timer = this.options.clock.after(written ? GATHER_MS : RETRY_MS, () => void this.write())
  }

  private async writeAll(): Promise<void> {
    const { store, self, mayWrite, lost } = this.options
    const drivers = [...this.dirty].filter(mayWrite)
    for (let i = 0; i < drivers.length; i += BATCH) {
      const batch = drivers.slice(i, i + BATCH)
      // What changes while it is being written is written again.
      for (const driver of batch) this.dirty.delete(driver)
      const entries = batch.map(({ trunkId, fence, view, record }) => ({ trunkId, fence, state: view, ...record }))
      try {
        const written = await store.save(self(), entries)
        batch.forEach((driver, at) => {
          if (written[at] === false && mayWrite(driver)) lost(driver)
        })
      } catch (error) {
        for (const driver of batch) this.dirty.add(driver)
        throw error
      }
    }
  }
}
