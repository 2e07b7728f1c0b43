import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { z } from 'zod'
import { ConfigError, type Problem } from './config-error.js'
import { readConfigFile } from './config-file.js'
import type { Entry } from './entry.js'
import { readEnvironment } from './environment.js'
import { configSchema, type Config } from './schema.js'
import { openConfigProblem } from './secret-files.js'

export interface LoadOptions {
  /** Environment variables; the process's own when left out. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** The file with the defaults; the project's `config/default.yaml` when left out. */
  readonly defaultFile?: string
  /** A file over the defaults; what `SIGNALBOX_CONFIG` names when left out. */
  readonly file?: string
}

/**
 * The configuration: the defaults, over them a file, over that the environment. `data.dir` comes out as an absolute path: as a
 * default it is in the project's folder, given by the user it counts from the working directory.
 *
 * @throws {ConfigError} with all that is wrong: unknown keys, bad values and types, unreadable files
 */
export function loadConfig({ env = process.env, defaultFile, file = env.SIGNALBOX_CONFIG }: LoadOptions = {}): Config {
  const project = projectFolder()
  const defaults = defaultFile ?? join(project, 'config', 'default.yaml')
  const layers = [
    readConfigFile(defaults),
    ...(file === undefined || file === '' ? [] : [readConfigFile(resolve(file))]),
    readEnvironment(env),
  ]
  const entries = layers.flatMap((layer) => layer.entries)
  const given = new Map(entries.map((entry) => [entry.path.join('.'), entry]))
  const parsed = configSchema.safeParse(treeOf(entries), { error: (issue) => phrase(issue) })
  const openFile = file === undefined || file === '' ? undefined : openConfigProblem(resolve(file), layers[1]!.entries)
  const problems = [
    ...layers.flatMap((layer) => layer.problems),
    ...(parsed.error?.issues ?? []).map((issue) => problemOf(issue, given)),
    ...contradictions(given),
    ...(openFile === undefined ? [] : [openFile]),
  ]
  if (problems.length > 0 || !parsed.success) throw new ConfigError(problems)
  const base = given.get('data.dir')?.source === defaults ? project : process.cwd()
  return { ...parsed.data, data: { ...parsed.data.data, dir: resolve(base, parsed.data.data.dir) } }
}

/** The folder that holds `config/default.yaml`: above the sources as well as above what they are built to. */
function projectFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'config', 'default.yaml')) && folder !== dirname(folder)) folder = dirname(folder)
  return folder
}

/** Later entries replace earlier ones of the same key. */
function treeOf(entries: readonly Entry[]): Record<string, unknown> {
  const tree: Record<string, unknown> = {}
  for (const { path, value } of entries) {
    let section = tree
    for (const key of path.slice(0, -1)) section = (section[key] ??= {}) as Record<string, unknown>
    section[path.at(-1) ?? ''] = value
  }
  return tree
}

function problemOf(issue: z.core.$ZodIssue, given: ReadonlyMap<string, Entry>): Problem {
  const keys = issue.path.filter((part) => typeof part === 'string')
  const index = issue.path.find((part) => typeof part === 'number')
  const path = keys.join('.')
  const source = given.get(path)?.source
  return {
    path: index === undefined ? path : `${path}[${index}]`,
    message: issue.message,
    ...(source === undefined ? {} : { source }),
  }
}

/** What is wrong between keys; looked at even when single keys are wrong, so that all is said at once. */
function contradictions(given: ReadonlyMap<string, Entry>): Problem[] {
  const problems: Problem[] = []
  const add = (path: string, message: string): void => {
    const source = given.get(path)?.source
    problems.push({ path, message, ...(source === undefined ? {} : { source }) })
  }
  const value = (path: string): unknown => given.get(path)?.value ?? undefined
  const [t1, t2] = [value('sip.t1_ms'), value('sip.t2_ms')]
  if (typeof t1 === 'number' && typeof t2 === 'number' && t2 < t1) add('sip.t2_ms', 'must not be less than sip.t1_ms')
  const [least, usual, most] = ['min', 'default', 'max'].map((name) => value(`registrar.${name}_expires_s`))
  if (
    typeof least === 'number' &&
    typeof usual === 'number' &&
    typeof most === 'number' &&
    !(least <= usual && usual <= most)
  )
    add('registrar.default_expires_s', 'must lie between registrar.min_expires_s and registrar.max_expires_s')
  for (const section of ['sip.tls', 'http.tls']) {
    const [certificate, key] = [value(`${section}.certificate_file`), value(`${section}.key_file`)]
    if (certificate !== undefined && key === undefined)
      add(`${section}.key_file`, `is needed with ${section}.certificate_file: the key of the certificate`)
    if (certificate === undefined && key !== undefined)
      add(`${section}.certificate_file`, `is needed with ${section}.key_file: the certificate of the key`)
  }
  const asked = value('sip.tls.client_certificates')
  if ((asked === 'ask' || asked === 'require') && value('sip.tls.ca_file') === undefined)
    add('sip.tls.ca_file', 'is needed with sip.tls.client_certificates: who vouches for clients')
  if (value('drachtio.host') !== undefined && value('drachtio.secret') === undefined)
    add('drachtio.secret', 'is needed with drachtio.host: set DRACHTIO_SECRET to the secret of that server')
  return problems
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  record: 'names and values, in the environment as JSON',
}

/** What a value must be, in words. */
function phrase(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'invalid_type') return `must be ${TYPE_NAMES[issue.expected] ?? issue.expected}`
  if (issue.code === 'invalid_value') return `must be one of ${issue.values.map(String).join(', ')}`
  const unit =
    issue.code !== 'too_small' && issue.code !== 'too_big'
      ? ''
      : ({ string: ' characters', array: ' entries' }[issue.origin as string] ?? '')
  if (issue.code === 'too_small') return `must be ${String(issue.minimum)}${unit} or more`
  if (issue.code === 'too_big') return `must be ${String(issue.maximum)}${unit} or less`
  return undefined
}
