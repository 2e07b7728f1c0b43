import { randomBytes } from 'node:crypto'
import { rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigError } from './config-error.js'
import { guarded, keptText, readKept, writeKept, type DataConfig } from './data-folder.js'
import type { Config } from './schema.js'
import { decodeKey } from './values.js'

const KEY_BYTES = 32
const PRESENT = 'secret-key'
const FORMER = 'former-secret-keys'

/** The keys that encrypt passwords at rest, 32 bytes each. */
export interface SecretKeys {
  readonly present: Buffer
  /** What may still be encrypted with these opens; the latest first. */
  readonly former: readonly Buffer[]
}

type KeyConfig = DataConfig & Pick<Config, 'secret_key'>
type KeysConfig = KeyConfig & Pick<Config, 'former_secret_keys'>

/** The key that encrypts passwords at rest: the configured key, else the one in the data folder, made at the first start. @throws {ConfigError} */
export function secretKey(config: KeyConfig): Buffer {
  const text = config.secret_key ?? keptText(config, PRESENT, () => randomBytes(KEY_BYTES).toString('base64'))
  return keyOf(config, PRESENT, text)
}

/**
 * The present key and the former ones: those configured, those that a rotation left in the data folder, and the folder's own key where
 * a configured one has taken its place. @throws {ConfigError}
 */
export function secretKeys(config: KeysConfig): SecretKeys {
  const present = secretKey(config)
  const replaced = config.secret_key === null ? undefined : readKept(config, PRESENT)
  const former = [
    ...config.former_secret_keys.map((text) => keyOf(config, 'former_secret_keys', text)),
    ...(replaced === undefined ? [] : [keyOf(config, PRESENT, replaced)]),
    ...keptFormerKeys(config),
  ]
  return { present, former: former.filter((key) => !key.equals(present)) }
}

/** The keys in the data folder: there to be replaced, unless a key is configured. */
export class SecretKeyFiles {
  private seen: string | undefined

  constructor(private readonly config: KeysConfig) {
    this.seen = this.stamp()
  }

  /** Whether keys are made here; false when one is configured. */
  get makesKeys(): boolean {
    return this.config.secret_key === null
  }

  /** Makes a key and keeps the present one among the former. The former ones first: at no moment is a key in no file. @throws {ConfigError} */
  make(): SecretKeys {
    const { config } = this
    const present = secretKey(config)
    const former = [present, ...keptFormerKeys(config)].filter(
      (key, at, all) => all.findIndex((other) => other.equals(key)) === at,
    )
    writeKept(config, FORMER, linesOf(former))
    writeKept(config, PRESENT, linesOf([randomBytes(KEY_BYTES)]))
    return secretKeys(config)
  }

  /** The former keys that the data folder has. @throws {ConfigError} */
  former(): readonly Buffer[] {
    return keptFormerKeys(this.config)
  }

  /** Takes former keys out of the data folder. @throws {ConfigError} */
  drop(keys: readonly Uint8Array[]): void {
    const { config } = this
    const kept = keptFormerKeys(config).filter((key) => !keys.some((other) => key.equals(other)))
    if (kept.length > 0) writeKept(config, FORMER, linesOf(kept))
    else guarded(config, () => rmSync(join(config.data.dir, FORMER), { force: true }))
  }

  /** The keys, when another process replaced the files since this was last asked; else undefined. @throws {ConfigError} */
  changed(): SecretKeys | undefined {
    if (!this.makesKeys) return undefined
    const stamp = this.stamp()
    if (stamp === this.seen) return undefined
    const keys = secretKeys(this.config)
    // Only now: what could not be read is read again.
    this.seen = stamp
    return keys
  }

  private stamp(): string | undefined {
    const stat = statSync(join(this.config.data.dir, PRESENT), { bigint: true, throwIfNoEntry: false })
    return stat === undefined ? undefined : `${stat.ino} ${stat.mtimeNs}`
  }
}

const linesOf = (keys: readonly Buffer[]): string => keys.map((key) => `${key.toString('base64')}\n`).join('')

function keptFormerKeys(config: DataConfig): Buffer[] {
  const lines = readKept(config, FORMER)?.split(/\s+/) ?? []
  return lines.map((line) => keyOf(config, FORMER, line))
}

function keyOf(config: DataConfig, name: string, text: string): Buffer {
  const key = decodeKey(text)
  if (key === undefined)
    throw new ConfigError([{ path: join(config.data.dir, name), message: 'does not hold a key of 32 bytes' }])
  return key
}
