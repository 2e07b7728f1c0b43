import { LRUCache } from 'lru-cache'
import type { Trunk } from '../model/trunk.js'
import { StoreError } from '../store/errors.js'
import type { Credentials } from './digest/exchange.js'

/** What of a trunk says who we are to it. */
export type CredentialOwner = Pick<Trunk, 'id' | 'updated_at' | 'username' | 'auth_username'>

export interface TrunkCredentialsOptions {
  /** The trunks' passwords; rejects when they cannot be read. */
  readonly passwords: { get(trunkId: string): Promise<string | undefined> }
  /** Passwords kept in memory at most. Default 20,000. */
  readonly max?: number
}

interface Kept {
  /** `updated_at` of the record it was read for: the record is touched after each change of its password. */
  readonly version: string
  readonly password: Promise<string | undefined>
}

/** The credentials of trunks: read once for each version of a trunk's record, and kept for the time when Redis is away. */
export class TrunkCredentials {
  private readonly passwords: TrunkCredentialsOptions['passwords']
  private readonly kept: LRUCache<string, Kept>

  constructor({ passwords, max = 20_000 }: TrunkCredentialsOptions) {
    this.passwords = passwords
    this.kept = new LRUCache({ max })
  }

  /**
   * What a trunk's challenges are answered with: `auth_username`, else `username`, and the password; undefined without either.
   * @throws {StoreError} UNAVAILABLE when the password is not in memory and Redis is away, INVALID when it cannot be opened
   */
  readonly credentialsOf = async (trunk: CredentialOwner): Promise<Credentials | undefined> => {
    const username = trunk.auth_username ?? trunk.username
    if (username === null || username === '') return undefined
    const password = await this.passwordOf(trunk)
    return password === undefined ? undefined : { username, password }
  }

  /** Forgets a password that was refused, or whose trunk is gone: it is read anew when it is wanted. */
  forget(trunkId: string): void {
    this.kept.delete(trunkId)
  }

  private async passwordOf({ id, updated_at: version }: CredentialOwner): Promise<string | undefined> {
    const known = this.kept.get(id)
    if (known?.version === version) return known.password
    const kept: Kept = { version, password: this.read(id) }
    this.kept.set(id, kept)
    const forget = (): void => {
      if (this.kept.peek(id) === kept) this.kept.delete(id)
    }
    try {
      const password = await kept.password
      // One that is missing may be on its way: a record can be written before its password.
      if (password === undefined) forget()
      return password
    } catch (error) {
      forget()
      throw error
    }
  }

  private async read(id: string): Promise<string | undefined> {
    try {
      return await this.passwords.get(id)
    } catch (error) {
      const code = error instanceof StoreError ? error.code : 'UNAVAILABLE'
      const why = error instanceof Error ? error.message : String(error)
      throw new StoreError(code, `the password of trunk ${id} cannot be read: ${why}`, {}, { cause: error })
    }
  }
}
