import { parseUri } from '../engine/index.js'
import type { Trunk } from '../model/trunk.js'
import type { DigestExchange } from '../trunks/digest/exchange.js'
import type { TrunkIdentityFinder } from '../trunks/trunk-identities.js'
import { AuthenticatedDialog } from './authenticated-dialog.js'
import { PlacedLeg } from './leg-credentials.js'
import { withLongerTimer } from './session-timers.js'
import type {
  HeaderMap,
  OutgoingInvite,
  OutgoingInviteEvents,
  OutgoingInviteOptions,
  PendingOffer,
  SipInvite,
  SipResponse,
  SipServer,
} from './sip-server.js'
import type { TrunkInviter } from './trunk-dial.js'

/** Raises of the CSeq for one INVITE: one for each try after the first. */
const MAX_RETRIES = 6

/** Sends INVITEs to trunks and answers their challenges, on the INVITE and in the dialog that comes of it. */
export class AuthenticatedInvites implements TrunkInviter {
  constructor(
    private readonly server: Pick<SipServer, 'invite'>,
    private readonly identities: TrunkIdentityFinder,
  ) {}

  /**
   * Sends an INVITE as `SipServer.invite` does. A challenge is answered once (RFC 3261 22.2): with the same Call-ID, From and its tag,
   * the next CSeq, to the server that challenged. The caller's events see one INVITE; `why` of a refused one says what was wrong.
   * @param options its headers have Call-ID, From with a tag, and CSeq, which is raised by at most 6
   */
  invite(
    trunk: Trunk,
    uri: string,
    options: OutgoingInviteOptions,
    origin: SipInvite | undefined,
    events: OutgoingInviteEvents,
  ): void {
    this.identities
      .of(trunk)
      .then((identity) => {
        // Who we are may have taken a while to find: a phone must not ring for somebody who has hung up.
        if (events.wanted?.() === false) return events.failed('given up before it was sent', undefined)
        new InviteInTries(this.server, new PlacedLeg(identity), uri, options, origin, events).send()
      })
      .catch((error: unknown) => events.failed(error instanceof Error ? error.message : String(error), undefined))
  }
}

/** One INVITE, through all its tries. */
class InviteInTries {
  #options: OutgoingInviteOptions
  #exchange: DigestExchange | undefined
  #tries = 0
  /** The try that is on the wire. */
  #invite: OutgoingInvite | undefined
  #cancelled: HeaderMap | undefined
  /** Those of every try, but for CSeq and credentials. */
  #headers: HeaderMap
  readonly #cseq: number

  constructor(
    private readonly server: Pick<SipServer, 'invite'>,
    private readonly leg: PlacedLeg,
    private readonly uri: string,
    private readonly given: OutgoingInviteOptions,
    private readonly origin: SipInvite | undefined,
    private readonly events: OutgoingInviteEvents,
  ) {
    this.#options = given
    this.#headers = given.headers
    this.#cseq = Number.parseInt(given.headers['CSeq'] ?? '1', 10)
    const hop = hostOf(given.proxy ?? uri)
    if (hop !== undefined) leg.policy.sentTo(hop)
    this.#exchange = leg.begin({ method: 'INVITE', uri, body: given.body }, hop)
  }

  send(): void {
    const headers = this.#headers
    const cseq = `${this.#cseq + this.#tries} INVITE`
    this.#tries += 1
    this.#invite = undefined
    const options = { ...this.#options, headers: { ...headers, CSeq: cseq, ...this.#exchange?.headers } }
    this.server.invite(this.uri, options, this.origin, {
      sent: (invite) => this.sent(invite),
      provisional: (response) => this.events.provisional(response),
      answered: (dialog, response) => {
        this.ended(response)
        this.events.answered(new AuthenticatedDialog(dialog, this.leg, response), response)
      },
      offered: (offer, response) => {
        this.ended(response)
        this.events.offered(new AuthenticatedOffer(offer, this.leg, response), response)
      },
      failed: (why, response) => this.failed(why, response),
    })
  }

  private sent(invite: OutgoingInvite): void {
    this.#invite = invite
    if (this.#cancelled !== undefined) invite.cancel(this.#cancelled)
    if (this.#tries > 1) return
    this.events.sent({ callId: invite.callId, cancel: (headers) => this.cancel(headers) })
  }

  private cancel(headers: HeaderMap): void {
    if (this.#cancelled !== undefined) return
    this.#cancelled = headers
    this.#invite?.cancel(headers)
  }

  private ended(response: SipResponse): void {
    this.#exchange?.ended(response)
    this.leg.policy.sentTo(response.sourceAddress)
  }

  private failed(why: string, response: SipResponse | undefined): void {
    if (response?.status === 422 && this.mayRetry) {
      const longer = withLongerTimer(this.#headers, response)
      if (longer !== undefined) {
        this.#headers = longer
        return this.send()
      }
    }
    if (response?.status !== 401 && response?.status !== 407) {
      if (response !== undefined) this.#exchange?.ended(response)
      return this.events.failed(why, response)
    }
    if (!this.mayRetry) return this.events.failed(why, response)
    const { uri, given } = this
    // By a name the INVITE may have gone to any server: who answered it is the one that challenges.
    if (given.proxy === undefined || !isAddress(given.proxy)) this.leg.policy.sentTo(response.sourceAddress)
    this.leg.answer({ method: 'INVITE', uri, body: given.body }, response, this.#exchange, (answer) => {
      if (!('exchange' in answer)) return this.events.failed(answer.why, response)
      // Its servers may have had to be looked up.
      if (this.#cancelled !== undefined) return this.events.failed(why, response)
      this.#exchange = answer.exchange
      this.#options = { ...given, proxy: this.pinned(response) }
      this.send()
    })
  }

  private get mayRetry(): boolean {
    return this.#cancelled === undefined && this.#tries <= MAX_RETRIES
  }

  /** The next hop of the retry: the server that challenged, and no other one behind the same name. */
  private pinned({ sourceAddress, sourcePort, protocol }: SipResponse): string {
    const { proxy } = this.given
    if (proxy !== undefined && isAddress(proxy)) return proxy
    const host = sourceAddress.includes(':') ? `[${sourceAddress}]` : sourceAddress
    return `sip:${host}:${sourcePort};transport=${protocol}`
  }
}

/** A far end's offer, whose dialog answers challenges. */
class AuthenticatedOffer implements PendingOffer {
  constructor(
    private readonly offer: PendingOffer,
    private readonly leg: PlacedLeg,
    private readonly response: SipResponse,
  ) {}

  get callId(): string {
    return this.offer.callId
  }

  onEnd(listener: Parameters<PendingOffer['onEnd']>[0]): void {
    this.offer.onEnd(listener)
  }

  acknowledge(body: string, done: Parameters<PendingOffer['acknowledge']>[1]): void {
    this.offer.acknowledge(body, (error, dialog) => {
      if (dialog === undefined) done(error)
      else done(error, new AuthenticatedDialog(dialog, this.leg, this.response))
    })
  }

  abandon(done?: () => void): void {
    this.offer.abandon(done)
  }
}

function hostOf(uri: string): string | undefined {
  const parsed = parseUri(uri)
  return parsed !== undefined && 'host' in parsed ? parsed.host : undefined
}

/** Whether the URI's host is an address: one server. */
function isAddress(uri: string): boolean {
  const host = hostOf(uri)
  return host !== undefined && /^(?:\[.*\]|[0-9.]+)$/.test(host)
}
