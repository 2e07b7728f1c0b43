import { type Config, SecretKeyFiles, secretKeys } from '../config/index.js'
import type { Connection } from '../store/connection.js'
import { KeyRing } from '../store/key-ring.js'
import { createPasswords, type AllPasswords } from '../store/passwords.js'
import { Secrets } from '../store/secrets.js'

export interface SecretParts {
  /** The keys in use, for what is derived from them. */
  readonly ring: KeyRing
  readonly secrets: Secrets
  readonly passwords: AllPasswords
}

/** What keeps secrets. @throws {ConfigError} when a key cannot be read */
export function createSecrets(config: Config, connection: Connection): SecretParts {
  const files = new SecretKeyFiles(config)
  const ring = new KeyRing(secretKeys(config), () => files.changed())
  const secrets = new Secrets(ring)
  return { ring, secrets, passwords: createPasswords({ connection, secrets }) }
}
