import { randomBytes } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { keptText, readKept, writeKept, type DataConfig } from './data-folder.js'
import type { Config } from './schema.js'

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

/** The bearer token of the REST API: the configured one, else the one in the data folder, made at the first start. @throws {ConfigError} */
export function adminToken(config: DataConfig & Pick<Config, 'admin_token'>): string {
  return config.admin_token ?? keptText(config, 'admin-token', () => randomBytes(24).toString('base64url'))
}

/** The token as `adminToken` gives it, but without making one: undefined when there is none yet. @throws {ConfigError} */
export function readAdminToken(config: DataConfig & Pick<Config, 'admin_token'>): string | undefined {
  return config.admin_token ?? readKept(config, 'admin-token')
}

/** Lets commands on this machine find us. @throws {ConfigError} when the data folder cannot be written */
export function writeInstance(config: DataConfig, instance: Instance): void {
  writeKept(config, 'instance.json', `${JSON.stringify(instance)}\n`)
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
