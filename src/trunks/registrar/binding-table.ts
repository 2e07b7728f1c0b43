import type { Binding, TrunkBindings } from '../../model/binding.js'
import { apart } from './bind.js'
import { comesFrom, isPlaceOf, type Place } from './contact-targets.js'

/** Where a request came from. */
export interface RequestSource {
  /** IP literal without brackets. */
  readonly address: string
  readonly port: number
  /** `udp`, `tcp` or `tls`. */
  readonly protocol: string
}

/** The contacts of all trunks that register to us, in memory: what calls ask, and who is known by where it registered from. */
export class BindingTable {
  private readonly records = new Map<string, TrunkBindings>()
  /** The trunks that have a contact registered from an address. */
  private readonly byAddress = new Map<string, Set<string>>()

  /** @param changed hears of the addresses that a trunk is registered from, when they may be others */
  constructor(private readonly changed: (trunkId: string, addresses: readonly string[]) => void = () => {}) {}

  /** Trunks that have contacts. */
  get size(): number {
    return this.records.size
  }

  get(trunkId: string): TrunkBindings | undefined {
    return this.records.get(trunkId)
  }

  all(): IterableIterator<TrunkBindings> {
    return this.records.values()
  }

  /** The contacts of a trunk that have not ended. */
  of(trunkId: string, nowMs: number): readonly Binding[] {
    const record = this.records.get(trunkId)
    return record === undefined ? [] : apart(record.bindings, nowMs).live
  }

  /** The trunks that have a contact which is registered from there: the same address and port, or the same connection. */
  at(source: RequestSource, nowMs: number): readonly string[] {
    const ids = this.byAddress.get(source.address)
    if (ids === undefined) return NONE
    return [...ids].filter((id) => this.of(id, nowMs).some((binding) => comesFrom(binding, source)))
  }

  /** Whether some trunk has a contact that requests to that place are for. */
  leadsTo(place: Place, nowMs: number): boolean {
    const ids = this.byAddress.get(place.address)
    if (ids === undefined) return false
    return [...ids].some((id) => this.of(id, nowMs).some((binding) => isPlaceOf(binding, place)))
  }

  /** Makes these the contacts of a trunk; undefined or an empty list: it has none. */
  set(trunkId: string, record: TrunkBindings | undefined): void {
    const former = addressesOf(this.records.get(trunkId))
    const next = record !== undefined && record.bindings.length > 0 ? record : undefined
    if (next === undefined) this.records.delete(trunkId)
    else this.records.set(trunkId, next)
    const addresses = addressesOf(next)
    if (former.length === addresses.length && former.every((address) => addresses.includes(address))) return
    for (const address of former) {
      const ids = this.byAddress.get(address)
      ids?.delete(trunkId)
      if (ids?.size === 0) this.byAddress.delete(address)
    }
    for (const address of addresses)
      this.byAddress.set(address, (this.byAddress.get(address) ?? new Set()).add(trunkId))
    this.changed(trunkId, addresses)
  }
}

const NONE: readonly string[] = []

const addressesOf = (record: TrunkBindings | undefined): string[] => [
  ...new Set(record?.bindings.map(({ address }) => address)),
]
