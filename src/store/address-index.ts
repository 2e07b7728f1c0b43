import { maskAddress, parseAddress, parseNetworkBits } from '../model/network.js'

/** Finds what a source address belongs to, in time that depends on the number of prefix lengths in use, not on the number of networks. */
export class AddressIndex {
  /** Family and prefix length, such as `4/24`, to networks of that length, to the ids that have it. */
  private readonly lengths = new Map<string, Length>()
  /** The same, the longest prefix first. */
  private ordered: readonly Length[] = []
  private readonly networksOf = new Map<string, readonly string[]>()

  get empty(): boolean {
    return this.ordered.length === 0
  }

  /** Makes these the networks (CIDR) of `id`; an empty list takes it out. False when they were its networks before. */
  set(id: string, networks: readonly string[]): boolean {
    const before = this.networksOf.get(id) ?? []
    if (before.length === networks.length && before.every((text, i) => text === networks[i])) return false
    for (const text of before) this.change(text, (ids) => ids.delete(id))
    this.networksOf.delete(id)
    if (networks.length === 0) return true
    this.networksOf.set(id, networks)
    for (const text of networks) this.change(text, (ids) => ids.add(id))
    return true
  }

  /** The ids that have a network with this address in it; the longest prefix first. */
  find(address: string): string[] {
    const parsed = this.empty ? undefined : parseAddress(address)
    if (parsed === undefined) return []
    const found = new Set<string>()
    for (const { prefix, family, networks } of this.ordered) {
      if (family !== parsed.family) continue
      for (const id of networks.get(maskAddress(parsed.bits, prefix, family)) ?? []) found.add(id)
    }
    return [...found]
  }

  /** Whether anybody has a network with this address in it. */
  has(address: string): boolean {
    if (this.empty) return false
    const parsed = parseAddress(address)
    if (parsed === undefined) return false
    for (const { prefix, family, networks } of this.ordered)
      if (family === parsed.family && networks.has(maskAddress(parsed.bits, prefix, family))) return true
    return false
  }

  private change(text: string, edit: (ids: Set<string>) => void): void {
    const network = parseNetworkBits(text)
    if (network === undefined) return
    const { bits, prefix, family } = network
    const name = `${family}/${prefix}`
    const length = this.lengths.get(name) ?? { prefix, family, networks: new Map<bigint, Set<string>>() }
    const ids = length.networks.get(bits) ?? new Set<string>()
    edit(ids)
    if (ids.size > 0) length.networks.set(bits, ids)
    else length.networks.delete(bits)
    if (length.networks.size > 0 === this.lengths.has(name)) return
    if (length.networks.size > 0) this.lengths.set(name, length)
    else this.lengths.delete(name)
    this.ordered = [...this.lengths.values()].sort((a, b) => b.prefix - a.prefix)
  }
}

/** The networks of one prefix length. */
interface Length {
  readonly prefix: number
  readonly family: 4 | 6
  readonly networks: Map<bigint, Set<string>>
}
