import { createHmac, hkdfSync } from 'node:crypto'

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567'
const LENGTH = 20

/** Keys that tokens are derived from; `KeyRing` fits, and may change while in use. */
export interface TokenKeys {
  readonly present: Uint8Array
  readonly former: readonly Uint8Array[]
}

/**
 * The tokens in the Contacts we register: each names one trunk to us and nothing to anybody else. A token follows from the trunk and the
 * secret key, so every edge has the same one and it outlives restarts; 100 bits cannot be guessed. Those of former keys go on to name
 * their trunks.
 */
export class ContactTokens {
  private readonly derived = new WeakMap<Uint8Array, Buffer>()

  constructor(private readonly keys: TokenKeys) {}

  /** The token to register now. */
  of(trunk: { readonly account_id: string; readonly id: string }): string {
    return this.token(this.keys.present, trunk)
  }

  /** Every token that names the trunk: the present one, then those of former keys. */
  all(trunk: { readonly account_id: string; readonly id: string }): string[] {
    return [this.keys.present, ...this.keys.former].map((key) => this.token(key, trunk))
  }

  /** Differs when the keys have changed: what was derived before is to be derived anew. */
  get generation(): readonly Uint8Array[] {
    return [this.keys.present, ...this.keys.former]
  }

  private token(key: Uint8Array, { account_id, id }: { readonly account_id: string; readonly id: string }): string {
    const derived = this.derived.get(key) ?? Buffer.from(hkdfSync('sha256', key, '', 'signalbox contact token', 32))
    this.derived.set(key, derived)
    // Neither part can hold a line break.
    return `sbt${base32(createHmac('sha256', derived).update(`${account_id}\n${id}`).digest())}`
  }
}

function base32(bytes: Uint8Array): string {
  let text = ''
  for (let i = 0; i < LENGTH; i++) {
    const bit = i * 5
    const pair = ((bytes[bit >> 3] ?? 0) << 8) | (bytes[(bit >> 3) + 1] ?? 0)
    text += ALPHABET.charAt((pair >> (11 - (bit & 7))) & 31)
  }
  return text
}
