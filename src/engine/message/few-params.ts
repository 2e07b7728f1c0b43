/** From this many on they are found by a table of their own. */
const MANY = 12

/** One parameter after the first. */
class Further {
  next: Further | undefined

  constructor(
    readonly name: string,
    readonly value: string,
  ) {}
}

/**
 * Parameters in the order they came, one at least. Nearly every value of a message has one to three: kept one behind the other they
 * take a third of what a `Map` does, and are found no later.
 */
export class FewParams implements ReadonlyMap<string, string> {
  private further: Further | undefined
  private table: Map<string, string> | undefined

  constructor(
    private readonly name: string,
    private readonly value: string,
  ) {}

  /** Adds one after the others. False: there is one of that name with another value. */
  add(name: string, value: string): boolean {
    const known = this.get(name)
    if (known !== undefined) return known === value
    if (this.table !== undefined) this.table.set(name, value)
    else this.append(new Further(name, value))
    return true
  }

  private append(added: Further): void {
    let last = this.further
    if (last === undefined) {
      this.further = added
      return
    }
    let count = 2
    for (; last.next !== undefined; last = last.next) count++
    last.next = added
    if (count + 1 > MANY) this.table = this.toMap()
  }

  get size(): number {
    if (this.table !== undefined) return this.table.size
    let count = 1
    for (let one = this.further; one !== undefined; one = one.next) count++
    return count
  }

  get(name: string): string | undefined {
    if (this.table !== undefined) return this.table.get(name)
    if (this.name === name) return this.value
    for (let one = this.further; one !== undefined; one = one.next) if (one.name === name) return one.value
    return undefined
  }

  has(name: string): boolean {
    return this.get(name) !== undefined
  }

  forEach(visit: (value: string, name: string, params: ReadonlyMap<string, string>) => void): void {
    for (const [name, value] of this.toMap()) visit(value, name, this)
  }

  keys(): MapIterator<string> {
    return this.toMap().keys()
  }

  values(): MapIterator<string> {
    return this.toMap().values()
  }

  entries(): MapIterator<[string, string]> {
    return this.toMap().entries()
  }

  [Symbol.iterator](): MapIterator<[string, string]> {
    return this.toMap().entries()
  }

  private toMap(): Map<string, string> {
    if (this.table !== undefined) return this.table
    const map = new Map([[this.name, this.value]])
    for (let one = this.further; one !== undefined; one = one.next) map.set(one.name, one.value)
    return map
  }
}
