import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

/** Bytes of a nonce: when it was made, something nobody can guess, and proof that we made it. */
const TIME_BYTES = 6
const RANDOM_BYTES = 12
const PROOF_BYTES = 16
const TEXT_LENGTH = ((TIME_BYTES + RANDOM_BYTES + PROOF_BYTES) / 3) * 4

/** A nonce of ours. */
export interface OwnNonce {
  /** Milliseconds since 1970 on the maker's clock. */
  readonly madeMs: number
}

/** Makes nonces that need not be remembered. */
export class NonceMaker {
  readonly #key: Buffer

  /** @param key of 32 bytes; without one, nobody else knows these nonces */
  constructor(key?: Uint8Array) {
    this.#key = Buffer.from(key ?? randomBytes(32))
  }

  /** @param source whom it is made for: it is good for nobody else */
  make(realm: string, nowMs: number, source: string): string {
    const head = Buffer.alloc(TIME_BYTES + RANDOM_BYTES)
    head.writeUIntBE(Math.floor(nowMs), 0, TIME_BYTES)
    randomBytes(RANDOM_BYTES).copy(head, TIME_BYTES)
    return Buffer.concat([head, this.prove(head, realm, source)]).toString('base64url')
  }

  /** The nonce, when it is one of ours for this realm and whoever shows it. */
  read(text: string, realm: string, source: string): OwnNonce | undefined {
    if (text.length !== Math.ceil(TEXT_LENGTH)) return undefined
    const bytes = Buffer.from(text, 'base64url')
    // One nonce has one spelling: what is remembered of it goes by the text.
    if (bytes.length !== TIME_BYTES + RANDOM_BYTES + PROOF_BYTES || bytes.toString('base64url') !== text)
      return undefined
    const head = bytes.subarray(0, TIME_BYTES + RANDOM_BYTES)
    if (!timingSafeEqual(this.prove(head, realm, source), bytes.subarray(TIME_BYTES + RANDOM_BYTES))) return undefined
    return { madeMs: head.readUIntBE(0, TIME_BYTES) }
  }

  private prove(head: Buffer, realm: string, source: string): Buffer {
    // An address has no line break.
    const of = `${source}\n${realm}`
    return createHmac('sha256', this.#key).update(head).update(of, 'utf8').digest().subarray(0, PROOF_BYTES)
  }
}
