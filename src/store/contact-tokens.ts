import { createHmac, hkdfSync } from 'node:crypto'

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567'
const LENGTH = 20

/**
 * The tokens in the Contacts we register: each names one trunk to us and nothing to anybody else. A token follows from the trunk and the
 * secret key, so every edge has the same one and it outlives restarts; 100 bits cannot be guessed.
 */
export class ContactTokens {
  private readonly keys: readonly Buffer[]

  /** @param key the secret key; tokens made with `formerKeys` still name their trunks */
  constructor(key: Uint8Array, formerKeys: readonly Uint8Array[] = []) {
    this.keys = [key, ...formerKeys].map((each) =>
      Buffer.from(hkdfSync('sha256', each, '', 'signalbox contact token', 32)),
    )
  }

  /** The token to register now. */
  of(trunk: { readonly account_id: string; readonly id: string }): string {
    return this.all(trunk)[0] ?? ''
  }

  /** Every token that names the trunk: the present one, then those of former keys. */
  all({ account_id, id }: { readonly account_id: string; readonly id: string }): string[] {
    // Neither part can hold a line break.
    return this.keys.map((key) => `sbt${base32(createHmac('sha256', key).update(`${account_id}\n${id}`).digest())}`)
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
