import { type Algorithm, findAlgorithm } from './algorithm.js'
import { type AuthItem, type AuthParam, readAuthItems } from './auth-params.js'
import type { Qop } from './response.js'

/** One Digest challenge (RFC 7616 3.3) that we can answer. */
export interface Challenge {
  readonly realm: AuthParam
  readonly nonce: AuthParam
  readonly opaque: AuthParam | undefined
  readonly algorithm: Algorithm
  /** The algorithm as it was named; undefined when it was not. */
  readonly algorithmNamed: string | undefined
  /** `auth` where it is offered; undefined when none is: the way of RFC 2069. */
  readonly qop: Qop | undefined
  /** The nonce of the credentials that were shown is too old; nothing else is wrong with them. */
  readonly stale: boolean
}

export interface Challenges {
  /** Of each realm the topmost that we support (RFC 8760 2.4), in the order they came. */
  readonly usable: readonly Challenge[]
  /** Why the others are not used; the first of each kind. */
  readonly unsupported: string | undefined
  readonly malformed: string | undefined
}

/** Reads the value of WWW-Authenticate or Proxy-Authenticate: all its lines, joined by `,`. Other schemes than Digest are passed over. */
export function readChallenges(value: string): Challenges {
  const read = readAuthItems(value)
  if (!read.ok) return { usable: [], unsupported: undefined, malformed: read.why }
  const usable = new Map<string, Challenge>()
  let unsupported: string | undefined
  let malformed: string | undefined
  for (const item of read.items) {
    if (item.scheme === '') malformed ??= 'parameters come before any scheme'
    else if (item.scheme !== 'digest') unsupported ??= 'another scheme than Digest'
    else {
      const { challenge, fault, lacking } = readChallenge(item)
      if (challenge !== undefined) {
        if (!usable.has(challenge.realm.text)) usable.set(challenge.realm.text, challenge)
      } else if (fault !== undefined) malformed ??= fault
      else unsupported ??= lacking
    }
  }
  return { usable: [...usable.values()], unsupported, malformed }
}

interface ChallengeRead {
  readonly challenge?: Challenge
  readonly fault?: string
  readonly lacking?: string
}

function readChallenge({ params, fault }: AuthItem): ChallengeRead {
  if (fault !== undefined) return { fault }
  const realm = params.get('realm')
  const nonce = params.get('nonce')
  if (realm === undefined) return { fault: 'realm is missing' }
  if (nonce === undefined) return { fault: 'nonce is missing' }
  const algorithmNamed = params.get('algorithm')?.text
  const algorithm = findAlgorithm(algorithmNamed ?? 'MD5')
  if (algorithm === undefined) return { lacking: 'an algorithm that is none of ours' }
  const offered =
    params
      .get('qop')
      ?.text.toLowerCase()
      .split(/[\s,]+/)
      .filter(Boolean) ?? []
  const qop = offered.includes('auth') ? 'auth' : offered.includes('auth-int') ? 'auth-int' : undefined
  if (offered.length > 0 && qop === undefined) return { lacking: 'a qop that is none of ours' }
  return {
    challenge: {
      realm,
      nonce,
      opaque: params.get('opaque'),
      algorithm,
      algorithmNamed,
      qop,
      stale: params.get('stale')?.text.toLowerCase() === 'true',
    },
  }
}

/** The `nextnonce` of Authentication-Info or Proxy-Authentication-Info (RFC 7615); undefined when there is none. */
export function readNextNonce(value: string): AuthParam | undefined {
  const read = readAuthItems(value)
  if (!read.ok) return undefined
  const [item] = read.items
  if (item?.scheme !== '' || item.fault !== undefined) return undefined
  const nonce = item.params.get('nextnonce')
  return nonce === undefined || nonce.text === '' ? undefined : nonce
}
