import { statSync } from 'node:fs'
import type { Problem } from './config-error.js'
import type { Entry } from './entry.js'
import type { Config } from './schema.js'

const OTHERS = 0o007

/** Why a file that holds a secret may not be used as it is: everybody on this machine can open it; undefined: they cannot, or there is none. */
export function openFileProblem(file: string): string | undefined {
  const stat = statSync(file, { throwIfNoEntry: false })
  if (stat === undefined || (stat.mode & OTHERS) === 0) return undefined
  return `${file} can be opened by everybody on this machine and holds a secret: chmod o= ${file}, and change the secret if others use it`
}

/** Keys whose values let somebody in, or open what is sealed. */
const SECRET_KEYS = new Set(['admin_token', 'secret_key', 'former_secret_keys', 'drachtio.secret'])

const holdsSecret = ({ path, value }: Entry): boolean => {
  const name = path.join('.')
  if (name === 'redis.url') return typeof value === 'string' && /:\/\/[^/]*:[^/]+@/.test(value)
  return SECRET_KEYS.has(name) && value !== null && value !== undefined
}

/** The problem of a configuration file that sets secrets and is open to everybody; undefined: it is not, or sets none. */
export function openConfigProblem(file: string, entries: readonly Entry[]): Problem | undefined {
  const secret = entries.find(holdsSecret)
  const message = secret === undefined ? undefined : openFileProblem(file)
  return message === undefined ? undefined : { path: secret!.path.join('.'), message }
}

/** Private keys of TLS that everybody on this machine can read. */
export function openKeyProblems({ sip, http }: Pick<Config, 'sip' | 'http'>): Problem[] {
  const files: Array<readonly [path: string, file: string | null]> = [
    ['sip.tls.key_file', sip.tls.key_file],
    ['http.tls.key_file', http.tls.key_file],
    ...Object.entries(sip.tls.named_certificates).map(
      ([name, { key_file }]) => [`sip.tls.named_certificates.${name}.key_file`, key_file] as const,
    ),
  ]
  return files.flatMap(([path, file]) => {
    const message = file === null ? undefined : openFileProblem(file)
    return message === undefined ? [] : [{ path, message }]
  })
}
