import { type Config, SecretKeyFiles, secretKeys } from '../config/index.js'
import type { Connection } from '../store/connection.js'
import { KeyRing } from '../store/key-ring.js'
import { createPasswords, type AllPasswords } from '../store/passwords.js'
import type { Clock } from '../engine/index.js'
import type { Log } from '../store/observe.js'
import { SecretRotation } from '../store/secret-rotation.js'
import { Secrets } from '../store/secrets.js'

export interface SecretParts {
  /** The keys in use, for what is derived from them. */
  readonly ring: KeyRing
  readonly secrets: Secrets
  readonly passwords: AllPasswords
  readonly rotation: SecretRotation
}

/** What keeps secrets. @throws {ConfigError} when a key cannot be read */
export function createSecrets(
  config: Config,
  { connection, clock, logger }: { connection: Connection; clock: Clock; logger: Log },
): SecretParts {
  const files = new SecretKeyFiles(config)
  const ring = new KeyRing(secretKeys(config), () => files.changed())
  const secrets = new Secrets(ring)
  const rotation = new SecretRotation({ connection, clock, ring, secrets, keeper: files, logger })
  return { ring, secrets, passwords: createPasswords({ connection, secrets }), rotation }
}
