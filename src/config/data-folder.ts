import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { ConfigError } from './config-error.js'
import type { Config } from './schema.js'
import { openFileProblem } from './secret-files.js'

export type DataConfig = Pick<Config, 'data'>

const OWNER_ONLY = 0o600

/** The data folder, made if it is not there: nobody else may look inside. */
function dataFolder({ data }: DataConfig): string {
  mkdirSync(data.dir, { recursive: true, mode: 0o700 })
  return data.dir
}

/** Makes what was renamed or linked in the folder outlast a loss of power. */
function syncFolder(config: DataConfig): void {
  let descriptor: number | undefined
  try {
    descriptor = openSync(config.data.dir, 'r')
    fsyncSync(descriptor)
  } catch {
    // There are file systems that do not take it for a folder; the file itself is written.
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}

/** A file of the data folder that its owner alone may read, written to the disk. */
function writeFresh(file: string, text: string): void {
  const descriptor = openSync(file, 'wx', OWNER_ONLY)
  try {
    writeFileSync(descriptor, text)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** Writes a file of the data folder that its owner alone may read: all of it, or what was there stays. It is on the disk afterwards. */
export function writeKept(config: DataConfig, name: string, text: string): void {
  guarded(config, () => {
    const file = join(dataFolder(config), name)
    const fresh = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`
    try {
      writeFresh(fresh, text)
      renameSync(fresh, file)
      syncFolder(config)
    } finally {
      rmSync(fresh, { force: true })
    }
  })
}

/** The text in a file of the data folder; `make` gives it when there is none. Two first starts at once agree on one. */
export function keptText(config: DataConfig, name: string, make: () => string): string {
  return guarded(config, () => {
    const kept = readKept(config, name)
    if (kept !== undefined) return kept
    const file = join(dataFolder(config), name)
    const fresh = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`
    try {
      writeFresh(fresh, `${make()}\n`)
      linkSync(fresh, file)
      syncFolder(config)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    } finally {
      rmSync(fresh, { force: true })
    }
    return readKept(config, name) ?? ''
  })
}

/** The text in a file of the data folder, undefined when there is none. @throws {ConfigError} when it is empty or cannot be read */
export function readKept(config: DataConfig, name: string): string | undefined {
  const file = join(config.data.dir, name)
  return guarded(config, () => {
    let text: string
    try {
      const open = openFileProblem(file)
      if (open !== undefined) throw new ConfigError([{ path: 'data.dir', message: open }])
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
export function guarded<T>(config: DataConfig, work: () => T): T {
  try {
    return work()
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException
    if (error instanceof ConfigError || code === undefined) throw error
    const message = `the data folder ${config.data.dir} cannot be used (${syscall ?? 'access'}: ${code})`
    throw new ConfigError([{ path: 'data.dir', message }])
  }
}
