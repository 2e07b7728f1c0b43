import { parseAddress } from '../model/network.js'
import { challengedRealms } from '../trunks/digest/client-exchange.js'
import type { DigestExchange, DigestRequest } from '../trunks/digest/exchange.js'
import type { TrunkIdentity } from '../trunks/trunk-identities.js'
import type { SipResponse } from './sip-server.js'

/** What comes of a challenge: the exchange whose headers the request is sent again with, or why it is not. */
export type ChallengeAnswer = { readonly exchange: DigestExchange } | { readonly why: string }

/**
 * Who we are on one leg, and whom we tell. A trunk's credentials are computed for nobody but that trunk's own servers: whoever may
 * challenge us with a nonce of his choice can try passwords on the answer for as long as he likes.
 */
export interface LegCredentials {
  /** What is shown with a request ahead of any challenge; undefined: nothing. `hop`: host it is sent to, where that is known. */
  begin(request: DigestRequest, hop: string | undefined): DigestExchange | undefined
  /**
   * Answers a 401 or 407.
   * @param exchange what was begun with for this very request
   * @param done called once
   */
  answer(
    request: DigestRequest,
    response: SipResponse,
    exchange: DigestExchange | undefined,
    done: (answer: ChallengeAnswer) => void,
  ): void
}

/** Whether somebody who challenges us may have an answer. */
export interface ChallengePolicy {
  /** @param realms of the challenges that could be answered; with none there is nothing to give away */
  mayAnswer(response: Pick<SipResponse, 'sourceAddress'>, realms: readonly string[]): boolean
}

/** Realms of one leg that are remembered. */
const MAX_REALMS = 16

/** One spelling for each address. */
function addressKey(text: string): string {
  const host = text.toLowerCase()
  const address = parseAddress(host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host)
  return address === undefined ? host : `${address.family} ${address.bits}`
}

/**
 * On a leg we placed by way of a trunk: those may ask whom the INVITE was sent to, and other servers of the trunk for a realm that it
 * has had an answer for. The realm alone proves nothing: a callee that the dialog leads to directly knows it as well as we do.
 */
export class PlacedPolicy implements ChallengePolicy {
  readonly #hosts: Set<string>
  readonly #realms = new Set<string>()

  constructor(private readonly identity: Pick<TrunkIdentity, 'session' | 'hosts' | 'allows'>) {
    this.#hosts = new Set(identity.hosts.map(addressKey))
  }

  /** The INVITE was sent to that host, or answered from there. */
  sentTo(host: string): void {
    this.#hosts.add(addressKey(host))
  }

  /** Challenges for these realms have been answered. */
  answered(realms: readonly string[]): void {
    for (const realm of realms) if (this.#realms.size < MAX_REALMS) this.#realms.add(realm)
  }

  /** Whether credentials may be shown there before they are asked for. */
  mayShow(host: string | undefined): boolean {
    return host !== undefined && this.#hosts.has(addressKey(host))
  }

  mayAnswer({ sourceAddress }: Pick<SipResponse, 'sourceAddress'>, realms: readonly string[]): boolean {
    return this.mayShow(sourceAddress) || (this.identity.allows(sourceAddress) && this.knows(realms))
  }

  /** Whether this trunk has had an answer for all these realms. */
  knows(realms: readonly string[]): boolean {
    return realms.every((realm) => this.#realms.has(realm) || this.identity.session.knows(realm))
  }
}

/**
 * On a leg that came from a trunk: those alone may ask whose address is one of the trunk's servers, for a realm that this trunk has
 * had an answer for. Who called may have borrowed the trunk's address.
 */
export class ReceivedPolicy implements ChallengePolicy {
  readonly #addresses: ReadonlySet<string>

  constructor(
    private readonly session: Pick<TrunkIdentity['session'], 'knows'>,
    addresses: readonly string[],
  ) {
    this.#addresses = new Set(addresses.map(addressKey))
  }

  mayAnswer({ sourceAddress }: Pick<SipResponse, 'sourceAddress'>, realms: readonly string[]): boolean {
    return this.#addresses.has(addressKey(sourceAddress)) && realms.every((realm) => this.session.knows(realm))
  }
}

/** The credentials of a leg we placed by way of a trunk. */
export class PlacedLeg implements LegCredentials {
  readonly policy: PlacedPolicy

  constructor(private readonly identity: TrunkIdentity) {
    this.policy = new PlacedPolicy(identity)
  }

  begin(request: DigestRequest, hop: string | undefined): DigestExchange | undefined {
    const { session, credentials } = this.identity
    return this.policy.mayShow(hop) ? session.begin(request, credentials) : undefined
  }

  answer(
    request: DigestRequest,
    response: SipResponse,
    exchange: DigestExchange | undefined,
    done: (answer: ChallengeAnswer) => void,
  ): void {
    const { identity, policy } = this
    const realms = challengedRealms(response)
    const judge = (): void => {
      const answer = answerIf(policy, identity, realms, request, response, exchange)
      if ('exchange' in answer) policy.answered(realms)
      done(answer)
    }
    if (policy.mayAnswer(response, realms) || !policy.knows(realms)) return judge()
    // Perhaps another one of the trunk's servers.
    identity
      .addresses()
      .then((addresses) => {
        for (const address of addresses) policy.sentTo(address)
        judge()
      })
      // Who is told has handlers of his own for what goes wrong there; nothing may end the process.
      .catch(() => {})
  }
}

/** The credentials of a leg that came from a trunk: looked up when they are asked for, shown ahead to nobody. */
export class ReceivedLeg implements LegCredentials {
  constructor(private readonly find: () => Promise<TrunkIdentity>) {}

  begin(): undefined {
    return undefined
  }

  answer(
    request: DigestRequest,
    response: SipResponse,
    exchange: DigestExchange | undefined,
    done: (answer: ChallengeAnswer) => void,
  ): void {
    const answer = async (): Promise<ChallengeAnswer> => {
      const realms = challengedRealms(response)
      const identity = await this.find()
      const policy = new ReceivedPolicy(identity.session, await identity.addresses())
      return answerIf(policy, identity, realms, request, response, exchange)
    }
    answer()
      .catch((error: unknown) => ({ why: error instanceof Error ? error.message : String(error) }))
      .then(done)
      // Who is told has handlers of his own for what goes wrong there; nothing may end the process.
      .catch(() => {})
  }
}

function answerIf(
  policy: ChallengePolicy,
  identity: TrunkIdentity,
  realms: readonly string[],
  request: DigestRequest,
  response: SipResponse,
  begun: DigestExchange | undefined,
): ChallengeAnswer {
  if (!policy.mayAnswer(response, realms))
    return { why: `challenged by ${response.sourceAddress}, which is no server of this trunk` }
  const exchange = begun ?? identity.session.begin(request, identity.credentials, { ahead: false })
  const challenged = exchange.challenged(response)
  if (challenged.answered) return { exchange }
  if (challenged.code === 'refused') identity.refused()
  const unreadable = challenged.code === 'no-credentials' ? identity.problem : undefined
  return { why: unreadable === undefined ? challenged.why : `the trunk's password cannot be read: ${unreadable}` }
}
