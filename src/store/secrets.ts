import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { StoreError } from './errors.js'

const ALGORITHM = 'aes-256-gcm'
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
const MAX_SEALED = 16_384

/**
 * Seals secrets for keeping in Redis: AES-256-GCM, each bound to the record it belongs to, so that one copied to another record does not
 * open. The text `v1.<key id>.<nonce>.<ciphertext>.<tag>` (base64url) names its key: old ones open while their key is among `formerKeys`.
 */
export class Secrets {
  private readonly currentId: string
  private readonly keys: ReadonlyMap<string, Uint8Array>

  /** @param key 32 bytes, as are `formerKeys` */
  constructor(key: Uint8Array, formerKeys: readonly Uint8Array[] = []) {
    const all = [key, ...formerKeys]
    if (all.some(({ length }) => length !== KEY_BYTES)) throw new RangeError(`a key has ${KEY_BYTES} bytes`)
    this.currentId = idOf(key)
    this.keys = new Map(all.reverse().map((each) => [idOf(each), each]))
  }

  /** @param record what the secret belongs to, such as its key in Redis */
  seal(secret: string, record: string): string {
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv(ALGORITHM, this.keyOf(this.currentId), nonce, { authTagLength: TAG_BYTES })
    cipher.setAAD(additional(this.currentId, record))
    const sealed = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()])
    return [
      'v1',
      this.currentId,
      ...[nonce, sealed, cipher.getAuthTag()].map((part) => part.toString('base64url')),
    ].join('.')
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
    return sealed.split('.', 2)[1] !== this.currentId
  }

  private keyOf(id: string): Uint8Array {
    const key = this.keys.get(id)
    if (key === undefined) throw new StoreError('INVALID', 'secret: was sealed with a key that is not known here')
    return key
  }
}

function idOf(key: Uint8Array): string {
  return createHash('sha256').update('signalbox key id').update(key).digest('hex').slice(0, 12)
}

function additional(keyId: string, record: string): Buffer {
  return Buffer.from(`signalbox/v1/${keyId}/${record}`)
}
