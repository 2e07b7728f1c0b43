/** Entries deleted, the least, before the map is made anew. */
const TURNOVER = 64

/**
 * A map of few entries that each stay for a moment only. A `Map` of V8 that has grown or shrunk keeps its former table, entries and
 * all, for those who are iterating it; once such a table has become old, a collection of young objects takes all it names for alive,
 * and the next table with it, and so on: whatever passes through the map becomes old, and waits for a collection of everything. So
 * this one starts a new table that no former one knows, again and again: at the price of one copied entry a deletion, at most.
 *
 * Iterating sees the entries of the moment at which it began.
 */
export class TurnoverMap<K, V> {
  private map = new Map<K, V>()
  private deleted = 0

  get size(): number {
    return this.map.size
  }

  get(key: K): V | undefined {
    return this.map.get(key)
  }

  has(key: K): boolean {
    return this.map.has(key)
  }

  set(key: K, value: V): this {
    this.map.set(key, value)
    return this
  }

  delete(key: K): boolean {
    if (!this.map.delete(key)) return false
    this.deleted += 1
    if (this.deleted >= TURNOVER && this.deleted >= this.map.size) this.renew()
    return true
  }

  clear(): void {
    this.map = new Map()
    this.deleted = 0
  }

  keys(): IterableIterator<K> {
    return this.map.keys()
  }

  values(): IterableIterator<V> {
    return this.map.values()
  }

  entries(): IterableIterator<[K, V]> {
    return this.map.entries()
  }

  [Symbol.iterator](): IterableIterator<[K, V]> {
    return this.map.entries()
  }

  forEach(visit: (value: V, key: K) => void): void {
    this.map.forEach(visit)
  }

  private renew(): void {
    this.map = new Map(this.map)
    this.deleted = 0
  }
}
