import type { Trunk } from '../model/trunk.js'
import { AddressIndex } from './address-index.js'
import type { ContactTokens } from './contact-tokens.js'
import type { Kept } from './record-cache.js'

/**
 * Hears of a trunk: as it is in Redis now, or (undefined) that it is not known any more. `gone` tells a trunk that does not exist from one
 * whose record does not parse or that memory has no room for: those may still be in use.
 */
export type TrunkListener = (id: string, trunk: Trunk | undefined, gone: boolean) => void

/** What the trunks in memory are found by besides their ids, and who hears of them. */
export class TrunkIndex {
  private readonly addresses = new AddressIndex()
  private readonly trunkOfToken = new Map<string, string>()
  private readonly entries = new Map<string, { readonly trunk: Owned; readonly tokens: readonly string[] }>()
  private generation: readonly Uint8Array[] = []
  private readonly listeners = new Set<TrunkListener>()

  constructor(private readonly tokens: Pick<ContactTokens, 'all' | 'generation'> | undefined) {}

  /** A trunk was read, is not there, does not parse, or was dropped for room. */
  set(id: string, trunk: Trunk | undefined, kept: Kept): void {
    this.addresses.set(id, trunk?.allowed_addresses ?? [])
    this.setTokens(id, trunk)
    for (const listener of [...this.listeners]) listener(id, trunk, kept === 'absent')
  }

  forAddress(address: string): string[] {
    return this.addresses.find(address)
  }

  /** The trunk whose Contact has this token, as a whole. */
  forToken(token: string): string | undefined {
    this.followKeys()
    return this.trunkOfToken.get(token.toLowerCase())
  }

  listen(listener: TrunkListener): () => void {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }

  private setTokens(id: string, trunk: Owned | undefined): void {
    for (const token of this.entries.get(id)?.tokens ?? []) this.trunkOfToken.delete(token)
    this.entries.delete(id)
    if (trunk === undefined || this.tokens === undefined) return
    const { account_id } = trunk
    const tokens = this.tokens.all(trunk)
    for (const token of tokens) this.trunkOfToken.set(token, id)
    this.entries.set(id, { trunk: { account_id, id }, tokens })
  }

  /** The keys of tokens may be replaced while in use. */
  private followKeys(): void {
    const generation = this.tokens?.generation ?? []
    const same =
      generation.length === this.generation.length && generation.every((key, i) => key === this.generation[i])
    if (same) return
    this.generation = generation
    for (const [id, { trunk }] of [...this.entries]) this.setTokens(id, trunk)
  }
}

type Owned = Pick<Trunk, 'account_id' | 'id'>
