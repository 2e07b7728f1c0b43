import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { StoreError } from './errors.js'
import { KeyRing } from './key-ring.js'

const ALGORITHM = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16
const MAX_SEALED = 16_384

/**
 * Seals secrets for keeping in Redis: AES-256-GCM, each bound to the record it belongs to, so that one copied to another record does not
 * open. The text `v1.<key id>.<nonce>.<ciphertext>.<tag>` (base64url) names its key: old ones open while their key is on the ring.
 */
export class Secrets {
  private readonly ring: KeyRing
  private readonly ids = new WeakMap<Uint8Array, string>()

  /** @param keys the ring, or the present key of one (32 bytes, as are `formerKeys`) that never changes */
  constructor(keys: KeyRing | Uint8Array, formerKeys: readonly Uint8Array[] = []) {
    this.ring = keys instanceof KeyRing ? keys : new KeyRing({ present: keys, former: formerKeys })
  }

  /** @param record what the secret belongs to, such as its key in Redis */
  seal(secret: string, record: string): string {
    // What another process rotated away must not be sealed with again.
    this.ring.refresh()
    const key = this.ring.present
    const keyId = this.idOf(key)
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES })
    cipher.setAAD(additional(keyId, record))
    const sealed = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()])
    return ['v1', keyId, ...[nonce, sealed, cipher.getAuthTag()].map((part) => part.toString('base64url'))].join('.')
  }

  /** @throws {StoreError} INVALID when it is malformed, altered, of another record, or sealed with a key we do not have */
  open(sealed: string, record: string): string {
    const [version, keyId = '', ...rest] = sealed.length <= MAX_SEALED ? sealed.split('.') : []
    const [nonce, text, tag] = rest.map((part) => Buffer.from(part, 'base64url'))
    if (version !== 'v1' || rest.length !== 3 || nonce?.length !== NONCE_BYTES || tag?.length !== TAG_BYTES || !text)
      throw new StoreError('INVALID', 'secret: is malformed')
    try {
      const decipher = createDecipheriv(ALGORITHM, this.keyOf(keyId), nonce, { authTagLength: TAG_BYTES })
      decipher.setAAD(additional(keyId, record))
      decipher.setAuthTag(tag)
      return Buffer.concat([decipher.update(text), decipher.final()]).toString('utf8')
    } catch (error) {
      if (error instanceof StoreError) throw error
      throw new StoreError('INVALID', 'secret: was altered or belongs to another record')
    }
  }

  /** Whether it should be sealed again, with the present key. */
  isSealedWithFormerKey(sealed: string): boolean {
    this.ring.refresh()
    return keyIdOf(sealed) !== this.idOf(this.ring.present)
  }

  /** The name of a key in sealed texts: 12 hexadecimal digits that tell nothing of it. */
  idOf(key: Uint8Array): string {
    const id = this.ids.get(key) ?? makeId(key)
    this.ids.set(key, id)
    return id
  }

  private keyOf(id: string): Uint8Array {
    const find = (): Uint8Array | undefined => this.ring.all.find((key) => this.idOf(key) === id)
    let key = find()
    if (key === undefined) {
      this.ring.refresh()
      key = find()
    }
    if (key === undefined) throw new StoreError('INVALID', 'secret: was sealed with a key that is not known here')
    return key
  }
}

/** The name of the key that a text was sealed with; undefined when it names none. */
export function keyIdOf(sealed: string): string | undefined {
  const id = sealed.length <= MAX_SEALED ? sealed.split('.', 2)[1] : undefined
  return id !== undefined && /^[0-9a-f]{12}$/.test(id) ? id : undefined
}

function makeId(key: Uint8Array): string {
  return createHash('sha256').update('signalbox key id').update(key).digest('hex').slice(0, 12)
}

function additional(keyId: string, record: string): Buffer {
  return Buffer.from(`signalbox/v1/${keyId}/${record}`)
}
