import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** What proves who somebody is, or opens a medium, wherever it stands. */
const PATTERNS: ReadonlyArray<readonly [what: string, pattern: RegExp]> = [
  ['a digest response', /response\s*=\s*"?[0-9a-f]{32,128}\b/i],
  ['a key of SRTP', /a=crypto:\d+\s+\S+\s+inline:[A-Za-z0-9+/=]{16,}/i],
  ['a token of a Contact we registered', /sbt[a-z2-7]{20}/],
  ['a bearer token', /Bearer\s+[A-Za-z0-9._~+/-]{16,}/],
  ['a private key', /-----BEGIN [A-Z ]*PRIVATE KEY-----/],
]

/** Shorter ones are words that stand in texts anyway. */
const SHORTEST_SECRET = 8

/** What of secrets stands in a text that nobody should find them in; the secrets themselves are not repeated. */
export function leaksIn(text: string, secrets: Iterable<string> = []): string[] {
  const found = PATTERNS.filter(([, pattern]) => pattern.test(text)).map(([what]) => what)
  for (const secret of secrets) {
    if (secret.length < SHORTEST_SECRET) continue
    if (text.includes(secret) || text.includes(JSON.stringify(secret).slice(1, -1)))
      found.push(`a secret of ${secret.length} characters that the test has given`)
  }
  return found
}

/** The passwords and secrets in a request's body, whatever they are called there. */
export function secretsIn(body: unknown): string[] {
  if (typeof body !== 'object' || body === null) return []
  return Object.entries(body).flatMap(([name, value]) =>
    typeof value === 'string' ? (/password|secret/i.test(name) ? [value] : []) : secretsIn(value),
  )
}

/** Every file below a folder as text, byte for byte. */
export function textBelow(folder: string): string {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true)
    .map((path) => readFileSync(path, 'latin1'))
    .join('\n')
}

/** Files of a data folder that others than their owner may open, the folder itself among them. */
export function openFiles(folder: string): string[] {
  if ((statSync(folder).mode & 0o077) !== 0) return [folder]
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => join(folder, name))
    .filter((path) => (statSync(path).mode & 0o077) !== 0)
}
