import { parseNameAddrList, parseUri } from '../engine/index.js'
import { type DigestExchange, type DigestRequest, isChallenge } from '../trunks/digest/exchange.js'
import { MAX_ADDRESS_BYTES } from './guard.js'
import { toBytes } from './header-value.js'
import type { LegCredentials } from './leg-credentials.js'
import type {
  ByeChallenged,
  DialogEnd,
  DialogEvents,
  DialogRequest,
  HeaderMap,
  RequestFailure,
  RequestOutcome,
  SipDialog,
  SipMessage,
  SipRequest,
} from './sip-server.js'

/** How often one request is sent at most, whatever it is answered. */
const MAX_SENDS = 6

/** Requests whose Contact says where further ones go (RFC 3261 12.2, RFC 3311 5.1). */
const refreshesTarget = (method: string): boolean => method === 'INVITE' || method === 'UPDATE'

/** A dialog whose requests answer challenges, and show credentials ahead where they may. */
export class AuthenticatedDialog implements SipDialog {
  /** Where the far end wants requests: their Request-URI (RFC 3261 12.2.1.1). */
  #remoteTarget: string | undefined
  /** The host of the route that requests take first; undefined: they go to the remote target. */
  readonly #route: string | undefined

  /** @param established what made the dialog: the 2xx to our INVITE; undefined: nothing is known of where it leads */
  constructor(
    private readonly dialog: SipDialog,
    private readonly credentials: LegCredentials,
    established: Pick<SipMessage, 'header'> | undefined,
  ) {
    this.#remoteTarget = urisOf(established?.header('contact'))[0]
    const recorded = established?.header('record-route')
    // A route that cannot be read leads to nobody we know.
    this.#route = recorded === undefined ? undefined : (hostOf(urisOf(recorded).at(-1) ?? '') ?? '')
  }

  get callId(): string {
    return this.dialog.callId
  }

  listen(events: DialogEvents): void {
    this.dialog.listen(new RefreshedBy(this, events))
  }

  /** Takes over from a request of the far end where it wants ours. */
  follow(request: SipRequest): void {
    if (refreshesTarget(request.method)) this.refresh(request)
  }

  request(request: DialogRequest, done: (failure: RequestFailure | undefined, outcome?: RequestOutcome) => void): void {
    const { method, body } = request
    const send = (uri: string, exchange: DigestExchange | undefined, sends: number): void => {
      this.dialog.request({ ...request, headers: { ...request.headers, ...exchange?.headers } }, (failure, outcome) => {
        if (outcome === undefined) return done(failure)
        const { response, requestUri } = outcome
        if (response.status < 300 && refreshesTarget(method)) this.refresh(response)
        if (!isChallenge(response.status)) {
          exchange?.ended(response)
          return done(undefined, outcome)
        }
        this.answer({ method, uri, body }, exchange, outcome, sends, (next) => {
          if (next === undefined) done(undefined, outcome)
          else send(requestUri, next, sends + 1)
        })
      })
    }
    const uri = this.#remoteTarget ?? ''
    send(uri, this.begin({ method, uri, body }), 1)
  }

  bye(headers: HeaderMap, done?: (outcome?: RequestOutcome) => void, challenged?: ByeChallenged): void {
    let request: DigestRequest = { method: 'BYE', uri: this.#remoteTarget ?? '', body: '' }
    let exchange = this.begin(request)
    let sends = 1
    this.dialog.bye(
      { ...headers, ...exchange?.headers },
      (outcome) => {
        if (outcome !== undefined && !isChallenge(outcome.response.status)) exchange?.ended(outcome.response)
        done?.(outcome)
      },
      (outcome, again) => {
        this.answer(request, exchange, outcome, sends, (next) => {
          if (next === undefined && challenged !== undefined) return challenged(outcome, again)
          if (next === undefined) return again(undefined)
          request = { ...request, uri: outcome.requestUri }
          exchange = next
          sends += 1
          again({ ...headers, ...next.headers })
        })
      },
    )
  }

  private begin(request: DigestRequest): DigestExchange | undefined {
    const target = this.#remoteTarget
    if (target === undefined) return undefined
    return this.credentials.begin(request, this.#route ?? hostOf(target))
  }

  /** Takes a challenge; `done` with what the request is to be sent again with, or nothing. */
  private answer(
    request: DigestRequest,
    exchange: DigestExchange | undefined,
    { response, requestUri }: RequestOutcome,
    sends: number,
    done: (exchange: DigestExchange | undefined) => void,
  ): void {
    if (sends >= MAX_SENDS) return done(undefined)
    // Credentials cover the Request-URI: those for another one, which the far end has moved from, begin anew.
    const begun = request.uri === requestUri ? exchange : undefined
    this.credentials.answer({ ...request, uri: requestUri }, response, begun, (answer) =>
      done('exchange' in answer ? answer.exchange : undefined),
    )
  }

  private refresh(message: Pick<SipMessage, 'header'>): void {
    this.#remoteTarget = urisOf(message.header('contact'))[0] ?? this.#remoteTarget
  }
}

/** Tells a dialog of requests before anybody else. */
class RefreshedBy implements DialogEvents {
  constructor(
    private readonly dialog: AuthenticatedDialog,
    private readonly events: DialogEvents,
  ) {}

  request(request: SipRequest): void {
    this.dialog.follow(request)
    this.events.request(request)
  }

  acknowledged(ack: SipMessage): void {
    this.events.acknowledged(ack)
  }

  ended(end: DialogEnd): void {
    this.events.ended(end)
  }
}

/** URIs of a list of addresses; none when it is absent, too long or malformed. */
function urisOf(value: string | undefined): string[] {
  if (value === undefined) return []
  const bytes = toBytes(value)
  return bytes.length > MAX_ADDRESS_BYTES ? [] : (parseNameAddrList(bytes)?.map(({ uri }) => uri) ?? [])
}

function hostOf(uri: string): string | undefined {
  const parsed = parseUri(uri)
  return parsed !== undefined && 'host' in parsed ? parsed.host : undefined
}
