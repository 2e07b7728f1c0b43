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
  private readonly tokensOf = new Map<string, readonly string[]>()
  private readonly listeners = new Set<TrunkListener>()

  constructor(private readonly tokens: Pick<ContactTokens, 'all'> | undefined) {}

  /** A trunk was read, is not there, does not parse, or was dropped for room. */
  set(id: string, trunk: Trunk | undefined, kept: Kept): void {
    this.addresses.set(id, trunk?.allowed_addresses ?? [])
    for (const token of this.tokensOf.get(id) ?? []) this.trunkOfToken.delete(token)
    this.tokensOf.delete(id)
    const tokens = trunk === undefined ? [] : (this.tokens?.all(trunk) ?? [])
    for (const token of tokens) this.trunkOfToken.set(token, id)
    if (tokens.length > 0) this.tokensOf.set(id, tokens)
    for (const listener of [...this.listeners]) listener(id, trunk, kept === 'absent')
  }

  forAddress(address: string): string[] {
    return this.addresses.find(address)
  }

  /** The trunk whose Contact has this token, as a whole. */
  forToken(token: string): string | undefined {
    return this.trunkOfToken.get(token.toLowerCase())
  }

  listen(listener: TrunkListener): () => void {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }
}
