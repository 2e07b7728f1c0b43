import { type Config, ConfigError, openKeyProblems, parseListen } from '../config/index.js'
import type { Problem } from '../config/config-error.js'
import { isLoopbackHost, tooWide } from '../model/network.js'
import type { Directory } from '../store/directory.js'
import { keys } from '../store/keys.js'
import { refuseClearHttp } from './http.js'

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
/** Agents that are named at most. */
const MAX_TOLD = 5
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
  // Whoever reaches the proxy in front reaches a loopback address too.
  const isReached = !isLoopbackHost(listen) || http.trust_proxy !== false
  if (token !== null && isReached && (isKnown(token) || token.length < SHORTEST_TOKEN))
    problems.push({
      path: 'admin_token',
      message: `is easily guessed, and ${http.listen} is reached by others: set SIGNALBOX_ADMIN_TOKEN to a long random text, openssl rand -hex 24`,
    })
  return problems
}

/**
 * Refuses to serve agents whose calls may come from anywhere: everybody could place calls by them, at their owners' expense. The API
 * takes no such agent; others write records too.
 * @throws {ConfigError} each in one line that says which and how to mend it
 */
export function refuseOpenRelay(directory: Pick<Directory, 'onAgent'>): void {
  const problems: Problem[] = []
  const stop = directory.onAgent((id, agent) => {
    const wide = agent?.allowed_addresses.find((network) => tooWide(network) !== undefined)
    if (wide === undefined) return
    const mend = `redis-cli HSET ${keys.agent(id)} allowed_addresses '["<network of the agent>"]'`
    problems.push({
      path: keys.agent(id),
      message: `is an open relay, for its allowed_addresses have ${wide}, and anybody could place calls by it: ${mend}`,
    })
  })
  stop()
  if (problems.length > 0) throw new ConfigError(problems.slice(0, MAX_TOLD))
}

const isKnown = (secret: string): boolean => KNOWN_TO_ALL.has(secret.toLowerCase())
