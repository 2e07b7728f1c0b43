import { ClientExchange } from './client-exchange.js'
import type { Challenge } from './challenge.js'
import type { Credentials, DigestExchange, DigestRequest } from './exchange.js'
import { type Asker, NonceUse } from './nonce-use.js'

/** Realms of one trunk whose nonces are kept. */
const MAX_REALMS = 8
/** Nonces of one trunk whose uses are counted. */
const MAX_NONCES = 32
/** Trunks whose nonces are kept. */
const MAX_SESSIONS = 20_000

/** Registrars and those who take calls may be different servers: each is shown its own nonces. */
type Purpose = 'registration' | 'call'

/**
 * What the servers of one trunk have asked us for, so that a request carries credentials ahead of the challenge (RFC 3261 22.2,
 * RFC 7616 3.6). Holds no password. Bounded: the least recently used goes first.
 */
export class DigestSession {
  /** The last nonce that was accepted, by purpose, and by asker and realm. */
  readonly #accepted: Readonly<Record<Purpose, Map<string, NonceUse>>> = { registration: new Map(), call: new Map() }
  /** Every nonce answered lately: one nonce has one count, whoever shows it (RFC 7616 3.4). */
  readonly #uses = new Map<string, NonceUse>()
  readonly #realms = new Map<string, true>()

  /** The credentials of one request: ahead of any challenge where a nonce is known, unless `ahead` is false. */
  begin(request: DigestRequest, credentials: Credentials | undefined, { ahead = true } = {}): DigestExchange {
    const accepted = this.#accepted[request.method === 'REGISTER' ? 'registration' : 'call']
    const keyOf = ({ asker, challenge }: NonceUse): string => `${asker} ${challenge.realm.text}`
    return new ClientExchange(
      {
        ahead: () => (ahead ? [...accepted.values()] : []),
        use: (asker, challenge) => this.use(asker, challenge),
        accepted: (use) => {
          keep(accepted, keyOf(use), use, MAX_REALMS)
          keep(this.#realms, use.challenge.realm.text, true, MAX_REALMS)
        },
        // Another request may have brought a newer nonce.
        refused: (use) => void (accepted.get(keyOf(use)) === use && accepted.delete(keyOf(use))),
      },
      request,
      credentials,
    )
  }

  /** Whether credentials for this realm have been accepted here. */
  knows(realm: string): boolean {
    return this.#realms.has(realm)
  }

  private use(asker: Asker, challenge: Challenge): NonceUse {
    const { realm, nonce, algorithm, qop } = challenge
    const key = [asker, algorithm.name, qop ?? '', realm.raw, nonce.raw].join('\n')
    const use = this.#uses.get(key) ?? new NonceUse(asker, challenge)
    keep(this.#uses, key, use, MAX_NONCES)
    return use
  }
}

/** The sessions of all trunks, by trunk id. */
export class DigestSessions {
  readonly #sessions = new Map<string, DigestSession>()

  /** The session of a trunk; a new one when it has none. */
  of(trunkId: string): DigestSession {
    const session = this.#sessions.get(trunkId) ?? new DigestSession()
    keep(this.#sessions, trunkId, session, MAX_SESSIONS)
    return session
  }

  /** Forgets a trunk's nonces: it is gone, or its password is another one. */
  forget(trunkId: string): void {
    this.#sessions.delete(trunkId)
  }
}

/** Puts an entry last; the first goes when there are too many. */
function keep<Value>(map: Map<string, Value>, key: string, value: Value, max: number): void {
  map.delete(key)
  map.set(key, value)
  for (const oldest of map.keys()) {
    if (map.size <= max) return
    map.delete(oldest)
  }
}
