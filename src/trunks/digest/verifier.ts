import { randomBytes, timingSafeEqual } from 'node:crypto'
import { type Clock, parseUri, sameUri } from '../../engine/index.js'
import { type AlgorithmName, findAlgorithm } from './algorithm.js'
import { escapeQuoted, readAuthItems } from './auth-params.js'
import { NonceCounts } from './nonce-counts.js'
import { NonceMaker } from './nonce.js'
import { computeResponse, type Qop, type ResponseParts } from './response.js'

export interface VerifierOptions {
  readonly clock: Clock
  /** Milliseconds a nonce may be used for. */
  readonly nonceLifetimeMs?: number
  /** What is offered, the one we like best first (RFC 8760 2.4). */
  readonly algorithms?: readonly AlgorithmName[]
  /** Nonces whose uses are remembered, at most. */
  readonly maxNonces?: number
  /**
   * What nonces are signed with, 32 bytes: edges that have the same take each other's, so that a caller may be challenged by one and
   * answer to another. Default: a key of its own.
   */
  readonly key?: Uint8Array
}

/** A request that shows credentials, or should. */
export interface ShownRequest {
  readonly realm: string
  /** Authorization as text, not bytes, its lines joined by `,`; undefined when there is none. */
  readonly authorization: string | undefined
  readonly method: string
  /** Request-URI. */
  readonly uri: string
  readonly body: string
  /**
   * The address it came from. A nonce is good for the address that was challenged alone: each edge counts its uses for itself, and what
   * somebody else overheard could be shown to another one. Default: ''.
   */
  readonly source?: string
}

/** Why credentials are not taken. */
export type DigestFault =
  /** None for this realm. */
  | 'absent'
  | 'malformed'
  /** An algorithm or qop that was not offered. */
  | 'unsupported'
  /** They are for another Request-URI. */
  | 'wrong-uri'
  /** Nobody of that name, or another password: which of the two is not told, neither by the time it takes. */
  | 'denied'
  /** They have been shown before. */
  | 'replayed'

/** Whether a request proves who it comes from. */
export type Verified =
  | { readonly result: 'ok'; readonly username: string }
  /** Proven, but the nonce is too old: to be challenged with `stale`. */
  | { readonly result: 'stale' }
  | { readonly result: 'refused'; readonly code: DigestFault; readonly why: string }

/** The password of a user; undefined when there is nobody of that name. */
export type PasswordOf = (username: string) => string | undefined | Promise<string | undefined>

const OFFERED: readonly AlgorithmName[] = ['SHA-256', 'MD5']
const NONCE_LIFETIME_MS = 60_000
const MAX_NONCES = 100_000

/** What is read of credentials, before anybody is looked up. */
interface Claim extends Omit<ResponseParts, 'password' | 'realm' | 'method' | 'body'> {
  readonly count: number
  readonly response: string
}

/** Asks those who call us for digest credentials and checks them (RFC 3261 22, RFC 7616, RFC 8760). */
export class DigestVerifier {
  readonly #clock: Clock
  readonly #algorithms: readonly AlgorithmName[]
  readonly #nonces: NonceMaker
  readonly #counts: NonceCounts
  /** Stands in for the password of nobody. */
  readonly #nobody = randomBytes(24).toString('base64')

  constructor({ clock, nonceLifetimeMs, algorithms, maxNonces, key }: VerifierOptions) {
    this.#clock = clock
    this.#nonces = new NonceMaker(key)
    this.#algorithms = algorithms ?? OFFERED
    this.#counts = new NonceCounts(nonceLifetimeMs ?? NONCE_LIFETIME_MS, maxNonces ?? MAX_NONCES)
  }

  /** Nonces whose uses are remembered. */
  get remembered(): number {
    return this.#counts.size
  }

  /** Values of WWW-Authenticate, one a line: they must not be joined (`headerLines`). */
  challenge(
    realm: string,
    { stale = false, source = '' }: { readonly stale?: boolean; readonly source?: string } = {},
  ): string[] {
    const nonce = this.#nonces.make(realm, this.nowMs, source)
    const said = `realm="${escapeQuoted(realm)}", nonce="${nonce}", qop="auth"${stale ? ', stale=true' : ''}`
    return this.#algorithms.map((algorithm) => `Digest ${said}, algorithm=${algorithm}`)
  }

  /** Checks a request's credentials. Each is good once. @throws whatever `passwordOf` throws */
  async verify(request: ShownRequest, passwordOf: PasswordOf): Promise<Verified> {
    const claim = this.read(request)
    if ('result' in claim) return claim
    // Nobody has an empty password.
    const password = (await passwordOf(claim.username)) || undefined
    const { realm, method, body, source = '' } = request
    const expected = computeResponse({ ...claim, realm, method, body, password: password ?? this.#nobody })
    if (!equal(expected, claim.response) || password === undefined)
      return refused('denied', 'the user name or the password is wrong')
    const { nowMs } = this
    const made = this.#nonces.read(claim.nonce, realm, source)
    if (made === undefined || this.#counts.isForgotten(made.madeMs, nowMs)) return { result: 'stale' }
    if (!this.#counts.take(claim.nonce, made.madeMs, claim.count, nowMs))
      return refused('replayed', 'the credentials have been used before')
    return { result: 'ok', username: claim.username }
  }

  private get nowMs(): number {
    return this.#clock.date().getTime()
  }

  private read({ realm, authorization, uri: requestUri }: ShownRequest): Claim | Verified {
    if (authorization === undefined) return refused('absent', 'there are no credentials')
    const read = readAuthItems(authorization)
    if (!read.ok) return refused('malformed', `Authorization: ${read.why}`)
    const item = read.items.find(({ scheme, params }) => scheme === 'digest' && params.get('realm')?.text === realm)
    if (item === undefined) return refused('absent', 'there are no credentials for this realm')
    if (item.fault !== undefined) return refused('malformed', `Authorization: ${item.fault}`)
    const text = (name: string): string | undefined => item.params.get(name)?.text
    const [username, nonce, uri, response] = ['username', 'nonce', 'uri', 'response'].map(text)
    if (username === undefined || nonce === undefined || uri === undefined || response === undefined)
      return refused('malformed', 'Authorization: username, nonce, uri or response is missing')

    const algorithm = findAlgorithm(text('algorithm') ?? 'MD5')
    if (algorithm === undefined || !this.#algorithms.includes(algorithm.name))
      return refused('unsupported', 'the algorithm was not offered')
    const qop = text('qop')?.toLowerCase()
    if (qop !== undefined && qop !== 'auth') return refused('unsupported', 'the qop was not offered')
    // Clients of RFC 2069 know no qop; they know no algorithm but MD5 either.
    if (qop === undefined && algorithm.name !== 'MD5') return refused('unsupported', 'qop is missing')
    const nc = qop === undefined ? '' : (text('nc') ?? '')
    const cnonce = qop === undefined ? '' : (text('cnonce') ?? '')
    if (qop !== undefined && (!/^[0-9a-f]{8}$/i.test(nc) || Number.parseInt(nc, 16) === 0 || cnonce === ''))
      return refused('malformed', 'Authorization: nc or cnonce is missing or wrong')
    if (!isFor(uri, requestUri)) return refused('wrong-uri', 'the credentials are for another Request-URI')
    const count = qop === undefined ? 0 : Number.parseInt(nc, 16)
    return { username, nonce, uri, response, algorithm, qop: qop as Qop | undefined, nc, cnonce, count }
  }
}

const refused = (code: DigestFault, why: string): Verified => ({ result: 'refused', code, why })

/**
 * Whether credentials for one URI are good for a request to the other: the same by RFC 3261 19.1.4; or the server that both name,
 * which is all that some clients write (SIPp among them). Nothing is lost by that: each use of a nonce counts once.
 */
function isFor(shown: string, requestUri: string): boolean {
  if (shown === requestUri) return true
  const [a, b] = [parseUri(shown), parseUri(requestUri)]
  if (a === undefined || b === undefined || !('host' in a) || !('host' in b)) return false
  return sameUri(a, b) || (a.user === undefined && a.host.toLowerCase() === b.host.toLowerCase() && a.port === b.port)
}

/** Whether a response is the expected one, in a time that does not tell how much of it is right. */
function equal(expected: string, response: string): boolean {
  const given = Buffer.from(response.toLowerCase(), 'utf8')
  const wanted = Buffer.from(expected, 'utf8')
  return given.length === wanted.length && timingSafeEqual(given, wanted)
}
