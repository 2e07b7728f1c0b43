import { randomBytes } from 'node:crypto'
import { chmodSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { ConfigError } from './config-error.js'
import type { Config } from './schema.js'
import { decodeKey } from './values.js'

const OWNER_ONLY = 0o600
const KEY_BYTES = 32

/** How a command finds the Signalbox that runs on this machine. Kept in the data folder, `instance.json`, while it runs. */
const instanceSchema = z.object({
  pid: z.number().int().positive(),
  /** Of the REST API: `http://127.0.0.1:8080`. */
  http_url: z.string(),
  redis_url: z.string(),
  /** Where it listens for SIP: `udp/127.0.0.1:5060`. */
  sip: z.array(z.string()),
})

export type Instance = z.output<typeof instanceSchema>

type DataConfig = Pick<Config, 'data'>

/** The bearer token of the REST API: the configured one, else the one in the data folder, made at the first start. @throws {ConfigError} */
export function adminToken(config: DataConfig & Pick<Config, 'admin_token'>): string {
  return config.admin_token ?? keptText(config, 'admin-token', () => randomBytes(24).toString('base64url'))
}

/** The token as `adminToken` gives it, but without making one: undefined when there is none yet. @throws {ConfigError} */
export function readAdminToken(config: DataConfig & Pick<Config, 'admin_token'>): string | undefined {
  return config.admin_token ?? readText(config, 'admin-token')
}

/** The 32 bytes that encrypt passwords at rest: the configured key, else the one in the data folder, made at the first start. @throws {ConfigError} */
export function secretKey(config: DataConfig & Pick<Config, 'secret_key'>): Buffer {
  const text = config.secret_key ?? keptText(config, 'secret-key', () => randomBytes(KEY_BYTES).toString('base64'))
  const key = decodeKey(text)
  if (key === undefined)
    throw new ConfigError([{ path: join(config.data.dir, 'secret-key'), message: 'does not hold a key of 32 bytes' }])
  return key
}

/** Lets commands on this machine find us. @throws {ConfigError} when the data folder cannot be written */
export function writeInstance(config: DataConfig, instance: Instance): void {
  guarded(config, () => {
    const file = join(dataFolder(config), 'instance.json')
    const fresh = `${file}.${process.pid}`
    writeFileSync(fresh, `${JSON.stringify(instance)}\n`, { mode: OWNER_ONLY })
    renameSync(fresh, file)
  })
}

/** The Signalbox that runs with this data folder, or undefined when none does. */
export function readInstance(config: DataConfig): Instance | undefined {
  try {
    const instance = instanceSchema.parse(JSON.parse(readFileSync(join(config.data.dir, 'instance.json'), 'utf8')))
    return isAlive(instance.pid) ? instance : undefined
  } catch {
    // No file, an older form, or cut short: nobody to be found.
    return undefined
  }
}

/** Takes our entry away when we stop; that of another process stays. */
export function forgetInstance(config: DataConfig): void {
  if (readInstance(config)?.pid === process.pid) rmSync(join(config.data.dir, 'instance.json'), { force: true })
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** The data folder, made if it is not there: nobody else may look inside. */
function dataFolder({ data }: DataConfig): string {
  mkdirSync(data.dir, { recursive: true, mode: 0o700 })
  return data.dir
}

/** The text in a file of the data folder; `make` gives it when there is none. Two first starts at once agree on one. */
function keptText(config: DataConfig, name: string, make: () => string): string {
  return guarded(config, () => {
    const kept = readText(config, name)
    if (kept !== undefined) return kept
    const file = join(dataFolder(config), name)
    const fresh = `${file}.${process.pid}`
    writeFileSync(fresh, `${make()}\n`, { mode: OWNER_ONLY })
    try {
      linkSync(fresh, file)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    } finally {
      rmSync(fresh, { force: true })
    }
    return readText(config, name) ?? ''
  })
}

function readText(config: DataConfig, name: string): string | undefined {
  const file = join(config.data.dir, name)
  return guarded(config, () => {
    let text: string
    try {
      if ((statSync(file).mode & 0o077) !== 0) chmodSync(file, OWNER_ONLY)
      text = readFileSync(file, 'utf8').trim()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
    if (text === '') throw new ConfigError([{ path: file, message: 'is empty: delete it to have a new one made' }])
    return text
  })
}

/** Turns what the file system says into a problem of the configuration. */
function guarded<T>(config: DataConfig, work: () => T): T {
  try {
    return work()
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException
    if (error instanceof ConfigError || code === undefined) throw error
    const message = `the data folder ${config.data.dir} cannot be used (${syscall ?? 'access'}: ${code})`
    throw new ConfigError([{ path: 'data.dir', message }])
  }
}
