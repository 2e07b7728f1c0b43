import type { Agent } from '../model/agent.js'
import { MAX_HELD_AGAINST } from '../routing/identify-agent.js'
import { headerLines } from '../trunks/digest/header-lines.js'
import type { DigestVerifier, Verified } from '../trunks/digest/verifier.js'
import type { HeaderMap, SipInvite } from './sip-server.js'

/** What a caller's credentials prove. */
export type Proof =
  | { readonly result: 'agent'; readonly agent: Agent }
  /** None that count now: the headers of the 401 that asks for them. `absent`: none at all for our realm. */
  | { readonly result: 'challenge'; readonly headers: HeaderMap; readonly absent: boolean }
  /** Wrong ones, or of nobody: which of the two is not told. */
  | { readonly result: 'refused'; readonly why: string }
  | { readonly result: 'unavailable'; readonly why: string }

export interface AgentAuthOptions {
  readonly verifier: Pick<DigestVerifier, 'challenge' | 'verify'>
  /** The agents that may be behind a digest user name, at most `MAX_HELD_AGAINST`. */
  behind(username: string, listed: readonly Agent[]): readonly Agent[]
  /** The agent's password; undefined when it has none. Rejects when that cannot be told. */
  passwordOf(agent: Agent): Promise<string | undefined>
}

/** The realm of agents. */
export const AGENT_REALM = 'signalbox'

/** Whether an INVITE shows credentials of any kind. */
export const showsCredentials = (invite: SipInvite): boolean => authorizationOf(invite) !== undefined

/** We are where the call ends for the agent, and ask with 401; some take us for a proxy all the same. */
export const authorizationOf = (invite: SipInvite): string | undefined =>
  invite.header('authorization') ?? invite.header('proxy-authorization')

/** Proves by digest which agent calls (RFC 3261 22). */
export class AgentAuth {
  constructor(private readonly options: AgentAuthOptions) {}

  /** @param listed the agents that the presented number lists; else anybody of the user name shown. Never rejects. */
  async prove(invite: SipInvite, listed: readonly Agent[]): Promise<Proof> {
    try {
      return await this.tryAll(invite, listed)
    } catch {
      // The error may name what was shown.
      return { result: 'unavailable', why: 'the password of the agent cannot be read' }
    }
  }

  /**
   * Agents of several accounts may have the same user name: each is held against what is shown. What is wrong is held against as many,
   * so that nobody learns from the time it takes whose name exists.
   */
  private async tryAll(invite: SipInvite, listed: readonly Agent[]): Promise<Proof> {
    const { verifier, behind, passwordOf } = this.options
    const { method, uri, body, sourceAddress: source } = invite
    // As text: user names are hashed as their UTF-8.
    const request = { realm: AGENT_REALM, authorization: authorizationOf(invite), method, uri, body, source }
    let agents: readonly Agent[] = []
    for (let tried = 0; ; tried++) {
      const verified = await verifier.verify(request, (username) => {
        agents = behind(username, listed)
        const agent = agents[tried]
        return agent && passwordOf(agent)
      })
      const agent = agents[tried]
      if (verified.result === 'ok' && agent !== undefined) return { result: 'agent', agent }
      const isDenied = verified.result === 'refused' && verified.code === 'denied'
      if (!isDenied || tried + 1 >= MAX_HELD_AGAINST) return this.failed(verified, source)
    }
  }

  private failed(verified: Verified, source: string): Proof {
    // Whoever knows the password can answer a new nonce, whoever has only overheard these credentials cannot.
    if (verified.result !== 'refused' || verified.code === 'replayed') return this.challenge({ stale: true, source })
    if (verified.code === 'absent') return this.challenge({ stale: false, source })
    return { result: 'refused', why: verified.why }
  }

  private challenge(how: { readonly stale: boolean; readonly source: string }): Proof {
    const headers = headerLines('WWW-Authenticate', this.options.verifier.challenge(AGENT_REALM, how))
    return { result: 'challenge', headers, absent: !how.stale }
  }
}
