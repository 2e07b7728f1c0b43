import { type Config, ConfigError, openKeyProblems, parseListen } from '../config/index.js'
import type { Problem } from '../config/config-error.js'
import { isLoopbackHost, refuseClearHttp } from './http.js'

/** Secrets that software ships with, and those that are tried first. */
const KNOWN_TO_ALL = new Set([
  'cymru',
  'admin',
  'changeme',
  'default',
  'letmein',
  'let-me-in',
  'password',
  'secret',
  'signalbox',
  'test',
  'token',
])
/** Characters of a token that is not guessed. */
const SHORTEST_TOKEN = 12

type UnsafeConfig = Pick<Config, 'http' | 'drachtio' | 'admin_token' | 'sip'>

/**
 * Refuses a start that would let strangers in: secrets that everybody knows where others can try them, an API in the clear, private keys
 * that everybody on the machine can read.
 * @throws {ConfigError} each in one line that says why and how to mend it
 */
export function refuseUnsafeStart(config: UnsafeConfig): void {
  const problems: Problem[] = [...secretProblems(config), ...openKeyProblems(config)]
  if (problems.length > 0) throw new ConfigError(problems)
  refuseClearHttp(config)
}

function secretProblems({ http, drachtio, admin_token: token }: UnsafeConfig): Problem[] {
  const problems: Problem[] = []
  const { host, secret } = drachtio
  if (host !== null && secret !== null && !isLoopbackHost(host) && isKnown(secret))
    problems.push({
      path: 'drachtio.secret',
      message: `is known to everybody, and ${host} is reached over the network: give the drachtio-server a secret of its own, openssl rand -hex 24`,
    })
  const listen = parseListen(http.listen)?.host ?? ''
  if (token !== null && !isLoopbackHost(listen) && (isKnown(token) || token.length < SHORTEST_TOKEN))
    problems.push({
      path: 'admin_token',
      message: `is easily guessed, and ${http.listen} is reached by others: set SIGNALBOX_ADMIN_TOKEN to a long random text, openssl rand -hex 24`,
    })
  return problems
}

const isKnown = (secret: string): boolean => KNOWN_TO_ALL.has(secret.toLowerCase())
