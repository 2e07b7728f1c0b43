import { createHash, randomBytes } from 'node:crypto'
import type { SipText } from './sip-text.js'

export type FarAlgorithm = 'MD5' | 'MD5-sess' | 'SHA-256' | 'SHA-512-256'

export interface FarDigestOptions {
  readonly realm: string
  /** Passwords by digest user. */
  readonly users: Readonly<Record<string, string>>
  /** One challenge each, in this order. Default MD5 alone. */
  readonly algorithms?: readonly FarAlgorithm[]
  /** Default `auth`; null: a challenge without qop, as RFC 2069 has it. */
  readonly qop?: 'auth' | null
  /** `once`: a nonce is good for one request, then stale; `kept`, the default: for any number. */
  readonly nonces?: 'once' | 'kept'
  /** Every right answer is taken for an old one: a challenge without end. */
  readonly alwaysStale?: boolean
  /** Sent with each challenge, and wanted back. */
  readonly opaque?: string
}

/** What the credentials of a request are worth. */
export type FarVerdict =
  | { readonly kind: 'ok'; readonly username: string; readonly algorithm: string }
  | { readonly kind: 'none' | 'stale' }
  | { readonly kind: 'wrong'; readonly why: string }

const hashes: Record<string, string> = { MD5: 'md5', 'SHA-256': 'sha256', 'SHA-512-256': 'sha512-256' }

/** Parameters of a Digest header value; quoted ones without their quotes. */
export function digestParams(value: string): Map<string, string> {
  const params = new Map<string, string>()
  for (const [, name, quoted, plain] of value
    .replace(/^\s*digest\s+/i, '')
    .matchAll(/([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g))
    params.set((name ?? '').toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '')
  return params
}

/** The far end's side of RFC 7616: computed here from RFC and node:crypto alone, so that it proves the near end's. */
export class FarDigest {
  readonly #nonces = new Map<string, { lastNc: number; used: boolean }>()
  /** Challenges made, and requests that were let in. */
  challenges = 0
  accepted = 0

  constructor(readonly options: FarDigestOptions) {}

  /** Header lines of a challenge: one for each algorithm, with one nonce. */
  challenge(status: 401 | 407, stale = false): string[] {
    this.challenges++
    const { realm, algorithms = ['MD5'], qop = 'auth', opaque } = this.options
    const nonce = randomBytes(12).toString('hex')
    this.#nonces.set(nonce, { lastNc: 0, used: false })
    const header = status === 401 ? 'WWW-Authenticate' : 'Proxy-Authenticate'
    return algorithms.map((algorithm) =>
      [
        `${header}: Digest realm="${realm}", nonce="${nonce}"`,
        `algorithm=${algorithm}`,
        ...(qop === null ? [] : [`qop="${qop}"`]),
        ...(opaque === undefined ? [] : [`opaque="${opaque}"`]),
        ...(stale ? ['stale=TRUE'] : []),
      ].join(', '),
    )
  }

  /** Judges the credentials that a request carries for this realm, in the header that answers `status`. */
  judge(request: SipText, status: 401 | 407): FarVerdict {
    const values = request
      .all(status === 401 ? 'authorization' : 'proxy-authorization')
      .map(digestParams)
      .filter((params) => params.get('realm') === this.options.realm)
    const [params] = values
    if (params === undefined) return { kind: 'none' }
    if (values.length > 1) return { kind: 'wrong', why: 'credentials twice for one realm' }
    const verdict = this.#judge(params, request)
    if (verdict.kind === 'ok') this.accepted++
    return verdict
  }

  #judge(params: Map<string, string>, request: SipText): FarVerdict {
    const wrong = (why: string): FarVerdict => ({ kind: 'wrong', why })
    const of = (name: string): string => params.get(name) ?? ''
    const { users, algorithms = ['MD5'], qop = 'auth', opaque, nonces = 'kept', alwaysStale = false } = this.options
    const algorithm = of('algorithm') || 'MD5'
    if (!(algorithms as readonly string[]).includes(algorithm)) return wrong(`algorithm ${algorithm} was not offered`)
    const password = users[of('username')]
    if (password === undefined) return wrong(`unknown user "${of('username')}"`)
    if (of('uri') !== request.requestUri) return wrong(`uri "${of('uri')}" is not the Request-URI`)
    if (opaque !== undefined && of('opaque') !== opaque) return wrong('opaque was not sent back')
    if (qop !== null && of('qop') !== qop) return wrong(`qop "${of('qop')}" in place of ${qop}`)
    if (qop !== null && !/^[0-9a-f]{8}$/.test(of('nc'))) return wrong(`nc "${of('nc')}" is not 8 hexadecimal digits`)
    if (qop !== null && of('cnonce') === '') return wrong('no cnonce')

    const hash = (text: string): string =>
      createHash(hashes[algorithm.replace(/-sess$/i, '')] ?? 'md5')
        .update(text)
        .digest('hex')
    let secret = hash(`${of('username')}:${this.options.realm}:${password}`)
    if (/-sess$/i.test(algorithm)) secret = hash(`${secret}:${of('nonce')}:${of('cnonce')}`)
    const what = hash(`${request.method}:${of('uri')}`)
    const middle = qop === null ? of('nonce') : [of('nonce'), of('nc'), of('cnonce'), of('qop')].join(':')
    if (of('response') !== hash(`${secret}:${middle}:${what}`)) return wrong('response')

    const nonce = this.#nonces.get(of('nonce'))
    if (nonce === undefined || alwaysStale || (nonces === 'once' && nonce.used)) return { kind: 'stale' }
    if (qop !== null) {
      const count = Number.parseInt(of('nc'), 16)
      if (count <= nonce.lastNc) return wrong(`nc ${of('nc')} came before`)
      nonce.lastNc = count
    }
    nonce.used = true
    return { kind: 'ok', username: of('username'), algorithm }
  }
}
