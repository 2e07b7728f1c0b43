import type { Trunk } from '../model/trunk.js'
import { headerLines } from '../trunks/digest/header-lines.js'
import type { DigestVerifier } from '../trunks/digest/verifier.js'
import { authorizationOf } from './agent-auth.js'
import type { ChallengeMetrics } from './ports.js'
import type { HeaderMap, SipInvite } from './sip-server.js'

/** Whether a caller is the trunk. */
export type TrunkProof =
  | { readonly result: 'proven' }
  /** No credentials that could be checked: the headers of the 401 that asks for them. */
  | { readonly result: 'challenge'; readonly headers: HeaderMap }
  | { readonly result: 'refused'; readonly why: string }

export interface TrunkAuthOptions {
  readonly verifier: Pick<DigestVerifier, 'challenge' | 'verify'>
  readonly metrics: ChallengeMetrics
  /** The password of the trunk's `inbound_auth`; undefined when it has none. Rejects when that cannot be told. */
  passwordOf(trunk: Trunk): Promise<string | undefined>
}

/** Proves by digest that a call comes from a trunk: its `inbound_auth` (RFC 3261 22). */
export class TrunkAuth {
  constructor(private readonly options: TrunkAuthOptions) {}

  /** Never rejects: what cannot be checked is refused. */
  async prove(invite: SipInvite, trunk: Trunk): Promise<TrunkProof> {
    const { verifier, passwordOf } = this.options
    const { inbound_auth: auth } = trunk
    if (auth === null) return { result: 'refused', why: `trunk ${trunk.id} has no inbound_auth` }
    const { method, uri, body, sourceAddress: source } = invite
    const request = { realm: auth.realm, authorization: authorizationOf(invite), method, uri, body, source }
    const challenge = (stale: boolean): TrunkProof => this.challenge(auth.realm, { stale, source })
    try {
      const verified = await verifier.verify(request, async (username) => {
        const password = await passwordOf(trunk)
        return username === auth.username ? password : undefined
      })
      if (verified.result === 'ok') return { result: 'proven' }
      if (verified.result === 'stale') return challenge(true)
      if (verified.code === 'absent') return challenge(false)
      // Whoever knows the password can answer a new nonce, whoever has only overheard these credentials cannot.
      return verified.code === 'replayed' ? challenge(true) : { result: 'refused', why: verified.why }
    } catch {
      // The error may name what was shown.
      return { result: 'refused', why: `the password of trunk ${trunk.id} cannot be read` }
    }
  }

  private challenge(realm: string, how: { readonly stale: boolean; readonly source: string }): TrunkProof {
    const { verifier, metrics } = this.options
    metrics.challenges.inc({ of: 'trunk' })
    return { result: 'challenge', headers: headerLines('WWW-Authenticate', verifier.challenge(realm, how)) }
  }
}
