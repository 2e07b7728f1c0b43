import { randomBytes } from 'node:crypto'
import { escapeQuoted } from './auth-params.js'
import type { Challenge } from './challenge.js'
import type { Credentials, DigestRequest } from './exchange.js'
import { computeResponse } from './response.js'

const CNONCE_BYTES = 16

/** What is asked of a client, and in which header it answers: by the user agent server (401) or by a proxy (407). */
export type Asker = 'server' | 'proxy'

/** Header names of each asker. */
export const headersOf = {
  server: { challenge: 'WWW-Authenticate', credentials: 'Authorization', info: 'Authentication-Info' },
  proxy: { challenge: 'Proxy-Authenticate', credentials: 'Proxy-Authorization', info: 'Proxy-Authentication-Info' },
} as const satisfies Record<Asker, object>

/** A nonce we have been given, and how often we have shown it. */
export class NonceUse {
  #count = 0
  #sessionCnonce: string | undefined

  constructor(
    readonly asker: Asker,
    readonly challenge: Challenge,
  ) {}

  /** The value of (Proxy-)Authorization for a request (RFC 7616 3.4). Each call counts as one use. */
  authorize({ username, password }: Credentials, { method, uri, body }: DigestRequest): string {
    const { realm, nonce, opaque, algorithm, algorithmNamed, qop } = this.challenge
    this.#count += 1
    const nc = this.#count.toString(16).padStart(8, '0')
    const cnonce = this.cnonce()
    const response = computeResponse({
      algorithm,
      username,
      realm: realm.text,
      password,
      nonce: nonce.text,
      method,
      uri,
      qop,
      nc,
      cnonce,
      body,
    })
    const params = [
      `username="${escapeQuoted(username)}"`,
      `realm="${realm.raw}"`,
      `nonce="${nonce.raw}"`,
      `uri="${escapeQuoted(uri)}"`,
      `response="${response}"`,
    ]
    if (algorithmNamed !== undefined) params.push(`algorithm=${algorithmNamed}`)
    if (qop !== undefined || algorithm.sess) params.push(`cnonce="${cnonce}"`)
    if (opaque !== undefined) params.push(`opaque="${opaque.raw}"`)
    if (qop !== undefined) params.push(`qop=${qop}`, `nc=${nc}`)
    return `Digest ${params.join(', ')}`
  }

  /**
   * A fresh one each time; of a session always the same: its key is made of the first one, and servers that keep no key make it
   * of the one at hand.
   */
  private cnonce(): string {
    const fresh = (): string => randomBytes(CNONCE_BYTES).toString('hex')
    if (!this.challenge.algorithm.sess) return fresh()
    this.#sessionCnonce ??= fresh()
    return this.#sessionCnonce
  }
}
