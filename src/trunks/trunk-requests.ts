import { randomBytes, randomUUID } from 'node:crypto'
import type { Clock } from '../engine/index.js'
import {
  type Challenged,
  type Credentials,
  type DigestExchange,
  type DigestRequest,
  isChallenge,
} from './digest/exchange.js'
import { SipServerAway, type ClientRequest, type ClientResponse, type SipClient } from './sip-client.js'
import type { Target } from './target.js'

/** One request outside dialogs to one server of a trunk. */
export interface TrunkRequest {
  readonly trunkId: string
  readonly method: string
  /** Request-URI. */
  readonly uri: string
  /** From (without a tag), To, Contact, Route and whatever else it carries; not Call-ID, CSeq or credentials. */
  readonly headers: Readonly<Record<string, string>> & { readonly From: string }
  /** Every try goes there. */
  readonly target: Target
  /** What challenges are answered with; undefined: with nothing. */
  readonly credentials: Credentials | undefined
  /** Default: one of its own. */
  readonly callId?: string
  /** The tag of From. Default: one of its own. */
  readonly fromTag?: string
  /**
   * Asked before each send for a number above all that were sent with this Call-ID; 1 to 2**31 - 1. Default: 1, 2, 3 ...
   * What it rejects with ends the request.
   */
  readonly nextCseq?: () => Promise<number>
  /** Milliseconds the server may be wholly silent; absent: the time of RFC 3261. */
  readonly silenceMs?: number
  /** Challenges that are answered at most. Default and ceiling 6. */
  readonly maxRetries?: number
}

/** What came of a request. */
export interface TrunkAnswer {
  /** The final response; 408 for silence, a 503 whose `sent` is false when it could not be sent. */
  readonly response: ClientResponse & { readonly sent: boolean }
  /** Why the last 401 or 407 was not answered; undefined when there was none. */
  readonly refused?: Extract<Challenged, { answered: false }>
  /** How often it was sent. More than once: the server has answered, whatever came last. */
  readonly sends: number
}

/** Where the credentials of one request begin: with what the trunk's servers asked for lately (`digest/`). */
export interface Sessions {
  of(trunkId: string): { begin(request: DigestRequest, credentials: Credentials | undefined): DigestExchange }
}

const MAX_RETRIES = 6
/** Beyond timer F of RFC 3261 (32 s) no answer comes any more: not even the SIP server's own in its place. */
const MAX_ANSWER_MS = 40_000

/** Sends requests outside dialogs to trunks, answering their challenges. */
export class TrunkRequests {
  private readonly client: SipClient
  private readonly sessions: Sessions
  private readonly clock: Clock

  constructor({ client, sessions, clock }: { client: SipClient; sessions: Sessions; clock: Clock }) {
    this.client = client
    this.sessions = sessions
    this.clock = clock
  }

  /**
   * Sends the request, with credentials ahead when they are known, and again for each challenge that can be answered: to the same
   * target, with the same Call-ID and From tag and the next CSeq (RFC 3261 22.2).
   * @throws {SipServerAway} when the SIP server is away, or says nothing within 40 s
   * @throws {Error} when it refuses the request, or no CSeq is given
   */
  async send(request: TrunkRequest): Promise<TrunkAnswer> {
    const { method, uri, target, silenceMs, callId = randomUUID() } = request
    const fromTag = request.fromTag ?? randomBytes(8).toString('hex')
    const nextCseq = request.nextCseq ?? counter()
    const retries = Math.min(request.maxRetries ?? MAX_RETRIES, MAX_RETRIES)
    const exchange = this.sessions.of(request.trunkId).begin({ method, uri, body: '' }, request.credentials)
    const fixed = { ...request.headers, From: `${request.headers.From};tag=${fromTag}`, 'Call-ID': callId }
    for (let sends = 1; ; sends++) {
      const cseq = await nextCseq()
      const response = await this.answerTo({
        method,
        uri,
        headers: { ...fixed, CSeq: `${cseq} ${method}`, ...exchange.headers },
        target,
        ...(silenceMs === undefined ? {} : { silenceMs }),
      })
      if (!isChallenge(response.status)) {
        exchange.ended(response)
        return { response, sends }
      }
      const challenged = exchange.challenged(response)
      if (!challenged.answered) return { response, refused: challenged, sends }
      if (sends > retries)
        return { response, sends, refused: { answered: false, code: 'refused', why: `challenged ${sends} times` } }
    }
  }

  private answerTo(request: ClientRequest): ReturnType<SipClient['request']> {
    return new Promise((resolve, reject) => {
      const timer = this.clock.after(MAX_ANSWER_MS, () => reject(new SipServerAway('the SIP server gave no answer')))
      this.client
        .request(request)
        .then(resolve, reject)
        .finally(() => timer.cancel())
    })
  }
}

function counter(): () => Promise<number> {
  let cseq = 0
  return () => Promise.resolve((cseq += 1))
}
