import { type Config, SecretKeyFiles, secretKeys } from '../config/index.js'
import type { Clock, Timer } from '../engine/index.js'
import type { Connection } from '../store/connection.js'
import { KeyRing } from '../store/key-ring.js'
import { createPasswords, type AllPasswords } from '../store/passwords.js'
import type { Log } from '../store/observe.js'
import { SecretRotation } from '../store/secret-rotation.js'
import { Secrets } from '../store/secrets.js'

export interface SecretParts {
  /** The keys in use, for what is derived from them. */
  readonly ring: KeyRing
  readonly secrets: Secrets
  readonly passwords: AllPasswords
  readonly rotation: SecretRotation
  stop(): Promise<void>
}

/** Another edge on the same data folder may have rotated the key: its Contact tokens are known here this much later. */
const REFRESH_MS = 5_000

/** What keeps secrets. @throws {ConfigError} when a key cannot be read */
export function createSecrets(
  config: Config,
  { connection, clock, logger }: { connection: Connection; clock: Clock; logger: Log },
): SecretParts {
  const files = new SecretKeyFiles(config)
  const ring = new KeyRing(secretKeys(config), () => files.changed())
  const secrets = new Secrets(ring)
  const rotation = new SecretRotation({ connection, clock, ring, secrets, keeper: files, logger })
  let timer: Timer
  const refresh = (): void => {
    ring.refresh()
    timer = clock.after(REFRESH_MS, refresh)
  }
  timer = clock.after(REFRESH_MS, refresh)
  return {
    ring,
    secrets,
    passwords: createPasswords({ connection, secrets }),
    rotation,
    stop() {
      timer.cancel()
      return rotation.stop()
    },
  }
}
